"""This is where maild reads YAML: the text of one file becomes plain values, each with its place, and faults.

YAML 1.2 with the core schema (yaml.org/spec/1.2.2, 10.3): only true, false, null, integers and floats are other than
text, so `on`, `no`, `1:30` and dates stay as written. Tags, merge keys, duplicate keys, more than 100 aliases, a key
with nothing after its colon, and nesting or sizes that no configuration has are faults. The parser is libyaml's, read
event by event: composing nodes in C recurses and ends the process on deep nesting.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined,unused-ignore]

from maild.errors import Fault
from maild.settings import wording
from maild.settings.source import Document, Node, WrittenFloat, WrittenInt

MAX_BYTES = 8 * 1024**2
MAX_ALIASES = 100
MAX_NODES = 1_000_000

_INTEGER = re.compile(r"[-+]?[0-9]{1,400}\Z|0o[0-7]{1,400}\Z|0x[0-9a-fA-F]{1,400}\Z")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?\Z|[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z"
)
_WORDS: dict[str, bool | None] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None,
}  # fmt: skip
_DIGITS = frozenset("0123456789+-.")
_COMMENT = re.compile(r"[ \t]+(#[^\s#][^\n\r]*)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read_file(path: Path, shown: str) -> Document:
    """Read one YAML file; never raises for what is in it or for a file that cannot be opened."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return Document(shown, "", faults=[Fault(shown, 0, 0, *wording.unreadable(path, error), wording.PAGE)])
    return read_bytes(raw, shown)


def read_bytes(raw: bytes, shown: str) -> Document:
    """Read the bytes of one YAML file; ``shown`` is the name that faults carry."""
    document = Document(shown, "", hashlib.sha256(raw).hexdigest())
    if len(raw) > MAX_BYTES:
        document.faults.append(Fault(shown, 0, 0, "is larger than 8 MiB; no configuration is", "split it"))
        return document
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in (raw[:1], raw[1:2]):
        document.faults.append(Fault(shown, 0, 0, "this file is UTF-16, as Windows editors save it", "save it as UTF-8", wording.PAGE))
        return document
    try:
        document.text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before) - (before.rfind(b"\n") + 1) + 1
        document.faults.append(Fault(shown, line, column, "this is not UTF-8", "save the file as UTF-8", wording.PAGE))
        return document
    _Reader(document).read()
    return document


