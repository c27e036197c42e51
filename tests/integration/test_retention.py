"""`retention` of maild.yaml: what is kept for how long, and what stays when its time is over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from builders import Room, mail

from maild import casework, parts
from maild.desk import Desk
from maild.model.case import Status
from maild.model.outbox import PartRef
from maild.model.spool import SpoolState
from maild.schedule import retention, simulate
from maild.settings.models import Retention
from maild.store import audit, cases, decided
from maild.store.unit_of_work import Store

HOLD = [{"name": "Held", "when": {"subject": {"contains": "odd"}}, "hold": True}]


@pytest.fixture
def room(store: Store, rooms: Callable[..., Room]) -> Room:
    return rooms(store, rules=HOLD)


def close(room: Room, number: int | None) -> None:
    assert number is not None
    with room.store.write() as connection:
        desk = Desk(room.office, connection, room.now)
        for status in (Status.OPEN, Status.RESOLVED, Status.CLOSED):
            case = cases.get(connection, number, lock=True)
            assert case is not None
            casework.change(desk, case, {"status": status}, "alice")


def sweep(room: Room, *, days: float, **kept: float) -> int:
    room.now += timedelta(days=days)
    ages = {name: timedelta(days=age) for name, age in kept.items()}
    return retention.sweep(room.store, Retention.model_validate(ages), room.now)


def audited(room: Room) -> list[object]:
    with room.store.read() as connection:
        return list(audit.run(connection)[1])


def test_simulate_foretells_what_will_be_removed(store: Store, rooms: Callable[..., Room]) -> None:
    room = rooms(store, rules=HOLD, main={"retention": {"raw": "30d", "held": "10d", "closed_cases": "60d"}})
    close(room, room.receive(mail()).case)
    room.receive(mail(subject="odd"))

    def foretold(days: float) -> list[str]:
        done = simulate.run(room.office.settings, room.store, room.now, room.now + timedelta(days=days))
        return [one.action for one in done if one.by == "retention"]

    assert foretold(9) == []
    assert foretold(11) == ["1 held mails are removed"]
    assert foretold(61) == [
        "the bytes of 1 mails as they came are removed", "1 held mails are removed",
        "1 closed cases are removed with all their mail",
    ]  # fmt: skip


def test_without_a_value_everything_is_kept(room: Room) -> None:
    close(room, room.receive(mail()).case)
    held = room.receive(mail(subject="odd"))
    assert sweep(room, days=5000) == 0
    assert room.entry(held.id).raw


def test_raw_mail_goes_after_its_time_but_never_that_of_an_open_case(room: Room) -> None:
    closed, still_open = room.receive(mail("One", subject="One")), room.receive(mail("Two", subject="Two"))
    close(room, closed.case)
    assert sweep(room, days=29, raw=30) == 0
    assert sweep(room, days=2, raw=30) == 1
    assert sweep(room, days=1, raw=30) == 0
    assert (room.entry(closed.id).raw, bool(room.entry(still_open.id).raw)) == (b"", True)
    shown = room.case(closed.case)
    assert any("One" in entry["text"] for entry in shown["stream"])
    with room.store.read() as connection:
        assert [seq for seq, _ in decided.numbers(connection)] == [still_open.seq]
    ref = PartRef(closed.id, 1, "a.txt", "text/plain", 3, inline=False, content_id="")
    assert parts.read(room.store, ref) == b"(this attachment is kept no longer)\r\n"
    assert audited(room) == []


def test_the_same_mail_again_is_still_known_after_its_bytes_are_gone(room: Room) -> None:
    same = mail("One")
    first = room.receive(same)
    close(room, first.case)
    sweep(room, days=31, raw=30)
    assert room.receive(same).id == first.id


def test_held_mail_that_nobody_decided_about_is_removed(room: Room) -> None:
    old = room.receive(mail(subject="odd one"))
    room.now += timedelta(days=20)
    young = room.receive(mail(subject="odd two"))
    assert sweep(room, days=5, raw=1) == 0  # its bytes are not to be decided without
    assert sweep(room, days=6, held=30) == 1
    entry = room.entry(old.id)
    assert (entry.state, entry.subject, entry.raw) == (SpoolState.ERASED, "", b"")
    assert entry.reason == "was held for as long as held mail is kept"
    assert room.entry(young.id).state is SpoolState.HELD
    assert audited(room) == []


def test_cases_closed_for_so_long_are_removed_and_an_answer_to_them_is_a_case_of_its_own(room: Room) -> None:
    old, young = room.receive(mail("One", subject="One")).case, room.receive(mail("Two", subject="Two")).case
    assert old is not None
    acknowledged = room.outgoing()[0]
    close(room, old)
    room.now += timedelta(days=300)
    close(room, young)
    assert sweep(room, days=66, closed_cases=365) == 1
    with room.store.read() as connection:
        assert cases.get(connection, old) is None
    answer = mail("And now?", headers=[f"In-Reply-To: {acknowledged.message.message_id}"])
    assert room.receive(answer).case not in (None, old, young)
    assert audited(room) == []


def test_more_than_fits_into_one_transaction_goes_in_one_sweep(room: Room) -> None:
    for number in range(retention.BATCH + 1):
        close(room, room.receive(mail(str(number), subject=f"Case {number}")).case)
    assert sweep(room, days=31, raw=30) == retention.BATCH + 1


def test_nothing_is_removed_by_a_clock_that_cannot_be_believed(room: Room) -> None:
    held = room.receive(mail(subject="odd"))
    kept = Retention.model_validate({"held": timedelta(days=30)})

    def hours(count: int) -> int:
        done = 0
        for _ in range(count):
            room.now += timedelta(hours=1)
            done += retention.keep_to(room.store, kept, room.now)
        return done

    assert hours(30) == 0
    right = room.now
    room.now += timedelta(days=3650)
    assert hours(23) == 0  # set right within a day
    room.now = right
    assert hours(48) == 0
    assert room.entry(held.id).raw
    room.now += timedelta(days=31)
    assert hours(30) == 1
