"""This is where a mail finds the case that it belongs to, by the signals that it carries, most trusted first.

1. our signed id in In-Reply-To, then in References from the right: it proves the case, never the person;
2. a known Message-ID of the same mailbox, if the sender takes part in its case (also when the parent came later);
3. the case's number in the subject, if the sender takes part.
Whatever else the mail names stands in the trace; a stranger's number only links.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from maild.model.case import Case
from maild.model.message import ThreadKeys
from maild.office import Office
from maild.plain.domains import fold_address
from maild.plain.tokens import verify_id
from maild.store import cases, people


@dataclass(slots=True)
class Thread:
    """What was found: the case or None, by which signal, and whether the sender takes part in it.

    ``reader`` is whom the signed id was sent to (0: people outside), None without one. ``mentions`` is the case of a
    number that the sender has no part in. ``signals`` are the lines for the trace.
    """

    case: Case | None = None
    by: str = ""
    reader: int | None = None
    takes_part: bool = True
    mentions: int | None = None
    signals: list[str] = field(default_factory=list)


def find(connection: Connection, office: Office, keys: ThreadKeys, sender: str, mailbox: str) -> Thread:
    """Look for the case of a mail from this address to this mailbox; the case's row is locked when found."""
    thread = Thread()
    for one in keys.ids:
        signed = verify_id(office.keyring, one)
        if signed is None or signed.case == 0:
            continue
        case = cases.get_final(connection, signed.case, lock=True)
        if case is None:
            thread.signals.append(f"our signed id names case {signed.case}, which is not there: ignored")
            continue
        thread.signals.append(f"our signed id <{one}>: case {case.number}, sent to {_reader(signed.reader)}")
        if thread.case is None:
            thread.case, thread.by, thread.reader = case, "signed id", signed.reader
            thread.takes_part = takes_part(connection, office, case, sender)
            if not thread.takes_part:
                thread.signals.append(f"{sender or 'the sender'} takes no part in case {case.number}: joins, unknown to it")
        elif thread.case.number != case.number:
            thread.signals.append(f"conflict: it also names case {case.number}; the nearer id wins")
    _by_message_id(connection, office, keys, sender, mailbox, thread)
    _by_number(connection, office, keys, sender, thread)
    if thread.case is None and not thread.signals:
        thread.signals.append("no signed id, known Message-ID or number: a new matter")
    return thread


def _by_message_id(
    connection: Connection, office: Office, keys: ThreadKeys, sender: str, mailbox: str, thread: Thread
) -> None:
    wanted = [one for one in (*keys.ids, keys.own_id) if one and verify_id(office.keyring, one) is None]
    known = cases.cases_of_ids(connection, wanted)
    for one in wanted:
        for number, own in known.get(one[:400], ()):
            if one == keys.own_id and own:
                continue  # the same id with other content is another message, not an answer to the first
            case = cases.get_final(connection, number, lock=True)
            if case is None:
                continue
            what = f"Message-ID <{one}> of case {case.number}"
            if one == keys.own_id:
                what = f"case {case.number} has an answer to this mail (it came first)"
            if case.mailbox != mailbox:
                thread.signals.append(f"{what}: not used, that case is in mailbox {case.mailbox}")
            elif not takes_part(connection, office, case, sender):
                thread.signals.append(f"{what}: not used, {sender or 'the sender'} takes no part in it")
            elif thread.case is None:
                thread.signals.append(what)
                thread.case, thread.by = case, "message id"
            elif thread.case.number != case.number:
                thread.signals.append(f"conflict: {what}; not used, {thread.by} wins")


def _by_number(connection: Connection, office: Office, keys: ThreadKeys, sender: str, thread: Thread) -> None:
    for number in keys.tags:
        case = cases.get_final(connection, number, lock=True)
        if case is None:
            thread.signals.append(f"number {number} in the subject: there is no such case")
        elif thread.case is not None:
            if thread.case.number != case.number:
                thread.signals.append(f"conflict: number {number} in the subject; not used, {thread.by} wins")
        elif takes_part(connection, office, case, sender):
            thread.signals.append(f"number {number} in the subject, and {sender} takes part in case {case.number}")
            thread.case, thread.by = case, "number"
        else:
            thread.signals.append(f"number {number} in the subject: not used, {sender or 'the sender'} takes no part in it")
            thread.mentions = thread.mentions or case.number


def takes_part(connection: Connection, office: Office, case: Case, sender: str) -> bool:
    """Whether this address takes part in the case: the contact, on its Cc, a user, or of the same organisation.

    Colleagues count only where the organisation shares its cases and the mailbox is not private.
    """
    if not sender:
        return False
    folded = fold_address(sender)
    if office.addresses.user_of(folded):
        return True
    if any(address == folded for address, _, _ in people.participants_of(connection, case.number)):
        return True
    writer = people.contact_by_address(connection, folded)
    if writer is not None and case.contact_id == writer.id:
        return True
    mailbox = office.settings.main.mailboxes.get(case.mailbox)
    if case.organisation is None or (mailbox is not None and mailbox.private):
        return False
    entry = office.settings.directory.organisations.get(case.organisation)
    if entry is not None and entry.cases == "own":
        return False
    organisation = organisation_name(connection, office, folded)
    return organisation == case.organisation


def organisation_name(connection: Connection, office: Office, address: str) -> str | None:
    """The organisation that this address writes from: by domain, never for free-mail providers."""
    domain = address.rpartition("@")[2]
    if not domain or office.is_free_mail(domain):
        return None
    found = office.addresses.organisation_of(domain) or people.organisation_by_domain(connection, domain)
    return found.name if found else None


def _reader(number: int) -> str:
    return "people outside" if number == 0 else f"user {number}"
