"""This is where maild compares what a test expects with what came out: only what is named, and said so that it can be read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maild.settings.rule_tests import COMPARISONS


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not as expected: its path (`case.fields.order`), what was expected, what came out."""

    what: str
    expected: str
    got: str

    def as_json(self) -> dict[str, str]:
        return {"what": self.what, "expected": self.expected, "got": self.got}

    def lines(self) -> list[str]:
        """For people: short values side by side, longer ones line by line."""
        if "\n" not in self.expected + self.got:
            return [f"{self.what}", f"    expected  {self.expected}", f"    got       {self.got}"]
        compared = difflib.ndiff(self.expected.splitlines(), self.got.splitlines())
        return [f"{self.what} (- expected, + got)", *(f"    {line}" for line in compared if not line.startswith("?"))]


def differences(expected: Any, got: Any, what: str) -> list[Difference]:
    """Where ``got`` is not as expected. Of a mapping only the named keys count, of a list that each item is there."""
    if isinstance(expected, Mapping):
        if expected and set(expected) <= set(COMPARISONS):
            return [] if _holds(expected, got) else [Difference(what, _operators(expected), shown(got))]
        if not isinstance(got, Mapping):
            if got is None or isinstance(got, str | int | float):
                return [Difference(what, shown(expected), shown(got))]
            return [Difference(what, shown(expected), shown(got))]
        return [found for key, value in expected.items() for found in _at(key, value, got, what)]
    if isinstance(expected, list | tuple):
        return [] if _all_there(expected, got) else [Difference(what, shown(expected), shown(got))]
    return [] if same(expected, got) else [Difference(what, shown(expected), shown(got))]


def _at(key: Any, value: Any, got: Mapping[str, Any], what: str) -> list[Difference]:
    """One named key; `fields.order` leads below `fields`."""
    name = str(key)
    below: Any = got
    for step in [name] if name in got else name.split("."):
        below = below.get(step) if isinstance(below, Mapping) else None
    return differences(value, below, f"{what}.{name}" if what else name)


def same(expected: Any, got: Any) -> bool:
    """Whether two values mean the same: as text, without blanks around; nothing, '' and none are one.

    A person is the same by name or by address.
    """
    if isinstance(got, Mapping) and "email" in got:
        return any(_text(expected).lower() == _text(got.get(key)).lower() for key in ("email", "name"))
    if isinstance(got, list | tuple):
        return len(got) == 1 and same(expected, got[0])
    return _text(expected) == _text(got)


def _text(value: Any) -> str:
    if value is None or value == "none":
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).replace("\r\n", "\n").strip()


def _all_there(expected: Sequence[Any], got: Any) -> bool:
    if not expected:
        return not got
    there = got if isinstance(got, list | tuple) else [] if got is None else [got]
    return all(any(not differences(one, each, "") for each in there) for one in expected)


def _holds(expected: Mapping[str, Any], got: Any) -> bool:
    text = _text(got) if not isinstance(got, list | tuple | Mapping) else shown(got)
    return all(_one(operator, value, got, text) for operator, value in expected.items())


def _one(operator: str, value: Any, got: Any, text: str) -> bool:
    words = [_text(one).lower() for one in (value if isinstance(value, list | tuple) else [value])]
    folded = text.lower()
    match operator:
        case "is":
            listed = isinstance(value, list | tuple) and isinstance(got, list | tuple)
            return sorted(map(_text, value)) == sorted(map(_text, got)) if listed else same(value, got)
        case "not":
            return bool(differences(value, got, ""))
        case "contains":
            return all(word in folded for word in words)
        case "starts_with":
            return any(folded.startswith(word) for word in words)
        case "ends_with":
            return any(folded.endswith(word) for word in words)
        case "matches":
            return re.search(str(value), text, re.IGNORECASE | re.MULTILINE) is not None
        case "exists":
            return (text != "") is bool(value)
        case _:
            return (text == "") is bool(value)


def _operators(expected: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {shown(value)}" for name, value in expected.items())


def shown(value: Any) -> str:
    """A value for people: nothing as `(nothing)`, mappings and lists on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {shown(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    return _text(value) or "(nothing)"
