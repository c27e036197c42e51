"""This is where one file of the configuration stands as it was read: its values, and the place of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from maild.errors import Fault


class WrittenInt(int):
    """An integer that remembers how it was written: ``str()`` gives `0077`, not `77`."""

    written: str

    def __str__(self) -> str:
        return self.written


class WrittenFloat(float):
    """A float that remembers how it was written: ``str()`` gives `1.10`, not `1.1`."""

    written: str

    def __str__(self) -> str:
        return self.written


class Node:
    """The places inside one mapping or list: its own mark, the marks of its keys, and what stands below."""

    __slots__ = ("items", "keys", "mark")

    def __init__(self, mark: Any, mapping: bool) -> None:
        self.mark = mark
        self.keys: dict[str, Any] | None = {} if mapping else None
        self.items: dict[str, Any] | list[Any] = {} if mapping else []


@dataclass(slots=True)
class Document:
    """One file as read. ``value`` is None where it could not be read; ``faults`` says why.

    ``name`` is the file's name within the configuration (`rules/10-x.yaml`), '' where it is not known to be part of one.
    ``bad`` holds the places (line, column) at which a fault was found, so that none is told twice.
    """

    file: str
    text: str
    sha256: str = ""
    value: Any = None
    node: Any = None
    faults: list[Fault] = field(default_factory=list)  # the reader's own, warnings among them
    bad: set[tuple[int, int]] = field(default_factory=set)
    name: str = ""

    @property
    def broken(self) -> bool:
        """Whether part of the file could not be read, so that names may be missing from it."""
        return any(fault.severity == "error" for fault in self.faults)

    def place(self, path: Sequence[str | int], *, key: bool = False) -> tuple[int, int]:
        """Line and column (from 1) of the value (or key) at this path, or of the nearest above it that is there."""
        node = self.node
        found = node.mark if isinstance(node, Node) else node
        for step in path:
            if not isinstance(node, Node):
                break
            if node.keys is not None and isinstance(step, str) and step in node.keys:
                found, node = node.keys[step], node.items[step]  # type: ignore[call-overload]
                if not key:
                    found = node.mark if isinstance(node, Node) else node
            elif node.keys is None and isinstance(step, int) and step < len(node.items):
                node = node.items[step]  # type: ignore[index]
                found = node.mark if isinstance(node, Node) else node
            else:
                break
        return (found.line + 1, found.column + 1) if found is not None else (0, 0)

    def fault(
        self,
        path: Sequence[str | int],
        message: str,
        hint: str = "",
        *,
        key: bool = False,
        page: str = "",
        severity: str = "error",
    ) -> Fault:
        """A fault at the value (or key) of this path."""
        line, column = self.place(path, key=key)
        return Fault(self.file, line, column, message, hint, page, severity)
