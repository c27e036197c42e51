"""This is where maild's regular work is ticked: sweeps every so often, and jobs by cron lines.

A tick only gives the beat. What is due stands in the database, so one that is late, left out or doubled by a change of
the clock loses nothing and does nothing twice: each job looks for what is due at its ``now``.

Sweeps are timed by the loop's monotonic clock: APScheduler compares wall clocks, and after a step back of an hour its
intervals would be silent for that hour. Cron lines are about the wall clock, and are APScheduler's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from maild.log import get_logger

_log = get_logger("ticker")
_LOOK_AGAIN = timedelta(seconds=30)  # a cron line's wait is measured once; a clock set forward in it is seen by then

Run = Callable[[datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tick:
    """A sweep: ``run(now)`` at the start and then every ``every``, never twice at once."""

    name: str
    every: timedelta
    run: Run


@dataclass(frozen=True, slots=True)
class Cron:
    """A job by a cron line of five fields (`0 8 * * mon-fri`; 0 and 7 are Sunday) in a time zone (IANA name)."""

    name: str
    line: str
    timezone: str
    run: Run


class Ticker:
    """Runs ticks and crons inside the running asyncio loop, from `start` to `stop`.

    What a job raises is logged as `sweep.failed`, and its next tick comes at its time.
    """

    def __init__(self, jobs: Sequence[Tick], crons: Sequence[Cron], now: Callable[[], datetime]) -> None:
        self._jobs = jobs
        self._crons = crons
        self._now = now
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def start(self) -> None:
        """Begin to tick; every sweep runs once at once. A cron line that is none is a ValueError."""
        for cron in self._crons:
            self._scheduler.add_job(self.run, trigger(cron.line, cron.timezone), args=[cron.name, cron.run])
        self._scheduler.start()
        look = Tick("crons", _LOOK_AGAIN, self._look_at_crons)
        self._tasks = [asyncio.create_task(self._sweep(job), name=f"sweep {job.name}") for job in (*self._jobs, look)]

    async def run(self, name: str, run: Run) -> None:
        """Run one job now, as a tick does."""
        try:
            await run(self._now())
        except Exception as error:  # one sweep must not stop the others; what it left is still due
            _log.error("sweep.failed", sweep=name, reason=error, exc_info=error)

    async def stop(self, grace: timedelta = timedelta(seconds=10)) -> None:
        """Begin nothing more, and let what runs come to its end; after ``grace`` it is cancelled."""
        self._stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=grace.total_seconds())
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        self._tasks = []

    async def _sweep(self, job: Tick) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        every = job.every.total_seconds()
        while not self._stopping.is_set():
            await self.run(job.name, job.run)
            # beats missed while it ran are left out, not made up for
            due = max(due + every, loop.time())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), due - loop.time())

    async def _look_at_crons(self, _: datetime) -> None:
        self._scheduler.wakeup()


def trigger(line: str, timezone: str) -> CronTrigger:
    """The cron line as APScheduler has it. ValueError where it is none.

    Numbers of weekdays are turned into names: cron counts from Sunday, APScheduler from Monday.
    """
    fields = line.split()
    if len(fields) != 5:
        raise ValueError(f"{line!r} is no cron line; write minute hour day month weekday, as in 0 8 * * mon-fri")
    minute, hour, day, month, weekday = fields
    return CronTrigger(
        minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday), timezone=ZoneInfo(timezone)
    )


def _weekdays(text: str) -> str:
    names = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
    days: list[str] = []
    for piece in text.lower().split(","):
        span, slash, step = piece.partition("/")
        first, dash, last = span.partition("-")
        if not first.isdigit() and not last.isdigit():
            days.append(piece)
            continue
        low = int(first) if first.isdigit() else names.index(first)
        high = (int(last) if last.isdigit() else names.index(last)) if dash else (6 if slash else low)
        if low > 7 or high > 7 or (slash and not step.isdigit()):
            raise ValueError(f"{text!r} is no weekday of a cron line; write mon-fri or 1-5")
        if high < low:
            high += 7
        days += [names[day % 7] for day in range(low, high + 1, int(step) if slash else 1)]
    return ",".join(dict.fromkeys(days))


def next_fire(line: str, timezone: str, after: datetime) -> datetime | None:
    """When a cron line next fires after ``after`` (for `simulate` and cron jobs kept in the database), or None."""
    found: datetime | None = trigger(line, timezone).get_next_fire_time(None, after + timedelta(microseconds=1))
    return found
