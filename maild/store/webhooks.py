"""This is where calls to other programs (webhooks) wait to be made, tried again until they are taken or given up."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update
from sqlalchemy.engine import Row

from maild.store.installation import get_meta, set_meta
from maild.store.schema import among, webhooks
from maild.store.unit_of_work import Store

LEASE_SECONDS = 120.0
_SECRET = "webhook_secret"


def add(connection: Connection, url: str, body: str, name: str, now: datetime, case: int | None = None) -> int:
    """Have this body (JSON) posted to the URL; ``name`` is the call's own id, the same at every try."""
    return int(
        connection.execute(
            insert(webhooks).returning(webhooks.c.id),
            {"name": name, "url": url, "body": body, "case_number": case, "state": "pending", "created_at": now,
             "next_at": now},
        ).scalar_one()
    )  # fmt: skip


def lease(store: Store, now: datetime, limit: int = 10) -> list[Row[Any]]:
    """Take calls that are due, so that nobody else makes them meanwhile."""
    clock = store.clock()
    free = or_(webhooks.c.lease_until.is_(None), webhooks.c.lease_until < clock)
    query = select(webhooks).where(among(webhooks.c.state, ["pending"]), webhooks.c.next_at <= now, free)
    query = query.order_by(webhooks.c.next_at).limit(limit)
    with store.read() as connection:
        if connection.execute(query.limit(1)).first() is None:
            return []
    with store.write() as connection:
        rows = list(connection.execute(query.with_for_update(skip_locked=True)))
        numbers = [row.id for row in rows]
        connection.execute(update(webhooks).where(webhooks.c.id.in_(numbers)).values(lease_until=clock + LEASE_SECONDS))
    return rows


def record(connection: Connection, number: int, state: str, reason: str, next_at: datetime) -> None:
    """What became of a try: sent, failed for good, or pending until ``next_at``."""
    connection.execute(
        update(webhooks).where(webhooks.c.id == number).values(
            state=state, reason=reason[:1000], attempts=webhooks.c.attempts + 1, next_at=next_at, lease_until=None
        )
    )  # fmt: skip


def listed(connection: Connection, states: tuple[str, ...] = ("pending", "failed")) -> list[Row[Any]]:
    """The calls in these states, oldest first."""
    return list(connection.execute(select(webhooks).where(webhooks.c.state.in_(states)).order_by(webhooks.c.id)))


def secret(connection: Connection) -> str:
    """The secret that webhooks are signed with, as their receivers are given it (`whsec_…`); made on first use."""
    kept = get_meta(connection, _SECRET)
    if kept is None:
        kept = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        set_meta(connection, _SECRET, kept)
    return kept
