"""This is where maild finds the parts of a mail: a tree of places in the raw bytes, never copies.

The bytes of every part stay exact, nothing is parsed twice, and every limit is kept while reading: depth, number of
parts, delimiter lines. RFC 2046 (5.1) for multiparts; boundaries that are missing or never used are data, not faults.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from maild.ingest import header

DEPTH_LIMIT = 100
PART_LIMIT = 1000
_DASHES_LIMIT = 200_000
_NESTED = {"message/rfc822", "message/global", "message/news"}
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_UU_BEGIN = re.compile(rb"(?m)^begin [0-7]{3,4} [^\r\n]{1,250}\r?\n")


@dataclass(slots=True)
class Entity:
    """A message or part: ``data[start:end]`` with its body at ``body``. ``number`` counts what is no multipart."""

    data: bytes
    start: int
    body: int
    end: int
    fields: list[tuple[bytes, bytes]]
    type: str = "text/plain"
    declared_type: str = ""
    params: dict[str, str] = field(default_factory=dict)
    disposition: str = ""
    disposition_params: dict[str, str] = field(default_factory=dict)
    encoding: str = ""
    content_id: str = ""
    depth: int = 0
    number: int = -1
    inside: str = ""  # type of the multipart around it
    children: list[Entity] = field(default_factory=list)

    def walk(self) -> Iterator[Entity]:
        """This entity and all below it, depth first, without recursion."""
        stack = [self]
        while stack:
            one = stack.pop()
            yield one
            stack.extend(reversed(one.children))

    @property
    def nested(self) -> bool:
        """Whether it is a message inside the message."""
        return self.type in _NESTED

    @property
    def name(self) -> str:
        """The name that the part declares, or ''."""
        return self.disposition_params.get("filename") or self.params.get("name") or ""

    def raw_body(self, limit: int | None = None) -> bytes:
        """The body as it stands, at most ``limit`` bytes of it."""
        return self.data[self.body : self.end if limit is None else min(self.end, self.body + limit)]

    def content(self, limit: int | None = None) -> bytes:
        """The body with its transfer encoding undone; of at most ``limit`` encoded bytes."""
        return transfer_decode(self.raw_body(limit), self.encoding)


def transfer_decode(data: bytes, encoding: str) -> bytes:
    """Undo base64, quoted-printable or uuencode; every other encoding is taken as none."""
    match encoding:
        case "base64":
            return header.base64_bytes(data)
        case "quoted-printable":
            return binascii.a2b_qp(data, header=False)
        case "x-uuencode" | "uuencode" | "x-uue" | "uue":
            begin = _UU_BEGIN.search(data)
            return uu_decode(data[begin.end() :] if begin else data)
    return data


def uu_decode(data: bytes) -> bytes:
    """The bytes of uuencoded lines, up to the line ``end`` or the first that is none."""
    out = []
    for line in data.split(b"\n"):
        line = line.rstrip(b"\r")
        if line == b"end":
            break
        if not line:
            continue
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            try:  # some encoders write too many characters at the end of a line
                out.append(binascii.a2b_uu(line[: (((line[0] - 32) & 63) * 4 + 5) // 3 + 1]))
            except binascii.Error:
                break
    return b"".join(out)


def read(data: bytes) -> tuple[Entity, list[str]]:
    """The tree of a whole message, and what was wrong with it. Takes any bytes."""
    reader = _Reader()
    # leading blank lines are some server's, the mail begins after them
    root = reader.entity(data, header.leading_blank(data), len(data), 0, reader.dashes(data), "text/plain", "")
    for number, leaf in enumerate(e for e in root.walk() if e.nested or not e.children):
        leaf.number = number
    return root, reader.defects


class _Reader:
    """Reads one message; counts its parts and collects its defects."""

    def __init__(self) -> None:
        self.parts = 0
        self.defects: list[str] = []

    def defect(self, text: str) -> None:
        if text not in self.defects:
            self.defects.append(text)

    def dashes(self, data: bytes) -> list[int]:
        """Where the lines begin that could be delimiters."""
        found = [0] if data.startswith(b"--") else []
        place = data.find(b"\n--")
        while place >= 0:
            if len(found) >= _DASHES_LIMIT:
                self.defect(f"mime: more than {_DASHES_LIMIT} delimiter lines, the rest was not read")
                break
            found.append(place + 1)
            place = data.find(b"\n--", place + 3)
        return found

    def entity(
        self, data: bytes, start: int, end: int, depth: int, dashes: list[int], default: str, inside: str
    ) -> Entity:
        self.parts += 1
        fields, body, defects = header.fields(data, start, end)
        for text in defects:
            self.defect(text)
        one = Entity(data, start, body, end, fields, type=default, depth=depth, inside=inside)
        for raw_name, raw in fields:
            name = raw_name.lower()
            if not name.startswith(b"content-"):
                continue
            if name == b"content-type" and not one.declared_type:
                one.declared_type, one.params = header.parameters(raw)
                one.type = self._type(one.declared_type, default)
            elif name == b"content-disposition" and not one.disposition:
                one.disposition, one.disposition_params = header.parameters(raw)
            elif name == b"content-transfer-encoding" and not one.encoding:
                one.encoding = header.parameters(raw)[0].strip("\"' ")
            elif name == b"content-id" and not one.content_id:
                one.content_id = header.value(raw).strip("<> ")
        if one.type.startswith("multipart/"):
            self._multipart(one, dashes)
        elif one.nested:
            self._message(one, dashes)
        return one

    def _type(self, declared: str, default: str) -> str:
        if not declared:
            return default
        match = _TYPE.match(declared)
        if match is not None:
            return match[0]
        self.defect(f"mime: {declared[:40]!r} is no media type")
        return {"text": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}.get(
            declared.partition("/")[0].strip(), "text/plain"
        )

    def _too_deep(self, one: Entity) -> bool:
        if one.depth >= DEPTH_LIMIT:
            self.defect(f"mime: nested deeper than {DEPTH_LIMIT}, the rest was not read")
            return True
        if self.parts >= PART_LIMIT:
            self.defect(f"mime: more than {PART_LIMIT} parts, the rest was not read")
            return True
        return False

    def _message(self, one: Entity, dashes: list[int]) -> None:
        if self._too_deep(one):
            return
        if one.encoding in ("base64", "quoted-printable"):
            inner = one.content()
            one.children = [
                self.entity(inner, 0, len(inner), one.depth + 1, self.dashes(inner), "text/plain", one.type)
            ]
        elif one.end > one.body:
            one.children = [self.entity(one.data, one.body, one.end, one.depth + 1, dashes, "text/plain", one.type)]

    def _multipart(self, one: Entity, dashes: list[int]) -> None:
        if self._too_deep(one):
            one.type = "text/plain" if one.depth == 0 else "application/octet-stream"
            return
        boundary = one.params.get("boundary", "").encode("utf-8", "replace").rstrip()
        marks = self._marks(one, dashes, boundary) if boundary else []
        if not marks:
            guess = self._guess(one, dashes)
            marks = self._marks(one, dashes, guess) if guess else []
            self.defect("mime: a multipart whose boundary is missing or never used")
        if not marks:
            one.type = "text/plain"
            return
        default = "message/rfc822" if one.type == "multipart/digest" else "text/plain"
        for index, (_, after, closing) in enumerate(marks):
            if closing:
                break
            if self._too_deep(one):
                break
            if index + 1 < len(marks):
                end = marks[index + 1][0]
                if one.data.endswith(b"\r\n", after, end):
                    end -= 2
                elif one.data.endswith(b"\n", after, end):
                    end -= 1
            else:
                end = one.end
                self.defect("mime: a multipart without its closing delimiter")
            one.children.append(self.entity(one.data, after, max(after, end), one.depth + 1, dashes, default, one.type))

    def _marks(self, one: Entity, dashes: list[int], boundary: bytes) -> list[tuple[int, int, bool]]:
        """The delimiter lines of this boundary: (begin of line, begin of next line, whether it closes)."""
        wanted = b"--" + boundary
        found = []
        data = one.data
        for place in dashes[bisect_left(dashes, one.body) : bisect_left(dashes, one.end)]:
            if not data.startswith(wanted, place):
                continue
            line = data.find(b"\n", place, one.end)
            next_line = one.end if line < 0 else line + 1
            rest = data[place + len(wanted) : min(next_line, place + len(wanted) + 80)].strip()
            if rest in (b"", b"--"):
                found.append((place, next_line, rest == b"--"))
                if len(found) > PART_LIMIT + 1:
                    break
        if found and found[0][2]:
            return []
        return found

    def _guess(self, one: Entity, dashes: list[int]) -> bytes:
        """A boundary that is used though it was not declared: the first dashed line that Content- fields follow."""
        for place in dashes[bisect_left(dashes, one.body) : bisect_left(dashes, one.end)][:50]:
            line = one.data.find(b"\n", place, one.end)
            if line > 0 and one.data[line + 1 : line + 9].lower() == b"content-":
                return one.data[place + 2 : line].strip()
        return b""
