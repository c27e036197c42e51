"""This is where a customer's lone word `status` is answered with their own open cases.

Only a new mail counts, whose whole text or subject is the word, and whose sender the trusted server has proven; it is
answered to that sender alone, with their cases in that mailbox, at most once an hour. In an answer to a case it is a
message like any other.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from maild.automatic_answers import over_limit
from maild.cases.shape import as_json
from maild.desk import Desk
from maild.model.contact import Contact
from maild.model.message import Address, Automatic, Message, MessageKind
from maild.model.outbox import Draft, OutgoingKind
from maild.office import Office
from maild.plain.domains import fold_address
from maild.plain.fold import fold
from maild.store import cases, outbox, people
from maild.threads import Thread

if TYPE_CHECKING:
    from maild.reading import Reading

OFTEN = timedelta(hours=1)
SHOWN = 50
# The word as people write it; `status_word` of the mailbox adds its own.
WORDS = frozenset({"status", "estado", "statut", "stato", "état", "etat", "stand", "stan", "статус"})
_SUBJECT = "(their open cases)"  # under what such answers are counted


def asked(
    message: Message, mailbox: str, office: Office, thread: Thread, reading: Reading, kind: MessageKind
) -> tuple[Address, str] | None:
    """Who asks for their cases in which mailbox; None where the mail is any other."""
    word = office.settings.main.mailboxes[mailbox].status_word
    author = reading.identity.address
    if word == "none" or thread.case is not None or thread.mentions is not None or author is None:
        return None
    if kind is not MessageKind.CUSTOMER or reading.classification.automatic is not Automatic.NO:
        return None
    words = WORDS | {fold(word)}
    if not {_bare(message.subject), _bare(message.new_text)} & words or message.attachments:
        return None
    # A subject alone is the question only where the text says nothing else, and the other way round.
    said = [one for one in (_bare(message.subject), _bare(message.new_text)) if one]
    if any(len(one.split()) > 3 for one in said if one not in words) or not reading.authentication.passed:
        return None
    return author, mailbox


def _bare(text: str) -> str:
    return fold(text).strip(" ?!.:\t\n")


def answer(desk: Desk, who: tuple[Address, str], message: Message, mail_from: str | None) -> str:
    """Mail them their open cases; returns why not ('' where it was done)."""
    author, mailbox = who
    address = fold_address(author.email)
    if mail_from == "":
        return "the envelope sender is empty"
    if any(about == _SUBJECT for _, about in outbox.answers_to(desk.connection, address, desk.now - OFTEN)):
        return f"{address} was told within the last hour"
    if desk.paused & {"automatic", f"mailbox {mailbox}"}:
        return "automatic answers are paused"
    if why := over_limit(desk, address, 0, _SUBJECT):
        return why
    contact = people.contact_by_address(desk.connection, author.email) or Contact(0, author.name, (author.email,))
    box = desk.office.settings.main.mailboxes[mailbox]
    found = [
        (case, name, email)
        for case, name, email in cases.search(desk.connection, {"contact": address, "mailbox": [mailbox], "newest": True})
        if case.status.value != "closed" and case.contact_id == contact.id and contact.id
    ]
    desk.enqueue(
        Draft(
            kind=OutgoingKind.STATUS, template="status", mailbox=mailbox, case=None,
            to=(Address(contact.name, author.email),), language=contact.language or message.language or box.language or "",
            names={
                "event": {"type": "status", "cases": [as_json(case, name, email) for case, name, email in found[:SHOWN]]},
                "contact": {"name": contact.name, "email": author.email, "language": contact.language}, "now": desk.now,
            },
            about_subject="", title="Your open cases", parent_id=message.message_id,
        )
    )  # fmt: skip
    outbox.count_answer(desk.connection, address, 0, _SUBJECT, desk.now)
    return ""
