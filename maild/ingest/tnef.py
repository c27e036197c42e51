"""This is where maild opens Microsoft's winmail.dat: the files and the text in a TNEF stream ([MS-OXTNEF]).

Takes any bytes and never raises; what is cut off or wrong ends the reading, and what was found until then counts.
"""

from __future__ import annotations

import itertools
import re
import struct
from dataclasses import dataclass

from maild.ingest import charsets

SIGNATURE = b"\x78\x9f\x3e\x22"
_FILES_LIMIT = 200
_RTF_LIMIT = 4 * 1024 * 1024
# Attribute ids ([MS-OXTNEF] 2.1.3.2) and MAPI property ids ([MS-OXPROPS]).
_TITLE, _DATA, _RENDERING, _ATTACHMENT, _BODY, _PROPERTIES, _CODEPAGE = (
    0x8010, 0x800F, 0x9002, 0x9005, 0x800C, 0x9003, 0x9007)  # fmt: skip
_LONG_NAME, _SHORT_NAME, _MIME, _OBJECT, _CID = 0x3707, 0x3704, 0x370E, 0x3701, 0x3712
_TEXT, _HTML, _RTF = 0x1000, 0x1013, 0x1009
# One token of RTF: a control word with its number, a character in hex, an escaped character, a brace, or plain text.
# After \uN a character stands for readers that know no Unicode: it is passed over.
_RTF_TOKEN = re.compile(
    rb"\\([a-z]{1,32})(-?\d{1,10})? ?(?:(?<=\d)\?|(?<=\d )\?)?|\\'([0-9a-fA-F]{2})|\\([\\{}~_-])|\\[^a-z]|[{}]|[^\\{}\r\n]+"
)
_RTF_SILENT = frozenset((b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"generator", b"header", b"footer"))
# What compressed RTF starts from ([MS-OXRTFCP] 2.1.3.1.1 defines this initial dictionary as protocol data).
_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


@dataclass(frozen=True, slots=True)
class TnefFile:
    """A file out of a TNEF stream; ``type`` is '' where the stream does not say."""

    name: str
    type: str
    data: bytes
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class Tnef:
    """What a TNEF stream holds: its files, and the message's text or HTML ('' where there is none)."""

    files: tuple[TnefFile, ...] = ()
    text: str = ""
    html: str = ""


def read(data: bytes) -> Tnef:
    """Open a TNEF stream; bytes that are none give an empty result."""
    if not data.startswith(SIGNATURE):
        return Tnef()
    files: list[dict[str, object]] = []
    text, html, rtf, codepage = "", "", b"", "cp1252"
    place = 6
    while place + 9 <= len(data):
        level, attribute, length = struct.unpack_from("<BIi", data, place)
        place += 9
        if level not in (1, 2) or length < 0 or place + length > len(data):
            break
        value = data[place : place + length]
        place += length + 2
        kind = attribute & 0xFFFF
        if kind == _RENDERING and len(files) < _FILES_LIMIT:
            files.append({})
        elif kind == _CODEPAGE and length >= 4:
            codepage = f"cp{struct.unpack_from('<I', value)[0]}"
        elif kind == _TITLE and files:
            files[-1].setdefault("title", _string(value, codepage))
        elif kind == _DATA and files:
            files[-1].setdefault("data", value)
        elif kind == _ATTACHMENT and files:
            for number, (wide, found) in _properties(value).items():
                if number in (_LONG_NAME, _SHORT_NAME, _MIME, _CID):
                    files[-1].setdefault(hex(number), _string(found, "utf-16-le" if wide else codepage))
                elif number == _OBJECT and "data" not in files[-1]:
                    files[-1]["object"] = found
        elif kind == _BODY:
            text = text or _string(value, codepage)
        elif kind == _PROPERTIES:
            found_all = _properties(value)
            if _TEXT in found_all:
                wide, found = found_all[_TEXT]
                text = text or _string(found, "utf-16-le" if wide else codepage)
            if _HTML in found_all:
                wide, found = found_all[_HTML]
                html = html or _string(found, "utf-16-le" if wide else codepage)
            if _RTF in found_all:
                rtf = rtf or unpack_rtf(found_all[_RTF][1])
    opened = tuple(
        TnefFile(
            name=str(f.get(hex(_LONG_NAME)) or f.get("title") or f.get(hex(_SHORT_NAME)) or ""),
            type=str(f.get(hex(_MIME)) or "").lower(),
            data=_bytes(f.get("data") or f.get("object")),
            content_id=str(f.get(hex(_CID)) or ""),
        )
        for f in files
        if f.get("data") or f.get("object")
    )
    if rtf and not text and not html:
        text = rtf_text(rtf, codepage)
    return Tnef(opened, text, html)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _string(value: bytes, codepage: str) -> str:
    if codepage == "utf-16-le":
        value = value[: len(value) & ~1]
        return charsets.clean(value.decode("utf-16-le", "replace").partition("\0")[0])
    return charsets.decode(value.partition(b"\0")[0], codepage)[0]


