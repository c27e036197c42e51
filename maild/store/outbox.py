"""This is where rendered mails wait to be sent, and where it is written down what became of each recipient."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Integer, Select, and_, bindparam, case, func, or_, select, update
from sqlalchemy.engine import Row
from sqlalchemy.sql.elements import ColumnElement

from maild.model.outbox import (
    Deferred,
    OutboxEntry,
    OutboxState,
    OutgoingKind,
    OutgoingMessage,
    PartRef,
    Refused,
    Result,
    Sent,
)
from maild.store.inserting import insert_rows
from maild.store.numbers import insert_numbered
from maild.store.schema import among, automatic_answers, outbox, outbox_recipients, raw_messages, spool
from maild.store.spool import GONE, unpack
from maild.store.unit_of_work import Store, database_clock

_UNSENT = (OutboxState.PENDING.value, OutboxState.DEFERRED.value)
_unsent = among(outbox.c.state, [*_UNSENT, OutboxState.SENDING.value])
# A mail that was never tried waits since it is due: quiet hours, grace and opening hours are no delay.
waits_since = case((outbox.c.attempts == 0, outbox.c.next_at), else_=outbox.c.created_at)
LEASE_SECONDS = 900.0  # renewed with every heartbeat; what a machine had in hand that is gone is then taken by others


def add(
    connection: Connection, message: OutgoingMessage, now: datetime, *, caused_by: int | None = None,
    state: OutboxState = OutboxState.PENDING, reason: str = "", not_before: datetime | None = None,
) -> int:  # fmt: skip
    """Put a rendered mail into the outbox; returns its number."""
    urgency = 0 if message.kind.written_by_person else 2 if message.kind.to_users else 1
    number = insert_numbered(
        connection, outbox,
        {
            "state": state.value, "kind": message.kind.value, "case_number": message.case, "caused_by": caused_by,
            "message_id": message.message_id, "sender": message.sender, "subject": message.subject,
            "headers": [list(pair) for pair in message.headers], "text": message.text, "html": message.html,
            "attachments": [asdict(ref) for ref in message.attachments], "created_at": now,
            "next_at": not_before or now, "reason": reason, "urgency": urgency,
        },
    )  # fmt: skip
    insert_rows(
        connection, outbox_recipients,
        [{"outbox_id": number, "address": address, "state": "waiting"} for address in dict.fromkeys(message.recipients)],
    )
    return number


def _entry(row: Row[Any], recipients: Sequence[str], waiting: Sequence[str]) -> OutboxEntry:
    message = OutgoingMessage(
        kind=OutgoingKind(row.kind), case=row.case_number, message_id=row.message_id, sender=row.sender,
        recipients=tuple(recipients), subject=row.subject, headers=tuple((k, v) for k, v in row.headers),
        text=row.text, html=row.html, attachments=tuple(PartRef(**ref) for ref in row.attachments),
    )  # fmt: skip
    return OutboxEntry(
        id=row.id, state=OutboxState(row.state), message=message, waiting=tuple(waiting), attempts=row.attempts,
        created_at=row.created_at, next_at=row.next_at, reason=row.reason, approved=row.approved_by is not None,
    )  # fmt: skip


def _recipients(connection: Connection, numbers: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {number: [] for number in numbers}
    for row in connection.execute(
        select(outbox_recipients).where(outbox_recipients.c.outbox_id.in_(numbers)).order_by(outbox_recipients.c.address)
    ):
        found[row.outbox_id].append((row.address, row.state))
    return found


def entries(connection: Connection, numbers: Sequence[int]) -> list[OutboxEntry]:
    """These outbox entries, in order."""
    recipients = _recipients(connection, numbers)
    rows = connection.execute(select(outbox).where(outbox.c.id.in_(numbers)).order_by(outbox.c.urgency, outbox.c.id))
    return [
        _entry(row, [a for a, _ in recipients[row.id]], [a for a, state in recipients[row.id] if state == "waiting"])
        for row in rows
    ]


def lease(store: Store, who: str, limit: int, now: datetime) -> list[OutboxEntry]:
    """Take up to ``limit`` mails that are due, people's answers first; a lease that ran out is taken again."""
    with store.read() as connection:
        if connection.execute(_due(store.sqlite), {"now": now, "most": 1}).scalar() is None:
            return []
    with store.write(durable=False) as connection:  # what is lost of it is leased again
        chosen = list(connection.execute(_due(store.sqlite, lock=True), {"now": now, "most": limit}).scalars())
        if not chosen:
            return []
        until = store.clock() + LEASE_SECONDS
        connection.execute(
            update(outbox)
            .where(outbox.c.id.in_(chosen))
            .values(state=OutboxState.SENDING.value, lease_until=until, leased_by=who)
        )
    with store.read() as connection:  # texts, perhaps of a hundred thousand letters: not while others wait
        return entries(connection, chosen)


