"""This is where an agent is warned of what is odd about a mail, and where a mail loses what only decorates it.

The mailroom asks here while it settles a message; what is remarked stands in the notification's first lines.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from maild.desk import Desk
from maild.ingest.classify import verification_details
from maild.ingest.decoration import is_picture
from maild.model.message import Address, Authentication, Identity, Message
from maild.model.spool import SpoolEntry
from maild.plain.domains import to_ascii, to_unicode
from maild.store import installation, pictures

_TOLD = "verification_told"
_TELL_AT_MOST, _TELL_WITHIN = 10, timedelta(hours=1)
_PICTURES = 50  # of one message


def marks(message: Message, identity: Identity, authentication: Authentication, mail_from: str | None) -> list[str]:
    """What an agent should know before believing this mail, each a line."""
    author = identity.address
    if author is None:
        return [f"nobody is known as its writer ({identity.why}); envelope sender {mail_from or '<>'}"]
    found = []
    if authentication.failed:
        found.append(f"the sender could not be proven: mail in the name of {author.email} failed authentication")
    if identity.why:
        found.append(f"{identity.why}: “{message.from_[0].name}”, but it is from {author.email}")
    if shown := in_both_forms(author):
        found.append(shown)
    if message.encrypted:
        found.append("encrypted: maild cannot read it; the mail is attached or kept as it came (#get)")
    return found


def in_both_forms(author: Address) -> str:
    """A line that shows an internationalised domain as people and as machines write it; '' for plain ones."""
    domain = author.email.rpartition("@")[2]
    plain, shown = to_ascii(domain), to_unicode(domain)
    return f"the sender's domain is {shown} ({plain}): letters of other scripts may look like others" if plain != shown else ""


def undecorated(connection: Connection, message: Message, author: Address | None, case: int | None) -> Message:
    """The message with the pictures marked that this sender's domain sends in case after case."""
    shown = [one.sha256 for one in message.attachments if is_picture(one) and not one.decoration][:_PICTURES]
    if not shown or author is None:
        return message
    usual = pictures.usual(connection, _domain(author), shown, case)
    if not usual:
        return message
    return replace(
        message,
        attachments=tuple(
            replace(one, decoration=True) if is_picture(one) and one.sha256 in usual else one
            for one in message.attachments
        ),
    )


def remember_pictures(connection: Connection, message: Message, author: Address | None, case: int) -> None:
    """Remember the pictures of a message that was filed in a case."""
    shown = [one.sha256 for one in message.attachments if is_picture(one)][:_PICTURES]
    if shown and author is not None:
        pictures.remember(connection, _domain(author), shown, case)


def _domain(author: Address) -> str:
    return to_ascii(author.email.rpartition("@")[2])[:255]


def tell_of_verification(desk: Desk, entry: SpoolEntry, message: Message, mailbox: str) -> None:
    """Tell the admins of a mail that asks to confirm an address, with its link and code: a person decides."""
    if not _may_tell(desk.connection, desk.now):
        return
    sender = message.from_[0].email if message.from_ else (entry.mail_from or "an unknown sender")
    found = verification_details(message)
    desk.tell_admins(
        f"{sender} asks to confirm {mailbox or 'an address'}",
        f"If somebody of you asked for it, open the link or type the code; maild never does. Else discard it: "
        f"maild spool discard {entry.id}. A stranger may have named your address to read what is sent to it.",
        "\n".join([f"Subject: {message.subject}", "", *(found or ("no link and no code were found; maild spool show",))]),
    )  # fmt: skip


def _may_tell(connection: Connection, now: datetime) -> bool:
    """Not more than a few such mails an hour; the daily list of held mail has them all."""
    kept: Sequence[str] = json.loads(installation.get_meta(connection, _TOLD) or "[]")
    lately = [one for one in kept if datetime.fromisoformat(one) > now - _TELL_WITHIN]
    if len(lately) >= _TELL_AT_MOST:
        return False
    installation.set_meta(connection, _TOLD, json.dumps([*lately, now.isoformat()]))
    return True
