"""This is where values of ours become JSON text and come back from it: columns of the database, and what `--json` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import orjson


def plain(value: Any) -> Any:
    """Any value of the model as what JSON knows: dataclasses as objects, durations in seconds, times and days as ISO text,
    enums as their word."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return _other(value)


def to_text(value: Any) -> str:
    """The JSON of a value of the model, as `plain` has it. Raises TypeError for what is none."""
    try:
        return orjson.dumps(value, default=_other).decode()
    except TypeError:  # a number of more than 64 bits, half of a surrogate pair, a key that is no text
        return json.dumps(plain(value))


def from_text(text: str | bytes) -> Any:
    """The value that JSON text says. Raises ValueError."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # half of a surrogate pair is no JSON to it
        return json.loads(text)


def _other(value: Any) -> Any:
    """What is left after JSON's own kinds and dataclasses."""
    if isinstance(value, set | frozenset):
        return [plain(each) for each in sorted(value)]
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