def _properties(data: bytes) -> dict[int, tuple[bool, bytes]]:
    """MAPI properties by number: (whether a string is UTF-16, bytes). Numbers only for strings, binaries, objects."""
    found: dict[int, tuple[bool, bytes]] = {}
    try:
        (count,) = struct.unpack_from("<I", data, 0)
        place = 4
        for _ in range(min(count, 2000)):
            kind, number = struct.unpack_from("<HH", data, place)
            place += 4
            if number >= 0x8000:  # a named property carries its name here
                place += 16
                (by_name,) = struct.unpack_from("<I", data, place)
                place += 4
                if by_name:
                    (size,) = struct.unpack_from("<I", data, place)
                    place += 4 + size + (-size % 4)
                else:
                    place += 4
            many = bool(kind & 0x1000)
            kind &= 0x0FFF
            if kind in (0x1E, 0x1F, 0x102, 0x0D):
                (values,) = struct.unpack_from("<I", data, place)
                place += 4
                for index in range(min(values, 2000)):
                    (size,) = struct.unpack_from("<I", data, place)
                    place += 4
                    if place + size > len(data):
                        return found
                    if index == 0:
                        # an object's bytes begin with a GUID that says what it is
                        found.setdefault(
                            number, (kind == 0x1F, data[place + (16 if kind == 0x0D else 0) : place + size])
                        )
                    place += size + (-size % 4)
                continue
            size = {
                0x02: 4,
                0x03: 4,
                0x04: 4,
                0x0A: 4,
                0x0B: 4,
                0x05: 8,
                0x06: 8,
                0x07: 8,
                0x14: 8,
                0x40: 8,
                0x48: 16,
            }.get(kind, -1)
            if size < 0:
                return found
            values = 1
            if many:
                (values,) = struct.unpack_from("<I", data, place)
                place += 4
            place += size * values
    except struct.error:
        pass
    return found


def rtf_text(source: bytes, codepage: str) -> str:
    """The words of RTF, also where it wraps HTML ([MS-OXRTFEX]): control words fall away, paragraphs end lines."""
    out: list[bytes | str] = []
    depth = 0
    skipped = 0  # the depth of the group that is passed over, 0 for none
    hidden = False  # between \htmlrtf and \htmlrtf0 stands RTF that only repeats the HTML
    for match in _RTF_TOKEN.finditer(source):
        token = match[0]
        if token == b"{":
            depth += 1
        elif token == b"}":
            depth -= 1
            skipped = skipped if depth >= skipped else 0
        elif skipped:
            continue
        elif token == b"\\*" or match[1] in _RTF_SILENT:
            skipped = depth
        elif match[1] == b"htmlrtf":
            hidden = match[2] != b"0"
        elif hidden:
            continue
        elif match[1] in (b"par", b"line"):
            out.append("\n")
        elif match[1] == b"tab":
            out.append("\t")
        elif match[1] == b"u" and match[2]:
            out.append(chr(int(match[2]) % 0x10000))
        elif match[3]:
            out.append(bytes.fromhex(match[3].decode()))
        elif match[4]:
            out.append(match[4])
        elif token[:1] != b"\\" and token.strip(b"\r\n"):
            out.append(token)
    pieces = []
    for is_text, run in itertools.groupby(out, key=lambda piece: isinstance(piece, str)):
        joined = list(run)
        pieces.append("".join(map(str, joined)) if is_text else _string(b"".join(map(_bytes, joined)), codepage))
    return charsets.clean("".join(pieces)).strip()


def unpack_rtf(data: bytes) -> bytes:
    """Compressed RTF as RTF ([MS-OXRTFCP]); b'' where it is none. At most 4 MiB come out."""
    if len(data) < 16:
        return b""
    _, raw_size, kind, _ = struct.unpack_from("<IIII", data, 0)
    if kind == 0x414C454D:
        return data[16 : 16 + min(raw_size, _RTF_LIMIT)]
    if kind != 0x75465A4C:
        return b""
    out = bytearray(_DICTIONARY)
    start = len(out)
    place = 16
    limit = start + min(raw_size, _RTF_LIMIT)
    while place < len(data) and len(out) < limit:
        control = data[place]
        place += 1
        for bit in range(8):
            if control & (1 << bit):
                if place + 2 > len(data):
                    return bytes(out[start:])
                offset, length = data[place] << 4 | data[place + 1] >> 4, (data[place + 1] & 0x0F) + 2
                place += 2
                # the window is a ring of 4,096 bytes; positions in it become positions in what was written
                back = (len(out) - offset) % 4096
                if back == 0:
                    return bytes(out[start:limit])
                for _ in range(length):
                    source = len(out) - back
                    out.append(out[source] if source >= 0 else 0x20)
            else:
                if place >= len(data):
                    return bytes(out[start:limit])
                out.append(data[place])
                place += 1
    return bytes(out[start:limit])