@dataclass(slots=True)
class _Frame:
    """A mapping or list being read. ``quiet`` frames are read past, without values or faults."""

    value: Any
    node: Node
    mapping: bool
    flow: bool
    anchor: str | None
    started: int
    quiet: bool = False
    is_key: bool = False
    key: str | None = None
    key_mark: Any = None
    dropped: bool = False  # the pending key is a duplicate or no text: its value is read past


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0
        self.aliases = 0
        self.anchors: dict[str, tuple[Any, Any, int] | None] = {}

    def fault(self, mark: Any, message: str, hint: str = "") -> None:
        place = (mark.line + 1, mark.column + 1)
        self.document.bad.add(place)
        self.document.faults.append(Fault(self.document.file, *place, message, hint, wording.PAGE))

    def read(self) -> None:
        document = self.document
        try:
            self._events(CParser(document.text))
        except yaml.YAMLError as error:
            fault = wording.explain(error, document.file, document.text)
            told = [other.line for other in document.faults if other.severity == "error"]
            if fault.line not in told:  # else it is the same mistake, already told
                document.faults.append(fault)
            document.value = document.node = None
        except _TooMuch:
            document.value = document.node = None

    def _events(self, parser: Any) -> None:
        stack: list[_Frame] = []
        done = False
        get, scalar, mapping_start, sequence_start = (
            parser.get_event,
            yaml.ScalarEvent,
            yaml.MappingStartEvent,
            yaml.SequenceStartEvent,
        )
        while (event := get()) is not None:
            kind = type(event)
            frame = stack[-1] if stack else None
            if kind is scalar:
                if frame is not None and frame.mapping and frame.key_mark is None:
                    self._key(frame, event)
                    continue
                self._put(frame, self._scalar(event, frame), event.start_mark, event.anchor, 1)
            elif kind is mapping_start or kind is sequence_start:
                stack.append(self._open(frame, event, kind is mapping_start, len(stack)))
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                ended = stack.pop()
                above = stack[-1] if stack else None
                if ended.is_key:
                    continue
                self._put(above, ended.value, ended.node, ended.anchor, self.count - ended.started)
            elif kind is yaml.AliasEvent:
                value, node, size = self._alias(event)
                if frame is not None and frame.mapping and frame.key_mark is None:
                    self.fault(event.start_mark, "an alias (*…) cannot be a key", "write the key out, or quote it")
                    frame.key_mark, frame.dropped = event.start_mark, True
                    continue
                self.count += size
                self._put(frame, value, node, None, size)
            elif kind is yaml.DocumentStartEvent:
                if done:
                    self.fault(
                        event.start_mark, "a second document begins here (---); one file holds one", "remove the line"
                    )
                    raise _TooMuch
                done = True
            if self.count > MAX_NODES:
                self.fault(event.start_mark, "this file unfolds to more than a million values; no configuration does")
                raise _TooMuch

    def _open(self, frame: _Frame | None, event: Any, mapping: bool, depth: int) -> _Frame:
        mark = event.start_mark
        if depth >= wording.MAX_DEPTH:
            self.fault(mark, wording.TOO_DEEP)
            raise _TooMuch
        self.count += 1
        opened = _Frame(
            {} if mapping else [], Node(mark, mapping), mapping, bool(event.flow_style), event.anchor, self.count
        )
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if frame is not None:
            opened.quiet = frame.quiet or frame.dropped
            if frame.mapping and frame.key_mark is None:
                if not opened.quiet:
                    outer = frame.node.mark if self.document.text[frame.node.mark.index :].startswith("{{") else mark
                    self.fault(outer, *wording.complex_key(self.document.text, outer))
                frame.key_mark, frame.dropped = mark, True
                opened.is_key = opened.quiet = True
        if event.tag is not None and not opened.quiet:
            self.fault(mark, *wording.tag(event.tag))
        return opened

    def _key(self, frame: _Frame, event: Any) -> None:
        key, mark = event.value, event.start_mark
        frame.key, frame.key_mark, frame.dropped = key, mark, frame.quiet
        if frame.quiet:
            return
        assert frame.node.keys is not None
        if event.tag is not None:
            self.fault(mark, *wording.tag(event.tag))
        if key in frame.node.keys:
            first = frame.node.keys[key]
            self.fault(
                mark,
                f"the key {key!r} stands here a second time, first in line {first.line + 1}",
                "remove one, or make one mapping of both",
            )
            frame.dropped = True
        elif key == "<<" and event.implicit[0]:
            self.fault(mark, "merging by << is YAML 1.1 and is not read", "write the keys out")
            frame.dropped = True
        elif _CONTROL.search(key):
            self.fault(mark, *wording.control(key))
        elif key and wording.ODD_BLANK.match(key):
            self.fault(mark, *wording.ODD_INDENTATION)
            frame.dropped = True

    def _put(self, frame: _Frame | None, value: Any, node: Any, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, node, size)
        if frame is None:
            self.document.value, self.document.node = value, node
        elif not frame.mapping:
            frame.value.append(value)
            frame.node.items.append(node)  # type: ignore[union-attr]
        else:
            if not frame.dropped:
                assert frame.key is not None and frame.node.keys is not None
                frame.value[frame.key] = value
                frame.node.keys[frame.key] = frame.key_mark
                frame.node.items[frame.key] = node  # type: ignore[call-overload]
            frame.key = frame.key_mark = None
            frame.dropped = False

    def _alias(self, event: Any) -> tuple[Any, Any, int]:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            self.fault(event.start_mark, f"more than {MAX_ALIASES} aliases (*…); no configuration needs them")
            raise _TooMuch
        if event.anchor not in self.anchors:
            self.fault(event.start_mark, *wording.alias(self.document.text, event.start_mark, event.anchor))
            return None, event.start_mark, 1
        known = self.anchors[event.anchor]
        if known is None:
            self.fault(
                event.start_mark, f"the alias *{event.anchor} stands inside what it names", "write the value out"
            )
            raise _TooMuch
        return known

    def _scalar(self, event: Any, frame: _Frame | None) -> Any:
        self.count += 1
        text: str = event.value
        if frame is not None and (frame.quiet or frame.dropped):
            return None
        if event.tag is not None:
            self.fault(event.start_mark, *wording.tag(event.tag))
            return None
        if not event.style:  # plain
            if not event.implicit[0]:
                self.fault(event.start_mark, *wording.tag("!"))
                return None
            if not text:
                self._empty(event, frame)
                return None
            self._cut(event)
            if text[0] in wording.OPENING and text[-1] in wording.CLOSING and len(text) > 1:
                mark = event.start_mark
                self.document.faults.append(
                    Fault(self.document.file, mark.line + 1, mark.column + 1, *wording.typographic(text), wording.PAGE, "warning")
                )
            if text[0] in _DIGITS:
                return _number(text)
            return _WORDS.get(text, text) if len(text) < 6 else text
        if not text and event.style in "|>":
            self.fault(event.start_mark, *wording.empty_block(self.document.text, event.start_mark))
        elif _CONTROL.search(text):
            self.fault(event.start_mark, *wording.control(text))
        return text

    def _cut(self, event: Any) -> None:
        """Warn of a value that # and a letter cut short: most often they belong to it."""
        text, end = self.document.text, event.end_mark
        if text[end.index : end.index + 1] != " ":
            return
        match = _COMMENT.match(text, end.index)
        if match is not None:
            self.document.faults.append(
                Fault(
                    self.document.file,
                    end.line + 1,
                    end.column + match.start(1) - end.index + 1,
                    f"the value ends before {match[1]!r}, which is a comment",
                    "quote the value if this belongs to it, else write a blank after #",
                    wording.PAGE,
                    "warning",
                )
            )

    def _empty(self, event: Any, frame: _Frame | None) -> None:
        if frame is None:
            return
        mark = frame.key_mark if frame.mapping else event.start_mark
        message, hint = wording.empty(self.document.text, mark, frame.key, frame.flow)
        self.fault(mark, message, hint)
        self.document.bad.add((event.start_mark.line + 1, event.start_mark.column + 1))


class _TooMuch(Exception):
    """The file cannot be read on; its fault is already noted."""


def _number(text: str) -> Any:
    if _INTEGER.match(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        whole = WrittenInt(int(text, base))
        whole.written = text
        return whole
    if _FLOAT.match(text):
        number = WrittenFloat(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        number.written = text
        return number
    return text
