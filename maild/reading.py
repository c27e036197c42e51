"""This is where a message is read: parsed, classified, who it is from, whether that was proven, what it answers.

Nothing here asks the database (the DNS only where the configuration wants DKIM checked), so what is stored can be read
again at any time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from maild.ingest.classify import OwnMail, classify
from maild.ingest.dns import Ask, with_own_check
from maild.ingest.parse import parse
from maild.ingest.reply_text import new_text, subject_without_banner
from maild.ingest.sender import forwarded_person, identify, recipients
from maild.ingest.thread_keys import thread_keys
from maild.ingest.trust import authenticate
from maild.model.message import Authentication, Classification, Identity, Message, ThreadKeys
from maild.model.spool import SpoolEntry
from maild.office import Office
from maild.plain.tokens import is_loop_mark


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as understood before any database is asked."""

    message: Message
    classification: Classification
    identity: Identity
    forwarded: Identity
    authentication: Authentication
    keys: ThreadKeys
    recipients: tuple[str, ...]


def read(office: Office, entry: SpoolEntry, ask: Ask | None = None) -> Reading:
    """Understand a stored message. Never raises for bad mail: defects are data.

    ``ask`` asks the DNS where the configuration wants DKIM checked here; without it only what servers said counts.
    """
    message = _without_banners(office, entry, parse(entry.raw))
    own = OwnMail(
        office.is_our_id, office.addresses.own, office.addresses.list_ids, lambda mark: is_loop_mark(office.keyring, mark)
    )
    identity = identify(message, entry.mail_from, office.addresses.own)
    trust = office.settings.main.agents.trust
    proven = authenticate(message, trust.authserv_id if trust else None, entry.trusted, identity.address)
    if trust is not None and trust.dkim and ask is not None:
        proven = with_own_check(proven, entry.raw, message, identity.address, ask)
    return Reading(
        message=_without_controls(message),
        classification=classify(message, entry.mail_from, own),
        identity=identity,
        forwarded=forwarded_person(message),
        authentication=proven,
        keys=thread_keys(message, office.settings.main.cases.tag, office.settings.main.cases.legacy_tags),
        recipients=recipients(message, entry.rcpt_tos),
    )


def _without_controls(message: Message) -> Message:
    """The message without header fields of our own: whoever writes them from outside, they say nothing here."""
    if not any(name[:8].lower() == "x-maild-" for name, _ in message.headers):
        return message
    return replace(message, headers=tuple(pair for pair in message.headers if pair[0][:8].lower() != "x-maild-"))


def _without_banners(office: Office, entry: SpoolEntry, message: Message) -> Message:
    """The message without the lines that the mailbox's own gateway puts on top of text and subject."""
    banners = [
        banner for key in entry.mailboxes if key in office.settings.main.mailboxes
        for banner in office.settings.main.mailboxes[key].banners
    ]  # fmt: skip
    subject = subject_without_banner(message.subject, banners)
    if not banners and subject == message.subject:
        return message
    words = new_text(message.text, message.html, banners) if banners else message.new_text
    return replace(message, subject=subject, new_text=words)
