"""This is where a decision is made again about a stored message, over the facts as they were, and put into a short form
that can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maild.cases import lifecycle
from maild.ingest.parse import parse
from maild.ingest.sender import recipients
from maild.model.case import Priority
from maild.model.decision import Decision
from maild.model.message import MessageKind
from maild.office import closed_calendars
from maild.plain.jsontext import plain
from maild.rules.engine import decide
from maild.rules.facts import Facts, OrganisationFacts
from maild.rules.remembered import recall
from maild.rules.ruleset import Ruleset
from maild.rules.view import View
from maild.settings.addresses import Addresses
from maild.settings.models import Settings
from maild.sla.calendar import WorkingCalendar, from_settings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What today's configuration says beside the rules: organisations, calendars, mailboxes."""

    settings: Settings
    addresses: Addresses
    calendars: Mapping[str, WorkingCalendar]

    @classmethod
    def of(cls, settings: Settings) -> Surroundings:
        calendars = {name: from_settings(one, name) for name, one in settings.sla.calendars.items()}
        return cls(settings, Addresses(settings), calendars)


def facts_of(row: Any, raw: bytes, around: Surroundings) -> Facts | None:
    """The facts of a stored message; None where no rule was asked about it (bounces, mail to postmaster)."""
    trace = row.trace or {}
    kept = trace.get("facts")
    if not kept or kept.get("mailbox") not in around.settings.main.mailboxes:
        return None
    message = parse(raw)
    return recall(
        kept, message, received_at=row.received_at, kind=row.kind, automatic=row.automatic,
        mailbox_address=around.settings.main.mailboxes[kept["mailbox"]].address,
        recipients=recipients(message, tuple(row.rcpt_tos)), envelope_from=row.mail_from, envelope_to=tuple(row.rcpt_tos),
        outside=closed_calendars(around.calendars, row.received_at), auth=row.authentication or {},
        organisation=_organisation(str(kept.get("organisation") or ""), around),
    )  # fmt: skip