@lru_cache(maxsize=4)
def _due(sqlite: bool, *, lock: bool = False) -> Select[Any]:
    """The first ``most`` mails that are due ``now``."""
    due = or_(
        and_(outbox.c.state.in_(_UNSENT), outbox.c.next_at <= bindparam("now")),
        and_(outbox.c.state == OutboxState.SENDING.value, outbox.c.lease_until < database_clock(sqlite)),
    )
    query = select(outbox.c.id).where(_unsent, due).order_by(outbox.c.urgency, outbox.c.next_at)
    query = query.limit(bindparam("most", type_=Integer))
    return query.with_for_update(skip_locked=True) if lock else query


def renew(store: Store, who: str) -> None:
    """Who lives still has in hand what it leased."""
    with store.read() as connection:  # most of the time there is nothing
        if connection.execute(select(outbox.c.id).where(_in_hand_of(who)).limit(1)).scalar() is None:
            return
    until = store.clock() + LEASE_SECONDS
    with store.write() as connection:
        connection.execute(update(outbox).where(_in_hand_of(who)).values(lease_until=until))


def _in_hand_of(who: str) -> ColumnElement[bool]:
    return and_(_unsent, outbox.c.state == OutboxState.SENDING.value, outbox.c.leased_by == who)


def release(connection: Connection, numbers: Sequence[int]) -> None:
    """Give leases back without counting a try."""
    connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(numbers), outbox.c.state == OutboxState.SENDING.value)
        .values(state=OutboxState.PENDING.value, lease_until=None, leased_by=None)
    )


def release_dead(connection: Connection, node: str, is_over: Callable[[str], bool]) -> int:
    """Take back what processes of this node had leased that are no more (``NODE#…``); returns how many mails."""
    rows = connection.execute(
        select(outbox.c.id, outbox.c.leased_by).where(
            _unsent, outbox.c.state == OutboxState.SENDING.value,
            outbox.c.leased_by.startswith(f"{node}#", autoescape=True),
        )
    ).all()
    dead = [row.id for row in rows if is_over(row.leased_by)]
    release(connection, dead)
    return len(dead)


_recipient_ended = (
    update(outbox_recipients)
    .where(outbox_recipients.c.outbox_id == bindparam("number"), outbox_recipients.c.address == bindparam("who"))
    .values(state=bindparam("ended"), reason=bindparam("why"))
)
_ended = (
    update(outbox)
    .where(outbox.c.id == bindparam("number"))
    .values(
        state=bindparam("ended"), attempts=outbox.c.attempts + bindparam("tried"), reason=bindparam("why"),
        next_at=bindparam("due"), done_at=bindparam("done"), lease_until=None, leased_by=None,
    )
)  # fmt: skip


