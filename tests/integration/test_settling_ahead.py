"""Settling before the database is locked: it has to come to the same as settling under the lock, whatever others do
meanwhile. SQLite alone; PostgreSQL locks rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from builders import Room, mail
from sqlalchemy import delete, insert, select

from maild.errors import StoreUnavailable
from maild.mailroom import Mailroom
from maild.model.spool import SpoolEntry, SpoolState
from maild.store import audit, cases, numbers, people, schema, spool
from maild.store.recording import NeedsLock, Recording
from maild.store.unit_of_work import Store

Rooms = Callable[..., Room]
BY_ORDER = {
    "name": "Orders", "when": {"subject": {"contains": "order"}},
    "case": {"update_by": ["fields.order"], "autofill": {"map": {"Order": "fields.order"}}},
}  # fmt: skip
NEWSLETTER = {"name": "Away with it", "when": {"subject": {"contains": "newsletter"}}, "discard": True}


@pytest.fixture
def room(sqlite: Store, rooms: Rooms) -> Iterator[Room]:
    made = rooms(sqlite, rules=[BY_ORDER, NEWSLETTER])
    made.receive(mail(subject="the first notification gives users their numbers", sender="Al Do <al@do.example>"))
    yield made
    with sqlite.read() as connection:
        assert audit.run(connection)[1] == []


class Meanwhile:
    """A store of which somebody else is quicker: ``act`` runs once, before its first transaction that writes begins."""

    def __init__(self, store: Store, act: Callable[[], None]) -> None:
        self._store, self._act = store, act
        self._done = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def write(self) -> Iterator[Any]:
        if not self._done:
            self._done = True
            self._act()
        with self._store.write() as connection:
            yield connection


def leased(room: Room, worker: Mailroom, who: str = "slow#1") -> list[SpoolEntry]:
    return spool.lease(room.store, who, limit=20, max_bytes=1 << 22, seconds=60.0, also=worker.reserve)


def process_while(room: Room, act: Callable[[], None]) -> None:
    """Process what waits in one worker, while ``act`` happens between its settling and its turn to write."""
    slow = Mailroom(room.store, room.office)
    entries = leased(room, slow)
    slow.store = Meanwhile(room.store, act)  # type: ignore[assignment]
    slow.process(entries, room.now)


def contacts(room: Room) -> list[str]:
    with room.store.read() as connection:
        return [one.email for one in people.all_contacts(connection)]


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What each replay came to."""
    told: list[bool] = []
    replay = Recording.replay

    def told_replay(self: Recording, connection: Any) -> bool:
        told.append(replay(self, connection))
        return told[-1]

    monkeypatch.setattr(Recording, "replay", told_replay)
    return told


def test_a_mail_is_settled_before_the_lock_and_its_writes_replayed_under_it(room: Room, replayed: list[bool]) -> None:
    entry = room.receive(mail())
    assert (replayed, entry.state, entry.case) == ([True], SpoolState.DONE, 2)
    assert len(room.case(2)["messages"]) == 2


def test_what_is_replayed_is_what_would_have_been_written_under_the_lock(
    room: Room, monkeypatch: pytest.MonkeyPatch, replayed: list[bool]
) -> None:
    answer = [f"In-Reply-To: <{room.signed_id(1)}>"]

    def receive() -> list[dict[str, Any]]:
        for number in range(3):
            room.put(mail(f"Order: {number}\n", subject=f"order {number}", sender=f"P{number} <p{number}@home.example>"))
        room.put(mail("One more thing.\n", subject="Re: order", sender="Al Do <al@do.example>", headers=answer))
        room.work()
        found = room.numbers()
        return [room.case(number) for number in (*found[-3:], 1)]

    ahead = receive()
    assert replayed == [True] * 4
    monkeypatch.setattr(Mailroom, "_ahead", lambda *_: None)
    with room.store.write() as connection:  # the next orders are not to join the first ones
        connection.execute(delete(schema.case_values))
    locked = receive()
    told = ("title", "status", "fields", "contact", "organisation", "group", "sla")
    assert [[case[name] for name in told] for case in ahead] == [[case[name] for name in told] for case in locked]
    kinds = [[entry["type"] for entry in case["stream"]] for case in (*ahead[:3], *locked[:3])]
    assert kinds[:3] == kinds[3:]
    assert [len(case["messages"]) for case in ahead[:3]] == [len(case["messages"]) for case in locked[:3]]


