"""This is where the small values of the configuration are read: durations, sizes, rates, networks, secrets.

Each is written as text in YAML (``15m``, ``25MiB``, ``5 in 2h``) and becomes a typed, frozen value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 365 * 86400}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|d|w|y)\s*\Z")
_LONGEST = 100 * _UNITS["y"]  # what is beyond leaves the calendar when it is counted from now
_WORKING_DAYS = re.compile(r"\s*(\d{1,9})\s*wd\s*\Z")
_MOST_WORKING_DAYS = 999
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(B|KB|KiB|MB|MiB|GB|GiB)?\s*\Z", re.IGNORECASE)
_SIZES = {"b": 1, "kb": 1000, "kib": 1024, "mb": 1000**2, "mib": 1024**2, "gb": 1000**3, "gib": 1024**3}
_RATE = re.compile(r"\s*(\d+)\s+(?:in|per)\s+(.+?)\s*\Z")


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """`15wd`: so many working days of a calendar."""

    count: int


def duration(value: Any) -> timedelta:
    """Read ``60s``, ``15m``, ``4h``, ``2d``, ``1w`` or ``2y`` (a day is 24 hours, a year 365 days); 0 is none. Raises
    ValueError."""
    if isinstance(value, timedelta):
        return value
    if value in (0, "0"):
        return timedelta()
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is a number and a unit: 60s, 15m, 4h, 2d or 1w")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > _LONGEST:
        raise ValueError("a duration is 100 years at most\nwrite 100y or less")
    return timedelta(seconds=seconds)


def stay(value: Any) -> timedelta | WorkingDays:
    """How long a case is in a status: a duration, or working days (`15wd`, 999 at most). Raises ValueError."""
    if isinstance(value, WorkingDays):
        return value
    match = _WORKING_DAYS.match(value) if isinstance(value, str) else None
    if match is None:
        return duration(value)
    count = int(match[1])
    if not 0 < count <= _MOST_WORKING_DAYS:
        raise ValueError(f"working days are 1wd to {_MOST_WORKING_DAYS}wd\nwrite one of these, or a duration: 15d")
    return WorkingDays(count)


def lasting(value: timedelta | WorkingDays) -> str:
    """A duration as it is written in the configuration: `15d`, `90m`, `15wd`."""
    if isinstance(value, WorkingDays):
        return f"{value.count}wd"
    seconds = int(value.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def size(value: Any) -> int:
    """Read ``25MiB``, ``500kB`` or a number of bytes. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a size is a number of bytes, or a number and a unit: 500KiB, 25MiB")
    return int(float(match[1]) * _SIZES[(match[2] or "B").lower()])


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` within ``window``, written ``5 in 2h``."""

    count: int
    window: timedelta

    def __str__(self) -> str:
        return f"{self.count} in {lasting(self.window)}"


def rate(value: Any) -> Rate:
    """Read ``5 in 2h``. Raises ValueError."""
    if isinstance(value, Rate):
        return value
    match = _RATE.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a limit is a number and a time: 5 in 2h")
    return Rate(int(match[1]), duration(match[2]))


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Duration = Annotated[timedelta, BeforeValidator(duration)]
Stay = Annotated[timedelta | WorkingDays, BeforeValidator(stay, json_schema_input_type=str)]
Size = Annotated[int, BeforeValidator(size, json_schema_input_type=int | str)]
RateLimit = Annotated[Rate, BeforeValidator(rate, json_schema_input_type=str)]
OneOrMore = BeforeValidator(_as_list)


class Model(BaseModel):
    """The base of every configuration model: frozen, and an unknown key is a fault.

    A number where text is meant is taken as it was written (`0077` stays `0077`: settings.source.WrittenInt).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, populate_by_name=True,
                              coerce_numbers_to_str=True)  # fmt: skip


class Secret(Model):
    """Where a secret is found; never the secret itself. Exactly one of the three is given."""

    credential: str | None = None
    env: str | None = None
    file: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _never_the_secret(cls, value: Any) -> Any:
        if isinstance(value, str | int | float):
            raise ValueError(
                "a secret is never written in this file\nwrite {credential: NAME}, {env: NAME} or {file: PATH}"
            )
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if sum(place is not None for place in (self.credential, self.env, self.file)) != 1:
            raise ValueError("a secret has exactly one place\nwrite {credential: NAME}, {env: NAME} or {file: PATH}")
        return self


def scalar(value: Any) -> str:
    """A single value as the text that it was written as: true and false, dates, numbers."""
    return (
        str(value).lower() if isinstance(value, bool) else value.isoformat() if isinstance(value, date) else str(value)
    )
