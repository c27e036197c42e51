"""`acknowledge` as a mapping: later, not at all where somebody answered first, and in other words outside working hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from builders import Room, mail

from maild import casework
from maild.desk import Desk
from maild.model.outbox import OutboxEntry, OutboxState
from maild.store import cases
from maild.store.unit_of_work import Store

Rooms = Callable[..., Room]
OFFICE = {"calendars": {"office": {"hours": {"mon-fri": "09:00-17:00"}}}}


def having(store: Store, rooms: Rooms, acknowledge: Any) -> Room:
    return rooms(store, main={"mailboxes": {"support": {"acknowledge": acknowledge}}}, sla=OFFICE)


def acknowledgements(room: Room) -> list[OutboxEntry]:
    return [entry for entry in room.outgoing() if entry.message.kind.value == "acknowledgement"]


def answer(room: Room, number: int | None) -> None:
    assert number is not None
    with room.store.write() as connection:
        case = cases.get(connection, number, lock=True)
        assert case is not None
        casework.reply(Desk(room.office, connection, room.now), case, "alice", "It is in your basket.")


def test_the_acknowledgement_waits_and_is_not_sent_where_the_case_was_answered(store: Store, rooms: Rooms) -> None:
    room = having(store, rooms, {"template": "acknowledgement", "after": "3m", "unless_answered": True})
    number = room.receive(mail()).case
    (waiting,) = acknowledgements(room)
    assert waiting.next_at == room.now + timedelta(minutes=3)
    answer(room, number)
    (left_out,) = acknowledgements(room)
    assert left_out.state is OutboxState.DISCARDED
    assert left_out.reason == "the case was answered or ended before the acknowledgement went out"
    shown = room.case(number)
    assert [message["kind"] for message in shown["messages"]] == ["customer", "answer"]
    assert any(entry["text"].startswith("no automatic answer: the case was answered") for entry in shown["stream"])


def test_it_goes_out_all_the_same_where_that_is_wanted(store: Store, rooms: Rooms) -> None:
    room = having(store, rooms, {"after": "3m", "unless_answered": False})
    answer(room, room.receive(mail()).case)
    assert [entry.state for entry in acknowledgements(room)] == [OutboxState.PENDING]


def test_mail_outside_working_hours_is_acknowledged_in_other_words(store: Store, rooms: Rooms) -> None:
    room = having(store, rooms, {"outside": {"office": "reminder"}})
    for hour, words in ((10, "thank you for your message"), (20, "we are still waiting for your answer")):
        room.now = datetime(2026, 11, 24, hour, tzinfo=UTC)
        room.receive(mail(sender=f"h{hour}@y.example"))
        assert words in acknowledgements(room)[-1].message.text


def test_a_rules_own_answer_does_not_wait(store: Store, rooms: Rooms) -> None:
    rules = [{"name": "At once", "when": {"mailbox": "support"}, "case": {}, "reply": "acknowledgement"}]
    room = rooms(store, rules=rules, main={"mailboxes": {"support": {"acknowledge": {"after": "3m"}}}})
    room.receive(mail())
    assert [entry.next_at for entry in acknowledgements(room)] == [room.now]
