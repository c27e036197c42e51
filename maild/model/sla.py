"""This is where maild says what an SLA clock is, how it stands, and which steps are taken on the way to its breach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class ClockKind(StrEnum):
    """What a clock measures. The resolution clock alone pauses; next_response may run many times in a case."""

    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    RESOLUTION = "resolution"


class Outcome(StrEnum):
    """How a clock ended."""

    FULFILLED = "fulfilled"
    VIOLATED = "violated"


class ResponseStatus(StrEnum):
    """How a response clock stands, as `sla_state.first_response.status`."""

    PENDING = "pending"
    FULFILLED = "fulfilled"
    VIOLATED = "violated"


class SlaStatus(StrEnum):
    """How the resolution clock stands, as `sla_state.status`."""

    RUNNING = "running"
    TIME_LEFT = "time_left"
    PAUSED = "paused"
    FULFILLED = "fulfilled"
    VIOLATED = "violated"
    ESCALATED = "escalated"


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch in which the clock stood still; ``end`` is None while it does."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """One deadline of a case. All instants are aware, in UTC.

    ``target`` is working time of the policy's calendar, fixed when the clock started or was last retimed; ``due_at`` is
    when it is used up, moved on by every pause that has ended. ``steps_done`` are the keys of the escalation steps that
    ran; ``escalated`` says that one of them was at 100 % or more.
    """

    kind: ClockKind
    started_at: datetime
    target: timedelta
    due_at: datetime
    pauses: tuple[Pause, ...] = ()
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    steps_done: tuple[str, ...] = ()
    escalated: bool = False

    @property
    def running(self) -> bool:
        """Not ended; it may be paused."""
        return self.ended_at is None

    @property
    def paused_at(self) -> datetime | None:
        """Since when the clock stands still, None where it does not."""
        return self.pauses[-1].start if self.running and self.pauses and self.pauses[-1].end is None else None


@dataclass(frozen=True, slots=True)
class Step:
    """What happens at one instant of a clock: an escalation of the policy, or the breach itself (``escalation`` None).

    ``key`` names the step within its clock (`at 80%`, `breach`) and stays the same when the policy's list is
    reordered; ``share`` is the part of the target that is used by then (1.0 is the target).
    ``escalation`` is the number of the escalation in the policy's list, from 0.
    """

    key: str
    kind: ClockKind
    due_at: datetime
    share: float
    escalation: int | None = None


@dataclass(frozen=True, slots=True)
class ClockState:
    """One clock as it is shown: ``elapsed`` is the working time used, without pauses."""

    status: ResponseStatus | SlaStatus
    due_at: datetime
    elapsed: timedelta


@dataclass(frozen=True, slots=True)
class SlaState:
    """`sla_state` of `maild case show`. ``total_elapsed`` is all time from the first clock's start to the resolution or
    now, nights and pauses too. All None where the case has no SLA."""

    status: SlaStatus | None = None
    total_elapsed: timedelta | None = None
    first_response: ClockState | None = None
    next_response: ClockState | None = None
    resolution: ClockState | None = None
