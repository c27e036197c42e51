"""This is where maild lists what is attached to a mail: named parts, files, and files inside parts.

An attachment is a place in the raw bytes; its bytes are exact, whatever the text says that they are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from maild.ingest import body, charsets, header, mime, names, tnef
from maild.model.message import Attachment

FILES_LIMIT = 500  # files inside parts of one mail
_SIGNING = ("multipart/encrypted", "multipart/signed")
# What signed and encrypted mail consists of, unless it has a name.
_STRUCTURE_TYPES = """application/pgp-encrypted application/pgp-signature application/pkcs7-signature
    application/x-pkcs7-signature"""
_STRUCTURE = frozenset(_STRUCTURE_TYPES.split())
_TNEF_TYPES = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
_TNEF_NAMES = frozenset(("winmail.dat", "win.dat"))
# A uuencoded file in a text: its begin line, its lines, its end line.
UUENCODED = re.compile(
    rb"(?m)^begin [0-7]{3,4} ([^\r\n]{1,250}?)\r?\n((?:[!-`][ -`]{0,90}\r?\n){1,200000}?)[` ]?\r?\n?end[ \t]*\r?$"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A file found inside a part. ``number`` counts on beyond the mail's parts, so that it is found again."""

    number: int
    name: str
    type: str
    data: bytes
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class Pieces:
    """The files found inside parts; the message's text where a TNEF stream holds it; whether a text holds files.

    ``more``: there are more than FILES_LIMIT; those beyond stay in their part and are not listed.
    """

    files: tuple[Piece, ...] = ()
    text: str = ""
    html: str = ""
    in_text: bool = False
    more: bool = False


def leaves(root: mime.Entity) -> Iterator[mime.Entity]:
    """The parts, without those inside a message that is itself an attachment: they come along with it."""
    within: mime.Entity | None = None
    for leaf in root.walk():
        if within is not None and leaf.depth > within.depth:
            continue
        within = leaf if leaf.nested and _comes_whole(leaf) else None
        if leaf.number >= 0:
            yield leaf


def attachments(root: mime.Entity, shown: set[int], pieces: Pieces) -> tuple[Attachment, ...]:
    """Every named part, and every part without a name that is neither text nor structure; then the pieces.

    ``shown`` are the numbers of the parts that are read as text.
    """
    out: list[Attachment] = []
    taken: dict[str, int] = {}
    for leaf in leaves(root):
        if _is_attached(leaf, leaf is root, shown):
            inline = leaf.disposition == "inline" or bool(leaf.content_id and leaf.inside == "multipart/related")
            out.append(_attachment(leaf.number, leaf.name, leaf.type, leaf.content(), taken, inline, leaf.content_id))
    for piece in pieces.files:
        inline = bool(piece.content_id)
        out.append(_attachment(piece.number, piece.name, piece.type, piece.data, taken, inline, piece.content_id))
    return tuple(out)


def _comes_whole(nested: mime.Entity) -> bool:
    """Whether a message inside the message is itself an attachment, and not part of a report or the whole mail."""
    return bool(nested.name) or nested.disposition == "attachment" or nested.inside == "multipart/mixed"


def _is_attached(leaf: mime.Entity, whole: bool, shown: set[int]) -> bool:
    if leaf.name:
        return True
    if leaf.number in shown or (leaf.type in _STRUCTURE and leaf.inside in _SIGNING):
        return False
    if (leaf.disposition == "attachment" and not whole) or (leaf.nested and _comes_whole(leaf)):
        return True
    return not leaf.type.startswith(("text/", "message/")) and leaf.end > leaf.body


def _attachment(
    number: int, declared: str, kind: str, data: bytes, taken: dict[str, int], inline: bool, content_id: str
) -> Attachment:
    safe = names.safe_name(declared, names.part_name(number, kind))
    name = names.unique(safe, taken)
    taken[name.lower()] = taken.get(name.lower(), 1)
    return Attachment(
        part=number,
        name=name,
        declared_name=charsets.clean(declared),
        type=kind,
        detected=names.detect(data),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        inline=inline,
        content_id=charsets.clean(content_id),
    )


def pieces(root: mime.Entity) -> Pieces:
    """The files inside parts: in TNEF streams (winmail.dat) and in uuencoded blocks of plain text."""
    number = 1 + max((leaf.number for leaf in root.walk()), default=-1)
    files: list[Piece] = []
    text = html = ""
    in_text = False
    for leaf in leaves(root):
        if leaf.type in _TNEF_TYPES or leaf.name.lower() in _TNEF_NAMES:
            opened = tnef.read(leaf.content())
            text, html = text or opened.text, html or opened.html
            for file in opened.files:
                kind = file.type or names.detect(file.data) or "application/octet-stream"
                files.append(Piece(number + len(files), file.name, kind, file.data, file.content_id))
                if len(files) > FILES_LIMIT:
                    return Pieces(tuple(files[:FILES_LIMIT]), text, html, in_text, more=True)
        elif leaf.type == "text/plain" and leaf.encoding not in ("base64", "quoted-printable"):
            data = leaf.raw_body(body.TEXT_LIMIT * 4)
            if b"\nbegin " not in data and not data.startswith(b"begin "):
                continue
            for match in UUENCODED.finditer(data):
                content = mime.uu_decode(match[2])
                kind = names.detect(content) or "application/octet-stream"
                files.append(Piece(number + len(files), header.value(match[1]), kind, content))
                in_text = True
                if len(files) > FILES_LIMIT:
                    return Pieces(tuple(files[:FILES_LIMIT]), text, html, in_text, more=True)
    return Pieces(tuple(files), text, html, in_text)


def without_uuencoded(text: str) -> str:
    """The text without its uuencoded blocks."""
    return UUENCODED.sub(b"", text.encode("utf-8")).decode("utf-8")
