"""This is where mail that a case causes is addressed: what a template may say, who hears of what.

A `Desk` lives for one transaction; what it puts into the outbox commits with the case. Nothing is sent here.
Who hears by default stands in `hears`; automatic answers to customers are `maild.automatic_answers`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from maild.cases.shape import as_json
from maild.log import get_logger
from maild.model.case import Case, StreamEntry, StreamType
from maild.model.contact import Contact
from maild.model.message import Address, Message
from maild.model.outbox import Draft, OutboxState, OutgoingKind, OutgoingMessage, PartRef
from maild.model.sla import Clock
from maild.office import Office
from maild.outbound.compose import compose, worded
from maild.outbound.templates import Rendered
from maild.plain.quiet import quiet_until
from maild.plain.tokens import new_serial
from maild.store import cases, installation, notices, outbox, people

# What a user with a digest hears of there; what they set themselves, and what is about to be late, comes at once.
SUMMED = frozenset(
    {"new_case", "answer", "reopened", "follow_up", "note", "assignment", "bounce", "rating", "released", "taken", "thanks"}
)
NOTICE = 500  # characters of an event's words in a digest
NAMED = 3  # people on Cc in the line that says where a reply goes

log = get_logger(__name__)


@dataclass(slots=True)
class Desk:
    """One transaction's way to the outbox. ``cause`` is the spool entry (seq) that all this is because of.

    ``silent`` writes no mail at all (history). ``hold_back`` is why what goes out now waits for approval, '' for nothing.
    ``spared`` are users and addresses that another mail tells of what happens now; ``mails`` is what went into the outbox.
    """

    office: Office
    connection: Connection
    now: datetime
    cause: int | None = None
    silent: bool = False
    hold_back: str = ""
    spared: frozenset[str] = frozenset()
    mails: list[tuple[int, OutgoingMessage]] = field(default_factory=list)
    used: dict[int, str] = field(default_factory=dict)  # the template of each of these mails
    started: dict[int, tuple[Clock, ...]] = field(default_factory=dict)  # the clocks of cases begun here
    _paused: frozenset[str] | None = None

    # --- what templates may say ------------------------------------------------------------------------------

    def names(self, case: Case, contact: Contact | None, message: Message | None = None, **more: Any) -> dict[str, Any]:
        """The values that a template about this case may use, by their documented names."""
        mailbox = self.office.settings.main.mailboxes[case.mailbox]
        zone = ZoneInfo(mailbox.timezone or self.office.settings.main.timezone)
        shown = as_json(case, contact.name if contact else None, contact.email if contact else None)
        for name in ("created_at", "updated_at", "first_response_at", "last_responded_at", "resolved_at", "closed_at"):
            value: datetime | None = getattr(case, name)
            shown[name] = value.astimezone(zone) if value else None
        writer = message.from_[0] if message and message.from_ else Address("", "")
        return {
            "message": {
                "subject": message.subject, "text": message.text, "new_text": message.new_text, "date": message.date,
                "from": {"name": writer.name, "email": writer.email},
            } if message else None,
            "case": shown,
            "fields": dict(case.fields),
            "contact": {"name": contact.name, "email": contact.email, "language": contact.language} if contact else None,
            "organisation": {"name": case.organisation or ""},
            "mailbox": {"key": case.mailbox, "name": mailbox.name or mailbox.address, "address": mailbox.address},
            "now": self.now.astimezone(zone),
            **more,
        }  # fmt: skip

    # --- the outbox ------------------------------------------------------------------------------------------

    def enqueue(
        self, draft: Draft, *, state: OutboxState = OutboxState.PENDING, reason: str = "",
        not_before: datetime | None = None, words: Rendered | None = None,
    ) -> int | None:  # fmt: skip
        """Render a draft (where ``words`` does not have it rendered) and put it into the outbox; returns its number, None
        where nobody is left to send it to."""
        if self.silent:
            return None
        message = compose(draft, self.office.compose, self.now, new_serial(secrets.token_bytes(8)), words)
        if not message.recipients:
            return None
        if self.hold_back and state is OutboxState.PENDING:
            state, reason = OutboxState.HELD, self.hold_back
        number = outbox.add(
            self.connection, message, self.now, caused_by=self.cause, state=state, reason=reason, not_before=not_before
        )
        self.mails.append((number, message))
        self.used[number] = draft.template
        return number

    def record_outgoing(self, number: int | None, case: int, *, public: bool, text: str) -> int | None:
        """Write a mail to people outside down among the case's messages; returns the message's number."""
        if number is None:
            return None
        message = next(sent for one, sent in self.mails if one == number)
        mailbox = dict(message.headers)
        return cases.add_message(
            self.connection,
            {
                "case_number": case, "outbox_id": number, "direction": "out", "kind": message.kind.value,
                "public": public, "message_id": message.message_id, "from_name": "",
                "from_email": _first_address(mailbox.get("Reply-To", "")),
                "to": [{"name": "", "email": one} for one in message.recipients], "cc": [],
                "subject": message.subject, "text": text,
                "attachments": [{"name": ref.name, "type": ref.type, "size": ref.size} for ref in message.attachments],
                "at": self.now,
            },
        )  # fmt: skip

    @property
    def paused(self) -> frozenset[str]:
        """What is paused now, asked once a transaction."""
        if self._paused is None:
            self._paused = frozenset(row.what for row in installation.paused(self.connection, self.now))
        return self._paused

    # --- notifications ---------------------------------------------------------------------------------------

    def group_members(self, group: str | None) -> list[str]:
        """The active members of a group, in the order of directory.yaml."""
        directory = self.office.settings.directory
        members = directory.groups[group].members if group and group in directory.groups else ()
        return [key for key in members if key in directory.users and directory.users[key].active]

    def told_of(self, group: str | None) -> list[str]:
        """Who hears what a group hears: its members, or its own address in their place."""
        groups = self.office.settings.directory.groups
        email = groups[group].email if group and group in groups else None
        return [self.person(email)] if email else self.group_members(group)

    def hears(self, case: Case, event: str, followers: Sequence[str]) -> list[str]:
        """Who hears of an event by default (details.md, "Who hears by default"): users' keys and addresses."""
        users = self.office.settings.directory.users
        following = [one for one in followers if not one.startswith("group:")]
        for one in followers:
            if one.startswith("group:"):
                following += self.told_of(one.removeprefix("group:"))
        if event == "note":
            return following
        if event == "assignment":
            return [case.assignee] if case.assignee else []
        responsible = [case.assignee] if case.assignee else self.told_of(case.group)
        if event in {"rating", "released"}:
            return [case.assignee] if case.assignee else []
        if event == "new_case":
            following += [
                key for key, user in users.items()
                if user.active and (user.follow == "new" or (user.follow == "group" and key in self.group_members(case.group)))
            ]
        return responsible + following

    def named(self, case: Case, notify: Iterable[str]) -> list[str]:
        """The users and addresses that a rule's or workflow's ``notify`` means for this case, each person once."""
        found: list[str] = []
        groups = self.office.settings.directory.groups
        for one in notify:
            match one:
                case "assignee":  # nobody has it: then it is its group's
                    found += [case.assignee] if case.assignee else self.told_of(case.group)
                case "group":
                    found += self.told_of(case.group)
                case "manager":
                    manager = groups[case.group].manager if case.group and case.group in groups else None
                    found += [manager] if manager else list(self.office.settings.main.admins)
                case "none":
                    pass
                case _ if one in groups:
                    found += self.told_of(one)
                case _:
                    found.append(one)
        return list(dict.fromkeys(self.person(one) for one in found))

    def person(self, named: str) -> str:
        """A user's key where this is one of the user's addresses; else what was named."""
        return (self.office.addresses.user_of(named) or named) if "@" in named else named

    def notify(
        self, case: Case, contact: Contact | None, event: str, who: Iterable[str], *, text: str = "", html: str = "",
        message: Message | None = None, actor: str = "", marks: Sequence[str] = (),
        attachments: Sequence[PartRef] = (), reason: str = "", internal: bool = False, template: str = "",
        more: Mapping[str, Any] | None = None, writer: Address | None = None,
        copied: Sequence[Address] | None = None,
    ) -> list[str]:  # fmt: skip
        """Tell these users (and addresses) of an event, each once, in a mail and a thread of their own; returns whom.

        ``template`` takes the place of the event's own; ``more`` are further values of `event` for it.
        ``writer`` is who wrote ``message`` where From names a form or a group. ``copied`` is who else takes part, for
        callers that have just written that down (what is not read again needs no lock: store/recording.py). Never the person
        who did it. Says where a reply goes: to the contact, or nowhere outside.
        """
        if self.silent or (not template and self.office.settings.main.mailboxes[case.mailbox].notify == "none"):
            return []
        users = self.office.settings.directory.users
        told: list[str] = []
        sendable = list(attachments)
        room = self.office.settings.main.agents.attach_up_to
        enclosed = tuple(sendable) if sum(ref.size for ref in sendable) <= room else ()
        author = writer or (message.from_[0] if message and message.from_ else None) or Address("", "")
        shown_as = author.name or author.email or self.who(actor) or "maild"
        if case.organisation and actor not in users and event in {"new_case", "answer", "reopened", "follow_up"}:
            shown_as += f" ({case.organisation})"
        mailbox = self.office.settings.main.mailboxes[case.mailbox]
        reply_to = "" if internal else self.reply_goes_to(case, contact, copied)
        details = {
            "type": event, "actor": shown_as, "text": text, "html": html, "reply_to": reply_to, "marks": list(marks),
            "reason": reason, "subject": message.subject if message else case.title,
            "attachments": [{"name": ref.name, "size": ref.size, "attached": ref in enclosed} for ref in sendable],
            **(more or {}),
        }  # fmt: skip
        names = self.names(case, contact, message, event=details)
        words: dict[str, Rendered] = {}  # by language: all that speak it get the same
        for key in dict.fromkeys(who):
            if key == actor or key in self.spared or (key in users and not users[key].active):
                continue
            address = users[key].email[0] if key in users else key
            if "@" not in address or self.office.addresses.mailbox_of(address):
                continue
            if key in users and users[key].digest and event in SUMMED:
                self.summed(key, case, event, shown_as, text or reason)
                told.append(key)
                continue
            draft = Draft(
                kind=OutgoingKind.NOTIFICATION, template=template or ("note" if event == "note" else "notification"),
                mailbox=case.mailbox, case=case.number, title=case.title,
                to=(Address(users[key].name if key in users else "", address),),
                reader=self.reader(key),
                language=(users[key].language if key in users else None) or "", names=names,
                from_name=f"{shown_as} via {mailbox.name or mailbox.address}",
                attachments=enclosed, headers=(("X-Maild-Event", event), ("X-Maild-Reply", "customer" if reply_to else "internal")),
            )  # fmt: skip
            if draft.language not in words:
                words[draft.language] = worded(draft, self.office.compose, self.now)
            self.enqueue(draft, words=words[draft.language], not_before=self.quiet_until(key))
            told.append(key)
        if told:
            note = StreamEntry(
                self.now, StreamType.NOTIFIED, "maild", False, f"{event}: {', '.join(told)}", {"event": event, "who": told}
            )
            cases.add_stream(self.connection, case.number, [note])
        return told

    def who(self, actor: str) -> str:
        """Who did something, in words: a user by name, what maild does by itself by what told it to."""
        users = self.office.settings.directory.users
        kind, colon, name = actor.partition(":")
        shown = {"sla": "SLA", "workflow": "workflow"}.get(kind, "") if colon else ""
        return users[actor].name if actor in users else f"{shown} {name}" if shown else actor

    def copied_of(self, case: Case) -> list[Address]:
        """Who outside takes part beside the contact."""
        taking = people.participants_of(self.connection, case.number)
        return [Address(name, address) for address, name, role in taking if role == "cc"]

    def reply_goes_to(self, case: Case, contact: Contact | None, copied: Sequence[Address] | None = None) -> str:
        """Whom an agent's answer goes to, in words: the contact, and those on Cc; '' where there is no contact."""
        if contact is None:
            return ""
        copied = self.copied_of(case) if copied is None else copied
        ours = self.office.addresses
        others = [one.name or one.email for one in copied if not ours.user_of(one.email) and not ours.mailbox_of(one.email)]
        named = ", ".join(others[:NAMED]) + (f" and {len(others) - NAMED} more" if len(others) > NAMED else "")
        return (contact.name or contact.email) + (f", Cc {named}" if named else "")

    def summed(self, key: str, case: Case, event: str, actor: str, text: str) -> None:
        """Keep an event for this user's next digest."""
        notices.add(self.connection, key, case.number, event, actor, text[:NOTICE], self.now)

    def zone_of(self, key: str) -> ZoneInfo:
        """The time zone that a user lives in."""
        user = self.office.settings.directory.users.get(key)
        return ZoneInfo((user.timezone if user else None) or self.office.settings.main.timezone)

    def quiet_until(self, key: str) -> datetime | None:
        """The end of the quiet hours that this user has now; None where there are none."""
        user = self.office.settings.directory.users.get(key)
        return quiet_until(user.quiet_hours, self.zone_of(key), self.now) if user and user.quiet_hours else None

    def reader(self, key: str) -> int:
        """The number of a user (or address) in signed Message-IDs; numbers never change, so they are remembered."""
        number = self.office.readers.get(key)
        if number is None:
            number = people.known_reader(self.connection, key)
            if number is None:
                return people.reader_number(self.connection, key)  # may be rolled back: not remembered yet
            self.office.readers[key] = number
        return number

    def tell_admins(self, what: str, do: str = "", text: str = "") -> None:
        """A mail to the admins about the installation: what happened and what to do."""
        for address in self.office.settings.main.admins:
            if self.office.addresses.mailbox_of(address):
                continue
            mailbox = next(iter(self.office.settings.main.mailboxes))
            self.enqueue(
                Draft(
                    kind=OutgoingKind.ADMIN, template="admin", mailbox=mailbox, case=None, to=(Address("", address),),
                    names={"event": {"type": "admin", "reason": what, "hint": do, "text": text}, "now": self.now},
                    title=what,
                )
            )  # fmt: skip


def _first_address(header: str) -> str:
    return header.rpartition("<")[2].rstrip(">").strip()