def record(connection: Connection, results: Sequence[Result]) -> list[OutboxState]:
    """Write down how tries to send ended, for each recipient; returns the states that the mails are in now, in order."""
    reasons: dict[int, list[str]] = {}
    ended: list[dict[str, Any]] = []
    for result in results:
        number = result.entry.id
        said = reasons[number] = []
        for address, outcome in result.outcomes.items():
            if isinstance(outcome, Deferred) and result.next_at is not None:
                said.append(f"{address}: {outcome.reason}")
                continue
            state, reason = ("sent", outcome.reply) if isinstance(outcome, Sent) else ("failed", outcome.reason)
            if state == "failed":
                said.append(f"{address}: {reason}")
            ended.append({"number": number, "who": address, "ended": state, "why": reason})
    if ended:
        connection.execute(_recipient_ended, ended)
    recipients = _recipients(connection, list(reasons))
    finals = [_state({state for _, state in recipients[result.entry.id]}) for result in results]
    connection.execute(
        _ended,
        [
            {
                "number": result.entry.id, "ended": final.value,
                "tried": int(any(isinstance(one, Deferred | Refused) for one in result.outcomes.values())),
                "why": "; ".join(reasons[result.entry.id]), "due": result.next_at or result.at,
                "done": None if final is OutboxState.DEFERRED else result.at,
            }
            for result, final in zip(results, finals, strict=True)
        ],
    )  # fmt: skip
    return finals


def _state(recipients: Set[str]) -> OutboxState:
    if "waiting" in recipients:
        return OutboxState.DEFERRED
    return OutboxState.FAILED if "failed" in recipients else OutboxState.SENT


def read_part(store: Store, ref: PartRef) -> bytes | None:
    """The raw message that the part is in, or None where it is kept no longer; the caller cuts the part out."""
    with store.read() as connection:
        row = connection.execute(
            select(raw_messages.c.raw, raw_messages.c.encoding)
            .join_from(raw_messages, spool, raw_messages.c.seq == spool.c.seq)
            .where(spool.c.id == ref.spool_id, raw_messages.c.encoding != GONE)
        ).one_or_none()
    return unpack(row.raw, row.encoding) if row is not None else None


def set_state(
    connection: Connection, number: int, state: OutboxState, now: datetime, reason: str = "", *,
    approved_by: str | None = None,
) -> bool:  # fmt: skip
    """Retry (pending), discard, hold or approve a mail; returns whether there was one that could be."""
    values: dict[str, Any] = {"state": state.value, "reason": reason, "next_at": now, "lease_until": None}
    if approved_by is not None:
        values["approved_by"] = approved_by
    values["done_at"] = now if state is OutboxState.DISCARDED else None
    changed = connection.execute(
        update(outbox).where(outbox.c.id == number, outbox.c.state.not_in(["sent", "sending"])).values(**values)
    ).rowcount
    if changed and state is OutboxState.PENDING:
        connection.execute(
            update(outbox_recipients)
            .where(outbox_recipients.c.outbox_id == number, outbox_recipients.c.state == "failed")
            .values(state="waiting", reason="")
        )
    return bool(changed)


def listed(connection: Connection, *, states: Sequence[OutboxState] = (), case: int | None = None) -> list[OutboxEntry]:
    """Everything that is not sent or discarded (or in the states given), oldest first."""
    wanted = [s.value for s in states] or ["pending", "sending", "deferred", "held", "failed"]
    query = select(outbox.c.id).where(outbox.c.state.in_(wanted))
    if case is not None:
        query = query.where(outbox.c.case_number == case)
    numbers = list(connection.execute(query.order_by(outbox.c.id)).scalars())
    found: list[OutboxEntry] = []
    for start in range(0, len(numbers), 500):
        found += entries(connection, numbers[start : start + 500])
    return sorted(found, key=lambda entry: entry.id)


def caused_by(connection: Connection, seq: int) -> list[OutboxEntry]:
    """The mails that an incoming message caused."""
    return entries(connection, list(connection.execute(select(outbox.c.id).where(outbox.c.caused_by == seq)).scalars()))


