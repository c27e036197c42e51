"""This is where maild makes a real mail out of the few lines in which a test beside a rule writes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, getaddresses

from maild.settings.rule_tests import TestAttachment, TestMessage

_POLICY = SMTP.clone(max_line_length=998)
# What a file of a type begins with, so that its bytes say the same as its declared type.
_BEGINNINGS = {
    "application/pdf": b"%PDF-1.7\n", "image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/gif": b"GIF89a", "application/zip": b"PK\x03\x04",
}  # fmt: skip


def compose(wanted: TestMessage, *, to: Sequence[str], message_id: str, at: datetime, in_reply_to: str = "") -> bytes:
    """The bytes of a mail with these values. ``to`` are its recipients where the test names none; ids without brackets.

    Header fields of the test come last and take the place of the usual ones; line breaks in them become blanks.
    """
    message = EmailMessage(policy=_POLICY)
    _content(message, wanted)
    references = " ".join(f"<{one.strip('<> ')}>" for one in wanted.references)
    replied = wanted.in_reply_to or in_reply_to
    fields: dict[str, str] = {
        "From": _addresses(wanted.from_), "To": _addresses(wanted.to or to), "Cc": _addresses(wanted.cc),
        "Reply-To": _addresses(wanted.reply_to), "Subject": wanted.subject, "Date": str(wanted.date or format_datetime(at)),
        "Message-ID": f"<{message_id.strip('<> ')}>",
        "In-Reply-To": f"<{replied.strip('<> ')}>" if replied else "",
        "References": references or (f"<{in_reply_to}>" if in_reply_to else ""),
    }  # fmt: skip
    given = {name: _values(value) for name, value in wanted.headers.items()}
    named = {name.lower() for name in given}
    for name, value in fields.items():
        if value and name.lower() not in named:
            message[name] = _line(value)
    for name, values in given.items():
        del message[name]
        for value in values:
            message[name] = _line(value)
    return message.as_bytes()


def _values(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]


def _line(value: str) -> str:
    return " ".join(value.split())


def _addresses(texts: Sequence[str]) -> str:
    return ", ".join(formataddr((name, address)) for name, address in getaddresses([_line(one) for one in texts]))


def _content(message: EmailMessage, wanted: TestMessage) -> None:
    if wanted.body or not wanted.html:
        message.set_content(wanted.body, charset="utf-8", cte="8bit" if not wanted.body.isascii() else "7bit")
        if wanted.html:
            message.add_alternative(wanted.html, subtype="html", charset="utf-8")
    else:
        message.set_content(wanted.html, subtype="html", charset="utf-8")
    for one in wanted.attachments:
        main, _, sub = one.type.partition("/")
        message.add_attachment(_bytes(one), maintype=main, subtype=sub or "octet-stream", filename=one.name)


def _bytes(attachment: TestAttachment) -> bytes:
    content = attachment.content.encode() or _BEGINNINGS.get(attachment.type, b"content\n")
    size = attachment.size
    return content if size is None else content[:size].ljust(size, b"\0")