def test_two_workers_that_meet_the_same_new_person_make_one_contact(room: Room, replayed: list[bool]) -> None:
    room.put(mail(subject="first", sender="New <new@person.example>"))

    def other() -> None:
        room.receive(mail(subject="second", sender="New <new@person.example>"))

    process_while(room, other)
    assert replayed == [True, False]
    assert contacts(room).count("new@person.example") == 1
    assert room.numbers() == [1, 2, 3]
    assert {room.case(number)["contact"]["email"] for number in (2, 3)} == {"new@person.example"}


def test_two_workers_with_the_same_order_make_one_case(room: Room, replayed: list[bool]) -> None:
    person = "Jo Doe <jo@home.example>"
    room.receive(mail(sender=person))
    room.put(mail("Order: 77\n", subject="order", sender=person))

    def other() -> None:
        room.receive(mail("Order: 77\n", subject="the order again", sender=person))

    process_while(room, other)
    assert replayed[-1] is False
    assert room.numbers() == [1, 2, 4]  # 3 was set aside for the slower one, which needed none
    assert len([one for one in room.case(4)["messages"] if one["direction"] == "in"]) == 2


def test_a_case_that_changes_meanwhile_is_looked_at_again(room: Room, replayed: list[bool]) -> None:
    room.put(mail("And then?\n", sender="Al Do <al@do.example>", headers=[f"In-Reply-To: <{room.signed_id(1)}>"]))

    def other() -> None:
        with room.store.write() as connection:
            connection.execute(schema.cases.update().values(category="defect"))

    process_while(room, other)
    assert replayed[-1] is False
    assert room.case(1)["category"] == "defect"
    assert len(room.case(1)["stream"]) > 2


def test_an_answer_and_its_parent_at_the_same_time_end_in_one_case(room: Room, replayed: list[bool]) -> None:
    room.put(mail("The answer.\n", subject="Re: question", headers=["In-Reply-To: <parent@home.example>"]))

    def other() -> None:
        room.receive(mail("The question?\n", subject="question", message_id="parent@home.example"))

    slow = Mailroom(room.store, room.office)
    entries = leased(room, slow)
    with room.store.write() as connection:  # as if a third mail's references had put it elsewhere
        connection.execute(schema.spool.update().values(conversation="elsewhere").where(schema.spool.c.seq == entries[0].seq))
    slow.store = Meanwhile(room.store, other)  # type: ignore[assignment]
    slow.process(entries, room.now)
    assert replayed[-1] is False
    assert room.numbers() == [1, 3]  # 2 was set aside for the slower one, which needed none


def test_round_robin_never_gives_the_same_turn_twice(sqlite: Store, rooms: Rooms) -> None:
    turns = {"name": "Turns", "case": {"assign": {"group": "support", "user": "round_robin"}}}
    room = rooms(sqlite, rules=[turns])
    for number in range(6):
        room.put(mail(subject=f"matter {number}", sender=f"p{number}@home.example"))
    room.work()
    assert [room.case(number)["assignee"] for number in range(1, 7)] == ["alice", "bob"] * 3


def test_numbers_have_no_gaps_while_one_worker_works(room: Room) -> None:
    for subject in ("newsletter 1", "a matter", "newsletter 2", "another", "newsletter 3"):
        room.put(mail(subject=subject))
    room.work()
    room.receive(mail(subject="newsletter 4"))
    room.receive(mail(subject="and one more"))
    assert room.numbers() == [1, 2, 3, 4]
    assert [one.id for one in room.outgoing()] == list(range(1, len(room.outgoing()) + 1))


