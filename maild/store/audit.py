"""This is where maild proves that nothing was lost: every accepted message, outgoing mail and case adds up."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select

from maild.store.schema import cases, messages, outbox, outbox_recipients, raw_messages, spool, stream

# Dispositions that must have left a message in a case.
_IN_A_CASE = ("case", "follow_up", "answer", "update", "bounce")


def run(connection: Connection) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """(how many of each were checked, the faults as {"what", "id", "fault"}); no fault is the proof."""
    checked = {
        name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for name, table in (("spool", spool), ("outbox", outbox), ("cases", cases))
    }
    faults: list[dict[str, Any]] = []

    def fault(what: str, ids: Any, text: str) -> None:
        faults.extend({"what": what, "id": row[0], "fault": text} for row in connection.execute(ids))

    ended = spool.c.state.in_(["done", "held", "dead", "erased"])
    has_raw = exists().where(raw_messages.c.seq == spool.c.seq)
    has_message = exists().where(messages.c.spool_seq == spool.c.seq)
    fault("message", select(spool.c.id).where(spool.c.state != "erased", ~has_raw), "its bytes are gone")
    fault("message", select(spool.c.id).where(spool.c.state == "done", spool.c.disposition.is_(None)), "is done, but nothing says how")
    fault(
        "message",
        select(spool.c.id).where(spool.c.state == "done", spool.c.disposition.in_(_IN_A_CASE), ~has_message),
        "is said to be in a case, but is in none",
    )
    fault("message", select(spool.c.id).where(~ended, has_message), "is in a case, but still waits")
    fault(
        "message",
        select(spool.c.id).where(spool.c.state == "processing", spool.c.lease_until.is_(None)),
        "is being processed without a lease",
    )
    fault("case", select(cases.c.number).where(~exists().where(stream.c.case_number == cases.c.number)), "has no stream")
    waiting = exists().where(outbox_recipients.c.outbox_id == outbox.c.id, outbox_recipients.c.state == "waiting")
    anybody = exists().where(outbox_recipients.c.outbox_id == outbox.c.id)
    fault("mail", select(outbox.c.id).where(~anybody), "has no recipients")
    fault("mail", select(outbox.c.id).where(outbox.c.state == "sent", waiting), "is sent, but a recipient still waits")
    fault(
        "mail",
        select(outbox.c.id).where(outbox.c.state.in_(["pending", "sending", "deferred"]), ~waiting),
        "waits, but every recipient is served",
    )
    fault(
        "mail",
        select(outbox.c.id).where(or_(and_(outbox.c.state.in_(["sent", "failed"]), outbox.c.done_at.is_(None)))),
        "has ended without a time",
    )
    return checked, faults
