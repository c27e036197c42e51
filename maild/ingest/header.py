"""This is where maild reads the header block of a mail or of one of its parts: fields, encoded-words, parameters.

Every function is linear in its input, takes any bytes, and never raises.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from maild.ingest import charsets

BLOCK_LIMIT = 256 * 1024
FIELD_LIMIT = 1000

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_KNOWN = re.compile(
    rb"(?:from|to|cc|bcc|subject|date|message-id|mime-version|content-[a-z-]+|received|return-path|reply-to|sender"
    rb"|in-reply-to|references|x-[\w.-]+|delivered-to|dkim-signature|authentication-results|list-[\w-]+|precedence"
    rb"|auto-submitted|importance|priority|user-agent|thread-[a-z]+|resent-[a-z-]+|errors-to|organization|arc-[\w-]+"
    rb"|domainkey-signature|received-spf|envelope-to|delivery-date|return-receipt-to|disposition-notification-to"
    rb"|status|lines|xref|newsgroups|path)[ \t]*:",
    re.IGNORECASE,
)
_LEADING = re.compile(rb"(?:[ \t]*\r?\n){1,20}")
_BLANK_LINE = re.compile(rb"\n\r*\n")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_FOLD = re.compile(r"[\r\n]+")
# An encoded-word; inside it up to 40 question marks are forgiven. The repetition is bounded, so no input is quadratic.
_WORD = re.compile(r"=\?([^?\s=]{1,60})\?([bBqQ])\?([^?]*(?:\?(?!=)[^?]*){0,40})\?=")
_CUT = re.compile(r"=\?([^?\s=*]{2,40})[^?\s]*\?[bBqQ]\?[^?\s]+?(=[0-9A-Fa-f]?)?(\??)$")  # a limit fell into the last word
_GAP = re.compile(r"[ \t\r\n]*\Z")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))


def line_ends(raw: bytes) -> bytes:
    """Mail whose lines end in carriage returns alone, with line feeds instead; all other mail as it is."""
    head = raw[:BLOCK_LIMIT]
    if b"\r" not in head:
        return raw
    feeds = head.count(b"\n")
    lone = head.count(b"\r") - head.count(b"\r\n")
    if lone and (not feeds or (lone > feeds and b"\r\r" in head)):
        return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return raw


def block_end(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the header block that begins at ``start`` ends, and where the body begins (after the blank line)."""
    if data.startswith(b"\n", start):
        return start, start + 1
    if data.startswith(b"\r\n", start):
        return start, start + 2
    # A blank line is two line feeds with at most carriage returns between them.
    match = _BLANK_LINE.search(data, start, end)
    return (match.start() + 1, match.end()) if match else (end, end)


def leading_blank(data: bytes) -> int:
    """Where the header begins in a mail before which a server left blank lines; 0 where none are, or none follows."""
    if data[:1] not in (b"\r", b"\n", b" ", b"\t"):
        return 0
    match = _LEADING.match(data)
    return match.end() if match and _KNOWN.match(data, match.end()) else 0


def size_of(raw: bytes) -> tuple[int, int]:
    """How large the header of a mail is: its bytes, and its lines that begin a field."""
    raw = line_ends(raw)
    stop, _ = block_end(raw, 0, len(raw))
    block = raw[:stop]
    return stop, block.count(b"\n") - block.count(b"\n ") - block.count(b"\n\t")


def fields(data: bytes, start: int, end: int) -> tuple[list[tuple[bytes, bytes]], int, list[str]]:
    """The fields of the block at ``start``: (names and values as they stand, place of the body, defects).

    A line that is no field is passed over where known fields still follow it, else the body begins there.
    """
    stop, body = block_end(data, start, end)
    defects: list[str] = []
    if stop - start > BLOCK_LIMIT:
        stop = start + BLOCK_LIMIT
        defects.append("header: longer than 256 KiB, the rest was not read")
    found: list[tuple[bytes, bytes]] = []
    lines = data[start:stop].split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    place = start
    name, value = b"", []
    for index, line in enumerate(lines):
        if line[:1] in (b" ", b"\t") and (name or found):
            if name:
                value.append(line)
            place += len(line) + 1
            continue
        match = _FIELD.match(line)
        if match is not None and len(found) + bool(name) >= FIELD_LIMIT:
            defects.append(f"header: more than {FIELD_LIMIT} fields, the rest was not read")
            break
        if match is not None:
            if name:
                found.append((name, b"\n".join(value)))
            name, value = match[1], [line[match.end() :]]
        elif index == 0 and line.startswith((b"From ", b">From ")):
            pass
        elif any(_KNOWN.match(later) for later in lines[index + 1 : index + 200]):
            defects.append("header: a line that is no field was passed over")
            if name:
                found.append((name, b"\n".join(value)))
            name, value = b"", []
        else:
            defects.append("header: the blank line before the body is missing")
            body = place
            break
        place += len(line) + 1
    if name:
        found.append((name, b"\n".join(value)))
    return found, min(body, end), defects


def raw_text(value: bytes, hint: str = "") -> str:
    """A field's value as text, still folded and encoded: 8-bit bytes as UTF-8 (RFC 6532), else as ``hint`` or cp1252.

    ``hint`` is the charset that the mail's body declares: who writes bare 8-bit bytes into fields writes the same there.
    """
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    try:
        return charsets.clean(value.decode("utf-8")) if b"\x1b" not in value else charsets.decode(value, hint)[0]
    except UnicodeDecodeError:
        return charsets.decode(value, hint)[0]


def unfold(text: str) -> str:
    """A folded value in one line."""
    return _FOLD.sub("", text)