def test_numbers_that_a_dead_worker_had_are_not_given_again(room: Room) -> None:
    room.put(mail())
    dead = Mailroom(room.store, room.office)
    entries = leased(room, dead)

    def die() -> None:
        raise StoreUnavailable("killed")

    dead.store = Meanwhile(room.store, die)  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        dead.process(entries, room.now)
    assert room.numbers() == [1]
    spool.give_back(room.store, entries)
    room.work()
    assert room.numbers() == [1, 3]


def test_a_store_that_fails_in_the_middle_of_a_batch_undoes_no_commit_before(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.mailroom.TOGETHER", 2)
    for number in range(4):
        room.put(mail(subject=f"number {number}", sender=f"p{number}@home.example"))
    slow = Mailroom(room.store, room.office)
    entries = leased(room, slow)
    turns: list[str] = []

    class Failing(Meanwhile):
        @contextmanager
        def write(self) -> Iterator[Any]:
            turns.append("write")
            if len(turns) == 2:
                raise StoreUnavailable("the disk is gone")
            with self._store.write() as connection:
                yield connection

    slow.store = Failing(room.store, lambda: None)  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        slow.process(entries, room.now)
    assert len(room.numbers()) == 3
    spool.give_back(room.store, entries)
    room.work()
    assert len(room.numbers()) == 5


def test_what_others_insert_goes_behind_reserved_numbers(room: Room) -> None:
    slow = Mailroom(room.store, room.office)
    room.put(mail(subject="waits"))
    entries = leased(room, slow)
    with room.store.write() as connection:
        assert cases.next_number(connection, 1) == 3
    room.receive(mail(subject="quicker", sender="q@home.example"))
    slow.process(entries, room.now)
    assert room.numbers() == [1, 2, 3]


# --- what cannot be known before --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda c: [c.execute(insert(schema.followers), {"case_number": 1, "who": "bob"}),
                   c.execute(select(schema.followers)).all()],
        lambda c: c.execute(insert(schema.reminders).returning(schema.reminders.c.id),
                            {"case_number": 1, "user": "bob", "due_at": None, "created_at": None}),
        lambda c: c.execute(delete(schema.contacts)),
        lambda c: c.begin_nested(),
    ],
    ids=["a look at what was written", "a number that only the database knows", "rows that take others along", "a savepoint"],
)  # fmt: skip
def test_what_cannot_be_known_before_needs_the_lock(room: Room, act: Callable[[Any], Any]) -> None:
    with pytest.raises(NeedsLock), room.store.ahead(numbers.Reserved({})) as (connection, _):
        act(connection)


def test_nothing_is_written_by_a_connection_that_records(room: Room) -> None:
    with room.store.ahead(numbers.Reserved({})) as (connection, recording):
        connection.execute(insert(schema.followers), {"case_number": 1, "who": "bob"})
        driver: Any = connection.connection.driver_connection
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            sqlite3.Cursor(driver).execute("DELETE FROM followers")
    with room.store.read() as connection:
        assert cases.followers_of(connection, 1) == []
    with room.store.write() as connection:
        assert recording.replay(connection)
        assert cases.followers_of(connection, 1) == ["bob"]


def test_who_is_on_cc_takes_no_mail_off_the_quick_way(room: Room, replayed: list[bool]) -> None:
    to, copied = "support@example.com, Eve <eve@home.example>", ["Cc: eve@home.example"]
    assert room.receive(mail(sender="Jo <jo@home.example>", to=to, headers=copied)).case == 2
    answer = [f"In-Reply-To: <{room.signed_id(2)}>", "Cc: Eve <eve@home.example>, Max <max@home.example>"]
    assert room.receive(mail("More.\n", sender="Jo <jo@home.example>", headers=answer)).case == 2
    assert replayed == [True, True]
    assert [(one["email"], one["role"]) for one in room.case(2)["contacts"]] == [
        ("jo@home.example", "contact"), ("eve@home.example", "cc"), ("max@home.example", "cc")
    ]  # fmt: skip
