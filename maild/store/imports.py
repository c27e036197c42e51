"""This is where imports of old mail are written down, and where one is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, update

from maild.store.installation import note_change
from maild.store.schema import (
    cases,
    contact_addresses,
    contacts,
    imports,
    later_mailboxes,
    message_ids,
    messages,
    participants,
    spool,
    stream,
)

_LAST_EVENT = "last_event"  # in ``counts``: the stream's newest event when the import ended
_BLOCK = 500  # numbers in one statement


@dataclass(frozen=True, slots=True)
class Undone:
    """What taking back an import removed, and the cases that stay because they were worked on since."""

    cases: int
    messages: int
    kept: tuple[int, ...]


def begin(connection: Connection, by: str, path: str, now: datetime) -> int:
    """Write down that an import begins; returns its number."""
    values = {"at": now, "by": by[:120], "path": path, "counts": {}}
    return int(connection.execute(insert(imports).returning(imports.c.id), values).scalar_one())


def end(connection: Connection, number: int, counts: Mapping[str, int], by: str, now: datetime) -> None:
    """Write down what became of it."""
    newest = connection.execute(select(func.max(stream.c.id))).scalar() or 0
    values = {"counts": {**counts, _LAST_EVENT: newest}}
    connection.execute(update(imports).where(imports.c.id == number).values(**values))
    path = connection.execute(select(imports.c.path).where(imports.c.id == number)).scalar_one()
    note_change(connection, by, f"import {number}: {counts['messages']} messages from {path}", now)


def listed(connection: Connection) -> list[Row[Any]]:
    """The imports, the oldest first."""
    return list(connection.execute(select(imports).order_by(imports.c.id)))


def figures(row: Row[Any]) -> dict[str, int]:
    """What an import counted."""
    return {name: count for name, count in row.counts.items() if name != _LAST_EVENT}


def written_since(connection: Connection, number: int, since: datetime) -> list[tuple[int, datetime]]:
    """(case, time of its newest mail) of the cases that this import made and that have a mail since then."""
    newest = func.max(messages.c.at)
    query = (
        select(messages.c.case_number, newest)
        .join(cases, cases.c.number == messages.c.case_number)
        .where(cases.c.import_id == number)
        .group_by(messages.c.case_number)
        .having(newest >= since)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def undo(connection: Connection, number: int, by: str, now: datetime) -> Undone | None:
    """Take an import back: its cases, and its messages wherever they are, so that they can be imported anew.

    A case on which anything happened since stays, with its messages. None where there is no such import.
    """
    found = connection.execute(select(imports).where(imports.c.id == number)).one_or_none()
    if found is None or _LAST_EVENT not in found.counts:
        return None
    theirs = select(spool.c.seq).where(spool.c.import_id == number)
    other = exists().where(
        messages.c.case_number == cases.c.number, messages.c.spool_seq.is_(None) | messages.c.spool_seq.not_in(theirs)
    )
    later = exists().where(stream.c.case_number == cases.c.number, stream.c.id > found.counts[_LAST_EVENT])
    made = select(cases.c.number, cases.c.contact_id).where(cases.c.import_id == number)
    gone = connection.execute(made.where(~other, ~later)).all()
    numbers = [row.number for row in gone]
    kept = tuple(sorted(set(connection.execute(made).scalars()) - set(numbers)))
    stays = select(messages.c.spool_seq).where(messages.c.case_number.in_(kept), messages.c.spool_seq.is_not(None))
    entries = list(connection.execute(theirs.where(spool.c.seq.not_in(stays))).scalars())
    for block in _blocks(entries):
        _remove_messages(connection, block)
    for block in _blocks(numbers):
        connection.execute(delete(stream).where(stream.c.case_number.in_(block)))
        connection.execute(delete(cases).where(cases.c.number.in_(block)))
    for block in _blocks(entries):
        connection.execute(delete(later_mailboxes).where(later_mailboxes.c.spool_seq.in_(block)))
        connection.execute(delete(spool).where(spool.c.seq.in_(block)))
    for block in _blocks(sorted({row.contact_id for row in gone if row.contact_id is not None})):
        _remove_strangers(connection, block)
    if not kept:
        connection.execute(delete(imports).where(imports.c.id == number))
    note_change(connection, by, f"import {number} taken back: {len(numbers)} cases, {len(entries)} messages", now)
    return Undone(len(numbers), len(entries), kept)


def _remove_messages(connection: Connection, entries: list[int]) -> None:
    """These messages go from their cases: with their place in the stream and what led from them there."""
    rows = connection.execute(
        select(messages.c.id, messages.c.case_number, messages.c.message_id).where(messages.c.spool_seq.in_(entries))
    ).all()
    connection.execute(delete(stream).where(stream.c.message.in_([row.id for row in rows])))
    for row in rows:
        connection.execute(
            delete(message_ids).where(
                message_ids.c.case_number == row.case_number, message_ids.c.message_id == row.message_id
            )
        )
    connection.execute(delete(messages).where(messages.c.id.in_([row.id for row in rows])))


def _remove_strangers(connection: Connection, numbers: list[int]) -> None:
    """Contacts that have no case and take part in none were known by the import alone."""
    taking = (
        select(participants.c.email)
        .join(contact_addresses, contact_addresses.c.email == participants.c.email)
        .where(contact_addresses.c.contact_id == contacts.c.id)
    )
    connection.execute(
        delete(contacts).where(
            contacts.c.id.in_(numbers), ~exists().where(cases.c.contact_id == contacts.c.id), ~taking.exists()
        )
    )


def _blocks(numbers: list[int]) -> list[list[int]]:
    return [numbers[start : start + _BLOCK] for start in range(0, len(numbers), _BLOCK)]
