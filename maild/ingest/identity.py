"""This is where maild knows a mail again: its identity, and the few header fields that a door needs.

Only the header block is read here, never a body part, so that a door can call it for every mail that it takes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from maild.ingest import addresses, header

# The fields that make a mail the one it is: a list of what is in, since every server on the way adds others.
FIELDS = (
    b"message-id", b"date", b"from", b"sender", b"to", b"cc", b"subject", b"in-reply-to", b"references",
    b"content-type",
)  # fmt: skip
_CHUNK = 1024 * 1024
_TAIL = 64 * 1024


@dataclass(frozen=True, slots=True)
class Peek:
    """What a door sees of a mail. Ids are without brackets; ``date`` is the raw text of the field, decoded.

    ``conversation`` is the first id of References, else of In-Reply-To, else the own id, else ''.
    """

    message_id: str = ""
    subject: str = ""
    date: str = ""
    conversation: str = ""
    from_: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What a door stores of a mail: ``digest`` is its identity, ``named`` whether it says itself which one it is."""

    digest: str
    named: bool
    peek: Peek


_Head = tuple[dict[bytes, list[bytes]], int, bytes]


def know(raw: bytes) -> Known:
    """`digest`, `has_identity` and `peek` of a mail, with one look at its header. Never raises."""
    head = _head(raw)
    return Known(_digest(head), _named(head), _peek(head))


def _head(raw: bytes) -> _Head:
    """The fields of the header block by lower-case name, the place of the body, and the bytes they are in."""
    data = header.line_ends(raw)
    fields, body, _ = header.fields(data, header.leading_blank(data), len(data))
    found: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        found.setdefault(name.lower(), []).append(value)
    return found, body, data


def digest(raw: bytes) -> str:
    """The identity of a mail: SHA-256 (hex) over FIELDS, unfolded, and the body with CRLF without blank lines at its end.

    Trace fields, spam headers and the like are not in it; white space in fields counts as one blank, since servers
    fold anew.
    """
    return _digest(_head(raw))


def _digest(head: _Head) -> str:
    fields, body, data = head
    sha = hashlib.sha256()
    for name in FIELDS:
        for value in fields.get(name, ()):
            sha.update(name + b":" + b" ".join(value.split()) + b"\n")
    sha.update(b"\n")
    end = len(data)
    while end > body:  # blank lines at the end fall away; a line of blanks is not blank
        tail = data[max(body, end - _TAIL) : end]
        kept = len(tail.rstrip(b"\r\n"))
        end -= len(tail) - kept
        if kept:
            break
    view = memoryview(data)
    if data.count(b"\n", body, end) == data.count(b"\r\n", body, end) == data.count(b"\r", body, end):
        sha.update(view[body:end])
        return sha.hexdigest()
    place = body
    while place < end:
        stop = min(place + _CHUNK, end)
        if stop < end and data[stop - 1 : stop] == b"\r":
            stop += 1  # never between CR and LF
        piece = data[place:stop].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        sha.update(piece.replace(b"\n", b"\r\n"))
        place = stop
    return sha.hexdigest()


def has_identity(raw: bytes) -> bool:
    """Whether a mail says which one it is, by Message-ID or Date; one without is a repeat only within an hour."""
    return _named(_head(raw))


def _named(head: _Head) -> bool:
    fields, _, _ = head
    return any(value.strip() for name in (b"message-id", b"date") for value in fields.get(name, ()))


def peek(raw: bytes) -> Peek:
    """The few fields that a door stores, out of the header block alone. Never raises."""
    return _peek(_head(raw))


def _peek(head: _Head) -> Peek:
    fields, _, _ = head

    def text(name: bytes) -> str:
        return header.value(fields[name][0]) if name in fields else ""

    message_id = first_id(text(b"message-id"))
    conversation = first_id(text(b"references")) or first_id(text(b"in-reply-to")) or message_id
    return Peek(message_id, text(b"subject")[:998], text(b"date"), conversation, text(b"from")[:998])


def first_id(text: str) -> str:
    """The first Message-ID in a decoded field, without brackets; '' where there is none."""
    found = addresses.ids(text)
    return found[0] if found else ""
