from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from maild import clock
from maild.schedule.jumps import JumpWatch
from maild.schedule.ticker import Cron, Tick, Ticker, next_fire, trigger

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # a Sunday
SOON = timedelta(milliseconds=5)


class Job:
    """A job that counts its runs, and raises in the first ``faults`` of them."""

    def __init__(self, enough: int, faults: int = 0) -> None:
        self.runs: list[datetime] = []
        self.enough, self.faults = enough, faults
        self.done = asyncio.Event()

    async def __call__(self, now: datetime) -> None:
        self.runs.append(now)
        if len(self.runs) >= self.enough:
            self.done.set()
        if len(self.runs) <= self.faults:
            raise RuntimeError("no")


def test_a_sweep_runs_at_the_start_and_again_and_a_fault_does_not_stop_it() -> None:
    async def story() -> None:
        bad, good = Job(3, faults=3), Job(3)
        ticker = Ticker([Tick("bad", SOON, bad), Tick("good", SOON, good)], [], lambda: NOW)
        ticker.start()
        async with asyncio.timeout(10):
            await bad.done.wait()
            await good.done.wait()
        await ticker.stop()
        count = len(good.runs)
        await asyncio.sleep(0)
        assert len(good.runs) == count
        assert set(good.runs) == {NOW}

    asyncio.run(story())


def test_a_sweep_never_runs_twice_at_once_and_stop_lets_it_end() -> None:
    async def story() -> None:
        running, most, ended, begun = 0, 0, 0, asyncio.Event()
        go_on = asyncio.Event()

        async def slow(_: datetime) -> None:
            nonlocal running, most, ended
            running += 1
            most = max(most, running)
            begun.set()
            await go_on.wait()
            running -= 1
            ended += 1

        ticker = Ticker([Tick("slow", timedelta(microseconds=1), slow)], [], lambda: NOW)
        ticker.start()
        await begun.wait()
        stopping = asyncio.create_task(ticker.stop())
        await asyncio.sleep(0)
        go_on.set()
        await stopping
        assert (most, ended, running) == (1, 1, 0)

    asyncio.run(story())


def test_stop_does_not_wait_for_ever() -> None:
    async def story() -> None:
        async def stuck(_: datetime) -> None:
            await asyncio.Event().wait()

        ticker = Ticker([Tick("stuck", SOON, stuck)], [], lambda: NOW)
        ticker.start()
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await ticker.stop(grace=timedelta(milliseconds=1))

    asyncio.run(story())


def test_a_cron_line_that_is_none_is_refused_at_the_start() -> None:
    async def story() -> None:
        with pytest.raises(ValueError, match="cron line"):
            Ticker([], [Cron("digest", "8 o'clock", "UTC", Job(1))], clock.now).start()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("line", "after", "fires"),
    [
        ("0 8 * * mon-fri", "2026-11-22 12:00", "2026-11-23 08:00"),
        ("0 8 * * 1-5", "2026-11-22 12:00", "2026-11-23 08:00"),
        ("0 8 * * 0", "2026-11-22 12:00", "2026-11-29 08:00"),
        ("0 8 * * 7", "2026-11-22 12:00", "2026-11-29 08:00"),
        ("0 8 * * 6-7", "2026-11-23 12:00", "2026-11-28 08:00"),
        ("0 8 * * fri,1", "2026-11-24 12:00", "2026-11-27 08:00"),
        ("0 8 * * 1-5/2", "2026-11-23 12:00", "2026-11-25 08:00"),
        ("*/15 * * * *", "2026-11-22 12:01", "2026-11-22 12:15"),
        ("0 0 1 jan *", "2026-11-22 12:00", "2027-01-01 00:00"),
        ("30 2 * * *", "2026-10-24 12:00", "2026-10-25 02:30"),
    ],
)
def test_cron_lines_are_in_their_time_zone_and_weeks_begin_on_sunday(line: str, after: str, fires: str) -> None:
    zone = trigger(line, "Europe/Berlin").timezone
    found = next_fire(line, "Europe/Berlin", datetime.fromisoformat(after).replace(tzinfo=zone))
    assert found is not None
    assert found.astimezone(zone).strftime("%Y-%m-%d %H:%M") == fires


def test_nine_oclock_comes_once_on_the_days_on_which_the_clock_is_changed() -> None:
    for day in ("2026-03-29", "2026-10-25"):
        at = datetime.fromisoformat(f"{day} 00:00").replace(tzinfo=UTC)
        fired = []
        found = next_fire("0 9 * * *", "Europe/Berlin", at)
        while found is not None and found < at + timedelta(days=1):
            fired.append(found)
            found = next_fire("0 9 * * *", "Europe/Berlin", found)
        assert len(fired) == 1


@pytest.mark.parametrize("line", ["", "* * * *", "0 8 * * 8", "0 8 * * 1/x", "61 * * * *", "0 8 * * someday"])
def test_what_is_no_cron_line_is_a_value_error(line: str) -> None:
    with pytest.raises(ValueError):
        trigger(line, "UTC")


@pytest.mark.parametrize(
    ("wall", "monotonic", "jump"),
    [
        (timedelta(seconds=10), 10.0, None),
        (timedelta(minutes=5), 1.0, None),
        (timedelta(hours=1, seconds=1), 1.0, timedelta(hours=1)),
        (timedelta(seconds=1) - timedelta(days=365), 1.0, timedelta(days=-365)),
        (timedelta(hours=3), 3 * 3600.0, None),
    ],
)
def test_a_jump_is_where_wall_and_monotonic_clock_part(
    wall: timedelta, monotonic: float, jump: timedelta | None
) -> None:
    watch = JumpWatch()
    assert watch.look(NOW, 100.0) is None
    assert watch.look(NOW + wall, 100.0 + monotonic) == jump
    assert watch.look(NOW + wall + timedelta(seconds=1), 101.0 + monotonic) is None
