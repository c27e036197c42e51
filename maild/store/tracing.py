"""This is where stored messages, outgoing mails and refusals are found by whatever a person has in hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select

from maild.model.outbox import OutboxState
from maild.plain.domains import fold_address
from maild.store import installation, outbox
from maild.store.schema import messages, raw_messages, spool
from maild.store.spool import unpack


def find(connection: Connection, what: str, limit: int = 20, since: datetime | None = None) -> dict[str, Any]:
    """Everything known by a Message-ID, case number (with or without #), address, spool id, queue id or subject words.

    At most ``limit`` messages, the newest ones; ``since`` leaves out what came before.
    """
    bare = what.strip().strip("<>")
    number = int(bare.lstrip("#")) if bare.lstrip("#").isdigit() else None
    wanted: list[Any] = [spool.c.message_id == bare]
    if len(bare) >= 3:  # less could be the beginning of any id
        wanted.append(spool.c.id.startswith(bare, autoescape=True))
    if number is not None:
        wanted.append(spool.c.case_number == number)
    if "@" in bare:
        folded = fold_address(bare)
        wanted += [spool.c.sender == folded, spool.c.sender == bare.lower(), spool.c.mail_from == bare]
    newest = select(spool).order_by(spool.c.seq.desc()).limit(limit)
    if since is not None:
        newest = newest.where(spool.c.received_at >= since)
    rows = connection.execute(newest.where(or_(*wanted))).all()
    if not rows and number is None and "@" not in bare:
        rows = connection.execute(newest.where(spool.c.subject.icontains(bare, autoescape=True))).all()
        rows = rows or connection.execute(newest.where(spool.c.seq.in_(_with_queue_id(connection, bare, limit)))).all()
    found = [_message(connection, row) for row in reversed(rows)]
    outgoing = []
    if (entry := outbox.by_message_id(connection, bare)) is not None:
        outgoing.append(_mail(entry))
    elif number is not None:
        caused = {mail["id"] for one in found for mail in one["mails"]}
        every = ("pending", "sending", "deferred", "held", "sent", "failed", "discarded")
        states = [OutboxState(state) for state in every]
        outgoing = [_mail(e) for e in outbox.listed(connection, states=states, case=number) if e.id not in caused]
    refused = [] if number is not None else [
        {"at": r.at, "client": r.client, "mail_from": r.mail_from, "rcpt": r.rcpt, "reply": r.reply}
        for r in installation.find_refusals(connection, bare) if since is None or r.at >= since
    ]  # fmt: skip
    return {"messages": found, "outgoing": outgoing, "refused": refused}


def newest(connection: Connection, limit: int, since: datetime | None = None) -> list[dict[str, Any]]:
    """The newest accepted messages, the newest last: what each is, where it came from, and what became of it."""
    columns = (
        spool.c.id, spool.c.received_at, spool.c.state, spool.c.disposition, spool.c.case_number.label("case"),
        spool.c.door, spool.c.mail_from, spool.c.message_id, spool.c.subject, spool.c.size,
    )  # fmt: skip
    query = select(*columns).order_by(spool.c.seq.desc()).limit(limit)
    if since is not None:
        query = query.where(spool.c.received_at >= since)
    rows = [dict(row._mapping) for row in reversed(connection.execute(query).all())]
    return [{**row, "disposition": row["disposition"] or None, "message_id": row["message_id"] or None} for row in rows]


def _with_queue_id(connection: Connection, word: str, limit: int) -> list[int]:
    """The entries whose Received fields name this queue id; looked for in the newest few thousand."""
    if not 5 <= len(word) <= 40 or not word.isalnum():
        return []
    hits: list[int] = []
    for row in connection.execute(
        select(raw_messages.c.seq, raw_messages.c.raw, raw_messages.c.encoding)
        .order_by(raw_messages.c.seq.desc()).limit(5000)
    ):  # fmt: skip
        if word.encode() in unpack(row.raw, row.encoding)[:8192]:
            hits.append(row.seq)
            if len(hits) >= limit:
                break
    return hits


def _message(connection: Connection, row: Any) -> dict[str, Any]:
    in_case = connection.execute(select(messages.c.case_number).where(messages.c.spool_seq == row.seq)).scalar()
    return {
        "id": row.id, "state": row.state, "door": row.door, "mail_from": row.mail_from, "sender": row.sender,
        "rcpt_to": row.rcpt_tos, "message_id": row.message_id, "subject": row.subject, "received_at": row.received_at,
        "disposition": row.disposition, "reason": row.reason or (row.trace or {}).get("reason"),
        "case": in_case or row.case_number, "attempts": row.attempts, "config_hash": row.config_hash, "trace": row.trace,
        "mails": [_mail(entry) for entry in outbox.caused_by(connection, row.seq)],
    }  # fmt: skip


def _mail(entry: Any) -> dict[str, Any]:
    return {
        "id": entry.id, "kind": entry.message.kind.value, "state": entry.state.value, "to": list(entry.message.recipients),
        "subject": entry.message.subject, "message_id": entry.message.message_id, "reason": entry.reason or None,
    }  # fmt: skip
