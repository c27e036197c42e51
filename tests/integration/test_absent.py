"""An agent who is away: their automatic mail is never the answer, and their manager hears of what waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders import TRUSTED, Room, daemons_at_once, header, mail

from maild.model.outbox import OutboxEntry
from maild.schedule import absent, beats
from maild.store import people
from maild.store.unit_of_work import Store

Rooms = Callable[..., Room]
NOTE = "I am out of the office until 1 December 2026. In urgent cases please contact my colleagues."


def having(store: Store, rooms: Rooms, **parts: Any) -> Room:
    """Case 1 is Bob's, and its customer waits."""
    room = rooms(store, rules=[{"name": "Bob's", "when": {"mailbox": "support"}, "case": {"assign": {"user": "bob"}}}], **parts)
    room.receive(mail("It smokes.", subject="The printer"))
    return room


def away(room: Room, text: str = NOTE, **how: Any) -> None:
    """Bob's mail answers the newest that he got."""
    about = [one for one in room.outgoing() if one.message.recipients == ("bob@example.com",)][-1]
    headers = [f"In-Reply-To: {header(about, 'Message-ID')}", "Auto-Submitted: auto-replied", *how.get("headers", [])]
    room.receive(
        mail(text, sender="Bob Roy <bob@example.com>", subject=f"Automatic reply: {about.message.subject}", headers=headers),
        mail_from=how.get("mail_from", "bob@example.com"),
    )
    room.fresh()


def told(room: Room, **later: float) -> list[OutboxEntry]:
    room.later(**later)
    beats.beat(room.store, room.office, room.now)
    return [one for one in room.fresh() if one.message.kind.value == "digest"]


def test_of_several_daemons_one_tells_the_manager(store: Store, rooms: Rooms) -> None:
    room = having(store, rooms)
    away(room)
    daemons_at_once(store, lambda one: absent.sweep(one, room.office, room.now))
    assert [one.message.recipients for one in room.fresh()] == [("carol@example.com",)]


def test_an_agents_out_of_office_is_never_the_answer_and_the_manager_is_told_once_a_day(store: Store, rooms: Rooms) -> None:
    room = having(store, rooms)
    away(room)
    case = room.case(1)
    assert (case["status"], case["first_response_at"]) == ("assigned", None)
    assert any(entry["text"].startswith("automatic mail of Bob Roy") for entry in case["stream"])
    (word,) = told(room)
    assert word.message.recipients == ("carol@example.com",)
    assert word.message.subject == "Bob Roy is away: 1 case waits for an answer"
    assert "their mail answers by itself since Monday 23 November, 11:00, and says until Tuesday 1 December." in word.message.text
    assert "[#1] The printer\n    assigned · medium · Jo Doe\n    waits since Monday 23 November, 11:00" in word.message.text
    assert "with its number in the subject, [#1], and #assign" in word.message.text
    assert room.case(1)["stream"][-1]["text"] == "absent: carol"
    assert told(room, hours=23) == []
    assert len(told(room, hours=1)) == 1
    assert told(room, days=8) == []  # the day that the mail named is over


def test_there_is_no_word_where_nothing_waits_or_the_agent_writes(store: Store, rooms: Rooms) -> None:
    room = having(store, rooms)
    notice = next(one for one in room.outgoing() if one.message.recipients == ("bob@example.com",))
    away(room)
    room.receive(
        mail("Please try again.", sender="bob@example.com", headers=[f"In-Reply-To: {header(notice, 'Message-ID')}"]),
        mail_from="bob@example.com",
    )
    room.receive(mail("And now?", subject="Re: [#1]", headers=[f"In-Reply-To: <{room.signed_id(1)}>"]))
    assert told(room, hours=1) == []  # he has answered: he is there
    away(room)
    room.receive(mail("Thanks!", subject="Re: [#1]", headers=[f"In-Reply-To: <{room.signed_id(1)}>"]))
    room.fresh()
    assert told(room, hours=1) == []  # bare thanks wait for nothing


def test_whoever_said_that_they_are_away_counts_as_well_and_a_manager_who_is_away_tells_the_admins(store: Store, rooms: Rooms) -> None:
    room = having(store, rooms, directory={"users": {"bob": {"away": True}}, "groups": {"support": {"manager": "bob"}}})
    room.fresh()
    (word,) = told(room)
    assert word.message.recipients == ("root@example.com",)
    assert "Bob Roy is away: directory.yaml says so." in word.message.text


@pytest.mark.parametrize("wanted", [True, False])
def test_away_from_auto_reply_marks_the_agent_away_until_the_day_named(store: Store, rooms: Rooms, wanted: bool) -> None:
    room = having(store, rooms, main={"agents": {"away_from_auto_reply": wanted}})
    away(room)
    with store.read() as connection:
        assert people.away(connection, room.now) == (frozenset({"bob"}) if wanted else frozenset())
    room.later(days=8, hours=12, minutes=59)  # 1 December, 23:59 in Berlin
    with store.read() as connection:
        assert people.away(connection, room.now) == (frozenset({"bob"}) if wanted else frozenset())
    room.later(minutes=1)
    with store.read() as connection:
        assert people.away(connection, room.now) == frozenset()


def test_a_forged_out_of_office_marks_nobody_away(store: Store, rooms: Rooms) -> None:
    trust = {"agents": {"away_from_auto_reply": True, "trust": {"authserv_id": "mx.example.com"}}}
    room = having(store, rooms, main=trust)
    forged = mail(NOTE, sender="bob@example.com", subject="Automatic reply: [#1] The printer", headers=["Auto-Submitted: auto-replied"])
    room.receive(forged, mail_from="eve@evil.example")
    room.fresh()
    assert told(room) == []
    proven = mail(NOTE, sender="bob@example.com", subject="Automatic reply: hi",
                  headers=["Auto-Submitted: auto-replied", TRUSTED.format("example.com")])  # fmt: skip
    room.receive(proven, mail_from="bob@example.com")
    assert len(told(room)) == 1
    with store.read() as connection:
        assert people.away(connection, room.now) == {"bob"}


@pytest.mark.parametrize(
    ("written", "gone"),
    [
        (True, True), (False, False), ("2026-11-23", True), ("until 2026-11-22", False), ("since 2026-11-24", False),
        ("2026-11-20..2026-11-23", True), ("2026-12-20..2027-01-02", False), (["2026-11-01", "2026-11-23..2026-11-25"], True),
    ],
)  # fmt: skip
def test_round_robin_passes_over_whom_directory_yaml_calls_away(store: Store, rooms: Rooms, written: Any, gone: bool) -> None:
    rules = [{"name": "In turn", "when": {"mailbox": "support"}, "case": {"assign": {"group": "support", "user": "round_robin"}}}]
    room = rooms(store, rules=rules, directory={"users": {"bob": {"away": written}}})
    for subject in ("One", "Two"):
        room.receive(mail(subject=subject))
    assert {room.case(1)["assignee"], room.case(2)["assignee"]} == ({"alice"} if gone else {"alice", "bob"})
