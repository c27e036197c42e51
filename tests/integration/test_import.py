"""`maild import`: old mail is filed as history, ends as asked, and can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import Room, mail, office

from maild import clock, history
from maild.model.case import Status
from maild.settling import later
from maild.store import imports, schema
from maild.store.unit_of_work import Store

TO = "support@example.com"


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    (tmp_path / "config").mkdir()
    return Room(store, office(tmp_path / "config", store), clock.now())


def ago(days: int) -> datetime:
    return clock.now() - timedelta(days=days)


def folder(tmp_path: Path, name: str, *mails: bytes) -> Path:
    path = tmp_path / name
    path.mkdir()
    for number, raw in enumerate(mails):
        (path / f"{number}.eml").write_bytes(raw)
    return path


def filed(room: Room, path: Path, **how: Any) -> tuple[int, dict[str, int]]:
    given: dict[str, Any] = {"status": Status.CLOSED, "live": False, "by": "root", "path": path, **how}
    return history.run(room.office.settings, room.store, history.find(path), TO, **given)


def counts(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return {
            table.name: len(connection.execute(table.select()).all()) for table in schema.metadata.sorted_tables
        }


def thread(first: int, *later: int, name: str = "jo") -> Sequence[bytes]:
    sender = f"{name}@{name}.example"
    begun = mail(sender=sender, subject=f"About {name}", message_id=f"{name}0@x.example", date=ago(first))
    return [
        begun,
        *(
            mail(
                f"More of it, {days}.\n", sender=sender, subject=f"Re: About {name}", date=ago(days),
                headers=[f"In-Reply-To: <{name}0@x.example>"],
            )
            for days in later
        ),
    ]  # fmt: skip


def test_cases_with_mail_since_then_end_open(room: Room, tmp_path: Path) -> None:
    mails = [*thread(400, 5, name="ann"), *thread(300, 200, name="bea"), *thread(3, name="cleo")]
    filed(room, folder(tmp_path, "old", *mails), open_since=ago(30))
    shown = [room.case(number) for number in room.numbers()]
    assert [(one["title"], one["status"], one["closed_at"]) for one in shown if one["status"] == "open"] == [
        ("About ann", "open", None), ("About cleo", "open", None),
    ]  # fmt: skip
    assert [(one["title"], one["status"]) for one in shown if one["status"] != "open"] == [("About bea", "closed")]
    assert room.outgoing() == []


def test_a_folder_of_sent_mail_is_the_agents_answers(room: Room, tmp_path: Path) -> None:
    filed(room, folder(tmp_path, "inbox", *thread(90)))
    sent = mail(
        "We have sent you a new one.\n", sender="Support <support@example.com>", to="jo@jo.example", date=ago(89),
        subject="Re: About jo", headers=["In-Reply-To: <jo0@x.example>"],
    )  # fmt: skip
    _, found = filed(room, folder(tmp_path, "sent", sent), agent="alice")
    assert (found["answers"], found["cases"]) == (1, 0)
    (number,) = room.numbers()
    shown = room.case(number)
    answer = shown["messages"][-1]
    assert (answer["direction"], answer["kind"]) == ("out", "answer")
    said = next(one for one in shown["stream"] if "a new one" in one["text"])
    assert (said["actor"], said["public"], said["type"]) == ("alice", True, "message")
    assert shown["status"] == "closed"
    assert shown["first_response_at"][:10] == ago(89).date().isoformat()
    assert room.outgoing() == []


def test_an_import_is_taken_back_and_can_be_made_anew(room: Room, tmp_path: Path) -> None:
    before = counts(room.store)
    old = folder(tmp_path, "old", *thread(50, 49), *thread(40, name="bea"))
    number, first = filed(room, old)
    assert (first["cases"], first["answers"]) == (2, 1)
    with room.store.write() as connection:
        undone = imports.undo(connection, number, "root", clock.now())
    assert undone == imports.Undone(cases=2, messages=3, kept=())
    assert {name: count for name, count in counts(room.store).items() if count != before[name]} == {"changes": 2}
    _, again = filed(room, old)
    assert (again["cases"], again["repeated"]) == (2, 0)


def test_a_case_that_was_worked_on_since_stays(room: Room, tmp_path: Path) -> None:
    number, _ = filed(room, folder(tmp_path, "old", *thread(50), *thread(40, name="bea")), status=Status.OPEN)
    joined = mail(sender="jo@jo.example", subject="Re: About jo", headers=["In-Reply-To: <jo0@x.example>"])
    kept = room.receive(joined, mail_from="jo@jo.example").case
    with room.store.write() as connection:
        undone = imports.undo(connection, number, "root", clock.now())
    assert undone == imports.Undone(cases=1, messages=1, kept=(kept,))
    assert room.numbers() == [kept]
    assert [one["from"]["email"] for one in room.case(kept)["messages"] if one["direction"] == "in"] == ["jo@jo.example"] * 2


def test_a_message_that_joined_an_older_case_is_taken_out_of_it(room: Room, tmp_path: Path) -> None:
    case = room.receive(mail(message_id="jo0@x.example", sender="jo@jo.example"), mail_from="jo@jo.example").case
    before = room.case(case)
    number, found = filed(room, folder(tmp_path, "old", thread(50, 40)[1]))
    assert found["answers"] == 1
    assert len(room.case(case)["messages"]) == len(before["messages"]) + 1
    with room.store.write() as connection:
        assert imports.undo(connection, number, "root", clock.now()) == imports.Undone(0, 1, ())
    assert [one["text"] for one in room.case(case)["stream"]] == [one["text"] for one in before["stream"]]


def test_what_would_become_of_an_import_is_counted_and_nothing_is_written(room: Room, tmp_path: Path) -> None:
    old = folder(tmp_path, "old", *thread(50, 49), *thread(40, name="bea"))
    before = counts(room.store)
    how: dict[str, Any] = {"status": Status.CLOSED, "live": False, "by": "root", "path": old}
    told = history.foretell(room.office.settings, room.store, history.find(old), TO, **how)
    assert counts(room.store) == before
    assert told == filed(room, old)[1]


def test_an_imported_mail_that_was_held_and_is_let_go_on_mails_nobody(room: Room, tmp_path: Path) -> None:
    from maild.store import spool

    path = folder(tmp_path, "old", mail(date=datetime(2024, 1, 8, 9, 0, tzinfo=UTC)))
    (raw,) = history.find(path)
    with room.store.write() as connection:
        number = imports.begin(connection, "root", str(path), room.now)
        ((spool_id, _),) = spool.accept(connection, [history._arrival(raw.raw(), TO, ("support",), "")], number)
        entry = spool.find(connection, spool_id)
        assert entry is not None
        spool.hold(connection, entry.seq, "import: a fault", room.now)
        spool.release(connection, entry.seq, "root")
    room.work()
    assert [room.case(one)["status"] for one in room.numbers()] == ["closed"]
    assert room.outgoing() == []


def test_old_mail_of_a_second_mailbox_tells_nobody_of_what_came_live_to_the_first(room: Room, tmp_path: Path) -> None:
    raw = mail(message_id="jo0@x.example", sender="jo@jo.example", date=ago(3))
    case = room.receive(raw, mail_from="jo@jo.example").case
    room.fresh()
    assert len(room.office.settings.main.mailboxes) > 1
    history.run(
        room.office.settings, room.store, history.find(folder(tmp_path, "old", raw)), "billing@example.com",
        status=Status.CLOSED, live=False, by="root", path=tmp_path / "old",
    )  # fmt: skip
    assert later.sweep(room.store, room.office, room.now) == 0
    assert (room.fresh(), room.case(case)["followers"]) == ([], [])


def test_an_import_is_taken_back_also_where_a_copy_for_another_mailbox_waits(room: Room, tmp_path: Path) -> None:
    (raw,) = thread(50)
    number, _ = filed(room, folder(tmp_path, "old", raw))
    room.put(raw, ["billing@example.com"])
    with room.store.write() as connection:
        assert imports.undo(connection, number, "root", clock.now()) == imports.Undone(cases=1, messages=1, kept=())
    assert later.sweep(room.store, room.office, room.now) == 0
