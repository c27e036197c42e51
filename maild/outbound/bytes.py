"""This is where maild writes a mail out as bytes: MIME parts, encodings, lines that every server takes.

The same message always gives the same bytes (boundaries come from its Message-ID), so that a mail sent again after a
lost answer is the same mail. All is 7 bit but the addresses of RFC 6532, and every line ends with CRLF.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from urllib.parse import quote

from maild.model.outbox import OutgoingMessage, PartRef
from maild.outbound import headers

_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}\Z")
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,250}\Z")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.+ ()-]{1,60}\Z")
# What a body of 7 bit cannot have or is better without: NUL, our boundaries, long lines, blanks at their ends, mbox's mark.
_NOT_7BIT = re.compile(rb"\0|=_|[^\r\n]{79}|[ \t](?:\r\n|\Z)|(?m:^From )")
_FOREIGN = bytes(range(127, 256))
_NEWLINE = re.compile(r"\r\n|\r|\n")

Part = tuple[list[tuple[str, str]], bytes]  # header fields, encoded body (ends with CRLF)


def serialise(outgoing: OutgoingMessage, read_part: Callable[[PartRef], bytes]) -> bytes:
    """The whole mail as it goes over the wire, without dot-stuffing. ``read_part`` gives an attachment's exact bytes.

    Raises ValueError where a header field holds a line break or does not fit (compose makes none that do).
    """
    content, body = _content(outgoing, read_part)
    head = b"".join(headers.fold(name, value) for name, value in (*outgoing.headers, ("MIME-Version", "1.0"), *content))
    return head + b"\r\n" + body


def needs_smtputf8(outgoing: OutgoingMessage) -> bool:
    """Whether a header field holds an address that only servers with SMTPUTF8 can read (RFC 6531)."""
    return not all(value.isascii() for _, value in outgoing.headers)


def _content(outgoing: OutgoingMessage, read_part: Callable[[PartRef], bytes]) -> Part:
    pictures = [ref for ref in outgoing.attachments if outgoing.html and _is_picture_of(ref, outgoing.html)]
    files = [ref for ref in outgoing.attachments if ref not in pictures]
    part = _text(outgoing.text, "plain")
    if outgoing.html:
        page = _text(outgoing.html, "html")
        if pictures:
            page = _multipart(outgoing, "related", [page, *(_attachment(ref, read_part(ref)) for ref in pictures)])
        part = _multipart(outgoing, "alternative", [part, page])
    if files:
        part = _multipart(outgoing, "mixed", [part, *(_attachment(ref, read_part(ref)) for ref in files)])
    return part


def _is_picture_of(ref: PartRef, html: str) -> bool:
    return ref.inline and bool(_CONTENT_ID.match(ref.content_id)) and f"cid:{ref.content_id}" in html


def _multipart(outgoing: OutgoingMessage, kind: str, parts: list[Part]) -> Part:
    digest = hashlib.sha256(f"{kind} {outgoing.message_id}".encode()).hexdigest()[:24]
    boundary = f"=_{digest}"  # quoted-printable and base64 never hold "=_"
    body = b""
    for fields, content in parts:
        head = b"".join(headers.fold(name, value) for name, value in fields)
        body += b"--" + boundary.encode() + b"\r\n" + head + b"\r\n" + content
    body += b"--" + boundary.encode() + b"--\r\n"
    return [("Content-Type", f'multipart/{kind}; boundary="{boundary}"')], body


def _text(text: str, kind: str) -> Part:
    lines = _NEWLINE.split(text.rstrip("\r\n"))
    data = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n"
    encoding, body = _encoded(data)
    return [("Content-Type", f"text/{kind}; charset=utf-8"), ("Content-Transfer-Encoding", encoding)], body


def _encoded(data: bytes) -> tuple[str, bytes]:
    if data.isascii() and not _NOT_7BIT.search(data):
        return "7bit", data
    if (len(data) - len(data.translate(None, _FOREIGN))) * 6 > len(data):
        return "base64", _base64(data)
    # b2a_qp leaves "From " as it is, which mbox software changes; a mail that is signed must not be changed.
    printable = binascii.b2a_qp(data, istext=True, header=False)
    return "quoted-printable", re.sub(rb"(?m)^From ", b"=46rom ", printable)


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n") or b"\r\n"


def _attachment(ref: PartRef, data: bytes) -> Part:
    kind = ref.type.lower()
    if kind == "message/rfc822" and data.isascii() and _whole_lines(data):
        # RFC 2046, 5.2.1: a message is never base64. One that is not 7 bit goes as a file, its bytes stay exact.
        encoding, body = "7bit", data if data.endswith(b"\r\n") else data + b"\r\n"
    else:
        if not _TYPE.match(kind) or kind.startswith(("multipart/", "message/")):
            kind = "application/octet-stream"
        encoding, body = "base64", _base64(data)
    where = "inline" if ref.inline and ref.content_id else "attachment"
    fields = [
        ("Content-Type", kind),
        ("Content-Transfer-Encoding", encoding),
        ("Content-Disposition", where + _filename(ref.name)),
    ]
    if _CONTENT_ID.match(ref.content_id):
        fields.append(("Content-ID", f"<{ref.content_id}>"))
    return fields, body


def _whole_lines(data: bytes) -> bool:
    lines = data.split(b"\r\n")
    return b"\0" not in data and all(
        len(line) <= headers.LINE and b"\n" not in line and b"\r" not in line for line in lines
    )


def _filename(name: str) -> str:
    """The file's name as a parameter: as it is, or in RFC 2231 form, in pieces where it is long."""
    plain = headers.one_line(name)
    if not plain:
        return ""
    if _PLAIN_NAME.match(plain):
        return f'; filename="{plain}"'
    text = quote(plain[:200], safe="")
    if len(text) <= 60:
        return f"; filename*=utf-8''{text}"
    pieces = re.findall(r"(?:%[0-9A-F]{2}|[^%]){1,20}", text)
    charset = "utf-8''"
    return "".join(
        f"; filename*{number}*={piece if number else charset + piece}" for number, piece in enumerate(pieces)
    )
