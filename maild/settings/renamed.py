"""This is where the keys stand that have another name now: they are still read, `maild check` shows the line as it would be
written, and `maild check --fix` writes it, the rest of the file untouched.

A renamed key is read for two minor versions after the one that renamed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from maild.errors import Fault
from maild.settings.faults import page_of
from maild.settings.source import Document


@dataclass(frozen=True, slots=True)
class Renamed:
    """The key at ``path`` (`*` is any key or item) of files that begin so is called ``name`` now; ``inverted`` where true is
    false under the new name. ``why`` is for people."""

    files: str
    path: tuple[str, ...]
    name: str
    why: str
    inverted: bool = False


RENAMED = (
    Renamed("rules/", ("rules", "*", "stop"), "continue", "'stop: false' is a double negative", inverted=True),
    Renamed("workflows.yaml", ("workflows", "*", "on"), "event", "'on' is true to every reader of YAML 1.1"),
)


@dataclass(frozen=True, slots=True)
class Edit:
    """One line that would be written otherwise: ``line`` counts from 1, ``path`` leads to the key, ``now`` is the key with
    its value as they would stand."""

    line: int
    new: str
    path: tuple[str | int, ...]
    now: str
    renamed: Renamed


def edits(document: Document) -> list[Edit]:
    """The renamed keys of a file, from its end; where two stand in one line the second edit holds both."""
    lines = document.text.split("\n")
    places = [
        (document.place(path, key=True), path, each) for each in RENAMED if document.name.startswith(each.files)
        for path in _paths(document.value, each.path, ())
    ]  # fmt: skip
    found: list[Edit] = []
    for (line, column), path, renamed in sorted(places, key=lambda one: one[0], reverse=True):
        written = _written(lines[line - 1], column - 1, str(path[-1]), renamed)
        if written is not None:
            lines[line - 1], now = written
            found.append(Edit(line, lines[line - 1], path, now, renamed))
    return found


def _paths(value: Any, pattern: Sequence[str], path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if not pattern:
        yield path
    elif isinstance(value, list) and pattern[0] == "*":
        for place, each in enumerate(value):
            yield from _paths(each, pattern[1:], (*path, place))
    elif isinstance(value, dict):
        for key, each in value.items():
            if pattern[0] in ("*", key):
                yield from _paths(each, pattern[1:], (*path, key))


def _written(line: str, start: int, key: str, renamed: Renamed) -> tuple[str, str] | None:
    """The line with the key at this column under its new name, and that key with its value; None where the value is of
    another kind than the key takes, which is a fault of its own."""
    found = re.match(rf"""(['"]?){re.escape(key)}\1(\s*:\s+)(\w*)""", line[start:])
    if found is None:
        return None
    value = found[3]
    if renamed.inverted:
        value = {"true": "false", "false": "true"}.get(value.lower(), "")
        if not value:
            return None
    now = f"{renamed.name}{found[2]}{value}"
    return f"{line[:start]}{now}{line[start + found.end() :]}", f"{renamed.name}: {value or '…'}"


def fixed(document: Document) -> str:
    """The text of the file with every renamed key under its present name."""
    lines = document.text.split("\n")
    for edit in edits(document):
        lines[edit.line - 1] = edit.new
    return "\n".join(lines)


def faults(document: Document) -> Iterator[Fault]:
    """A warning for each renamed key, with the line as it would be written."""
    for edit in reversed(edits(document)):
        message = f"{edit.path[-1]!r} is called {edit.renamed.name!r} now: {edit.renamed.why}"
        yield document.fault(edit.path, message, f"write: {edit.now}; maild check --fix does it", key=True, severity="warning",
                             page=page_of(document, edit.path))  # fmt: skip
