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
    parts: tuple[Document, ...] = ()  # the files of several folders that this is made of, the last on top

    @property
    def broken(self) -> bool:
        """Whether part of the file could not be read, so that names may be missing from it."""
        return any(fault.severity == "error" for fault in self.faults)

    def home(self, path: Sequence[str | int]) -> Document:
        """The document in which the value of this path is written: this one, or the last of its parts that has it."""
        return next((one for one in reversed(self.parts) if one._has(path)), self.parts[-1] if self.parts else self)

    def _has(self, path: Sequence[str | int]) -> bool:
        node = self.node
        for step in path:
            if not isinstance(node, Node) or (step not in node.items if node.keys is not None else not isinstance(step, int) or step >= len(node.items)):
                return False
            node = node.items[step]  # type: ignore[index]
        return node is not None

    def place(self, path: Sequence[str | int], *, key: bool = False) -> tuple[int, int]:
        """Line and column (from 1) of the value (or key) at this path, or of the nearest above it that is there."""
        home = self.home(path)
        if home is not self:
            return home.place(path, key=key)
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
        return Fault(self.home(path).file, line, column, message, hint, page, severity)


def overlaid(documents: Sequence[Document]) -> Document:
    """The same file of several folders, each laid over the one before: mappings are merged by key, all else is replaced."""
    if len(documents) == 1:
        return documents[0]
    top = documents[-1]
    whole = Document(top.file, top.text, top.sha256, parts=tuple(documents))
    for one in documents:
        whole.faults += one.faults
        whole.bad |= one.bad
        if one.node is not None:  # else it is empty, or broken
            whole.value, whole.node = _merged(whole.value, one.value), _merged_places(whole.node, one.node)
    return whole


def _merged(under: Any, over: Any) -> Any:
    if isinstance(under, dict) and isinstance(over, dict):
        return {**under, **{key: _merged(under.get(key), value) for key, value in over.items()}}
    return over


def _merged_places(under: Any, over: Any) -> Any:
    if isinstance(under, Node) and isinstance(over, Node) and under.keys is not None and over.keys is not None:
        both = Node(over.mark, True)
        both.keys = {**under.keys, **over.keys}
        assert isinstance(under.items, dict) and isinstance(over.items, dict)
        below: dict[str, Any] = under.items
        both.items = {**below, **{key: _merged_places(below.get(key), node) for key, node in over.items.items()}}
        return both
    return over
