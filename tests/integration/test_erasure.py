"""A person asks for their data, and then to be forgotten."""

from __future__ import annotations

from collections.abc import Callable

from builders import Room, mail

from maild.model.spool import SpoolState
from maild.store import audit, erasure, faq, held, notices, people, surveys
from maild.store.unit_of_work import Store

Rooms = Callable[..., Room]
SECRET = "the serial number is 4711-secret"


def test_an_erased_person_is_in_no_table_and_the_figures_stay(store: Store, rooms: Rooms) -> None:
    room = rooms(store)
    entry = room.receive(mail(SECRET, sender="Jo Doe <jo@home.example>", subject="From Jo"))
    other = room.receive(mail("mine stays", sender="Max <max@else.example>"), mail_from="max@else.example")
    with store.write() as connection:
        jo = people.contact_by_address(connection, "jo@home.example")
        assert jo is not None
        faq.add(connection, "What of 4711-secret?", SECRET, "alice", room.now, case=entry.case)
        notices.add(connection, "alice", entry.case or 0, "answer", "Jo Doe", SECRET, room.now)
        asked = surveys.add(connection, entry.case or 0, jo.id, "jo@home.example", "abc", room.now, room.now)
        surveys.answer(connection, asked, 2, SECRET, room.now, True)
        surveys.unsubscribe(connection, "jo@home.example", room.now)
        held.refuse_from(connection, "jo@home.example", "alice", room.now)
        exported = erasure.export(connection, jo)
        counts = erasure.erase(connection, jo, "root", room.now)
    assert SECRET in exported["messages"][0]["text"]
    assert exported["accepted"] == [entry.id]
    assert counts["cases"] == 1
    with store.read() as connection:
        everything = "\n".join(
            str(tuple(row))
            for table in _tables()
            for row in connection.execute(table.select())
        )
        _checked, faults = audit.run(connection)
    assert "4711-secret" not in everything
    assert "jo@home.example" not in everything.lower()
    assert "Jo Doe" not in everything
    assert "mine stays" in everything
    assert faults == []
    assert room.entry(entry.id).state is SpoolState.ERASED
    assert room.case(entry.case)["contact"] is None
    assert room.case(other.case)["contact"]["email"] == "max@else.example"


def test_a_deleted_case_is_in_no_table_and_its_number_is_not_given_again(store: Store, rooms: Rooms) -> None:
    room = rooms(store)
    stays = room.receive(mail("mine stays", sender="Max <max@else.example>"), mail_from="max@else.example")
    entry = room.receive(mail(SECRET, sender="Jo Doe <jo@home.example>", subject="From Jo"))
    with store.write() as connection:
        assert entry.case is not None
        counts = erasure.delete_case(connection, entry.case, "root", room.now)
    assert counts["messages"] == 2
    with store.read() as connection:
        everything = "\n".join(str(tuple(row)) for table in _tables() for row in connection.execute(table.select()))
        _checked, faults = audit.run(connection)
        jo = people.contact_by_address(connection, "jo@home.example")
    assert "4711-secret" not in everything
    assert "From Jo" not in everything
    assert "mine stays" in everything
    assert f"deleted case {entry.case}: 2 messages" in everything
    assert jo is not None
    assert faults == []
    assert room.case(stays.case)["contact"]["email"] == "max@else.example"
    after = room.receive(mail("a new one", sender="Jo Doe <jo@home.example>", subject="Again"))
    assert after.case is not None
    assert after.case > entry.case


def test_the_same_mail_after_an_erasure_is_new(store: Store, rooms: Rooms) -> None:
    room = rooms(store)
    raw = mail(SECRET, message_id="again@home.example")
    first = room.receive(raw)
    with store.write() as connection:
        jo = people.contact_by_address(connection, "jo@home.example")
        assert jo is not None
        erasure.erase(connection, jo, "root", room.now)
    second = room.receive(raw)
    assert second.case != first.case


def _tables() -> list:  # type: ignore[type-arg]
    from maild.store.schema import metadata

    return [table for table in metadata.sorted_tables if table.name not in {"signing_keys"}]
