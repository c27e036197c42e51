"""This is where held mail is found for its owners, and where addresses stand from which no mail is wanted any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.engine import Row

from maild.model.spool import SpoolState
from maild.store.schema import never, outbox, outbox_recipients, spool

LISTED = "X-Maild-Held"  # the header of a list of held mail that holds the ids of its entries, in their order


def waiting(connection: Connection, *, limit: int | None = None) -> list[Row[Any]]:
    """The held entries (whole rows), oldest first."""
    query = select(spool).where(spool.c.state == SpoolState.HELD.value).order_by(spool.c.seq)
    return list(connection.execute(query.limit(limit) if limit else query))


def keep(connection: Connection, seq: int) -> None:
    """The time that it was to be held for is over, and it stays held."""
    connection.execute(update(spool).where(spool.c.seq == seq).values(held_until=None))


def listed_in(connection: Connection, ids: Sequence[str], address: str) -> tuple[str, ...] | None:
    """The entries of the list of held mail that a mail with these References answers, if it went to this address alone.

    Empty where it answers another mail of ours; None where none of the ids is a mail of ours.
    """
    wanted = [one.lower() for one in ids]
    found = {
        row.message_id: row
        for row in connection.execute(select(outbox.c.id, outbox.c.message_id, outbox.c.headers).where(outbox.c.message_id.in_(wanted)))
    }
    row = next((found[one] for one in wanted if one in found), None)
    if row is None:
        return None
    readers = connection.execute(
        select(outbox_recipients.c.address).where(outbox_recipients.c.outbox_id == row.id)
    ).scalars()
    return _entries(row.headers) if [one.lower() for one in readers] == [address.lower()] else ()


def newest_list(connection: Connection, address: str) -> tuple[str, ...]:
    """The entries of the last list of held mail that went to this address."""
    query = (
        select(outbox.c.headers)
        .join_from(outbox, outbox_recipients, outbox_recipients.c.outbox_id == outbox.c.id)
        .where(outbox.c.kind == "digest", outbox_recipients.c.address == address)
        .order_by(outbox.c.id.desc())
        .limit(20)
    )
    return next((entries for headers in connection.execute(query).scalars() if (entries := _entries(headers))), ())


def _entries(headers: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(next((value.split() for name, value in headers if name == LISTED), ()))


# --- addresses that are not wanted ------------------------------------------------------------------------------


def refuse_from(connection: Connection, address: str, by: str, now: datetime) -> None:
    """Mail from this (folded) address is discarded from now on."""
    connection.execute(delete(never).where(never.c.address == address))
    connection.execute(insert(never), {"address": address, "by": by, "at": now})


_refused_by = select(never.c.by).where(never.c.address == bindparam("address"))


def refused_by(connection: Connection, address: str) -> str | None:
    """Who wants no mail from this (folded) address, None where it is welcome."""
    by: str | None = connection.execute(_refused_by, {"address": address}).scalar()
    return by


def refused(connection: Connection) -> list[Row[Any]]:
    """Every address that is not wanted (address, by, at), in order."""
    return list(connection.execute(select(never).order_by(never.c.address)))


def welcome(connection: Connection, address: str) -> bool:
    """Mail from this (folded) address is taken again; whether it was not."""
    return bool(connection.execute(delete(never).where(never.c.address == address)).rowcount)
