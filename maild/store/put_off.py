"""This is where work that failed by a fault of ours is kept, until it is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from maild.store.schema import put_off

AGAIN_AFTER = timedelta(minutes=5)


def add(connection: Connection, what: str, now: datetime) -> None:
    """Try this again only a while after ``now``; what was put off until before ``now`` is forgotten."""
    connection.execute(delete(put_off).where((put_off.c.until <= now) | (put_off.c.what == what[:300])))
    connection.execute(insert(put_off), {"what": what[:300], "until": now + AGAIN_AFTER})


def waiting(connection: Connection, now: datetime) -> frozenset[str]:
    """What is put off beyond this moment."""
    return frozenset(connection.execute(select(put_off.c.what).where(put_off.c.until > now)).scalars())
