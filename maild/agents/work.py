"""This is where a mail's commands are on their way: the case as it is by now, what was done, what can be taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from maild import casework
from maild.agents.takeback import Journal
from maild.cases.commands import Block
from maild.cases.permissions import Rights, rights_of
from maild.desk import Desk
from maild.errors import CaseError, NoSuchCase
from maild.model.case import Case, StreamEntry, StreamType
from maild.model.outbox import PartRef
from maild.store import cases
from maild.store.agents import MailedTo


@dataclass(slots=True)
class Work:
    """A mail's commands on their way: the case as it is by now, what was done (``lines``), what can be taken back.

    ``about`` is the mail of ours that this one answers; ``text`` what the agent wrote; ``parts`` the attachments that
    came with it; ``quoted`` is FAQ text that goes into the answer.
    """

    desk: Desk
    user: str
    case: Case
    block: Block
    text: str = ""
    about: MailedTo | None = None
    parts: tuple[PartRef, ...] = ()
    lines: list[str] = field(default_factory=list)
    journal: Journal = field(default_factory=Journal)
    quoted: str = ""
    asked: bool = False  # the text was the question of #ask, so it goes to nobody else
    texts: list[str] = field(default_factory=list)  # what was asked for, for the receipt
    enclosed: list[PartRef] = field(default_factory=list)

    @property
    def rights(self) -> Rights:
        return rights_of(self.desk.office.settings, self.user)

    def parts_for(self, html: str) -> tuple[PartRef, ...]:
        """The attachments that go with an answer: of pictures inside the mail, with ``html``, those that it shows."""
        return tuple(
            one for one in self.parts if not (one.inline and html) or (one.content_id and f"cid:{one.content_id}" in html)
        )

    def change(self, values: Mapping[str, Any], *, reason: str | None = None) -> None:
        """Set values of the case, through the one door."""
        self.case = casework.change(self.desk, self.case, values, self.user, reason=reason)

    def stream(self, kind: StreamType, text: str, **data: Any) -> None:
        cases.add_stream(self.desk.connection, self.case.number, [StreamEntry(self.desk.now, kind, self.user, False, text, data)])

    def other(self, number: int) -> Case:
        """Another case, locked; NoSuchCase where there is none, CaseError where this agent may not see it."""
        found = cases.get_final(self.desk.connection, number, lock=True)
        if found is None:
            raise NoSuchCase(f"there is no case {number}")
        demand(self.desk, self.rights, found)
        return found


def demand(desk: Desk, rights: Rights, case: Case, *, told: bool = False) -> None:
    """Raise CaseError unless this user may see and command the case."""
    mailbox = desk.office.settings.main.mailboxes.get(case.mailbox)
    followers = cases.followers_of(desk.connection, case.number)
    if not rights.may(case, private=bool(mailbox and mailbox.private), followers=followers, told=told):
        raise CaseError(f"case {case.number} belongs to {case.group or 'another group'}; ask one of them, or your admins")


def known(word: str, allowed: Sequence[str]) -> str:
    """The name in the configuration that a word means without case; the word itself where there is none."""
    return next((one for one in allowed if one.casefold() == word.strip().casefold()), word.strip())


def short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:199] + "…"
