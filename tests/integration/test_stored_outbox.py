"""What the smarthost took is written down as sent, whatever fails afterwards: nobody is answered twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders import Room, mail

from maild import casework
from maild.desk import Desk
from maild.model.outbox import OutboxState, Refused, Result, Sent
from maild.processes.post_office import StoredOutbox
from maild.schedule import sweeps
from maild.store import cases
from maild.store.unit_of_work import Store

Rooms = Callable[..., Room]


class _Broken:
    """A mailbox's sent folder that raises what nobody expects."""

    def put(self, make: Callable[[], bytes]) -> None:
        raise AttributeError("a fault of our own")


def test_a_copy_that_cannot_be_queued_leaves_the_mail_sent(store: Store, rooms: Rooms) -> None:
    room = rooms(store)
    room.receive(mail())
    outbox = StoredOutbox(store, room.office, "test#1", {"support": _Broken()})  # type: ignore[dict-item]
    entry = next(one for one in outbox.lease(10, room.now) if one.message.kind.value == "acknowledgement")
    outbox.finish([Result(entry, {"jo@home.example": Sent("ok")}, room.now)])
    assert next(one for one in room.outgoing() if one.id == entry.id).state is OutboxState.SENT


def test_a_notice_that_cannot_be_made_leaves_the_failure_recorded(
    store: Store, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: Any) -> None:
        raise LookupError("no such template")

    monkeypatch.setattr(sweeps, "delivery_failed", broken)
    room = rooms(store)
    room.receive(mail())
    outbox = StoredOutbox(store, room.office, "test#1", {})
    entry = next(one for one in outbox.lease(10, room.now) if one.message.kind.value == "acknowledgement")
    outbox.finish([Result(entry, {"jo@home.example": Refused(550, "no such user")}, room.now)])
    assert next(one for one in room.outgoing() if one.id == entry.id).state is OutboxState.FAILED


def test_an_answer_that_the_smarthost_refuses_for_its_size_comes_back_to_the_agent_and_leaves_the_case_open(
    store: Store, rooms: Rooms
) -> None:
    room = rooms(store)
    number = room.receive(mail()).case
    assert number is not None
    with store.write() as connection:
        case = cases.get(connection, number, lock=True)
        assert case is not None
        casework.reply(Desk(room.office, connection, room.now), case, "alice", "Here is the manual.")
    room.fresh()
    outbox = StoredOutbox(store, room.office, "test#1", {})
    entry = next(one for one in outbox.lease(10, room.now) if one.message.kind.value == "answer")
    outbox.finish([Result(entry, {"jo@home.example": Refused(552, "5.3.4 too big")}, room.now)])
    (told,) = room.fresh()
    assert told.message.recipients == ("alice@example.com",)
    assert "jo@home.example: 5.3.4 too big" in told.message.text and "> Here is the manual." in told.message.text
    assert room.case(number)["status"] == "assigned"
