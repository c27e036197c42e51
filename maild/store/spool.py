"""This is where accepted messages are kept until they are cases: stored once, leased, ended.

The same content through any door makes one entry. A lease expires by the database's own clock; what a worker had leased
that died of itself is tried again, alone. An entry waits for older ones of its conversation, so that threads keep their order.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Row
from sqlalchemy.sql.elements import ColumnElement

from maild.model.case import Status
from maild.model.message import Door
from maild.model.spool import Arrival, SpoolEntry, SpoolState
from maild.store.inserting import insert_or_ignore, insert_rows
from maild.store.schema import among, canary_decisions, cases, later_mailboxes, raw_messages, spool
from maild.store.unit_of_work import Store, database_clock

TRIES = 3
REPEAT_WINDOW = timedelta(hours=1)
_WAITING = (SpoolState.PENDING.value, SpoolState.PROCESSING.value)
GONE = "gone"  # the encoding of raw bytes that are kept no longer
_KEPT = (SpoolState.HELD.value, SpoolState.DEAD.value)
_open = or_(among(spool.c.state, _WAITING), among(spool.c.state, _KEPT))
_COLUMNS = [column for column in spool.c if column.name not in {"trace", "authentication"}]


_known = select(spool.c.digest, spool.c.seq, spool.c.id).where(spool.c.digest.in_(bindparam("digests", expanding=True)))


@lru_cache(maxsize=2)
def _unless_known(dialect: str) -> Any:
    maker: Any = sqlite_insert if dialect == "sqlite" else pg_insert
    return maker(spool).on_conflict_do_nothing(index_elements=["digest"]).returning(spool.c.seq)


def accept(connection: Connection, arrivals: Sequence[Arrival], import_id: int | None = None) -> list[tuple[str, bool]]:
    """Store these messages; returns (spool id, whether it is new) for each, in order.

    A repeat adds its recipients and mailboxes to the entry and does nothing else (RFC 5321, 6.1: duplicates are ours to
    find). Durable once the transaction commits.
    """
    digests = [_digest_key(connection, arrival) for arrival in arrivals]
    known: dict[str, tuple[int, str]] = {
        row.digest: (row.seq, row.id)
        for row in connection.execute(_known, {"digests": digests})
    }
    result: list[tuple[str, bool]] = []
    for arrival, digest in zip(arrivals, digests, strict=True):
        if digest in known:
            seq, spool_id = known[digest]
            _add_recipients(connection, seq, arrival, history=import_id is not None)
            result.append((spool_id, False))
            continue
        spool_id = uuid.uuid4().hex[:12]
        envelope = arrival.envelope
        added: int | None = connection.execute(
            _unless_known(connection.dialect.name),
            {
                "id": spool_id, "digest": digest, "state": SpoolState.PENDING.value, "door": envelope.door.value,
                "mail_from": envelope.mail_from, "rcpt_tos": list(envelope.rcpt_tos),
                "mailboxes": list(arrival.mailboxes), "client": envelope.client, "login": envelope.login,
                "trusted": envelope.trusted, "message_id": arrival.message_id, "subject": arrival.subject,
                "sender": arrival.sender.lower(), "conversation": (arrival.conversation or spool_id)[:400],
                "size": len(envelope.raw), "received_at": envelope.received_at, "import_id": import_id,
            },
        ).scalar()  # fmt: skip
        if added is None:  # another door stored it a moment ago
            row = connection.execute(select(spool.c.seq, spool.c.id).where(spool.c.digest == digest)).one()
            known[digest] = (row.seq, row.id)
            _add_recipients(connection, row.seq, arrival, history=import_id is not None)
            result.append((row.id, False))
            continue
        insert_rows(connection, raw_messages, {"seq": added, "raw": envelope.raw, "encoding": ""})
        known[digest] = (added, spool_id)
        result.append((spool_id, True))
    return result


def _digest_key(connection: Connection, arrival: Arrival) -> str:
    """What must be unique. Without Message-ID and Date the same content counts as a repeat only within an hour."""
    if arrival.identified:
        return arrival.digest
    at = arrival.envelope.received_at
    recent = connection.execute(
        select(spool.c.digest).where(
            spool.c.digest.between(f"{arrival.digest}@", f"{arrival.digest}@~"),
            spool.c.received_at > at - REPEAT_WINDOW,
        )
    ).scalar()
    return recent or f"{arrival.digest}@{at.isoformat()}"


def _add_recipients(connection: Connection, seq: int, arrival: Arrival, *, history: bool) -> None:
    """A copy's recipients and mailboxes count as the first one's; ``history`` (an import's) sets nothing off."""
    row = connection.execute(
        select(spool.c.rcpt_tos, spool.c.mailboxes, spool.c.state).where(spool.c.seq == seq).with_for_update()
    ).one()
    rcpt_tos = list(dict.fromkeys([*row.rcpt_tos, *arrival.envelope.rcpt_tos]))
    mailboxes = list(dict.fromkeys([*row.mailboxes, *arrival.mailboxes]))
    if rcpt_tos != row.rcpt_tos or mailboxes != row.mailboxes:
        connection.execute(update(spool).where(spool.c.seq == seq).values(rcpt_tos=rcpt_tos, mailboxes=mailboxes))
    further = [key for key in mailboxes if key not in row.mailboxes]
    if further and not history and row.state != SpoolState.PENDING.value:
        insert_or_ignore(connection, later_mailboxes, [{"spool_seq": seq, "mailbox": key} for key in further])


_came_later = (
    select(later_mailboxes.c.spool_seq, later_mailboxes.c.mailbox, spool.c.disposition, spool.c.import_id)
    .join(spool, spool.c.seq == later_mailboxes.c.spool_seq)
    .where(spool.c.state.not_in(_WAITING))
    .order_by(later_mailboxes.c.spool_seq, later_mailboxes.c.mailbox)
    .limit(100)
)


def came_later(connection: Connection) -> list[Row[Any]]:
    """Settled messages and the mailboxes that they came to too late to be settled for: (spool_seq, mailbox, disposition,
    import_id)."""
    return list(connection.execute(_came_later))


def take_later(connection: Connection, seq: int, mailbox: str) -> bool:
    """Take one of `came_later` in hand; whether it was still there."""
    mine = and_(later_mailboxes.c.spool_seq == seq, later_mailboxes.c.mailbox == mailbox)
    return bool(connection.execute(delete(later_mailboxes).where(mine)).rowcount)


def lease(
    store: Store, worker: str, *, limit: int, max_bytes: int, seconds: float, skip_mailboxes: Sequence[str] = (),
    also: Callable[[Connection, int], None] | None = None,
) -> list[SpoolEntry]:  # fmt: skip
    """Take up to ``limit`` entries (of ``max_bytes`` together, but at least one) for ``seconds``.

    Oldest first; never two of one conversation at once. The attempt is counted and committed before anything is parsed,
    so that a message that kills its worker cannot do so for ever; an entry that was tried before comes alone. A lease
    that ran out says nothing of its message (a machine went away): the new try takes the place of the lost one.
    ``also`` is called in the same transaction, with the number of entries.
    """
    now = store.clock()
    query = _free(store.sqlite, limit, tuple(skip_mailboxes))
    with store.read() as connection:
        # Most ticks find nothing: look before queueing for the writer's lock.
        if connection.execute(_any_waiting).scalar() is None:
            return []
    with store.write(durable=False) as connection:  # what is lost of it is leased again
        chosen: list[int] = []
        total = 0
        for row in connection.execute(query):
            if row.attempts > 0 and chosen:
                break
            if chosen and total + row.size > max_bytes:
                break
            chosen.append(row.seq)
            total += row.size
            if row.attempts > 0:
                break
        if not chosen:
            return []
        connection.execute(
            update(spool)
            .where(spool.c.seq.in_(chosen))
            .values(
                state=SpoolState.PROCESSING.value,
                attempts=case((spool.c.state == SpoolState.PROCESSING.value, spool.c.attempts), else_=spool.c.attempts + 1),
                lease_until=now + seconds, leased_by=worker,
            )
        )  # fmt: skip
        if also is not None:
            also(connection, len(chosen))
    with store.read() as connection:  # megabytes, perhaps: not while others wait
        return load(connection, chosen)


_any_waiting = select(spool.c.seq).where(among(spool.c.state, _WAITING)).limit(1)


@lru_cache(maxsize=20)
def _free(sqlite: bool, limit: int, skip_mailboxes: tuple[str, ...]) -> Any:
    """The entries that may be leased now, oldest first."""
    now = database_clock(sqlite)
    older = spool.alias("older")
    free = or_(
        and_(spool.c.state == SpoolState.PENDING.value, or_(spool.c.next_at.is_(None), spool.c.next_at <= now)),
        and_(spool.c.state == SpoolState.PROCESSING.value, spool.c.lease_until < now),
    )
    waits = exists().where(
        older.c.conversation == spool.c.conversation, older.c.seq < spool.c.seq, among(older.c.state, _WAITING)
    )
    first_mailbox = spool.c.mailboxes[0].as_string()
    wanted = or_(first_mailbox.is_(None), first_mailbox.not_in(skip_mailboxes)) if skip_mailboxes else true()
    return (
        select(spool.c.seq, spool.c.size, spool.c.attempts)
        .where(among(spool.c.state, _WAITING), free, wanted, ~waits)
        .order_by(spool.c.seq)
        .limit(limit)
        .with_for_update(skip_locked=True, of=spool)
    )


def load(connection: Connection, seqs: Sequence[int]) -> list[SpoolEntry]:
    """These entries with their raw bytes, in order of arrival."""
    rows = connection.execute(
        select(*_COLUMNS, raw_messages.c.raw, raw_messages.c.encoding)
        .join_from(spool, raw_messages, raw_messages.c.seq == spool.c.seq, isouter=True)
        .where(spool.c.seq.in_(seqs))
        .order_by(spool.c.seq)
    )
    return [_entry(row, unpack(row.raw, row.encoding)) for row in rows]


def unpack(raw: bytes | None, encoding: str | None) -> bytes:
    """The raw bytes as they came, from as they are kept; b"" where they are kept no longer."""
    if raw is None or encoding == GONE:
        return b""
    return zlib.decompress(raw) if encoding == "zlib" else bytes(raw)


def _entry(row: Any, raw: bytes = b"") -> SpoolEntry:
    return SpoolEntry(
        seq=row.seq, id=row.id, state=SpoolState(row.state), door=Door(row.door), mail_from=row.mail_from,
        rcpt_tos=tuple(row.rcpt_tos), mailboxes=tuple(row.mailboxes), message_id=row.message_id, subject=row.subject,
        conversation=row.conversation, size=row.size, received_at=row.received_at, attempts=row.attempts,
        reason=row.reason, client=row.client, login=row.login, trusted=row.trusted, import_id=row.import_id,
        case=row.case_number, disposition=row.disposition or "", released_by=row.released_by,
        holder=row.leased_by or "", raw=raw,
    )  # fmt: skip


_ended = update(spool).where(spool.c.seq == bindparam("ended"))


def end(connection: Connection, seq: int, values: Mapping[str, Any], now: datetime) -> None:
    """The entry is done: ``values`` say what came of it (disposition, kind, automatic, case_number, trace …)."""
    ended = {"state": SpoolState.DONE.value, "done_at": now, "lease_until": None, "leased_by": None, "reason": ""}
    connection.execute(_ended, {"ended": seq, **ended, **values})


def hold(connection: Connection, seq: int, reason: str, now: datetime, **values: Any) -> None:
    """The entry waits for a person, with the reason; ``values`` may name held_mailbox, held_until, held_then, trace …"""
    connection.execute(
        update(spool)
        .where(spool.c.seq == seq)
        .values(
            state=SpoolState.HELD.value, reason=reason, done_at=now, lease_until=None, leased_by=None,
            **{"disposition": "held", **values},
        )
    )  # fmt: skip


def in_hand(connection: Connection, entries: Sequence[SpoolEntry]) -> set[int]:
    """Which of these entries that one process leased (their ``seq``) are still their holder's, locked until the transaction ends.

    A process that was stopped for longer than its lease finds its work done by another, and must not do it again.
    """
    if not entries:
        return set()
    return set(
        connection.execute(
            select(spool.c.seq).where(_held_by(entries)).order_by(spool.c.seq).with_for_update()
        ).scalars()
    )  # fmt: skip


def _held_by(entries: Sequence[SpoolEntry]) -> ColumnElement[bool]:
    return and_(
        spool.c.seq.in_([entry.seq for entry in entries]), spool.c.state == SpoolState.PROCESSING.value,
        spool.c.leased_by == entries[0].holder,
    )  # fmt: skip


def give_back(store: Store, entries: Sequence[SpoolEntry], *, failed: str | None = None, delay: float = 0.0) -> None:
    """Return leased entries: tried again after ``delay`` seconds. Without ``failed`` the attempt does not count."""
    if not entries:
        return
    values: dict[str, Any] = {"state": SpoolState.PENDING.value, "lease_until": None, "leased_by": None}
    values["next_at"] = store.clock() + delay if delay else None
    if failed is None:
        values["attempts"] = spool.c.attempts - 1
    else:
        values["reason"] = failed
    with store.write() as connection:
        connection.execute(update(spool).where(_held_by(entries)).values(**values))


def release_dead(
    connection: Connection, node: str, is_over: Callable[[str], bool], guilty: Collection[str] = ()
) -> int:
    """Take back what processes of this node had leased that are no more (``NODE#…``); returns how many messages.

    ``guilty`` are those that died while their supervisor lived on: what they had in hand may have been the cause, so its
    try counts and it comes alone. One that ended with the whole daemon says nothing of its messages.
    """
    rows = connection.execute(
        select(spool.c.seq, spool.c.leased_by).where(
            among(spool.c.state, _WAITING), spool.c.state == SpoolState.PROCESSING.value,
            spool.c.leased_by.startswith(f"{node}#", autoescape=True)
        )
    ).all()
    dead = [row for row in rows if is_over(row.leased_by)]
    suspected = [row.seq for row in dead if row.leased_by in guilty]
    innocent = [row.seq for row in dead if row.leased_by not in guilty]
    back: dict[str, Any] = {"state": SpoolState.PENDING.value, "lease_until": None, "leased_by": None}
    for seqs, values in (
        (suspected, {**back, "reason": "its worker died"}), (innocent, {**back, "attempts": spool.c.attempts - 1})
    ):  # fmt: skip
        if seqs:
            connection.execute(update(spool).where(spool.c.seq.in_(seqs)).values(**values))
    return len(dead)


def release(connection: Connection, seq: int, by: str | None) -> None:
    """A held or dead entry goes on, with all its tries; released by a person it becomes a case whatever the rules say."""
    connection.execute(
        update(spool)
        .where(spool.c.seq == seq)
        .values(
            state=SpoolState.PENDING.value, attempts=0, reason="", next_at=None, held_until=None, held_then=None,
            disposition=None, done_at=None, released_by=by,
        )
    )  # fmt: skip


def give_up(connection: Connection, seq: int, reason: str, now: datetime) -> None:
    """A person (or the time set by a rule) gives a held entry up; its bytes stay until retention ends."""
    connection.execute(
        update(spool)
        .where(spool.c.seq == seq)
        .values(state=SpoolState.DEAD.value, reason=reason, disposition="discarded", done_at=now, held_until=None)
    )


def find(connection: Connection, which: str) -> SpoolEntry | None:
    """An entry by its id (or the beginning of it, where only one has it) or its Message-ID; with raw bytes."""
    bare = which.strip().strip("<>")
    rows = connection.execute(
        select(spool.c.seq).where(or_(spool.c.id == bare, spool.c.message_id == bare)).order_by(spool.c.seq.desc())
    ).all()
    if not rows and len(bare) >= 3:
        rows = connection.execute(select(spool.c.seq).where(spool.c.id.startswith(bare, autoescape=True))).all()
        if len(rows) > 1:
            return None
    return load(connection, [rows[0].seq])[0] if rows else None


def details(connection: Connection, seq: int) -> Row[Any]:
    """The whole row of an entry, with its trace."""
    return connection.execute(select(spool).where(spool.c.seq == seq)).one()


def waiting(connection: Connection, *, states: Sequence[SpoolState] = (), limit: int | None = None) -> list[SpoolEntry]:
    """Everything that is not done, oldest first, without raw bytes."""
    wanted = [state.value for state in states] or [*_WAITING, SpoolState.HELD.value, SpoolState.DEAD.value]
    query = select(*_COLUMNS).where(_open, spool.c.state.in_(wanted)).order_by(spool.c.seq)
    return [_entry(row) for row in connection.execute(query.limit(limit) if limit else query)]


def figures(connection: Connection, now: datetime) -> dict[str, Any]:
    """How many wait, are being processed and are held, and how old the oldest waiting one is, in seconds."""
    counts = {
        row.state: (row.n, row.oldest)
        for states in (_WAITING, _KEPT)  # each has its index
        for row in connection.execute(
            select(spool.c.state, func.count().label("n"), func.min(spool.c.received_at).label("oldest"))
            .where(among(spool.c.state, states))
            .group_by(spool.c.state)
        )
    }
    oldest = min((counts[state][1] for state in _WAITING if state in counts), default=None)
    return {
        "pending": counts.get("pending", (0, None))[0],
        "processing": counts.get("processing", (0, None))[0],
        "held": counts.get("held", (0, None))[0],
        "oldest_seconds": max(0, int((now - oldest).total_seconds())) if oldest else 0,
    }


def expired_holds(connection: Connection, now: datetime) -> list[tuple[int, str]]:
    """Held entries whose time is over: (seq, what then: discard | case | keep)."""
    return [
        (row.seq, row.held_then or "keep")
        for row in connection.execute(
            select(spool.c.seq, spool.c.held_then).where(
                among(spool.c.state, _KEPT), spool.c.state == SpoolState.HELD.value,
                spool.c.held_until.is_not(None), spool.c.held_until <= now,
            )
        )
    ]


def compressible(connection: Connection, before: datetime) -> bool:
    """Whether there is anything for `compress` to do."""
    return (
        connection.execute(
            select(raw_messages.c.seq)
            .join_from(raw_messages, spool, raw_messages.c.seq == spool.c.seq)
            .where(raw_messages.c.encoding == literal_column("''"), spool.c.done_at < before)
            .limit(1)
        ).scalar()
        is not None
    )


def compress(connection: Connection, before: datetime, *, limit: int = 50) -> int:
    """Compress raw messages older than ``before`` that are not mostly base64; returns how many."""
    rows = connection.execute(
        select(raw_messages.c.seq, raw_messages.c.raw)
        .join_from(raw_messages, spool, raw_messages.c.seq == spool.c.seq)
        .where(raw_messages.c.encoding == literal_column("''"), spool.c.done_at < before)
        .limit(limit)
    ).all()
    for row in rows:
        packed = zlib.compress(row.raw, 6) if b"base64" not in row.raw[:65536] or len(row.raw) < 65536 else row.raw
        smaller = len(packed) < len(row.raw)
        connection.execute(
            update(raw_messages)
            .where(raw_messages.c.seq == row.seq)
            .values(raw=packed if smaller else row.raw, encoding="zlib" if smaller else "none")
        )
    return len(rows)


def old_raw(connection: Connection, before: datetime, limit: int | None = None) -> list[int]:
    """The mail (seq) that ended before then and has its bytes still, where its case is closed or it is in none."""
    open_case = exists().where(cases.c.number == spool.c.case_number, cases.c.status != Status.CLOSED.value)
    query = (
        select(raw_messages.c.seq)
        .join_from(raw_messages, spool, raw_messages.c.seq == spool.c.seq)
        .where(spool.c.done_at < before, spool.c.state.in_([SpoolState.DONE.value, SpoolState.DEAD.value]),
               raw_messages.c.encoding != GONE, ~open_case)
        .order_by(raw_messages.c.seq)
    )  # fmt: skip
    return list(connection.execute(query.limit(limit)).scalars())


def drop_raw(connection: Connection, seqs: Sequence[int]) -> None:
    """Let the bytes of these mails go; all else of them stays."""
    connection.execute(update(raw_messages).where(raw_messages.c.seq.in_(seqs)).values(raw=b"", encoding=GONE))


def old_held(connection: Connection, before: datetime, limit: int | None = None) -> list[int]:
    """The mail (seq) that came before then and is still held, but for what a rule holds until a later day."""
    query = (
        select(spool.c.seq)
        .where(among(spool.c.state, _KEPT), spool.c.state == SpoolState.HELD.value, spool.c.received_at < before,
               spool.c.held_until.is_(None))
        .order_by(spool.c.seq)
    )  # fmt: skip
    return list(connection.execute(query.limit(limit)).scalars())


def erase_held(connection: Connection, seqs: Sequence[int]) -> None:
    """Remove held mail that nobody decided about."""
    for seq in seqs:
        erase(connection, seq)
    why = {"disposition": None, "reason": "was held for as long as held mail is kept"}
    connection.execute(update(spool).where(spool.c.seq.in_(seqs)).values(why))


def erase(connection: Connection, seq: int) -> None:
    """Remove the words of an entry; its row, size and times stay as proof that it was handled."""
    connection.execute(delete(raw_messages).where(raw_messages.c.seq == seq))
    connection.execute(delete(canary_decisions).where(canary_decisions.c.seq == seq))
    connection.execute(
        update(spool)
        .where(spool.c.seq == seq)
        .values(state=SpoolState.ERASED.value, digest=None, subject="", sender="", message_id="", trace=None,
                mail_from=None, rcpt_tos=[], conversation="")
    )  # fmt: skip
