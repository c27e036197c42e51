"""This is where maild does what becomes due by itself: failed deliveries, old mail to compress, figures.

Each sweep is whole and can be repeated: what it did is in the database, so that a second daemon or a restart does nothing
twice. APScheduler's ticks call them (`processes.post_office`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from maild import __version__, fetching
from maild.desk import Desk
from maild.model.case import Case, StreamEntry, StreamType
from maild.model.outbox import OutboxEntry, Outcome
from maild.office import Office
from maild.settings.models import Settings
from maild.store import cases, installation, outbox, people, schema, spool
from maild.store.unit_of_work import Store

QUOTED = 60  # lines of an answer that could not be delivered
COMPRESS_AFTER = timedelta(hours=1)


def delivery_failed(
    office: Office, connection: Connection, case: Case, entry: OutboxEntry, failed: Mapping[str, Outcome], now: datetime
) -> None:
    """A mail of this case could not be delivered: an event in its stream, and the assignee is told once."""
    shown = "; ".join(f"{who}: {getattr(one, 'reason', '')}" for who, one in failed.items())
    text = f"{entry.message.kind} {entry.message.subject!r} could not be delivered: {shown}"
    event = StreamEntry(now, StreamType.BOUNCED, "maild", False, text, {"outbox": entry.id, "recipients": list(failed)})
    cases.add_stream(connection, case.number, [event])
    if entry.message.kind.to_users:
        return
    desk = Desk(office, connection, now)
    contact = people.contact(connection, case.contact_id) if case.contact_id else None
    who = desk.hears(case, "bounce", cases.followers_of(connection, case.number))
    written = entry.message.text.splitlines()[:QUOTED] if entry.message.kind.written_by_person else ()
    back = "".join(f"\n> {line}" for line in written)  # whoever wrote it need not look for it
    desk.notify(case, contact, "bounce", who, text=f"{text}\n{back}" if back else text, internal=True, reason=shown[:300])


def compress(store: Store, now: datetime) -> int:
    """Compress raw messages that have been done for an hour; returns how many."""
    with store.read() as connection:
        if not spool.compressible(connection, now - COMPRESS_AFTER):
            return 0
    with store.write() as connection:
        return spool.compress(connection, now - COMPRESS_AFTER)


def figures(store: Store, settings: Settings, now: datetime) -> Any:
    """One snapshot of everything that is measured."""
    from maild.web.metrics import Figures

    box, out = schema.spool, schema.outbox
    with store.read() as connection:
        waiting = spool.figures(connection, now)
        accepted: dict[tuple[str, str], int] = {}
        done: dict[str, int] = {}
        for row in connection.execute(
            select(box.c.door, box.c.mailboxes, box.c.disposition, func.count().label("n")).group_by(
                box.c.door, box.c.mailboxes, box.c.disposition
            )
        ):
            mailbox = (row.mailboxes or [""])[0]
            accepted[row.door, mailbox] = accepted.get((row.door, mailbox), 0) + row.n
            if row.disposition:
                done[row.disposition] = done.get(row.disposition, 0) + row.n
        unsent = {
            row.state: (row.n, row.oldest)
            for row in connection.execute(
                select(out.c.state, func.count().label("n"), func.min(outbox.waits_since).label("oldest"))
                .where(out.c.state.in_(["pending", "sending", "deferred", "held", "failed"]))
                .group_by(out.c.state)
            )
        }
        by_status = {
            (row.status, row.group or ""): row.n
            for row in connection.execute(
                select(schema.cases.c.status, schema.cases.c.group, func.count().label("n")).group_by(
                    schema.cases.c.status, schema.cases.c.group
                )
            )
        }
        paused = {row.what: True for row in installation.paused(connection, now)}
        fetched = {key: at.timestamp() for key, (at, _) in fetching.states(connection, settings).items() if at}
        daemon = installation.last_daemon(connection)
        living = installation.living(connection, now)
    return Figures(
        version=__version__, config_hash=settings.hash, accepted=accepted, done=done, spool_pending=waiting["pending"],
        spool_held=waiting["held"], spool_oldest=float(waiting["oldest_seconds"]),
        outbox_waiting={state: n for state, (n, _) in unsent.items()},
        outbox_oldest={state: max(0.0, (now - oldest).total_seconds()) for state, (_, oldest) in unsent.items()},
        oauth_expires={key: ends.timestamp() for key, ends in fetching.sign_ins(settings).items()},
        mailbox_last_fetch=fetched, config_fault=bool(daemon is not None and daemon.config_fault), paused=paused,
        cases=by_status, nodes=len(living), nodes_differ=installation.differ(living, now),
    )  # fmt: skip