def _organisation(name: str, around: Surroundings) -> OrganisationFacts | None:
    if not name:
        return None
    found = around.addresses.organisation(name)
    return OrganisationFacts(found.name, found.tags, found.sla, found.domains) if found else OrganisationFacts(name)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision would do, short: ``becomes`` case, answer, update, held, discarded, forwarded or ignored;
    ``values`` what it names by name. ``update`` is a request that only the cases of the time can answer."""

    becomes: str
    rule: str = ""
    reason: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    update: Mapping[str, Any] | None = None


def outcome(ruleset: Ruleset, facts: Facts, settings: Settings, view: View | None = None) -> Outcome:
    """What these rules would do with the message of these facts; ``view`` is shared by several rulesets."""
    decision = decide(ruleset, facts, every=False, brief=True, view=view)
    return of_json(_short(decision), facts, settings)


def _short(decision: Decision) -> dict[str, Any]:
    """The parts of a decision that say what is done, as they are stored with the trace."""
    names = ("disposition", "mailbox", "rule", "reason", "values", "update", "contact", "reply", "notify", "followers", "forward")
    return {name: plain(getattr(decision, name)) for name in names}


def of_json(decision: Mapping[str, Any], facts: Facts, settings: Settings) -> Outcome:
    """The same from a decision as it is stored."""
    disposition, rule = str(decision["disposition"]), str(decision.get("rule") or "")
    becomes = {"hold": "held", "discard": "discarded", "forward": "forwarded", "none": "ignored"}.get(disposition, disposition)
    reason = str(decision.get("reason") or "")
    if facts.kind is MessageKind.VERIFICATION and becomes != "discarded":
        return Outcome("held", rule, "asks to confirm an address")
    if becomes == "forwarded":
        return Outcome(becomes, rule, reason, {"forward": decision.get("forward")})
    if becomes != "case":
        if facts.is_answer and becomes == "ignored":
            return Outcome("answer", rule)
        agent = becomes == "ignored" and facts.kind is MessageKind.AGENT
        return Outcome("case" if agent else becomes, rule, "" if agent else reason)
    named = dict(decision.get("values") or {})
    mailbox = settings.main.mailboxes.get(str(decision["mailbox"]))
    values = _values(named, decision)
    if facts.is_answer:
        return Outcome("answer", rule, "", values)
    values["mailbox"] = decision["mailbox"]
    values["title"] = named.get("title")
    if mailbox is not None:
        values.setdefault("group", mailbox.group)
        values.setdefault("category", mailbox.category)
        usual = mailbox.acknowledge.at(facts.outside)
        values.setdefault("reply", "follow_up" if facts.follow_up_of and usual != "none" else usual)
        person = (facts.contact.sla if facts.contact else "") or (facts.organisation.sla if facts.organisation else "")
        values.setdefault("sla", person or mailbox.sla)
    raised = named.get("raise_priority")
    priority = Priority(values.get("priority") or "medium")
    values["priority"] = (lifecycle.raised(priority, Priority(raised)) if raised else priority).value
    return Outcome("case", rule, "", {name: value for name, value in values.items() if value not in (None, "", [], {})},
                   decision.get("update") if facts.follow_up_of is None else None)  # fmt: skip


def _values(named: Mapping[str, Any], decision: Mapping[str, Any]) -> dict[str, Any]:
    """What a decision names, without what it leaves to maild."""
    values = {
        name: named[name]
        for name in ("summary", "resolution", "status", "priority", "category", "channel", "sla", "billable", "tags")
        if named.get(name) not in (None, "", [], {})
    }
    assign = named.get("assign") or {}
    values |= {"group": assign["group"]} if assign.get("group") else {}
    values |= {"user": assign.get("user") or assign.get("how")} if assign.get("user") or assign.get("how") else {}
    values |= {f"fields.{name}": value for name, value in (named.get("fields") or {}).items()}
    values |= {f"contact.{name}": value for name, value in (named.get("contact") or {}).items()}
    for name in ("reply", "notify", "followers"):
        if decision.get(name) not in (None, []):
            values[name] = decision[name]
    contact = decision.get("contact") or {}
    if contact.get("source", "sender") != "sender":
        values["contact"] = contact.get("address") or contact["source"]
    return values


class Memory:
    """The cases that one set of rules would have made so far, for answering its `update` requests."""

    def __init__(self) -> None:
        self._cases: list[tuple[datetime, dict[str, str], str, str, str]] = []
        self._by: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}

    def settled(self, made: Outcome, facts_key: tuple[str, str], at: datetime) -> Outcome:
        """The outcome with its update answered: an update of a case made before, or a case of its own, remembered."""
        if made.becomes != "case":
            return made
        contact, organisation = facts_key
        mailbox = str(made.values.get("mailbox", ""))
        contact = str(made.values.get("contact", contact)).lower()
        if made.update is not None:
            update = made.update
            if self._find(update, mailbox, contact, organisation, at):
                return Outcome("update", made.rule, "", {"of": _said(update), **_only(made.values, "fields.", "tags")})
            if update.get("otherwise") in ("hold", "discard"):
                becomes = "held" if update["otherwise"] == "hold" else "discarded"
                return Outcome(becomes, made.rule, f"rule {update.get('rule')}: there is no such case to update")
        values = {name: _folded(value) for name, value in made.values.items()
                  if name.startswith("fields.") or name in ("title", "category")}  # fmt: skip
        place = len(self._cases)
        self._cases.append((at, values, mailbox, contact, organisation))
        for by, index in self._by.items():
            self._enter(by, index, place)
        return Outcome(made.becomes, made.rule, made.reason, made.values)

    def _enter(self, by: tuple[str, ...], index: dict[tuple[str, ...], list[int]], place: int) -> None:
        values = self._cases[place][1]
        if all(values.get(name) for name in by):
            index.setdefault(tuple(values[name] for name in by), []).append(place)

    def _find(self, update: Mapping[str, Any], mailbox: str, contact: str, organisation: str, at: datetime) -> bool:
        by = tuple(update["by"])
        if by not in self._by:
            self._by[by] = {}
            for place in range(len(self._cases)):
                self._enter(by, self._by[by], place)
        wanted = tuple(_folded(update["values"].get(name)) for name in by)
        within = update.get("within")
        for place in reversed(self._by[by].get(wanted, ())):
            made_at, _, in_mailbox, of_contact, of_organisation = self._cases[place]
            if in_mailbox != mailbox or (within is not None and (at - made_at).total_seconds() > within):
                continue
            match update.get("among"):
                case "same_contact" if not contact or of_contact != contact:
                    continue
                case "same_organisation" if not organisation or of_organisation != organisation:
                    continue
            return True
        return False


def _folded(value: Any) -> str:
    return str(value if value is not None else "").strip().casefold()[:400]


def _said(update: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {update['values'].get(name)}" for name in update["by"])


def _only(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name.startswith(names)}


def compared(before: Outcome, after: Outcome) -> list[tuple[str, Any, Any]]:
    """(name, before, after) for all in which two outcomes differ; the rule's name alone is no difference."""
    if before.becomes != after.becomes:
        return [("becomes", before.becomes, after.becomes)]
    found: list[tuple[str, Any, Any]] = []
    if before.reason != after.reason:
        found.append(("reason", before.reason or None, after.reason or None))
    for name in dict.fromkeys((*before.values, *after.values)):
        one, other = before.values.get(name), after.values.get(name)
        if _unordered(one) != _unordered(other):
            found.append((name, one, other))
    return found


def _unordered(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, list | tuple) else value