def tidy(text: str) -> str:
    """One line: folds are joined, other control characters and Unicode's line breaks become a blank."""
    return charsets.clean(_BREAKS.sub(" ", _FOLD.sub("", text))).strip()


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(data.replace(b"_", b" ").replace(b"\n", b""), header=False)
    return base64_bytes(data)


def in_base64(text: str) -> str:
    """What an encoded-word says in the encoding Q, in the encoding B."""
    return base64.b64encode(_word_bytes("Q", text)).decode("ascii")


def base64_bytes(data: bytes) -> bytes:
    """What base64 says, whatever is missing or foreign in it (padding, line ends, blanks)."""
    try:
        if b"=" not in data.rstrip(b"= \t\r\n"):
            return binascii.a2b_base64(data)
    except binascii.Error:
        pass
    out = []
    pieces = data.split(b"=", 1000)  # padding in the middle: several encodings one after the other
    for index, piece in enumerate(pieces):
        kept = piece.translate(None, _NOT_BASE64)
        if index and len(kept) < len(b"".join(piece.split())):
            break  # a footer that a server put below in plain words
        if len(kept) % 4 == 1:
            kept = kept[:-1]
        out.append(binascii.a2b_base64(kept + b"=" * (-len(kept) % 4)))
    return b"".join(out)


def decode(text: str) -> str:
    """The text with its encoded-words decoded (RFC 2047), also where they are broken in the usual ways.

    Neighbouring words of one charset are joined before decoding, since senders cut characters in two.
    """
    if "=?" not in text:
        return tidy(text)
    if (cut := _CUT.search(text)) is not None and charsets.codec_name(cut[1]):
        text = text[: cut.start(3)].removesuffix(cut[2] or "") + "?="
    out: list[str] = []
    place = 0
    run, run_charset = b"", ""
    for match in _WORD.finditer(text):
        gap = text[place : match.start()]
        charset = match[1].partition("*")[0].lower()
        data = _word_bytes(match[2], match[3])
        joined = bool(run_charset) and not gap.strip()
        if not joined or charset != run_charset:
            if run_charset:
                out.append(_decode_run(run, run_charset))
            if not joined:
                out.append(gap)
            run = b""
        run, run_charset = run + data, charset
        place = match.end()
    if run_charset:
        out.append(_decode_run(run, run_charset))
    out.append(text[place:])
    return tidy("".join(out))


def _decode_run(data: bytes, charset: str) -> str:
    # line breaks inside a word are an attack or a fault; either way they are blanks here
    return _BREAKS.sub(" ", charsets.decode(data, charset)[0])


def value(data: bytes, hint: str = "") -> str:
    """A field's value, unfolded and decoded; ``hint`` as in `raw_text`."""
    return decode(_FOLD.sub("", raw_text(data, hint)))


def parameters(data: bytes) -> tuple[str, dict[str, str]]:
    """A structured value such as Content-Type: its first word in lower case, and its parameters, decoded.

    RFC 2045 with RFC 2231 (continuations, charsets); encoded-words in parameters, unquoted blanks, missing semicolons
    and unclosed quotes are forgiven. The first of two equal names counts.
    """
    text = charsets.clean(_FOLD.sub("", raw_text(data))).strip()
    match = re.match(r'"?([^\s;,="]*)"?\s*(?:\([^)]*\))?', text)
    main = match[1] if match else ""
    rest = text[match.end() :] if match else text
    if "=" in text[len(main) : len(main) + 1]:
        main, rest = "", text
    pairs = _pairs(rest)
    plain: dict[str, str] = {}
    extended: dict[str, list[tuple[int, bool, str]]] = {}
    for key, raw in pairs:
        base, star, section = key.partition("*")
        if not star:
            plain.setdefault(key, decode(raw))
            continue
        coded = section.endswith("*") or section == ""
        number = section.rstrip("*")
        extended.setdefault(base, []).append((int(number) if number.isdecimal() and len(number) < 5 else 0, coded, raw))
    for base, sections in extended.items():
        plain[base] = _continued(sorted(sections, key=lambda s: s[0]))
    return main.lower(), plain


def _continued(sections: list[tuple[int, bool, str]]) -> str:
    """The value of the sections of one parameter (RFC 2231, 3 and 4)."""
    charset, out = "", b""
    texts: list[str] = []
    for index, (_, coded, raw) in enumerate(sections):
        if not coded:
            texts.append(raw)
            out += raw.encode("utf-8", "replace")
            continue
        if index == 0 and raw.count("'") >= 2:
            charset, _, raw = raw.split("'", 2)
        out += unquote_to_bytes(raw)
    if len(texts) == len(sections):
        return decode("".join(texts))
    return tidy(charsets.decode(out, charset or "utf-8")[0])


def _pairs(text: str) -> list[tuple[str, str]]:
    """The ``name=value`` pairs of a parameter list, values without their quotes."""
    found: list[tuple[str, str]] = []
    place, size = 0, len(text)
    while place < size and len(found) < 200:
        equals = text.find("=", place)
        if equals < 0:
            break
        key = re.split(r"[;\s,]", text[place:equals].strip())[-1].lower()
        place = equals + 1
        while place < size and text[place] in " \t":
            place += 1
        if place < size and text[place] == '"':
            place += 1
            out = []
            while place < size and text[place] != '"':
                if text[place] == "\\" and place + 1 < size and text[place + 1] in '"\\':
                    place += 1
                out.append(text[place])
                place += 1
            place += 1
            found.append((key, "".join(out)))
        else:
            end = text.find(";", place)
            end = size if end < 0 else end
            found.append((key, text[place:end].strip().strip("'") if "*" not in key else text[place:end].strip()))
            place = end
    return found
