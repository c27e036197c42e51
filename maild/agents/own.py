"""This is where an agent's own address is kept out of what goes to people outside: they answer the group, not one of it."""

from __future__ import annotations

import re

from maild.desk import Desk
from maild.ingest.parse import attachment_bytes
from maild.model.message import Attachment

_CARDS = frozenset({"text/vcard", "text/x-vcard", "text/directory"})


def hidden(desk: Desk, user: str, mailbox: str, text: str) -> str:
    """The text (or HTML) with every address of this user turned into the mailbox's."""
    pattern = _pattern(desk, user)
    return pattern.sub(desk.office.settings.main.mailboxes[mailbox].address, text) if pattern is not None else text


def is_own_card(desk: Desk, user: str, one: Attachment, raw: bytes) -> bool:
    """Whether an attachment of the mail ``raw`` is a vCard of this user, as mail clients enclose it for a signature."""
    if one.type not in _CARDS and not one.name.lower().endswith((".vcf", ".vcard")):
        return False
    pattern = _pattern(desk, user)
    return pattern is not None and pattern.search(attachment_bytes(raw, one.part).decode("utf-8", "replace")) is not None


def _pattern(desk: Desk, user: str) -> re.Pattern[str] | None:
    ours = desk.office.addresses
    own = [one for one in desk.office.settings.directory.users[user].email if not ours.mailbox_of(one)]
    if not own:
        return None
    return re.compile(rf"(?<![\w.+-])(?:{'|'.join(map(re.escape, own))})(?![\w-]|\.\w)", re.IGNORECASE)