def by_message_id(connection: Connection, message_id: str) -> OutboxEntry | None:
    """The outgoing mail with this Message-ID (brackets off), or None."""
    number = connection.execute(select(outbox.c.id).where(outbox.c.message_id == message_id)).scalar()
    return entries(connection, [number])[0] if number is not None else None


def waiting_acknowledgements(connection: Connection, case: int) -> list[int]:
    """The numbers of a case's automatic first answers that have not left."""
    query = select(outbox.c.id).where(
        outbox.c.case_number == case, outbox.c.kind == OutgoingKind.ACKNOWLEDGEMENT.value, outbox.c.state == OutboxState.PENDING.value
    )
    return list(connection.execute(query).scalars())


def held_since(connection: Connection, since: datetime) -> set[str]:
    """Why mails that were put in since then wait for approval."""
    query = select(outbox.c.reason).distinct().where(outbox.c.state == OutboxState.HELD.value, outbox.c.created_at >= since)
    return set(connection.execute(query).scalars())


def written_to(connection: Connection, numbers: Sequence[int]) -> set[str]:
    """The addresses that mail of these cases went to, as they were written."""
    query = select(outbox_recipients.c.address).join(outbox, outbox.c.id == outbox_recipients.c.outbox_id)
    return set(connection.execute(query.where(outbox.c.case_number.in_(numbers)).distinct()).scalars())


def figures(connection: Connection, now: datetime) -> dict[str, Any]:
    """How many mails wait, are deferred and failed, and the age of the oldest unsent one in seconds."""
    rows = {
        row.state: (row.n, row.oldest)
        for states in (_unsent, among(outbox.c.state, ["held", "failed"]))  # each has its index
        for row in connection.execute(
            select(outbox.c.state, func.count().label("n"), func.min(waits_since).label("oldest"))
            .where(states)
            .group_by(outbox.c.state)
        )
    }
    unsent = [rows[state][1] for state in ("pending", "sending", "deferred") if state in rows]
    return {
        "pending": rows.get("pending", (0,))[0] + rows.get("sending", (0,))[0],
        "deferred": rows.get("deferred", (0,))[0],
        "failed": rows.get("failed", (0,))[0],
        "held": rows.get("held", (0,))[0],
        "oldest_seconds": max(0, int((now - min(unsent)).total_seconds())) if unsent else 0,
    }


# --- what the limits on automatic answers count -----------------------------------------------------------------


_as_many = (
    select(func.count() >= bindparam("limit", type_=Integer))
    .select_from(automatic_answers).where(automatic_answers.c.at > bindparam("since"))
)  # fmt: skip
_as_many_of_case = _as_many.where(automatic_answers.c.case_number == bindparam("case"))
_answers_to = select(automatic_answers.c.at, automatic_answers.c.subject).where(
    automatic_answers.c.address == bindparam("address"), automatic_answers.c.at > bindparam("since")
)


def as_many_answers(connection: Connection, since: datetime, limit: int, *, case: int | None = None) -> bool:
    """Whether so many automatic answers went out since then: of all, or about this case.

    Asked as yes or no: the bare count is another one after every mail, so that nothing could be settled ahead by it.
    """
    query = _as_many if case is None else _as_many_of_case
    values = {"limit": limit, "since": since} | ({"case": case} if case is not None else {})
    return bool(connection.execute(query, values).scalar_one())


def answers_to(connection: Connection, address: str, since: datetime) -> list[tuple[datetime, str]]:
    """(when, bare subject) of the automatic answers to this address since then."""
    return [
        (row.at, row.subject)
        for row in connection.execute(_answers_to, {"address": address, "since": since})
    ]


def count_answer(connection: Connection, address: str, case: int, subject: str, now: datetime) -> None:
    """Remember an automatic answer for the limits."""
    insert_rows(
        connection, automatic_answers, {"at": now, "address": address, "case_number": case, "subject": subject[:400]}
    )
