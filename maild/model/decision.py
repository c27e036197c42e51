"""This is where maild says what was decided about a mail: requests and values, never cases or people, and the trace of why.

`rules.engine.decide` makes a Decision; the mailroom answers its requests inside the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from maild.model.case import Channel, Priority, Status


class Disposition(StrEnum):
    """What becomes of the mail. Threading has gone before: on an answer CASE means that it goes to its case."""

    CASE = "case"
    HOLD = "hold"
    DISCARD = "discard"
    FORWARD = "forward"
    NONE = "none"  # no rule may speak: agents' mail, bounces and machines' answers; their own rules hold


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep the mail back. ``lasting`` is how long, None without end; ``then`` is discard, case or keep."""

    reason: str
    lasting: timedelta | None = None
    then: str = "keep"


@dataclass(frozen=True, slots=True)
class Assign:
    """Who is to get the case: a group's key, and a user's key or how one is chosen (round_robin, least_busy)."""

    group: str | None = None
    user: str | None = None
    how: str | None = None


@dataclass(frozen=True, slots=True)
class ContactSource:
    """Whom the case is from. ``source``: sender, reply_to, forwarded, field or none.

    For `field` ``label`` is the label asked for and ``address`` what stood there ('' where nothing usable did: the
    sender then counts). For `reply_to` and `forwarded` ``address`` is what the mail says, '' likewise.
    """

    source: str
    label: str = ""
    address: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Values:
    """Values for a case; None is 'not named'. ``raise_priority`` raises and never lowers. ``sla_always``: the rule said
    that its SLA counts even where the organisation has one. ``fields``: text, int, float, or a date as ISO text, checked
    against their declaration. ``contact``: name, email, phone, language, to be filled where the contact has none."""

    title: str | None = None
    summary: str | None = None
    resolution: str | None = None
    status: Status | None = None
    priority: Priority | None = None
    raise_priority: Priority | None = None
    category: str | None = None
    channel: Channel | None = None
    sla: str | None = None
    sla_always: bool = False
    billable: bool | None = None
    assign: Assign | None = None
    tags: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    contact: Mapping[str, str] = field(default_factory=dict)

    @property
    def group(self) -> str | None:
        return self.assign.group if self.assign else None


@dataclass(frozen=True, slots=True)
class Update:
    """Look for a case that is not closed and has these values (``by`` names them, ``values`` has them all).

    ``among``: same_contact, same_organisation or mailbox. ``within`` bounds the case's age. ``then`` is what changes on
    the case found beside ``fields`` that autofill read; ``resolve`` a resolution that also resolves it. ``otherwise``,
    where there is none: create, hold or discard.
    """

    by: tuple[str, ...]
    values: Mapping[str, Any]
    among: str = "same_contact"
    within: timedelta | None = None
    then: Values | None = None
    resolve: str | None = None
    otherwise: str = "create"
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One criterion (or all, any, none of ``parts``) as it was looked at: the value seen (shortened), the words that
    matched, and whether it held."""

    text: str
    held: bool
    seen: str = ""
    words: tuple[str, ...] = ()
    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Tried:
    """One rule as it was tried. ``why`` says why it was passed over without looking at its criteria."""

    rule: str
    matched: bool
    condition: Condition | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """One value that a rule wrote or wanted to write. ``why`` is '' where it is used, else `rule X set it` and the like.
    ``source`` is set, autofill, or the action's name."""

    rule: str
    name: str
    value: Any
    used: bool = True
    why: str = ""
    source: str = "set"


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled line found in the mail: the label as written, its value, where it goes, and what became of it."""

    rule: str
    label: str
    target: str
    value: str
    used: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What one `extract` found; ``found`` is None where the pattern did not match."""

    rule: str
    source: str
    pattern: str
    found: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Trace:
    """Why it was decided so. ``passed_over`` counts rules that could not match and were not looked at one by one."""

    tried: tuple[Tried, ...] = ()
    writes: tuple[Write, ...] = ()
    labels: tuple[Label, ...] = ()
    extracted: tuple[Extracted, ...] = ()
    passed_over: int = 0
    ended_by: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules ask for one mail.

    ``rule`` is the rule that ended the search ('' where none did), ``rules`` all that matched, in order. ``mailbox`` is
    the key the mail now belongs to (a rule's `mailbox:` changes it), ``reason`` why it is held, discarded or left alone.
    ``reply``: None is 'as the mailbox does', 'none' nothing, else a template. ``notify``: None is the default, () nobody.
    ``followers`` are users' keys. ``match_organisation`` and ``create_contact``: None is 'as the mailbox does'. ``notes``
    are lines for the case's stream. ``update`` and ``values.assign`` are requests that the mailroom answers.
    """

    disposition: Disposition
    mailbox: str
    rule: str = ""
    rules: tuple[str, ...] = ()
    reason: str = ""
    values: Values = Values()
    update: Update | None = None
    contact: ContactSource = ContactSource("sender")
    match_organisation: bool | None = None
    create_contact: bool | None = None
    reply: str | None = None
    notify: tuple[str, ...] | None = None
    followers: tuple[str, ...] = ()
    accept_automatic: bool = False
    hold: Hold | None = None
    forward: str = ""
    notes: tuple[str, ...] = ()
    trace: Trace = Trace()

    @property
    def found(self) -> dict[str, str]:
        """What the rules' `extract` cut out, by name."""
        return {name: value for one in self.trace.extracted for name, value in (one.found or {}).items()}

    @property
    def title(self) -> str:
        """The case's title; never empty on a new case."""
        return self.values.title or ""
