"""This is where surveys are kept: to whom they went, what was answered, and who wants no more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.engine import Row

from maild.plain.domains import fold_address
from maild.store.inserting import insert_or_ignore
from maild.store.schema import surveys, unsubscribed


def add(
    connection: Connection, case: int, contact_id: int | None, address: str, serial: str, now: datetime,
    expires_at: datetime,
) -> int:  # fmt: skip
    """A survey that goes to this address; returns its number."""
    return int(
        connection.execute(
            insert(surveys).returning(surveys.c.id),
            {"case_number": case, "contact_id": contact_id, "address": fold_address(address), "serial": serial,
             "sent_at": now, "expires_at": expires_at},
        ).scalar_one()
    )  # fmt: skip


def sent_as(connection: Connection, number: int, message_id: str) -> None:
    """The survey's mail has this Message-ID."""
    connection.execute(update(surveys).where(surveys.c.id == number).values(message_id=message_id))


def get(connection: Connection, number: int, *, lock: bool = False) -> Row[Any] | None:
    """A survey, or None."""
    query = select(surveys).where(surveys.c.id == number)
    return connection.execute(query.with_for_update() if lock else query).one_or_none()


def by_message_id(connection: Connection, ids: list[str]) -> Row[Any] | None:
    """The survey whose mail has one of these Message-IDs (brackets off), or None."""
    if not ids:
        return None
    query = select(surveys).where(surveys.c.message_id.in_(ids), surveys.c.message_id != "")
    return connection.execute(query.order_by(surveys.c.id.desc()).limit(1)).one_or_none()


def newest_of(connection: Connection, case: int) -> Row[Any] | None:
    """The newest survey of a case, or None."""
    query = select(surveys).where(surveys.c.case_number == case).order_by(surveys.c.id.desc()).limit(1)
    return connection.execute(query).one_or_none()


def answer(connection: Connection, number: int, rating: int, comment: str, now: datetime, first: bool) -> None:
    """Keep the answer; ``first``: it is not one that changes an earlier one."""
    values: dict[str, Any] = {"rating": rating, "comment": comment}
    if first:
        values["answered_at"] = now
    connection.execute(update(surveys).where(surveys.c.id == number).values(**values))


def unsubscribe(connection: Connection, address: str, now: datetime) -> None:
    """This address gets no more surveys and reminders."""
    insert_or_ignore(connection, unsubscribed, {"email": fold_address(address), "at": now})


def unsubscribed_since(connection: Connection, address: str) -> datetime | None:
    """Since when this address wants no more surveys and reminders, or None."""
    return connection.execute(select(unsubscribed.c.at).where(unsubscribed.c.email == fold_address(address))).scalar()
