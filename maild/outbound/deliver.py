"""This is where maild empties the outbox: what is due goes to the courier, and how it ended is recorded.

Answers of people go first. A smarthost that cannot be used as a whole costs no mail its tries: all go back to the
outbox, and after a growing pause one mail tries again. The mode of `outbound.mode` is looked at here, last of all.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from maild import clock
from maild.errors import SmarthostUnavailable, TransientError
from maild.log import get_logger
from maild.model.outbox import Deferred, OutboxEntry, Outcome, PartRef, Refused, Result, Sent
from maild.outbound.bytes import needs_smtputf8, serialise
from maild.outbound.mode import Mode, apply_mode, redirected
from maild.outbound.retry import next_attempt
from maild.plain.together import Together
from maild.settings.models import Redirect

log = get_logger(__name__)

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)
HELD_AT_ONCE = 50
AHEAD = 40  # mails that are leased together and wait here for a connection
RECORDED_TOGETHER = 50
BREATH = 9  # while much mail comes in, what no person wrote is sent in a tenth of the time: that is work for the processor and the disk
RECORDING = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # seconds between tries to record how a mail ended


class Outbox(Protocol):
    """The durable queue, as the loop sees it. All may block; they are called in threads. See `store.outbox`."""

    def lease(self, limit: int, now: datetime) -> list[OutboxEntry]:
        """Take up to ``limit`` due entries for a while, answers of people first."""

    def paused(self) -> bool:
        """Whether somebody has stopped the outbox: asked before each mail, for some wait here after they were leased."""

    def read_part(self, ref: PartRef) -> bytes:
        """The decoded bytes of an attachment."""

    def finish(self, results: Sequence[Result]) -> None:
        """Record how mails ended, all of them or none."""

    def release(self, entries: Sequence[OutboxEntry], now: datetime) -> None:
        """Give leases back as they were: due at once, no try counted."""

    def hold(self, entries: Sequence[OutboxEntry], reason: str, now: datetime) -> None:
        """Give leases back as held, until somebody approves them."""

    def smarthost_down(self, reason: str, now: datetime) -> None:
        """The smarthost as a whole cannot be used: shown by `maild status`."""

    def smarthost_up(self) -> None:
        """It takes mail again."""


class Sender(Protocol):
    """What the loop needs of the courier."""

    async def send(
        self, outgoing_bytes: bytes, sender: str, recipients: Sequence[str], *, smtputf8: bool = False
    ) -> dict[str, Outcome]: ...


class Deliverer:
    """The delivery loop of one process. ``connections`` mails are on their way at once; more are leased with them, and what
    ended while the last commit ran is recorded in one, since a commit costs more than sending.

    ``backlog`` says whether much incoming mail waits: then what no person wrote goes out one at a time.
    ``sign`` adds DKIM (bytes, From address). A pause is heeded within ``pause_heeded`` seconds, by mail that is leased, too. ``now`` and ``jitter`` (0 to 1) are injected in tests.
    """

    def __init__(
        self,
        outbox: Outbox,
        courier: Sender,
        *,
        connections: int = 4,
        expire_after: timedelta = timedelta(days=5),
        mode: Callable[[], Mode] = lambda: "live",
        sign: Callable[[bytes, str], bytes] | None = None,
        backlog: Callable[[], bool] = lambda: False,
        now: Callable[[], datetime] = clock.now,
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        pause_heeded: float = 0.0,
    ) -> None:
        self._outbox = outbox
        self._courier = courier
        self._connections = connections
        self._expire_after = expire_after
        self._mode = mode
        self._sign = sign
        self._backlog = backlog
        self._now = now
        self._jitter = jitter
        self._sleep = sleep
        self._pause_heeded = pause_heeded
        self._slots = asyncio.Semaphore(connections)
        self._results = Together(self._finish_all, most=RECORDED_TOGETHER)
        self._flying: set[asyncio.Task[None]] = set()
        self._more = asyncio.Event()  # that there is room for more, and may be more to send
        self._all_taken = True  # by the last lease
        self._stopping = False
        self._sending: set[int] = set()  # outbox ids
        self._unrecorded: dict[int, Mapping[str, Outcome]] = {}  # by outbox id: how it ended, as only we know
        self._one_at_a_time = asyncio.Semaphore(1)
        self._down: str | None = None  # the smarthost's fault; '' when it works, None while that is not known
        self._failures = 0
        self._pause_until: datetime | None = None
        self._taken = 0  # mails that the smarthost has said anything of
        self._going_until = 0.0  # by the monotonic clock: until then nobody looks again whether the outbox is paused
        self._closed_on: dict[int, int] = {}  # outbox id -> how many were taken when it was last answered with 421

    async def run_once(self, now: datetime) -> int:
        """Send what is due until nothing is, and wait for it; gives how many mails were tried."""
        tried = 0
        while started := await self._start(now):
            await asyncio.gather(*started)
            tried += len(started)
        return tried

    async def run(self, wake: asyncio.Event, stop: asyncio.Event, tick: float = 1.0) -> None:
        """Send what is due as it becomes due, until ``stop``; then finish what is on its way.

        ``wake`` is set by whoever puts mail into the outbox; the tick is the safety net. A mail that takes long does
        not keep others waiting.
        """
        while not stop.is_set():
            wake.clear()
            self._more.clear()
            try:
                await self._start(self._now())
            except TransientError as error:
                log.warning("store.unavailable", reason=str(error))
            await _first_of(wake.wait(), stop.wait(), self._more.wait(), timeout=tick)
        self._stopping = True
        if self._flying:
            await asyncio.wait(self._flying)
        self._results.close()

    def _room(self, now: datetime) -> int:
        """How many mails may be taken now."""
        if self._pausing(now):
            return 0
        if self._down:
            return 0 if self._flying else 1  # one mail finds out whether the smarthost is back
        if self._backlog():
            return self._connections - len(self._flying)  # so that a person's answer need not wait for many others
        return AHEAD - len(self._flying) if len(self._flying) <= self._connections else 0

    async def _start(self, now: datetime) -> list[asyncio.Task[None]]:
        room = self._room(now)
        if room <= 0:
            return []
        if self._mode() == "hold":
            entries = await self._approved(room, now)
        else:
            entries = await asyncio.to_thread(self._outbox.lease, room, now)
        self._all_taken = len(entries) < room
        entries = sorted(entries, key=lambda entry: (not entry.message.kind.written_by_person, entry.next_at, entry.id))
        tasks = []
        for entry in entries:
            if entry.id in self._sending:
                continue  # its lease ran out while the smarthost takes its time
            self._sending.add(entry.id)
            task = asyncio.create_task(self._deliver(entry))
            self._flying.add(task)
            task.add_done_callback(self._landed)
            tasks.append(task)
        return tasks

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if not self._all_taken and self._room(self._now()) > 0:
            self._more.set()

    async def _approved(self, room: int, now: datetime) -> list[OutboxEntry]:
        """Hold back what nobody has approved, many at a time; up to ``room`` of what is approved."""
        reason = apply_mode("hold", ())[1]
        while entries := await asyncio.to_thread(self._outbox.lease, HELD_AT_ONCE, now):
            approved = [entry for entry in entries if entry.approved]
            waiting = [entry for entry in entries if not entry.approved]
            if waiting and not await self._call(partial(asyncio.to_thread, self._outbox.hold, waiting, reason, self._now())):
                return []
            for entry in waiting:
                log.warning("outbox.held", outbox_id=entry.id, case=entry.message.case, reason=reason)
            if approved:
                if approved[room:]:
                    await self._call(partial(asyncio.to_thread, self._outbox.release, approved[room:], self._now()))
                return approved[:room]
        return []

    async def _deliver(self, entry: OutboxEntry) -> None:
        try:
            if (known := self._unrecorded.get(entry.id)) is not None:
                await self._finish(entry, known)  # sent before, only the store did not hear of it
            elif entry.message.kind.written_by_person or not self._backlog():
                await self._try(entry)
            else:
                async with self._one_at_a_time:
                    began = time.monotonic()
                    await self._try(entry)
                    await self._sleep(BREATH * (time.monotonic() - began))
        except Exception:  # what went wrong in recording one mail is no reason to leave the others
            log.exception("daemon.fault", outbox_id=entry.id, case=entry.message.case)
        finally:
            self._sending.discard(entry.id)

    async def _try(self, entry: OutboxEntry) -> None:
        async with self._slots:
            if self._stopping or self._pausing(self._now()) or await self._paused():  # it only waited for its turn
                await self._record(partial(asyncio.to_thread, self._outbox.release, [entry], self._now()))
                return
            outcomes = await self._attempt(entry)
        if outcomes is not None:
            await self._finish(entry, outcomes)

    async def _paused(self) -> bool:
        """Whether somebody has stopped the outbox; where that cannot be known, nothing goes out."""
        if time.monotonic() < self._going_until:
            return False
        try:
            paused = await asyncio.to_thread(self._outbox.paused)
        except TransientError as error:
            log.warning("store.unavailable", reason=str(error))
            return True
        self._going_until = 0.0 if paused else time.monotonic() + self._pause_heeded
        return paused

    async def _attempt(self, entry: OutboxEntry) -> dict[str, Outcome] | None:
        """Send a mail; the outcome of each waiting recipient, or None where nothing came of it that is to be recorded."""
        try:
            outcomes = await self._send(entry)
        except SmarthostUnavailable as error:
            await self._smarthost_failed(entry, str(error))
            return None
        except Exception as error:  # one mail that cannot be made must not stop the others
            log.exception("daemon.fault", outbox_id=entry.id, case=entry.message.case)
            outcomes = dict.fromkeys(entry.waiting, Deferred(0, f"a fault of our own: {type(error).__name__}: {error}"))
        if outcomes is None:
            return None
        closed = [one.reason for one in outcomes.values() if isinstance(one, Deferred) and one.code == 421]
        if closed and len(closed) == len(outcomes) and self._closed_on.get(entry.id, self._taken) == self._taken:
            # It left in the middle, as it does when it stops. If it says so again after taking others, it is this mail.
            self._closed_on[entry.id] = self._taken
            await self._smarthost_failed(entry, closed[0])
            return None
        self._closed_on.pop(entry.id, None)
        if any(isinstance(one, Sent | Refused) or one.code for one in outcomes.values()):
            self._taken += 1
            await self._smarthost_works()
        return outcomes

    async def _send(self, entry: OutboxEntry) -> dict[str, Outcome] | None:
        """The outcome of each waiting recipient, or None where the mode holds the mail back."""
        mode = self._mode()
        recipients, reason = (
            (entry.waiting, "") if mode == "hold" and entry.approved else apply_mode(mode, entry.waiting)
        )
        if entry.waiting and not recipients:
            await self._call(partial(asyncio.to_thread, self._outbox.hold, [entry], reason, self._now()))
            log.warning("outbox.held", outbox_id=entry.id, case=entry.message.case, reason=reason)
            return None
        message = redirected(entry.message, entry.waiting) if isinstance(mode, Redirect) else entry.message
        if message.attachments:
            data = await asyncio.to_thread(serialise, message, self._outbox.read_part)
        else:
            data = serialise(message, self._outbox.read_part)
        if self._sign is not None:
            data = await asyncio.to_thread(self._sign, data, _from_address(entry))
        answered = await self._courier.send(data, message.sender, recipients, smtputf8=needs_smtputf8(message))
        if isinstance(mode, Redirect):
            return dict.fromkeys(entry.waiting, answered[mode.redirect])
        return {one: answered.get(one, Refused(0, reason)) for one in entry.waiting}

    async def _finish(self, entry: OutboxEntry, outcomes: Mapping[str, Outcome]) -> None:
        now = self._now()
        next_at = None
        if any(isinstance(one, Deferred) for one in outcomes.values()):
            next_at = next_attempt(entry.attempts + 1, entry.created_at, now, self._expire_after, self._jitter())
            if next_at is None:
                outcomes = {who: self._expired(one) for who, one in outcomes.items()}
        self._unrecorded[entry.id] = outcomes
        if await self._record(partial(self._results.do, Result(entry, outcomes, now, next_at))):
            del self._unrecorded[entry.id]
        for who, one in outcomes.items():
            about = {
                "outbox_id": entry.id,
                "case": entry.message.case,
                "message_id": entry.message.message_id,
                "to": who,
            }
            match one:
                case Sent(reply=reply):
                    log.info("outbox.sent", **about, reply=reply)
                case Deferred(code=code, reason=reason):
                    log.info("outbox.deferred", **about, code=code, reason=reason, next_at=str(next_at))
                case Refused(code=code, reason=reason):
                    log.error("outbox.failed", **about, code=code, reason=reason)

    def _expired(self, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Deferred):
            return outcome
        days = self._expire_after / timedelta(days=1)
        return Refused(outcome.code, f"not delivered within {days:g} days; the last answer: {outcome.reason}")

    async def _smarthost_failed(self, entry: OutboxEntry, reason: str) -> None:
        now = self._now()
        if now >= entry.created_at + self._expire_after:
            await self._finish(entry, dict.fromkeys(entry.waiting, Deferred(0, reason)))
        else:
            await self._record(partial(asyncio.to_thread, self._outbox.release, [entry], now))
        if self._pausing(now):
            return  # another mail of the same moment has already said so
        pause = min(FIRST_PAUSE * (1 << min(self._failures, 10)), LONGEST_PAUSE) * (0.8 + 0.4 * self._jitter())
        self._failures += 1
        self._pause_until = now + min(pause, LONGEST_PAUSE)
        if reason != self._down:
            if not self._down:
                log.error("outbox.smarthost_failed", reason=reason)
            self._down = reason
            await self._call(partial(asyncio.to_thread, self._outbox.smarthost_down, reason, now))

    async def _smarthost_works(self) -> None:
        self._failures = 0
        self._pause_until = None
        if self._down != "":  # also the fault that a process before this one had noted
            if self._down:
                log.info("outbox.smarthost_back")
            self._down = ""
            await self._call(partial(asyncio.to_thread, self._outbox.smarthost_up))

    def _pausing(self, now: datetime) -> bool:
        # A pause longer than any that we make means that the clock was set back.
        return self._pause_until is not None and now < self._pause_until <= now + LONGEST_PAUSE

    def _finish_all(self, results: Sequence[Result]) -> list[None]:
        self._outbox.finish(results)
        return [None] * len(results)

    async def _record(self, recording: Callable[[], Awaitable[object]]) -> bool:
        """Record what only this process knows, waiting for a store that does not answer; whether it could be."""
        for wait in RECORDING:
            if await self._call(recording):
                return True
            await self._sleep(wait)
        return await self._call(recording)

    async def _call(self, recording: Callable[[], Awaitable[object]]) -> bool:
        try:
            await recording()
        except TransientError as error:
            log.warning("store.unavailable", reason=str(error))
            return False
        return True


def other_id(reply: str, shape: str | None) -> str:
    """The Message-ID that the smarthost gave the mail instead of ours, without brackets, '' where it names none.

    ``shape`` is `outbound.rewritten_message_id`, as `<{id}@eu-west-1.amazonses.com>`; the id is the first long word of
    its answer (`Ok 0102018f…`).
    """
    word = re.search(r"(?<![\w.-])(?=[\w.-]*\d)[\w.-]{16,}", reply) if shape else None
    return shape.strip("<> ").replace("{id}", word[0]) if shape and word else ""


def _from_address(entry: OutboxEntry) -> str:
    value = next((value for name, value in entry.message.headers if name == "Reply-To"), "")
    return value or entry.message.sender


async def _first_of(*waits: Awaitable[object], timeout: float) -> None:
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
