"""This is where one message goes its way: the file to read first.

    read      parse, classify, who is it from, was that proven, what does it answer      (pure, no database)
    settle    find the case, gather the facts, let the rules decide, do what they ask      (one transaction)
    process   a batch of leased spool entries, each settled whole or not at all

What one message causes commits together: case, stream, clocks, mail in the outbox, the trace, and "spool done".
`maild rules try` is the same steps in a transaction that is rolled back.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from maild import casework, elsewhere, remarks, threads
from maild.agents import journey as agents
from maild.agents import letters, status_mail
from maild.cases import lifecycle
from maild.desk import Desk
from maild.errors import CaseError, MessageError, StoreUnavailable
from maild.ingest.classify import OwnMail, classify
from maild.ingest.dns import Ask, Resolver, with_own_check
from maild.ingest.parse import parse
from maild.ingest.reply_text import new_text, subject_without_banner
from maild.ingest.sender import forwarded_person, identify, recipients
from maild.ingest.thread_keys import thread_keys
from maild.ingest.trust import authenticate
from maild.log import get_logger
from maild.model.case import Case, Channel, LinkType, Priority, Status, StreamEntry, StreamType
from maild.model.contact import Contact, Organisation
from maild.model.decision import Decision, Disposition, Update
from maild.model.message import (
    SENT,
    Address,
    Authentication,
    Automatic,
    Classification,
    Identity,
    MachineSort,
    Message,
    MessageKind,
    ThreadKeys,
)
from maild.model.outbox import Draft, OutgoingKind, PartRef
from maild.model.spool import SpoolEntry
from maild.office import Office
from maild.plain.domains import fold_address
from maild.plain.thanks import is_bare_thanks
from maild.plain.tokens import is_loop_mark, verify_id
from maild.rules.engine import decide
from maild.rules.explain import trace_json
from maild.rules.facts import CaseFacts, ContactFacts, Facts, OrganisationFacts
from maild.rules.remembered import remember
from maild.schedule import surveys
from maild.store import cases, due, numbers, people, spool
from maild.store.recording import Recording
from maild.store.unit_of_work import Store, translated
from maild.threads import Thread

log = get_logger(__name__)

RETRY_SECONDS = 5.0
MOST_COPIED = 50  # people that one mail can bring into a case
WHOLE_MESSAGE = -1  # PartRef.part of the raw message itself


# --- reading ----------------------------------------------------------------------------------------------------


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


# --- settling ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Settled:
    """What became of a message: ``disposition`` case, answer, follow_up, update, held, discarded, forwarded, bounce,
    ignored, report; ``trace`` as it is stored and shown by `maild trace`."""

    disposition: str
    case: int | None = None
    reason: str = ""
    event: str = ""
    trace: dict[str, Any] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    decision: Decision | None = None
    desk: Desk | None = None


def settle(
    connection: Connection, office: Office, entry: SpoolEntry, reading: Reading, now: datetime, *,
    history_status: Status | None = None, by_hand: bool = False,
) -> Settled:  # fmt: skip
    """Decide about one message and do it, in the caller's transaction; the spool entry is ended in it too.

    ``history_status``: file it as history (no mail, no clocks), its case ending in this status. ``by_hand``: a person
    wants a case of it, also where its kind would open none.
    """
    desk = Desk(office, connection, now, cause=entry.seq, silent=history_status is not None)
    newest = due.newest_event(connection) if desk.silent else 0
    settled = _Settling(desk, entry, reading, history_status, by_hand).run()
    settled.desk = desk
    if desk.silent and settled.case is not None:  # history sets nothing off
        due.looked_at(connection, [row.id for row in due.caused(connection, [settled.case], newest)])
    settled.trace["mails"] = [{"id": number, "kind": mail.kind.value, "to": list(mail.recipients)} for number, mail in desk.mails]
    return settled


class _Settling:
    """The settling of one message: what is known of it, and the steps."""

    def __init__(
        self, desk: Desk, entry: SpoolEntry, reading: Reading, history: Status | None, by_hand: bool = False
    ) -> None:
        self.by_hand = by_hand
        self.desk, self.entry, self.reading, self.history = desk, entry, reading, history
        self.office, self.connection, self.now = desk.office, desk.connection, desk.now
        self.message, self.classification = reading.message, reading.classification
        self.author = reading.identity.address
        self.writer: Contact | None = None
        self.organisations: dict[str, Organisation | None] = {}
        self.user = self.office.addresses.user_of(self.author.email) if self.author else None
        self.kind = self.classification.kind
        # In an agent's name is also a mail whose From names one beside others, or with a defect.
        named = [user for one in self.message.from_ if (user := self.office.addresses.user_of(one.email))]
        self.in_name_of = self.user or (named[0] if named else None)
        machine = self.classification.automatic is Automatic.CERTAIN
        if self.in_name_of and not machine and self.kind in {MessageKind.CUSTOMER, MessageKind.LIST}:
            self.kind = MessageKind.AGENT
        self.behalf: Address | None = None  # the customer whose mail an agent has forwarded
        self.words: str | None = None  # what the case is about, where that is not the new text
        self.trace: dict[str, Any] = {
            "kind": self.kind.value,
            "automatic": self.classification.automatic.value,
            "signs": list(self.classification.signs),
            "from": self.author.email if self.author else None,
            "identity": reading.identity.why or reading.identity.source,
            "authentication": reading.authentication.source,
            "defects": list(self.message.defects),
            "sealed": [word for word, so in (("encrypted", self.message.encrypted), ("signed", self.message.signed)) if so],
        }

    # --- the way ---------------------------------------------------------------------------------------------

    def run(self) -> Settled:
        mailboxes = self._mailboxes()
        if not mailboxes:
            return self._for_postmaster()
        mailbox, others = mailboxes[0], mailboxes[1:]
        if self.entry.client.startswith(SENT) and not self.by_hand:
            return self._sent_elsewhere(mailbox)
        if self.kind is MessageKind.BOUNCE and not self.by_hand:
            return self._bounce(mailbox)
        rated = surveys.by_mail(
            self.desk, self.message, self.kind, self.classification.automatic,
            self.author.email if self.author else "", self.reading.keys.ids,
        )  # fmt: skip
        if rated is not None:
            self.trace["threading"] = [f"the answer to a survey about case {rated.number}"]
            self._record(rated, public=True, stream=False)
            return self._end("answer", case=rated.number, event="survey.answered")
        thread = threads.find(
            self.connection, self.office, self.reading.keys, self.author.email if self.author else "", mailbox
        )
        self.trace["threading"] = thread.signals
        number = thread.case.number if thread.case else None
        self.message = remarks.undecorated(self.connection, self.message, self.author, number)
        letter = self._letter(thread, mailbox)
        outcome = self._outcome(letter, thread)
        if isinstance(outcome, letters.Outcome):
            return self._finish(outcome, mailbox)
        if isinstance(outcome, letters.NewCase):
            self.behalf, self.words = outcome.person, outcome.words
            assert letter is not None
            try:
                with letters.attempt(self.desk):
                    settled = self._as_any(thread, mailbox, others)
                    if settled.case is not None:
                        agents.opened(letter, outcome, settled.case)
                return settled
            except CaseError as error:
                return self._finish(letters.refuse(letter, None, str(error)), mailbox)
        if (asked := status_mail.asked(self.message, mailbox, self.office, thread, self.reading, self.kind)) is not None:
            why = status_mail.answer(self.desk, asked, self.message, self.entry.mail_from)
            if not why:
                return self._end("ignored", reason="asked for their open cases, and was answered")
            self.trace["status"] = why
        return self._as_any(thread, mailbox, others)

    def _sent_elsewhere(self, mailbox: str) -> Settled:
        """A mail that somebody sent from the shared mailbox itself."""
        signals: list[str] = []
        self.trace["threading"] = signals
        case, why = elsewhere.record(
            self.desk, self.message, self.classification, self.reading.keys, mailbox,
            lambda case: self._record(case, public=True, stream=False, outgoing=True), signals,
        )  # fmt: skip
        if case is None:
            return self._end("ignored", reason=why)
        return self._end("answer", case=case.number, event="case.updated")

    def _letter(self, thread: Thread, mailbox: str) -> letters.Letter | None:
        """The mail as an agent's, where it is in an agent's name and no person or import decides what becomes of it."""
        if self.in_name_of is None or self.by_hand or self.history is not None or self.kind is MessageKind.VERIFICATION:
            return None
        return letters.Letter(
            desk=self.desk, entry=self.entry, reading=self.reading, thread=thread, user=self.in_name_of, mailbox=mailbox,
            record=self._record_for_agent, again=self._again, trace=self.trace,
        )  # fmt: skip

    def _record_for_agent(self, case: Case, *, public: bool) -> int:
        return self._record(case, public=public, stream=False)

    def _again(self, seq: int) -> letters.Letter:
        """The letter of a stored mail that came back to its writer."""
        (entry,) = spool.load(self.connection, [seq])
        first = _Settling(self.desk, entry, read(self.office, entry), None)
        letter = first._letter(Thread(), entry.mailboxes[0])
        if letter is None:
            raise CaseError("that mail was no agent's")
        return letter

    def _outcome(self, letter: letters.Letter | None, thread: Thread) -> letters.Outcome | letters.NewCase | None:
        if letter is not None:
            return agents.receive(letter)
        asked = None if self.by_hand or self.history is not None else letters.asked_of(self.desk, thread)
        if asked is None or thread.case is None:
            return None
        machine = self.classification.sort is MachineSort.ANSWER or self.classification.automatic is Automatic.CERTAIN
        return agents.third_party_answered(
            self.desk, thread.case, asked, self._actor(), self.message, self._record_for_agent, machine=machine,
            parts=self._part_refs(),
        )  # fmt: skip

    def _finish(self, outcome: letters.Outcome, mailbox: str) -> Settled:
        if outcome.disposition == "held":
            return self._hold(mailbox, outcome.reason)
        return self._end(outcome.disposition, case=outcome.case, reason=outcome.reason, event=outcome.event)

    def _as_any(self, thread: Thread, mailbox: str, others: Sequence[str]) -> Settled:
        """The way of every mail: the rules decide."""
        follow_up_of: Case | None = None
        closed = thread.case is not None and thread.case.status is Status.CLOSED
        if closed and self._may_open() and self.history is None:  # history joins its thread, closed or not
            follow_up_of = self._closed(thread)
        writer, organisation = self._known(thread)
        facts = self._facts(mailbox, thread, writer, organisation, follow_up_of)
        self.trace["facts"] = remember(facts)  # for replay: what the message itself does not hold
        decision = decide(self.office.ruleset, facts)
        self.trace["decision"] = trace_json(decision)
        settled = self._act(decision, thread, writer, organisation, follow_up_of, others)
        settled.decision = decision
        return settled

    def _mailboxes(self) -> list[str]:
        """The mailboxes this was for, the one named first in To and Cc before the others; raw recipients decide last."""
        named = [self.office.addresses.mailbox_of(one.email) for one in (*self.message.to, *self.message.cc)]
        known = [key for key in self.entry.mailboxes if key in self.office.settings.main.mailboxes]
        return list(dict.fromkeys([*(key for key in named if key in known), *known]))

    def _may_open(self) -> bool:
        """Whether this mail may open a case: machines' answers never do."""
        return self.by_hand or self.classification.sort is not MachineSort.ANSWER

    def _closed(self, thread: Thread) -> Case:
        """A closed case stays closed: its unclosed follow-up goes on, else a new one is made."""
        closed = thread.case
        assert closed is not None
        newer = cases.follow_up_of(self.connection, closed.number, closed.contact_id)
        if newer is not None:
            thread.case = cases.get(self.connection, newer, lock=True)
            thread.signals.append(f"case {closed.number} is closed; its follow-up {newer} goes on")
        else:
            thread.case = None
            thread.signals.append(f"case {closed.number} is closed: a follow-up case is made")
        return closed

    def _known(self, thread: Thread) -> tuple[Contact | None, Organisation | None]:
        if self.author is None:
            return None, None
        self.writer = people.contact_by_address(self.connection, self.author.email)
        return self.writer, self._organisation(self.author.email)

    def _organisation(self, email: str) -> Organisation | None:
        if email not in self.organisations:
            self.organisations[email] = self._looked_up(email)
        return self.organisations[email]

    def _looked_up(self, email: str) -> Organisation | None:
        name = threads.organisation_name(self.connection, self.office, email)
        if name is None:
            return None
        return self.office.addresses.organisation(name) or people.organisation(self.connection, name)

    def _facts(
        self, mailbox: str, thread: Thread, writer: Contact | None, organisation: Organisation | None,
        follow_up_of: Case | None,
    ) -> Facts:  # fmt: skip
        case = thread.case or follow_up_of
        person = None
        if self.author is not None:
            person = ContactFacts(
                known=writer is not None, email=self.author.email, name=writer.name if writer else self.author.name,
                phone=writer.phone if writer else "", language=writer.language if writer else "",
                sla=writer.sla if writer else "", tags=writer.tags if writer else (),
            )  # fmt: skip
        return Facts(
            message=self.message, mailbox=mailbox, received_at=self.entry.received_at,
            mailbox_address=self.office.settings.main.mailboxes[mailbox].address, kind=self.kind,
            automatic=self.classification.automatic, sort=self.classification.sort, recipients=self.reading.recipients,
            envelope_from=self.entry.mail_from, envelope_to=self.entry.rcpt_tos,
            outside=self.office.closed_calendars(self.entry.received_at), auth=self.reading.authentication,
            contact=person,
            organisation=OrganisationFacts(organisation.name, organisation.tags, organisation.sla, organisation.domains)
            if organisation else None,
            case=CaseFacts(
                number=case.number, status=case.status, priority=case.priority, group=case.group or "",
                category=case.category or "", tags=case.tags, sla=case.sla or "", assignee=case.assignee or "",
                fields=case.fields,
            ) if case else None,
            is_answer=thread.case is not None, follow_up_of=follow_up_of.number if follow_up_of else None,
            forwarded_from=self.reading.forwarded.address,
        )  # fmt: skip

    def _act(
        self, decision: Decision, thread: Thread, writer: Contact | None, organisation: Organisation | None,
        follow_up_of: Case | None, others: Sequence[str],
    ) -> Settled:  # fmt: skip
        disposition = decision.disposition
        if self.entry.released_by is not None or self.history is not None:
            if disposition in {Disposition.HOLD, Disposition.DISCARD} and self._may_open():
                disposition = Disposition.CASE
        elif self.kind is MessageKind.VERIFICATION and disposition is not Disposition.DISCARD:
            remarks.tell_of_verification(self.desk, self.entry, self.message, decision.mailbox)
            return self._hold(decision.mailbox, "asks to confirm an address: a person decides, maild never clicks")
        match disposition:
            case Disposition.DISCARD:
                return self._end("discarded", reason=decision.reason)
            case Disposition.HOLD:
                hold = decision.hold
                until = self.now + hold.for_ if hold and hold.for_ else None
                return self._hold(decision.mailbox, decision.reason, until, hold.then if hold else "keep")
            case Disposition.FORWARD:
                return self._forward(decision)
        if thread.case is not None:
            return self._answer(decision, thread, others)
        if disposition is Disposition.NONE and self.kind is not MessageKind.AGENT and not self.by_hand:
            return self._end("ignored", reason=decision.reason or "a machine's answer that belongs to no case")
        if decision.update is not None and follow_up_of is None:
            found = self._find_for_update(decision.update, decision.mailbox, writer, organisation)
            if found is not None:
                return self._update(found, decision, decision.update)
            match decision.update.otherwise:
                case "hold":
                    return self._hold(decision.mailbox, f"rule {decision.update.rule}: there is no such case to update")
                case "discard":
                    return self._end("discarded", reason=f"rule {decision.update.rule}: there is no such case to update")
        return self._new_case(decision, thread, organisation, follow_up_of, others)

    # --- a new case ------------------------------------------------------------------------------------------

    def _new_case(
        self, decision: Decision, thread: Thread, organisation: Organisation | None, follow_up_of: Case | None,
        others: Sequence[str],
    ) -> Settled:  # fmt: skip
        mailbox = self.office.settings.main.mailboxes[decision.mailbox]
        known = follow_up_of is None or thread.takes_part
        old = self._old_contact(follow_up_of)
        contact: Contact | None
        address: Address | None
        if old is not None:
            contact, address = old
            if self.author is None or old[1].key != self.author.key:
                organisation = self._organisation_named(follow_up_of.organisation) if follow_up_of and follow_up_of.organisation else None
        else:
            address = self._person(decision) if known else None
            contact = self._contact(decision, address)
        match_organisation = mailbox.match_organisation if decision.match_organisation is None else decision.match_organisation
        if old is None and address is not None and (self.author is None or address.key != self.author.key):
            organisation = self._organisation(address.email)
        if contact is not None and contact.organisation:
            organisation = self._organisation_named(contact.organisation) or organisation
        if not match_organisation:
            organisation = None
        case = self._composed(decision, contact, organisation, follow_up_of)
        group, user, nobody = casework.pick(self.desk, decision.values.assign)
        if follow_up_of is not None and not user:
            user = follow_up_of.assignee if self._is_active(follow_up_of.assignee) else None
        case = replace(case, group=group or case.group, assignee=user or case.assignee)
        if decision.values.assign is None and organisation is not None and follow_up_of is None:
            wanted = organisation.user if self._is_active(organisation.user) else None
            case = replace(case, group=organisation.group or case.group, assignee=wanted or case.assignee)
        actor = f"rule:{decision.rules[0]}" if decision.rules else "maild"
        since = self.entry.received_at if self.kind is not MessageKind.AGENT or self.behalf else None
        case = casework.begin(self.desk, case, actor, since=since, import_id=self.entry.import_id)
        if address is not None:
            people.add_participant(self.connection, case.number, address.email, address.name, "contact")
        if known:
            self._add_copied(case, address)
        if known and old is not None and self.author is not None and not self.user and address is not None and self.author.key != address.key:
            people.add_participant(self.connection, case.number, self.author.email, self.author.name)
        self._record(case, public=self.kind is not MessageKind.AGENT or self.behalf is not None)
        self._tell_notes(case, [*decision.notes, *([nobody] if nobody else [])])
        cases.follow(self.connection, case.number, [*decision.followers, *self._groups_of(others, case)])
        if follow_up_of is not None:
            cases.link(self.connection, case.number, LinkType.FOLLOWS, follow_up_of.number)
        if thread.mentions is not None:
            cases.link(self.connection, case.number, LinkType.MENTIONS, thread.mentions)
        self._answer_automatically(decision, case, contact, address, follow_up_of, known)
        self._notify_new(decision, case, contact, thread, follow_up_of)
        if self.history is not None:
            self._file_away(case)
        return self._end("follow_up" if follow_up_of else "case", case=case.number, event="case.created")

    def _old_contact(self, old: Case | None) -> tuple[Contact, Address] | None:
        """The contact of the closed case that a follow-up goes on with, and the address that they are written to."""
        contact = people.contact(self.connection, old.contact_id) if old is not None and old.contact_id else None
        if contact is None:
            return None
        if self.author is not None and fold_address(self.author.email) in {fold_address(one) for one in contact.emails}:
            return contact, self.author
        return contact, Address(contact.name, contact.email)

    def _person(self, decision: Decision) -> Address | None:
        """Whom the case is from, as the rule says; None where nobody is (alerts, agents, no identity)."""
        if self.behalf is not None:
            return self.behalf
        if decision.contact.source == "none":
            return None
        if decision.contact.address:
            return Address(decision.contact.name, decision.contact.address)
        if self.kind is MessageKind.AGENT:
            return None
        if self.author is not None and self.office.addresses.mailbox_of(self.author.email):
            return None
        return self.author

    def _contact(self, decision: Decision, address: Address | None) -> Contact | None:
        if address is None:
            return None
        if self.author is not None and address.key == self.author.key:
            contact = self.writer
        else:
            contact = people.contact_by_address(self.connection, address.email)
        values = decision.values.contact
        if contact is None:
            mailbox = self.office.settings.main.mailboxes[decision.mailbox]
            create = mailbox.create_contact if decision.create_contact is None else decision.create_contact
            organisation = self._organisation(address.email)
            contact = Contact(
                id=0, name=values.get("name") or address.name, emails=(address.email,), phone=values.get("phone", ""),
                language=values.get("language") or self.message.language,
                organisation=organisation.name if organisation else "",
            )  # fmt: skip
            return people.create_contact(self.connection, contact, self.now) if create else contact
        fill = {name: values[name] for name in ("name", "phone", "language") if values.get(name) and not getattr(contact, name)}
        if not contact.name and "name" not in fill and address.name:
            fill["name"] = address.name
        if contact.undeliverable and self.author is not None and fold_address(self.author.email) == fold_address(address.email):
            people.update_contact(self.connection, contact.id, {"undeliverable_since": None})
            contact = replace(contact, undeliverable=False)
        if fill:
            people.update_contact(self.connection, contact.id, dict(fill))
            return people.contact(self.connection, contact.id)
        return contact

    def _organisation_named(self, name: str) -> Organisation | None:
        return self.office.addresses.organisation(name) or people.organisation(self.connection, name)

    def _composed(
        self, decision: Decision, contact: Contact | None, organisation: Organisation | None, old: Case | None
    ) -> Case:
        """The case as it would begin; a follow-up has the old one's mailbox, contact, group, category and fields."""
        values = decision.values
        mailbox = self.office.settings.main.mailboxes[old.mailbox if old else decision.mailbox]
        priority = values.priority or Priority.MEDIUM
        if values.raise_priority is not None:
            priority = lifecycle.raised(priority, values.raise_priority)
        sla = values.sla or (contact.sla if contact else "") or (organisation.sla if organisation else "") or mailbox.sla
        return Case(
            number=0, title=decision.title or "(no subject)", mailbox=old.mailbox if old else decision.mailbox,
            status=values.status or Status.NEW, priority=priority, channel=values.channel or Channel.EMAIL,
            summary=values.summary or "", category=values.category or (old.category if old else mailbox.category),
            contact_id=(contact.id or None) if contact else (old.contact_id if old else None),
            organisation=organisation.name if organisation else (old.organisation if old else None),
            group=(old.group if old else None) or mailbox.group,
            owner=self.user, sla=sla or (old.sla if old else None), tags=tuple(dict.fromkeys(values.tags)),
            fields={**(old.fields if old else {}), **values.fields}, resolution=values.resolution,
            billable=bool(values.billable), language=self.message.language,
        )  # fmt: skip

    def _is_active(self, user: str | None) -> bool:
        users = self.office.settings.directory.users
        return bool(user) and user in users and users[user or ""].active

    def _groups_of(self, others: Sequence[str], case: Case) -> list[str]:
        """The groups of the other mailboxes that this mail was for: they follow its case."""
        groups = (self.office.settings.main.mailboxes[key].group for key in others)
        return [f"group:{group}" for group in groups if group and group != case.group]

    def _add_copied(self, case: Case, address: Address | None) -> None:
        """Whom the customer put on To and Cc takes part."""
        if self.kind is MessageKind.AGENT or self.classification.automatic is not Automatic.NO:
            return
        named = (*self.message.to, *self.message.cc)
        if len(named) > MOST_COPIED:
            self._tell_notes(case, [f"{len(named)} addresses on To and Cc: the first {MOST_COPIED} take part"])
        for one in named[:MOST_COPIED]:
            ours = self.office.addresses.mailbox_of(one.email) or self.office.addresses.user_of(one.email)
            if not ours and "@" in one.email and (address is None or one.key != address.key):
                people.add_participant(self.connection, case.number, one.email, one.name)

    def _answer_automatically(
        self, decision: Decision, case: Case, contact: Contact | None, address: Address | None,
        follow_up_of: Case | None, known: bool,
    ) -> None:  # fmt: skip
        mailbox = self.office.settings.main.mailboxes[case.mailbox]
        template = decision.reply or ("follow_up" if follow_up_of and mailbox.acknowledge != "none" else mailbox.acknowledge)
        if self.kind is MessageKind.AGENT:
            template = "none"
        to = contact or (Contact(0, address.name, (address.email,)) if address else None)
        automatic = self._automatic_of(decision)
        why = self.desk.why_no_answer(case, to, self.message, self.entry.mail_from, automatic)
        why = why if known else "the sender is not known in the case"
        said = self.desk.acknowledge(
            case, to, self.message, template=template, why_not=why, authentication=self.reading.authentication,
            previous=follow_up_of.number if follow_up_of else None, found=self._found(decision),
        )  # fmt: skip
        self.trace["answer"] = {"template": template, "why_not": said}

    def _automatic_of(self, decision: Decision) -> Automatic:
        """How automatic the mail is of the person found: a form's no-reply sender says nothing of who filled it in."""
        named = bool(decision.contact.address) and decision.contact.source in {"reply_to", "field", "forwarded"}
        return Automatic.NO if named and self.classification.only_no_reply else self.classification.automatic

    @staticmethod
    def _found(decision: Decision) -> dict[str, str]:
        return {name: value for one in decision.trace.extracted for name, value in (one.found or {}).items()}

    def _notify_new(
        self, decision: Decision, case: Case, contact: Contact | None, thread: Thread, follow_up_of: Case | None
    ) -> None:
        marks = list(self._marks())
        if thread.mentions is not None:
            marks.append(f"mentions case {thread.mentions}; answer #merge {thread.mentions} if it is the same person")
        if follow_up_of is not None:
            marks.append(f"follows case {follow_up_of.number}: {follow_up_of.title}")
            if follow_up_of.resolution:
                marks.append(f"it was resolved with: {follow_up_of.resolution}")
            if not thread.takes_part and self.author is not None:
                marks.append(f"from {self.author.email}, not known in this case")
        event = "follow_up" if follow_up_of else "new_case"
        who = (
            self.desk.hears(case, event, cases.followers_of(self.connection, case.number))
            if decision.notify is None else self.desk.named(case, decision.notify)
        )  # fmt: skip
        if follow_up_of is not None and cases.recent_follow_ups(self.connection, follow_up_of.number, self.now) >= 3:
            who = [*who, *self.desk.named(case, ["manager"])]
        self._notify(case, contact, event, who, marks, follow_up_of.number if follow_up_of else 0)

    def _notify(
        self, case: Case, contact: Contact | None, event: str, who: Sequence[str], marks: Sequence[str], previous: int = 0
    ) -> None:
        self.trace["notified"] = self.desk.notify(
            case, contact, event, who, text=self.words or self.message.new_text or self.message.text, message=self.message,
            actor=self.user or "", marks=marks, attachments=self._part_refs(), more={"previous": previous} if previous else None,
        )  # fmt: skip

    def _marks(self) -> Sequence[str]:
        reading = self.reading
        return remarks.marks(self.message, reading.identity, reading.authentication, self.entry.mail_from)

    def _part_refs(self) -> tuple[PartRef, ...]:
        return tuple(
            PartRef(self.entry.id, a.part, a.name, a.type, a.size, a.inline, a.content_id)
            for a in self.message.attachments
            if not a.decoration
        )

    def _file_away(self, case: Case) -> None:
        """History ends in the status asked for, by the ways that the lifecycle allows."""
        if self.history is None or case.status is self.history:
            return
        ended = replace(
            case, status=self.history, status_since=self.now,
            closed_at=self.now if self.history is Status.CLOSED else None,
            resolved_at=self.now if self.history in {Status.CLOSED, Status.RESOLVED} else None,
        )  # fmt: skip
        cases.save_case(self.connection, ended)

    # --- an answer -------------------------------------------------------------------------------------------

    def _answer(self, decision: Decision, thread: Thread, others: Sequence[str]) -> Settled:
        case = thread.case
        assert case is not None
        machine = self.classification.sort is MachineSort.ANSWER
        internal = machine or self.kind is MessageKind.AGENT or bool(thread.reader and not thread.takes_part)
        before = case
        day_ago = self.now - timedelta(days=1)
        reopened_today = 0 if case.status is not Status.RESOLVED else cases.count_reopened(self.connection, case.number, day_ago)
        case = self._applied(case, decision)
        self._record(case, public=not internal)
        if machine or self.kind is MessageKind.AGENT:
            cases.save_case(self.connection, replace(case, updated_at=self.now))
            if not machine:
                who = self.desk.hears(case, "note", cases.followers_of(self.connection, case.number))
                contact = people.contact(self.connection, case.contact_id) if case.contact_id else None
                self._notify(case, contact, "note", who, [])
            return self._end("answer", case=case.number, event="case.updated")
        change = lifecycle.customer_wrote(
            case, self._actor(), self.now, moves=self.history is None or case.status is not Status.CLOSED,
            bare_thanks=not self.message.attachments and self._is_thanks(),
            reopened_today=reopened_today, reopen_cap=self.office.settings.main.cases.reopen.per_day,
        )  # fmt: skip
        case = casework.save(self.desk, change)
        if self.history is None:
            casework.asked_again(self.desk, case, self.entry.received_at)
        if thread.takes_part and self.author is not None:
            self._add_copied(case, self.author)
        cases.follow(self.connection, case.number, [*decision.followers, *self._groups_of(others, case)])
        self._tell_notes(case, decision.notes)
        contact = people.contact(self.connection, case.contact_id) if case.contact_id else None
        if contact is not None and contact.undeliverable and self.author is not None:
            if fold_address(self.author.email) in {fold_address(one) for one in contact.emails}:
                people.update_contact(self.connection, contact.id, {"undeliverable_since": None})
        self._reply_on_answer(decision, case, contact, thread)
        reopened = before.status is Status.RESOLVED and case.status is Status.OPEN
        marks = list(self._marks())
        if not thread.takes_part and self.author is not None:
            marks.append(f"from {self.author.email}, not known in this case")
        event = "reopened" if reopened else "answer"
        who = (
            self.desk.hears(case, event, cases.followers_of(self.connection, case.number))
            if decision.notify is None else self.desk.named(case, decision.notify)
        )  # fmt: skip
        if self._thanked(change):
            who = []
        self._notify(case, contact, event, who, marks)
        return self._end("answer", case=case.number, event="case.reopened" if reopened else "case.updated")

    def _thanked(self, change: lifecycle.CaseChange) -> bool:
        return change.after.status is Status.RESOLVED and not change.events and self._is_thanks()

    def _is_thanks(self) -> bool:
        if self.office.settings.main.cases.reopen.thanks == "open":
            return False
        return is_bare_thanks(self.message.new_text, self.message.language)

    def _actor(self) -> str:
        if self.behalf is not None:
            return self.behalf.email
        return self.author.email if self.author else (self.entry.mail_from or "unknown")

    def _reply_on_answer(self, decision: Decision, case: Case, contact: Contact | None, thread: Thread) -> None:
        if decision.reply in {None, "none"}:
            self.trace["answer"] = {"template": "none", "why_not": "an answer gets none unless a rule says so"}
            return
        why = self.desk.why_no_answer(case, contact, self.message, self.entry.mail_from, self.classification.automatic)
        if not thread.takes_part:
            why = why or "the sender is not known in the case"
        said = self.desk.acknowledge(
            case, contact, self.message, template=decision.reply or "none", why_not=why,
            authentication=self.reading.authentication, found=self._found(decision),
        )  # fmt: skip
        self.trace["answer"] = {"template": decision.reply, "why_not": said}

    def _applied(self, case: Case, decision: Decision) -> Case:
        """What rules change on an existing case: only what they name. A change that is refused never loses the mail."""
        values = decision.values
        wanted: dict[str, Any] = {
            name: value
            for name in ("summary", "status", "priority", "category", "channel", "sla", "resolution", "billable")
            if (value := getattr(values, name)) is not None
        }
        if values.raise_priority is not None:
            wanted["priority"] = lifecycle.raised(wanted.get("priority", case.priority), values.raise_priority)
        if values.assign is not None and values.assign.how is None:
            wanted |= {"group": values.assign.group} if values.assign.group else {}
            wanted |= {"assignee": values.assign.user} if values.assign.user else {}
        if values.tags:
            wanted["tags"] = tuple(dict.fromkeys((*case.tags, *values.tags)))
        if values.fields:
            wanted["fields"] = dict(values.fields)
        return self._changed(case, wanted, decision.rules)

    def _changed(self, case: Case, wanted: dict[str, Any], rules: Sequence[str]) -> Case:
        actor = f"rule:{rules[-1]}" if rules else "maild"
        for name, value in wanted.items():
            try:
                case = casework.save(self.desk, lifecycle.change(case, {name: value}, actor, self.now))
            except CaseError as error:
                self._tell_notes(case, [f"{actor}: {error}"])
        return case

    # --- update ----------------------------------------------------------------------------------------------

    def _find_for_update(
        self, update: Update, mailbox: str, writer: Contact | None, organisation: Organisation | None
    ) -> Case | None:
        missing = [name for name in update.by if update.values.get(name) in (None, "")]
        if missing:
            self.trace["update"] = f"no update: {missing[0]} has no value"
            return None
        if update.among == "same_contact" and writer is None:
            self.trace["update"] = "no update: the sender has no case yet"
            return None
        if update.among == "same_organisation" and organisation is None:
            self.trace["update"] = "no update: the sender belongs to no organisation"
            return None
        values = {name: str(update.values[name]) for name in update.by}
        cases.lock_value(self.connection, mailbox, *(f"{name}={cases.folded(value)}" for name, value in values.items()))
        number = cases.find_for_update(
            self.connection, mailbox=mailbox, values=values,
            contact_id=writer.id if writer and update.among == "same_contact" else None,
            organisation=organisation.name if organisation and update.among == "same_organisation" else None,
            newer_than=self.now - update.within if update.within else None,
        )  # fmt: skip
        shown = ", ".join(f"{name}={value}" for name, value in values.items())
        self.trace["update"] = f"{shown} among {update.among}: " + (f"case {number}" if number else "no case")
        return cases.get(self.connection, number, lock=True) if number is not None else None

    def _update(self, case: Case, decision: Decision, update: Update) -> Settled:
        """The mail goes to the case that has these values; what the case has stays unless `then` says so."""
        self._record(case, public=True)
        wanted: dict[str, Any] = {"fields": dict(decision.values.fields)} if decision.values.fields else {}
        case = self._changed(case, wanted, [update.rule])
        if update.then is not None:
            case = self._applied(case, replace(decision, values=update.then, rules=(update.rule,)))
        if update.resolve is not None:
            if case.status is not Status.OPEN and case.status is not Status.RESOLVED:
                case = self._changed(case, {"status": Status.OPEN}, [update.rule])
            case = self._changed(case, {"resolution": update.resolve, "status": Status.RESOLVED}, [update.rule])
        elif case.status in {Status.RESOLVED, Status.WAIT_FOR_CUSTOMER}:
            case = casework.save(self.desk, lifecycle.customer_wrote(case, self._actor(), self.now, moves=True))
        self._tell_notes(case, decision.notes)
        contact = people.contact(self.connection, case.contact_id) if case.contact_id else None
        machine = self.classification.automatic is Automatic.CERTAIN
        if not (machine and self._told_lately(case)):
            who = (
                self.desk.hears(case, "answer", cases.followers_of(self.connection, case.number))
                if decision.notify is None else self.desk.named(case, decision.notify)
            )  # fmt: skip
            self._notify(case, contact, "answer", who, self._marks())
        self.trace["answer"] = {"template": "none", "why_not": "an update of a case gets none"}
        return self._end("update", case=case.number, event="case.updated")

    def _told_lately(self, case: Case) -> bool:
        hour_ago = self.now - timedelta(hours=1)
        return any(
            entry.type is StreamType.NOTIFIED and entry.at > hour_ago
            for entry in cases.stream_of(self.connection, case.number)
        )

    # --- other ends ------------------------------------------------------------------------------------------

    def _bounce(self, mailbox: str) -> Settled:
        """A bounce counts only if it answers something that we sent: an event on its case, told to the assignee.

        It meets the rules that name its kind: they may discard, hold or forward it, or change its case.
        """
        report = self.classification.bounce
        returned = (report.original_message_id, *report.original_references) if report else ()
        ids = [one for one in (*returned, *self.reading.keys.ids) if one]
        case = next(
            (
                case for one in ids
                if (signed := verify_id(self.office.keyring, one)) and signed.case
                and (case := cases.get_final(self.connection, signed.case, lock=True))
            ),
            None,
        )  # fmt: skip
        thread = Thread(case=case, by="signed id" if case else "")
        decision = decide(self.office.ruleset, self._facts(mailbox, thread, *self._known(thread), None))
        if decision.rules:
            self.trace["decision"] = trace_json(decision)
        match decision.disposition:
            case Disposition.DISCARD:
                return self._end("discarded", reason=decision.reason)
            case Disposition.HOLD:
                until = self.now + decision.hold.for_ if decision.hold and decision.hold.for_ else None
                return self._hold(mailbox, decision.reason, until, decision.hold.then if decision.hold else "keep")
            case Disposition.FORWARD:
                return self._forward(decision)
        if report is None:
            return self._end("ignored", reason="a delivery report that says nothing")
        shown = "; ".join(
            f"{one.address}: {one.action} {one.status} {'for good' if one.hard else 'for now'} {one.reason}".strip()
            for one in report.recipients
        )
        if case is None:
            self.trace["threading"] = ["the returned message is none of ours"]
            return self._end("ignored", reason=f"a bounce of nothing that we sent ({shown})")
        self.trace["threading"] = [f"the returned message is ours: case {case.number}"]
        for one in report.recipients:
            if one.hard:
                contact = people.contact_by_address(self.connection, one.address)
                if contact is not None:
                    people.update_contact(self.connection, contact.id, {"undeliverable_since": self.now})
        number = self._record(case, public=False, stream=False)
        case = self._applied(case, decision)
        event = StreamEntry(self.now, StreamType.BOUNCED, "maild", False, shown[:2000], {"recipients": len(report.recipients)}, number)
        cases.add_stream(self.connection, case.number, [event])
        cases.save_case(self.connection, replace(case, updated_at=self.now))
        contact = people.contact(self.connection, case.contact_id) if case.contact_id else None
        who = self.desk.hears(case, "bounce", cases.followers_of(self.connection, case.number))
        self.trace["notified"] = self.desk.notify(case, contact, "bounce", who, text=shown, internal=True, reason=shown[:300])
        return self._end("bounce", case=case.number)

    def _for_postmaster(self) -> Settled:
        admins = self.office.settings.main.admins
        if not admins:
            return self._hold("", "mail to postmaster, and no admins: are set in maild.yaml")
        for admin in admins:
            self._send_on(admin, "postmaster", next(iter(self.office.settings.main.mailboxes)))
        return self._end("forwarded", reason=f"postmaster: to {', '.join(admins)}")

    def _forward(self, decision: Decision) -> Settled:
        self._send_on(decision.forward, decision.reason, decision.mailbox)
        return self._end("forwarded", reason=f"to {decision.forward}")

    def _send_on(self, address: str, reason: str, mailbox: str) -> None:
        """The whole mail, as it came, enclosed in one of ours."""
        subject = self.message.subject or "(no subject)"
        whole = PartRef(self.entry.id, WHOLE_MESSAGE, "message.eml", "message/rfc822", self.entry.size)
        self.desk.enqueue(
            Draft(
                kind=OutgoingKind.FORWARD, template="forward", mailbox=mailbox, case=None, to=(Address("", address),),
                names={
                    "event": {"type": "forward", "subject": subject, "reason": reason,
                              "actor": self.author.email if self.author else (self.entry.mail_from or "")},
                    "now": self.now,
                },
                title=subject, attachments=(whole,),
            )
        )  # fmt: skip

    def _hold(self, mailbox: str, reason: str, until: datetime | None = None, then: str = "keep") -> Settled:
        settled = Settled("held", reason=reason, trace=self.trace)
        spool.hold(
            self.connection, self.entry.seq, reason, self.now, held_mailbox=mailbox or None, held_until=until,
            held_then=then, **self._columns(),
        )  # fmt: skip
        return settled

    def _end(self, disposition: str, *, case: int | None = None, reason: str = "", event: str = "") -> Settled:
        if reason:
            self.trace["reason"] = reason
        spool.end(
            self.connection, self.entry.seq, {"disposition": disposition, "case_number": case, **self._columns()}, self.now
        )
        return Settled(disposition, case=case, reason=reason, event=event, trace=self.trace)

    def _columns(self) -> dict[str, Any]:
        auth = self.reading.authentication
        return {
            "kind": self.kind.value, "automatic": self.classification.automatic.value, "trace": self.trace,
            "config_hash": self.office.settings.hash,
            "authentication": {
                "spf": auth.spf.value, "dkim": auth.dkim.value, "dmarc": auth.dmarc.value, "login": auth.login,
                "passed": auth.passed, "failed": auth.failed, "source": auth.source,
            },
        }  # fmt: skip

    # --- writing it down -------------------------------------------------------------------------------------

    def _record(self, case: Case, *, public: bool, stream: bool = True, outgoing: bool = False) -> int:
        """Add the message to the case, its words to the stream, and its ids to what leads here.

        ``outgoing``: somebody sent it from our mailbox.
        """
        message = self.message
        writer = self.author or (message.from_[0] if message.from_ else Address("", self.entry.mail_from or ""))
        number = cases.add_message(
            self.connection,
            {
                "case_number": case.number, "spool_seq": self.entry.seq, "direction": "out" if outgoing else "in",
                "kind": OutgoingKind.ANSWER.value if outgoing else self.kind.value,
                "public": public, "message_id": message.message_id, "from_name": writer.name,
                "from_email": writer.email,
                "to": [{"name": a.name, "email": a.email} for a in message.to],
                "cc": [{"name": a.name, "email": a.email} for a in message.cc],
                "subject": message.subject, "text": message.text,
                "attachments": [
                    {"name": a.name, "type": a.type, "size": a.size, "sha256": a.sha256, "part": a.part, "inline": a.inline,
                     "decoration": a.decoration}
                    for a in message.attachments
                ],
                "at": self.entry.received_at,
            },
        )  # fmt: skip
        named = [one for one in self.reading.keys.ids if not self.office.is_our_id(one)]
        cases.remember_ids(self.connection, case.number, [message.message_id], named)
        remarks.remember_pictures(self.connection, message, self.author, case.number)
        if stream:
            words = self.words or message.new_text or message.text
            if message.encrypted:
                words = f"(encrypted)\n{words}".strip()
            entry = StreamEntry(
                self.now if self.history is None else self.entry.received_at, StreamType.MESSAGE, self._actor(), public,
                words, {"kind": self.kind.value}, number,
            )  # fmt: skip
            cases.add_stream(self.connection, case.number, [entry])
        return number

    def _tell_notes(self, case: Case, notes: Sequence[str]) -> None:
        cases.add_stream(
            self.connection, case.number, [StreamEntry(self.now, StreamType.FIELD, "maild", False, note) for note in notes]
        )


