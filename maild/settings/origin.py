"""This is where maild says where each value of the configuration in force comes from: a file and line, or a default."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from maild.errors import ConfigError
from maild.settings.load import Reading
from maild.settings.source import Document
from maild.settings.times import Absence, AtMost
from maild.settings.values import Rate, Secret, WorkingDays, lasting

_SHOWN = ("maild.yaml", "directory.yaml", "sla.yaml", "workflows.yaml")


@dataclass(frozen=True, slots=True)
class Effective:
    """One value in force: its file and key (dotted), the value as plain data, and `FILE:LINE` or `default`."""

    file: str
    key: str
    value: Any
    origin: str


def effective(folder: Path) -> list[Effective]:
    """Every value of the configuration in this directory, in the order of the reference; rules by name. Secrets are the
    places that they are read from, never themselves. Raises ConfigError."""
    reading = Reading(folder)
    settings = reading.settings()
    if settings is None:
        raise ConfigError([fault for fault in reading.found() if fault.severity == "error"])
    found: list[Effective] = []
    models = dict(zip(_SHOWN, (settings.main, settings.directory, settings.sla, settings.workflows), strict=True))
    for name, model in models.items():
        for key, value, origin in _walk(model, reading.documents.get(name), ()):
            found.append(Effective(name, ".".join(map(str, key)), value, origin))
    given = os.environ.get("STATE_DIRECTORY")
    unset = f"$STATE_DIRECTORY={given}" if given else "default"
    found = [
        Effective(each.file, each.key, str(settings.state_dir), unset)
        if each.key == "state_dir" and each.origin == "default"
        else each
        for each in found
    ]
    for rule, (name, position) in zip(settings.rules, settings.rule_places, strict=True):
        document = reading.documents[name]
        line, _ = document.place(("rules", position))
        found.append(Effective(name, f"rules.{position}", rule.name, f"{document.file}:{line}"))
    return found


def _walk(
    value: Any,
    document: Document | None,
    path: tuple[str | int, ...],
    written: Any = ...,
    label: tuple[str | int, ...] = (),
) -> Iterator[tuple[tuple[str | int, ...], Any, str]]:
    """Each leaf below a value: its key, itself as plain data, its origin. ``written`` is what the document has."""
    if written is ...:
        written = document.value if document is not None else None
    if isinstance(value, BaseModel) and not isinstance(value, Secret):
        for name, field in type(value).model_fields.items():
            shown = field.alias or name
            names = [shown, name, *getattr(field.validation_alias, "choices", ())]
            here = next((each for each in names if isinstance(written, dict) and each in written), None)
            below = getattr(value, name)
            if here is None:
                if isinstance(written, str) and name == "url":  # `database: URL` in short
                    yield (*label, shown), plain(below), _place(document, path)
                else:
                    yield from _walk(below, None, (*path, shown), None, (*label, shown))
            else:
                yield from _walk(below, document, (*path, here), written[here], (*label, shown))
    elif isinstance(value, Mapping) and any(isinstance(each, BaseModel) for each in value.values()):
        for key, each in value.items():
            there = isinstance(written, dict) and str(key) in written
            yield from _walk(
                each,
                document if there else None,
                (*path, str(key)),
                written[str(key)] if there else None,
                (*label, str(key)),
            )
    elif isinstance(value, tuple) and any(isinstance(each, BaseModel) for each in value):
        for position, each in enumerate(value):
            several = isinstance(written, list)
            yield from _walk(
                each,
                document,
                (*path, position) if several else path,
                written[position] if several else written,
                (*label, position),
            )
    else:
        yield label, plain(value), _place(document, path)


def _place(document: Document | None, path: tuple[str | int, ...]) -> str:
    return "default" if document is None else f"{document.home(path).file}:{document.place(path)[0]}"


def plain(value: Any) -> Any:
    """A value of the settings as it would be written in YAML: text, numbers, lists and mappings only."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, timedelta):
        return written_duration(value)
    if isinstance(value, WorkingDays):
        return lasting(value)
    if isinstance(value, Rate):
        return f"{value.count} in {written_duration(value.window)}"
    if isinstance(value, Absence):
        return True if value == Absence() else str(value)
    if isinstance(value, AtMost):
        return f"{value.count} per {value.per}" + (f" in {written_duration(value.window)}" if value.window else "")
    if isinstance(value, BaseModel):
        return {
            field.alias or name: plain(getattr(value, name))
            for name, field in type(value).model_fields.items()
            if getattr(value, name) is not None
        }
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def written_duration(value: timedelta) -> str:
    """`15m`, `2d`, `90s`: the largest unit that fits without a rest; 0 for none."""
    seconds = value.total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{int(seconds // length)}{unit}"
    return f"{int(seconds) if seconds == int(seconds) else seconds}s" if seconds else "0"
