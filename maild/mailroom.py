"""This is where a worker's mail goes its way: the file to read first.

    read      parse, classify, who is it from, was that proven, what does it answer      (`reading`; no database)
    settle    find the case, gather the facts, let the rules decide, do what they ask      (`settling`; one transaction)
    process   a batch of leased spool entries, each settled whole or not at all

What one message causes commits together: case, stream, clocks, mail in the outbox, the trace, and "spool done".
`maild rules try` is the same steps in a transaction that is rolled back.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from maild.errors import MessageError, StoreUnavailable
from maild.ingest.dns import Ask, Resolver
from maild.log import get_logger
from maild.model.spool import SpoolEntry
from maild.office import Office
from maild.reading import Reading, read
from maild.settling.matter import Settled
from maild.settling.way import settle
from maild.store import numbers, spool
from maild.store.recording import Recording
from maild.store.unit_of_work import Store, translated

log = get_logger(__name__)

RETRY_SECONDS = 5.0
TOGETHER = 7  # messages that share a commit: while it is written, the door cannot commit
_USUAL_NUMBERS = {"cases": 1, "contacts": 1, "messages": 2, "outbox": 4}  # for one message; grows where it is too few


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A message settled before the lock: what came of it, what it read and writes, and the numbers that it took."""

    settled: Settled
    recording: Recording
    numbers: numbers.Taken


class Mailroom:
    """Turns leased spool entries into cases. One a worker; ``office`` is replaced at reload."""

    def __init__(self, store: Store, office: Office, ask: Ask | None = None) -> None:
        self.store, self.office, self.ask = store, office, ask or Resolver()
        self.reserved: numbers.Reserved | None = None
        self._usual = dict(_USUAL_NUMBERS)

    def reserve(self, connection: Connection, count: int) -> None:
        """Set numbers for so many messages aside, in the transaction that leases them (SQLite; see `store.numbers`)."""
        if self.store.sqlite:
            wanted = {table: each * count for table, each in self._usual.items()}
            self.reserved = numbers.reserve(connection, wanted, self.office.settings.main.cases.first_number)

    def process(self, entries: Sequence[SpoolEntry], now: datetime) -> None:
        """Settle these entries, each whole or not at all, a few in each commit. What raises is tried again, then held with
        its reason."""
        reserved, self.reserved = self.reserved or numbers.Reserved({}), None
        for begin in range(0, len(entries), TOGETHER):
            end = begin + TOGETHER
            self._process(entries[begin:end], reserved, now, last=end >= len(entries))

    def _process(self, entries: Sequence[SpoolEntry], reserved: numbers.Reserved, now: datetime, *, last: bool) -> None:
        failed: dict[int, str] = {}
        readings: dict[int, Reading] = {}
        started = time.monotonic()
        for entry in entries:
            try:
                readings[entry.seq] = read(self.office, entry, self.ask)
            except Exception as error:
                failed[entry.seq] = _told(error)
                log.exception("message.failed", spool_id=entry.id, message_id=entry.message_id)
        settled: dict[int, Settled] = {}
        ahead = {
            entry.seq: self._ahead(entry, readings[entry.seq], reserved, now) for entry in entries if entry.seq in readings
        }  # fmt: skip
        with self.store.write() as connection:
            connection.execution_options(**{numbers.RESERVED: reserved})
            mine = spool.in_hand(connection, entries)
            for entry in entries:
                if entry.seq not in mine:
                    log.warning("message.taken_over", spool_id=entry.id, message_id=entry.message_id)
                    failed.pop(entry.seq, None)
                    continue
                if entry.seq not in readings:
                    continue
                if (found := ahead[entry.seq]) is not None:
                    if found.recording.replay(connection):
                        settled[entry.seq] = found.settled
                        continue
                    reserved.put_back(found.numbers)
                try:
                    with connection.begin_nested():
                        settled[entry.seq] = settle(connection, self.office, entry, readings[entry.seq], now)
                    reserved.collect()
                except MessageError as error:
                    spool.hold(connection, entry.seq, str(error), now)
                except DBAPIError as error:
                    fault = translated(error)
                    if isinstance(fault, StoreUnavailable):
                        raise
                    failed[entry.seq] = _told(error)
                    log.exception("message.failed", spool_id=entry.id, message_id=entry.message_id)
                except StoreUnavailable:
                    raise
                except Exception as error:
                    failed[entry.seq] = _told(error)
                    log.exception("message.failed", spool_id=entry.id, message_id=entry.message_id)
            reserved.put_back(reserved.collect())
            if last:
                numbers.give_back(connection, reserved)
        for entry in entries:
            if entry.seq in failed:
                self._retry(entry, failed[entry.seq], now)
            elif entry.seq in settled:
                _log(entry, settled[entry.seq], (time.monotonic() - started) / len(entries))

    def _ahead(
        self, entry: SpoolEntry, reading: Reading, reserved: numbers.Reserved, now: datetime
    ) -> _Ahead | None:
        """Settle a message before the database is locked, where that can be done; None where it cannot (or it failed)."""
        if not self.store.sqlite:
            return None
        try:
            with self.store.ahead(reserved) as (connection, recording):
                settled = settle(connection, self.office, entry, reading, now)
            return _Ahead(settled, recording, reserved.collect())
        except Exception:  # under the lock it happens again, and is dealt with
            reserved.put_back(reserved.collect())
            for table in reserved.short:
                self._usual[table] = min(self._usual[table] * 2, 200)
            reserved.short.clear()
            return None

    def _retry(self, entry: SpoolEntry, reason: str, now: datetime) -> None:
        if entry.attempts < spool.TRIES:
            spool.give_back(self.store, [entry], failed=reason, delay=RETRY_SECONDS * 4 ** (entry.attempts - 1))
            log.warning("message.retried", spool_id=entry.id, message_id=entry.message_id, reason=reason)
            return
        with self.store.write() as connection:
            if not spool.in_hand(connection, [entry]):
                return
            spool.hold(connection, entry.seq, f"the mailroom failed {entry.attempts} times: {reason}", now)
        log.error("message.held", spool_id=entry.id, message_id=entry.message_id, reason=reason)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:400]


def _log(entry: SpoolEntry, settled: Settled, seconds: float) -> None:
    """One closing line a message."""
    values: dict[str, Any] = {
        "spool_id": entry.id, "message_id": entry.message_id, "disposition": settled.disposition, "case": settled.case,
        "mailbox": entry.mailboxes[0] if entry.mailboxes else None,
        "rule": list(settled.decision.rules) if settled.decision else [], "ms": round(seconds * 1000, 1),
    }  # fmt: skip
    if settled.disposition == "held":
        log.warning("message.held", reason=settled.reason, **values)
    elif settled.disposition == "bounce" and settled.case is not None:
        log.warning("outbox.bounced", **values)
    elif settled.disposition == "discarded":
        log.info("message.discarded", reason=settled.reason, **values)
    else:
        log.info(settled.event or "message.processed", **values)