# --- processing -------------------------------------------------------------------------------------------------


_USUAL_NUMBERS = {"cases": 1, "contacts": 1, "messages": 2, "outbox": 4}  # for one message; grows where it is too few


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A message settled before the lock: what came of it, what it read and writes, and the numbers that it took."""

    settled: Settled
    recording: Recording
    numbers: numbers.Taken


class Mailroom:
    """Turns leased spool entries into cases. One a worker; ``office`` is replaced at reload."""

    def __init__(self, store: Store, office: Office, ask: Ask | None = None) -> None:
        self.store, self.office, self.ask = store, office, ask or Resolver()
        self.reserved: numbers.Reserved | None = None
        self._usual = dict(_USUAL_NUMBERS)

    def reserve(self, connection: Connection, count: int) -> None:
        """Set numbers for so many messages aside, in the transaction that leases them (SQLite; see `store.numbers`)."""
        if self.store.sqlite:
            wanted = {table: each * count for table, each in self._usual.items()}
            self.reserved = numbers.reserve(connection, wanted, self.office.settings.main.cases.first_number)

    def process(self, entries: Sequence[SpoolEntry], now: datetime) -> None:
        """Settle these entries, each whole or not at all. What raises is tried again, then held with its reason."""
        failed: dict[int, str] = {}
        readings: dict[int, Reading] = {}
        started = time.monotonic()
        for entry in entries:
            try:
                readings[entry.seq] = read(self.office, entry, self.ask)
            except Exception as error:
                failed[entry.seq] = _told(error)
                log.exception("message.failed", spool_id=entry.id, message_id=entry.message_id)
        settled: dict[int, Settled] = {}
        reserved, self.reserved = self.reserved or numbers.Reserved({}), None
        ahead = {
            entry.seq: self._ahead(entry, readings[entry.seq], reserved, now) for entry in entries if entry.seq in readings
        }  # fmt: skip
        with self.store.write() as connection:
            connection.execution_options(**{numbers.RESERVED: reserved})
            for entry in entries:
                if entry.seq not in readings:
                    continue
                if (found := ahead[entry.seq]) is not None:
                    if found.recording.replay(connection):
                        settled[entry.seq] = found.settled
                        continue
                    reserved.put_back(found.numbers)
                try:
                    with connection.begin_nested():
                        settled[entry.seq] = settle(connection, self.office, entry, readings[entry.seq], now)
                    reserved.collect()
                except MessageError as error:
                    spool.hold(connection, entry.seq, str(error), now)
                except DBAPIError as error:
                    fault = translated(error)
                    if isinstance(fault, StoreUnavailable):
                        raise
                    failed[entry.seq] = _told(error)
                    log.exception("message.failed", spool_id=entry.id, message_id=entry.message_id)
                except StoreUnavailable:
                    raise
                except Exception as error:
                    failed[entry.seq] = _told(error)
                    log.exception("message.failed", spool_id=entry.id, message_id=entry.message_id)
            reserved.put_back(reserved.collect())
            numbers.give_back(connection, reserved)
        for entry in entries:
            if entry.seq in failed:
                self._retry(entry, failed[entry.seq], now)
            elif entry.seq in settled:
                _log(entry, settled[entry.seq], (time.monotonic() - started) / len(entries))

    def _ahead(
        self, entry: SpoolEntry, reading: Reading, reserved: numbers.Reserved, now: datetime
    ) -> _Ahead | None:
        """Settle a message before the database is locked, where that can be done; None where it cannot (or it failed)."""
        if not self.store.sqlite:
            return None
        try:
            with self.store.ahead(reserved) as (connection, recording):
                settled = settle(connection, self.office, entry, reading, now)
            return _Ahead(settled, recording, reserved.collect())
        except Exception:  # under the lock it happens again, and is dealt with
            reserved.put_back(reserved.collect())
            for table in reserved.short:
                self._usual[table] = min(self._usual[table] * 2, 200)
            reserved.short.clear()
            return None

    def _retry(self, entry: SpoolEntry, reason: str, now: datetime) -> None:
        if entry.attempts < spool.TRIES:
            spool.give_back(self.store, [entry.seq], failed=reason, delay=RETRY_SECONDS * 4 ** (entry.attempts - 1))
            log.warning("message.retried", spool_id=entry.id, message_id=entry.message_id, reason=reason)
            return
        with self.store.write() as connection:
            spool.hold(connection, entry.seq, f"the mailroom failed {entry.attempts} times: {reason}", now)
        log.error("message.held", spool_id=entry.id, message_id=entry.message_id, reason=reason)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:400]


def _log(entry: SpoolEntry, settled: Settled, seconds: float) -> None:
    """One closing line a message."""
    values: dict[str, Any] = {
        "spool_id": entry.id, "message_id": entry.message_id, "disposition": settled.disposition, "case": settled.case,
        "rules": list(settled.decision.rules) if settled.decision else [], "ms": round(seconds * 1000, 1),
    }  # fmt: skip
    if settled.disposition == "held":
        log.warning("message.held", reason=settled.reason, **values)
    elif settled.disposition == "discarded":
        log.info("message.discarded", reason=settled.reason, **values)
    else:
        log.info(settled.event or "message.processed", **values)
