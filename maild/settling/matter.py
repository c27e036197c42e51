"""This is the message that is being settled: what is known of it, how it is written down, and how its spool entry ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from maild import remarks, threads
from maild.desk import Desk
from maild.model.case import Case, Status, StreamEntry, StreamType
from maild.model.contact import Contact, Organisation
from maild.model.decision import Decision
from maild.model.message import Address, Automatic, MessageKind
from maild.model.outbox import OutgoingKind, PartRef
from maild.model.spool import SpoolEntry
from maild.plain.domains import fold_address
from maild.reading import Reading
from maild.store import cases, people, spool

MOST_COPIED = 50  # people that one mail can bring into a case


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


class Matter:
    """One message in hand, in the transaction of ``desk``: what is known of it, and the trace of what is done with it.

    ``history``: it is filed as history, its case ending in this status. ``by_hand``: a person wants a case of it, also
    where its kind would open none. ``behalf`` and ``words`` are set where an agent brings a customer's mail: who wrote it,
    and what the case is about.
    """

    def __init__(
        self, desk: Desk, entry: SpoolEntry, reading: Reading, history: Status | None, by_hand: bool = False
    ) -> None:
        self.by_hand = by_hand
        self.desk, self.entry, self.reading, self.history = desk, entry, reading, history
        self.office, self.connection, self.now = desk.office, desk.connection, desk.now
        self.message, self.classification = reading.message, reading.classification
        self.author = reading.identity.address
        self._organisations: dict[str, Organisation | None] = {}
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

    @cached_property
    def writer(self) -> Contact | None:
        """The author as a contact, where they are known."""
        return people.contact_by_address(self.connection, self.author.email) if self.author else None

    def wrote(self, address: Address) -> bool:
        """Whether this is the author's address."""
        return self.author is not None and self.author.key == address.key

    def written_by(self, contact: Contact) -> bool:
        """Whether the author is this contact, by any of their addresses."""
        return self.author is not None and fold_address(self.author.email) in {fold_address(one) for one in contact.emails}

    def organisation(self, email: str) -> Organisation | None:
        """The organisation that an address belongs to by its domain; asked once a message."""
        if email not in self._organisations:
            name = threads.organisation_name(self.connection, self.office, email)
            self._organisations[email] = self.organisation_named(name) if name is not None else None
        return self._organisations[email]

    def organisation_of_author(self) -> Organisation | None:
        """The organisation that the author's domain belongs to."""
        return self.organisation(self.author.email) if self.author else None

    def organisation_named(self, name: str) -> Organisation | None:
        """An organisation of directory.yaml, else of the database."""
        return self.office.addresses.organisation(name) or people.organisation(self.connection, name)

    def actor(self) -> str:
        """Who the stream says it was."""
        if self.behalf is not None:
            return self.behalf.email
        return self.author.email if self.author else (self.entry.mail_from or "unknown")

    def marks(self) -> list[str]:
        """What an agent should know before believing this mail."""
        reading = self.reading
        found = remarks.marks(self.message, reading.identity, reading.authentication, self.entry.mail_from)
        return [*found, *(f"kept back: {said}; maild message show {self.entry.id}" for said in self._kept_back())]

    @cached_property
    def refused(self) -> dict[int, str]:
        """The attachments (by part, with the ending) that people outside sent and this mailbox does not take."""
        box = self.office.settings.main.mailboxes.get(self.entry.mailboxes[0]) if self.entry.mailboxes else None
        if box is None or not box.attachments.refuse or self.kind is MessageKind.AGENT:
            return {}
        kinds = [(one.part, next((end for end in one.endings if end in box.attachments.refuse), "")) for one in self.message.attachments]
        return {part: kind for part, kind in kinds if kind}

    def _kept_back(self) -> list[str]:
        return [f"{one.name} ({self.refused[one.part]} is not taken here)" for one in self.message.attachments if one.part in self.refused]

    def part_refs(self) -> tuple[PartRef, ...]:
        """The attachments worth sending along, as places in the stored mail."""
        return tuple(
            PartRef(self.entry.id, a.part, a.name, a.type, a.size, a.inline, a.content_id)
            for a in self.message.attachments
            if not a.decoration and a.part not in self.refused
        )

    def concerned(self, case: Case, event: str, decision: Decision) -> list[str]:
        """Who hears of this: whom the rules name, else those who hear of such an event by default."""
        if decision.notify is not None:
            return self.desk.named(case, decision.notify)
        return self.desk.hears(case, event, cases.followers_of(self.connection, case.number))

    def notify(
        self, case: Case, contact: Contact | None, event: str, who: Sequence[str], marks: Sequence[str], previous: int = 0,
        writer: Address | None = None, copied: Sequence[Address] | None = None,
    ) -> None:  # fmt: skip
        """Tell these about the message; ``previous`` is the case that this one follows, ``writer`` whom a rule found in it,
        ``copied`` who is on the Cc of a case that was just made."""
        if writer is None and self.reading.identity.source != "from":
            writer = self.author  # a group server put our own address into From
        more: dict[str, Any] = {"previous": previous} if previous else {}
        if self.behalf is not None:
            more["behalf"] = self.behalf.name or self.behalf.email
        self.trace["notified"] = self.desk.notify(
            case, contact, event, who, text=self.words or self.message.new_text or self.message.text, message=self.message,
            actor=self.user or "", marks=marks, attachments=self.part_refs(), more=more or None,
            writer=writer, copied=copied,
        )  # fmt: skip

    def record(self, case: Case, *, public: bool, stream: bool = True, outgoing: bool = False) -> int:
        """Add the message to the case, its words to the stream, and its ids to what leads here.

        ``outgoing``: somebody sent it from our mailbox.
        """
        message = self.message
        author = self.author or (message.from_[0] if message.from_ else Address("", self.entry.mail_from or ""))
        writer, kind, text = self.behalf or author, self.kind, message.text
        if self.behalf is not None:  # what the agent wrote above it is theirs alone, and a note
            kind, text = MessageKind.CUSTOMER, self.words or message.text
        number = cases.add_message(
            self.connection,
            {
                "case_number": case.number, "spool_seq": self.entry.seq, "direction": "out" if outgoing else "in",
                "kind": OutgoingKind.ANSWER.value if outgoing else kind.value,
                "public": public, "message_id": message.message_id, "from_name": writer.name,
                "from_email": writer.email,
                "to": [{"name": a.name, "email": a.email} for a in message.to],
                "cc": [{"name": a.name, "email": a.email} for a in message.cc],
                "subject": message.subject, "text": text,
                "attachments": [
                    {"name": a.name, "type": a.type, "size": a.size, "sha256": a.sha256, "part": a.part, "inline": a.inline,
                     "decoration": a.decoration, **({"refused": True} if a.part in self.refused else {})}
                    for a in message.attachments
                ],
                "at": self.entry.received_at,
            },
        )  # fmt: skip
        named = [one for one in self.reading.keys.ids if not self.office.is_our_id(one)]
        cases.remember_ids(self.connection, case.number, [message.message_id], named)
        remarks.remember_pictures(self.connection, message, self.author, case.number)
        if self.refused:
            self.tell_notes(case, [f"kept back: {said}" for said in self._kept_back()])
        if stream:
            words = self.words or message.new_text or message.text
            if message.encrypted:
                words = f"(encrypted)\n{words}".strip()
            entry = StreamEntry(
                self.now if self.history is None else self.entry.received_at, StreamType.MESSAGE, self.actor(), public,
                words, {"kind": kind.value}, number,
            )  # fmt: skip
            cases.add_stream(self.connection, case.number, [entry])
        return number

    def tell_notes(self, case: Case, notes: Sequence[str]) -> None:
        """Say this in the stream, to the team alone."""
        cases.add_stream(
            self.connection, case.number, [StreamEntry(self.now, StreamType.FIELD, "maild", False, note) for note in notes]
        )

    def hold(self, mailbox: str, reason: str, until: datetime | None = None, then: str = "keep") -> Settled:
        """The message waits for a person; at ``until`` it goes as ``then`` says."""
        settled = Settled("held", reason=reason, trace=self.trace)
        spool.hold(
            self.connection, self.entry.seq, reason, self.now, held_mailbox=mailbox or None, held_until=until,
            held_then=then, **self._columns(),
        )  # fmt: skip
        return settled

    def end(self, disposition: str, *, case: int | None = None, reason: str = "", event: str = "") -> Settled:
        """The message is done with."""
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

    def groups_of(self, others: Sequence[str], case: Case) -> list[str]:
        """The groups of the other mailboxes that this mail was for: they follow its case."""
        groups = (self.office.settings.main.mailboxes[key].group for key in others)
        return [f"group:{group}" for group in groups if group and group != case.group]

    def add_copied(self, case: Case, address: Address | None, taking: Sequence[Address]) -> list[Address]:
        """Whom the customer put on To and Cc takes part, beside those who do already (``taking``); returns them all."""
        copied = {one.key: one for one in taking}
        if self.kind is MessageKind.AGENT or self.classification.automatic is not Automatic.NO:
            return list(copied.values())
        named = (*self.message.to, *self.message.cc)
        if len(named) > MOST_COPIED:
            self.tell_notes(case, [f"{len(named)} addresses on To and Cc: the first {MOST_COPIED} take part"])
        for one in named[:MOST_COPIED]:
            ours = self.office.addresses.mailbox_of(one.email) or self.office.addresses.user_of(one.email)
            itself = address is not None and one.key == address.key
            if not ours and not itself and "@" in one.email and one.key not in copied:
                people.add_participant(self.connection, case.number, one.email, one.name)
                copied[one.key] = one
        return list(copied.values())
