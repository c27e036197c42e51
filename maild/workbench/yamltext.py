"""This is where maild writes YAML that people go on editing: block style, quotes only where they are needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/][\w./@+-]*(?: [\w./@(+-][\w./@()+-]*)*\Z", re.ASCII)
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "none", "y", "n"))
_FLOW = 100  # characters that a list or mapping on one line may have


def dump(value: Any) -> str:
    """The value (mappings, lists, text, numbers, truth) as YAML 1.2 that also YAML 1.1 reads the same."""
    return "\n".join(_lines(value, 0)) + "\n"


def _lines(value: Any, indent: int) -> Iterator[str]:
    space = " " * indent
    if isinstance(value, Mapping):
        for key, below in value.items():
            head = f"{space}{_key(str(key))}:"
            yield from _below(head, below, indent)
    elif isinstance(value, list | tuple):
        for item in value:
            first, *rest = list(_lines(item, indent + 2)) if _deep(item) else [f"{space}  {flow(item)}"]
            yield f"{space}- {first[indent + 2 :]}"
            yield from rest
    else:
        yield f"{space}{flow(value)}"


def _below(head: str, below: Any, indent: int) -> Iterator[str]:
    if isinstance(below, str) and "\n" in below and _block_fits(below):
        yield f"{head} |{'' if below.endswith(chr(10)) else '-'}"
        yield from (f"{' ' * (indent + 2)}{line}" if line else "" for line in below.removesuffix("\n").split("\n"))
    elif (_deep(below) and len(head) + len(flow(below)) > _FLOW) or _has_blocks(below):
        yield head
        yield from _lines(below, indent + 2)
    else:
        yield f"{head} {flow(below)}"


def _deep(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple) and bool(value)


def _has_blocks(value: Any) -> bool:
    """Whether something below is better read in a block: texts of several lines, lists of mappings, rules."""
    if isinstance(value, Mapping):
        return any((isinstance(below, str) and "\n" in below) or _has_blocks(below) for below in value.values())
    if isinstance(value, list | tuple):
        return any((isinstance(item, Mapping) and len(flow(item)) > 60) or _has_blocks(item) for item in value)
    return False


def _block_fits(text: str) -> bool:
    lines = text.removesuffix("\n").split("\n")
    return (
        bool(lines[0]) and not lines[0].startswith((" ", "\t")) and all(line == line.rstrip() for line in lines)
        and bool(lines[-1]) and all(c.isprintable() or c == "\n" for c in text) and "\r" not in text
    )  # fmt: skip


def _key(text: str) -> str:
    return text if _PLAIN.match(text) and text.lower() not in _WORDS - {"none"} else _quoted(text)


def flow(value: Any) -> str:
    """The value on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case int() | float():
            return str(value)
        case str():
            return value if _PLAIN.match(value) and value.lower() not in _WORDS else _quoted(value)
        case Mapping():
            return "{" + ", ".join(f"{_key(str(key))}: {flow(below)}" for key, below in value.items()) + "}"
        case Sequence():
            return "[" + ", ".join(map(flow, value)) + "]"
        case _:
            return _quoted(str(value))


def _quoted(text: str) -> str:
    if text and all(c.isprintable() for c in text):
        return "'" + text.replace("'", "''") + "'"
    # Control characters have no place in a configuration: they become blanks.
    return json.dumps("".join(c if c.isprintable() or c in "\n\t" else " " for c in text), ensure_ascii=False)
