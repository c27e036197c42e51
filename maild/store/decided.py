"""This is where stored messages are read again with what was decided about them, for replay, canary and bug reports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.engine import Row

from maild.store.schema import raw_messages, spool
from maild.store.spool import GONE, unpack


def numbers(connection: Connection, since: datetime | None = None, after: int = 0, limit: int | None = None) -> list[tuple[int, int]]:
    """(seq, size) of every message the mailroom is done with, oldest first; those whose bytes are kept no longer are left out."""
    query = (
        select(spool.c.seq, spool.c.size)
        .join_from(spool, raw_messages, raw_messages.c.seq == spool.c.seq)
        .where(spool.c.done_at.is_not(None), spool.c.seq > after, raw_messages.c.encoding != GONE)
        .order_by(spool.c.seq)
    )
    if since is not None:
        query = query.where(spool.c.received_at >= since)
    return [(row.seq, row.size) for row in connection.execute(query.limit(limit) if limit else query)]


def load(connection: Connection, seqs: list[int]) -> list[tuple[Row[Any], bytes]]:
    """These messages with their whole rows (trace, authentication …) and raw bytes, in order of arrival."""
    rows = connection.execute(
        select(spool, raw_messages.c.raw, raw_messages.c.encoding)
        .join_from(spool, raw_messages, raw_messages.c.seq == spool.c.seq)
        .where(spool.c.seq.in_(seqs))
        .order_by(spool.c.seq)
    )
    return [(row, unpack(row.raw, row.encoding)) for row in rows]
