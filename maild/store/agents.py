"""This is where it is kept what agents were sent, asked and did: notifications by their ids, questions to third parties,
and what each mail changed, so that it can be taken back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.engine import Row

from maild.store.schema import (
    Instant,
    agent_actions,
    links,
    message_ids,
    messages,
    outbox,
    outbox_recipients,
    side_threads,
    sla_clocks,
    spool,
    stream,
)

UNPROVEN = "not proven to be "  # how the reason of such a held mail begins


@dataclass(frozen=True, slots=True)
class MailedTo:
    """A mail that we sent to a user: what it was about and where a reply to it goes."""

    id: int
    at: datetime
    event: str
    internal: bool
    text: str
    caused_by: int | None
    case: int | None


def _mailed(row: Row[Any]) -> MailedTo:
    fields = {key.lower(): value for key, value in row.headers}
    return MailedTo(
        row.id, row.created_at, fields.get("x-maild-event", ""), fields.get("x-maild-reply", "") == "internal", row.text,
        row.caused_by, row.case_number,
    )  # fmt: skip


def mailed(connection: Connection, ids: Sequence[str]) -> MailedTo | None:
    """The first of these Message-IDs (brackets off) that is a mail of ours to a user."""
    found = {
        row.message_id: row
        for row in connection.execute(
            select(outbox).where(outbox.c.message_id.in_([one.lower() for one in ids]), outbox.c.kind.in_(_TO_USERS))
        )
    }
    return next((_mailed(found[one.lower()]) for one in ids if one.lower() in found), None)


_TO_USERS = ("notification", "receipt", "refused")


def newest_to(connection: Connection, case: int, address: str) -> MailedTo | None:
    """The newest notification about this case that went to this address."""
    row = connection.execute(
        select(outbox)
        .join_from(outbox, outbox_recipients, outbox_recipients.c.outbox_id == outbox.c.id)
        .where(outbox.c.case_number == case, outbox.c.kind == "notification",
               func.lower(outbox_recipients.c.address) == address.lower())
        .order_by(outbox.c.id.desc()).limit(1)
    ).first()  # fmt: skip
    return _mailed(row) if row is not None else None


def count_unproven(connection: Connection, user: str, since: datetime) -> int:
    """How many mails in the name of this user were held as not proven since then."""
    return connection.execute(
        select(func.count())
        .select_from(spool)
        .where(spool.c.received_at >= since, spool.c.trace["unproven"].as_string() == user)
    ).scalar_one()


def answers_after(
    connection: Connection, case: int, about: MailedTo, me: str, users: Collection[str]
) -> Any:
    """The newest public answer of another user to this case after a mail of ours (at, actor, text), or None."""
    sent = (messages.c.direction == "out") & (messages.c.kind == "answer") & (messages.c.outbox_id > about.id)
    direct = (messages.c.direction == "in") & (messages.c.kind == "agent") & (messages.c.at > about.at)
    others = [key for key in users if key != me]
    return connection.execute(
        select(stream.c.at, stream.c.actor, stream.c.text)
        .join_from(stream, messages, stream.c.message == messages.c.id)
        .where(stream.c.case_number == case, stream.c.public, stream.c.actor.in_(others), sent | direct)
        .order_by(stream.c.id.desc()).limit(1)
    ).first()  # fmt: skip


def customers_after(connection: Connection, case: int, about: MailedTo, users: Collection[str]) -> Any:
    """The newest mail of somebody outside to this case after a mail of ours (at, actor, text), or None."""
    later = messages.c.at > about.at if about.caused_by is None else messages.c.spool_seq > about.caused_by
    return connection.execute(
        select(stream.c.at, stream.c.actor, stream.c.text)
        .join_from(stream, messages, stream.c.message == messages.c.id)
        .where(stream.c.case_number == case, stream.c.public, messages.c.direction == "in", later,
               stream.c.actor.not_in(list(users)))
        .order_by(stream.c.id.desc()).limit(1)
    ).first()  # fmt: skip


def message_of(connection: Connection, spool_seq: int) -> Row[Any] | None:
    """The case message that this incoming mail became, or None."""
    return connection.execute(select(messages).where(messages.c.spool_seq == spool_seq)).one_or_none()


def spool_id(connection: Connection, seq: int) -> str:
    """The id by which parts of this stored message are referred to."""
    return str(connection.execute(select(spool.c.id).where(spool.c.seq == seq)).scalar_one())


def move_message(connection: Connection, number: int, case: int) -> None:
    """A message and its stream entry belong to another case from now on; its own Message-ID leads there."""
    row = connection.execute(select(messages).where(messages.c.id == number)).one()
    connection.execute(update(messages).where(messages.c.id == number).values(case_number=case))
    connection.execute(update(stream).where(stream.c.message == number).values(case_number=case))
    if row.message_id:
        connection.execute(
            delete(message_ids).where(
                message_ids.c.message_id == row.message_id[:400], message_ids.c.case_number == row.case_number
            )
        )
        connection.execute(
            insert(message_ids), {"message_id": row.message_id[:400], "case_number": case, "own": True}
        )


# --- questions to third parties ---------------------------------------------------------------------------------


def ask(connection: Connection, case: int, user: str, address: str, question: str, now: datetime) -> int:
    """Remember a question to a third party; returns its number."""
    values = {"case_number": case, "user": user, "address": address, "question": question, "asked_at": now}
    return int(connection.execute(insert(side_threads).returning(side_threads.c.id), values).scalar_one())


def side_thread(connection: Connection, number: int) -> Row[Any] | None:
    """The question of this number, or None."""
    return connection.execute(select(side_threads).where(side_threads.c.id == number)).one_or_none()


def side_threads_of(connection: Connection, case: int) -> list[Row[Any]]:
    """The questions of a case, oldest first."""
    return list(
        connection.execute(select(side_threads).where(side_threads.c.case_number == case).order_by(side_threads.c.id))
    )


def answered(connection: Connection, number: int, now: datetime) -> None:
    """The third party has answered."""
    connection.execute(update(side_threads).where(side_threads.c.id == number).values(answered_at=now))


# --- what can be taken back -------------------------------------------------------------------------------------


def remember(
    connection: Connection, case: int, user: str, spool_seq: int | None, changes: Mapping[str, Any], now: datetime
) -> None:
    """Write down what a mail of this user changed."""
    connection.execute(
        insert(agent_actions),
        {"case_number": case, "user": user, "at": now, "spool_seq": spool_seq, "changes": dict(changes)},
    )


def last_action(connection: Connection, case: int | None, user: str) -> Row[Any] | None:
    """The newest thing that this user did (on this case, where one is given) and has not taken back."""
    query = select(agent_actions).where(agent_actions.c.user == user, agent_actions.c.undone_at.is_(None))
    if case is not None:
        query = query.where(agent_actions.c.case_number == case)
    return connection.execute(query.order_by(agent_actions.c.id.desc()).limit(1)).first()


def undone(connection: Connection, number: int, now: datetime) -> None:
    """This was taken back."""
    connection.execute(update(agent_actions).where(agent_actions.c.id == number).values(undone_at=now))


def withdraw(connection: Connection, outbox_number: int) -> None:
    """A mail that never went out is no message of its case: its words stay in the stream, internal, marked."""
    row = connection.execute(select(messages.c.id).where(messages.c.outbox_id == outbox_number)).scalar()
    if row is None:
        return
    for entry in connection.execute(select(stream.c.id, stream.c.data).where(stream.c.message == row)).all():
        connection.execute(
            update(stream)
            .where(stream.c.id == entry.id)
            .values(public=False, message=None, data={**entry.data, "taken_back": True})
        )
    connection.execute(delete(messages).where(messages.c.id == row))


def waiting_mails(connection: Connection, spool_seq: int) -> list[int]:
    """The mails that an incoming mail caused and that have not left yet; receipts to its writer are not among them."""
    return list(
        connection.execute(
            select(outbox.c.id).where(
                outbox.c.caused_by == spool_seq, outbox.c.state.in_(["pending", "deferred", "held"]),
                outbox.c.kind.not_in(["receipt", "refused"]),
            )
        ).scalars()
    )


def clock_rows(connection: Connection, number: int) -> list[dict[str, Any]]:
    """A case's SLA clocks as plain data."""
    rows = connection.execute(select(sla_clocks).where(sla_clocks.c.case_number == number).order_by(sla_clocks.c.kind))
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row._mapping.items()}
        for row in rows
    ]


def restore_clocks(connection: Connection, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put a case's SLA clocks back as `clock_rows` gave them."""
    connection.execute(delete(sla_clocks).where(sla_clocks.c.case_number == number))
    if rows:
        instants = {column.name for column in sla_clocks.c if isinstance(column.type, Instant)}
        connection.execute(
            insert(sla_clocks),
            [
                {name: datetime.fromisoformat(value) if name in instants and value else value for name, value in row.items()}
                for row in rows
            ],
        )


def unlink(connection: Connection, number: int, kind: str, reverse: str, other: int) -> None:
    """Take a link between two cases away, in both directions."""
    connection.execute(
        delete(links).where(
            ((links.c.case_number == number) & (links.c.type == kind) & (links.c.other == other))
            | ((links.c.case_number == other) & (links.c.type == reverse) & (links.c.other == number))
        )
    )
