"""This is where maild works out what a rule that matched asks for: values read, set and checked, and requests.

Everything is gathered in a `Draft`, in which the first rule that set a value keeps it. Templates are filled in after
extract and autofill; a template or value that is no good leaves a note and never loses the mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from maild.model.case import Priority
from maild.model.decision import Assign, ContactSource, Extracted, Hold, Label, Tried, Update, Values, Write
from maild.plain import sandbox
from maild.plain.fold import fold
from maild.rules import autofill
from maild.rules.facts import Facts
from maild.rules.operators import cut
from maild.rules.ruleset import CompiledRule, Ruleset, fields_named
from maild.rules.values import BadValue, address_in
from maild.rules.view import View
from maild.settings.rule_autofill import AskAgain
from maild.settings.rule_case import Assign as AssignKey
from maild.settings.rule_case import CaseActions, GroupBy
from maild.settings.rule_values import HOW, SetValues, SlaAlways

NO_SUBJECT = "(no subject)"

_SENDER = ContactSource("sender")


@dataclass(slots=True)
class Draft:
    """What has been decided so far, while the rules are tried."""

    ruleset: Ruleset
    facts: Facts
    view: View
    values: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    followers: list[str] = field(default_factory=list)
    notify: list[str] | None = None
    raised: Priority | None = None
    rules: list[str] = field(default_factory=list)
    update: Update | None = None
    contact: ContactSource = _SENDER
    accept: bool = False
    hold: Hold | None = None
    discard: str = ""
    forward: str = ""
    mailbox: str = ""
    ended_by: CompiledRule | None = None
    bad: list[tuple[str, str, str, str]] = field(default_factory=list)  # label, text, why, target
    notes: list[str] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    extracted: list[Extracted] = field(default_factory=list)

    def write(self, rule: str, name: str, value: Any, source: str = "set") -> bool:
        """Set one value, unless a rule before did. Both stand in the trace."""
        first = self.origin.get(name)
        if first is not None:
            self.writes.append(Write(rule, name, value, False, f"rule {first} set it", source))
            return False
        self.origin[name] = rule
        self.values[name] = value
        self.writes.append(Write(rule, name, value, source=source))
        return True

    def free(self, name: str) -> bool:
        return name not in self.origin


def apply(compiled: CompiledRule, draft: Draft, found: Mapping[str, str]) -> None:
    """Write into the draft what a rule that matched asks for. ``found`` is what its `extract` found."""
    rule = compiled.rule
    draft.accept = draft.accept or rule.accept_automatic
    if rule.mailbox is not None:
        draft.mailbox = rule.mailbox
        draft.writes.append(Write(rule.name, "mailbox", rule.mailbox, source="mailbox"))
    ask_again: str | None = None
    if rule.case is not None:
        filled = _read(compiled, draft)
        names = _Names(compiled, draft, found, filled)
        _fill(rule.name, rule.case, filled, names, draft)
        _request(rule.name, rule.case, names, draft)
        ask_again = _require(compiled, draft)
    if ask_again is not None:
        draft.write(rule.name, "reply", ask_again, "autofill")
    elif rule.reply is not None:
        draft.write(rule.name, "reply", rule.reply, "reply")
    if rule.notify is not None:
        draft.notify = list(dict.fromkeys([*(draft.notify or ()), *(whom for whom in rule.notify if whom != "none")]))
        draft.writes.append(Write(rule.name, "notify", rule.notify, source="notify"))
    if rule.discard is not None:
        draft.discard = rule.discard
    if rule.forward is not None:
        draft.forward = rule.forward
    if rule.hold is not None:
        draft.hold = Hold(rule.hold.reason, rule.hold.for_, rule.hold.then)


# ---- values ---------------------------------------------------------------------------------------------------------------


def _read(compiled: CompiledRule, draft: Draft) -> dict[str, Any]:
    """The values that autofill finds, checked, by target. Bad ones and repeated labels go to the trace."""
    plan = compiled.plan
    if plan is None:
        return {}
    name = compiled.rule.name
    filled: dict[str, Any] = {}
    seen: set[str] = set()
    for each in autofill.best(draft.view.plain_lines, draft.view.html_lines, plan.delimiters, plan.wanted, plan.within):
        target = plan.targets[each.key]
        why = ""
        if not each.value:
            why = "there is no value"
        elif target in seen:
            why = "the first counts"
        else:
            seen.add(target)
            text = plan.meanings.get(target, {}).get(autofill.word_key(each.value), each.value)
            try:
                filled[target] = draft.ruleset.declared.check(target, text)
            except BadValue as error:
                why = str(error)
                draft.bad.append((each.label, each.value, why, target))
        draft.labels.append(Label(name, each.label, target, each.value, not why, why))
    return filled


def _fill(rule: str, case: CaseActions, filled: Mapping[str, Any], names: _Names, draft: Draft) -> None:
    """Write autofilled values, then those that the rule sets itself where autofill had none."""
    given = case.values()
    for name, value in filled.items():
        if name == "tags":
            _add_tags(rule, value, draft, "autofill")
        elif not (draft.facts.is_answer and name == "title"):
            draft.write(rule, name, value, "autofill")
    for name, value in given.items():
        if name in filled:
            draft.writes.append(Write(rule, name, _plain(value), False, "autofill found a value"))
        elif draft.facts.is_answer and (name == "title" or value in HOW):
            draft.writes.append(Write(rule, name, _plain(value), False, "not on an answer"))
        elif not draft.free(name):
            draft.write(rule, name, _plain(value))
        else:
            ready = _ready(rule, name, value, names, draft)
            if ready is not None:
                draft.write(rule, name, ready)
                if isinstance(value, SlaAlways):
                    draft.values["sla_always"] = True
    _add_tags(rule, _rendered_tags(rule, case.all_tags(), names, draft), draft)
    if case.raise_ is not None:
        wanted = case.raise_.priority
        lower = draft.raised is not None and draft.raised.rank >= wanted.rank
        draft.raised = draft.raised if lower else wanted
        draft.writes.append(
            Write(rule, "raise priority", wanted, not lower, "raised so far already" if lower else "", "raise")
        )


def _plain(value: Any) -> Any:
    return value.always if isinstance(value, SlaAlways) else value


def _ready(rule: str, name: str, value: Any, names: _Names, draft: Draft) -> Any:
    """The value rendered and checked; None, with a note, where it is no good."""
    value = _plain(value)
    label = name.removeprefix("fields.")
    if name == "user" and value in HOW:
        return value
    if sandbox.is_template(value):
        try:
            value = sandbox.render(value, names.all())
        except sandbox.TemplateFault as error:
            draft.notes.append(f"{label}: the template of rule {rule} could not be filled in: {error}")
            draft.writes.append(Write(rule, name, value, False, f"the template failed: {error}"))
            return None
        if not value.strip():
            if name == "title":
                return NO_SUBJECT
            draft.writes.append(Write(rule, name, "", False, "it is empty"))
            return None
    try:
        ready = draft.ruleset.declared.check(name, value)
    except BadValue as error:
        draft.bad.append((label, str(value), str(error), name))
        draft.writes.append(Write(rule, name, value, False, str(error)))
        return None
    return NO_SUBJECT if name == "title" and not ready else ready


def _rendered_tags(rule: str, tags: Iterable[str], names: _Names, draft: Draft) -> list[str]:
    ready = []
    for tag in tags:
        try:
            ready.append(" ".join(sandbox.render(tag, names.all() if sandbox.is_template(tag) else {}).split()))
        except sandbox.TemplateFault as error:
            draft.notes.append(f"tag: the template of rule {rule} could not be filled in: {error}")
    return ready


def _add_tags(rule: str, tags: Iterable[str], draft: Draft, source: str = "set") -> None:
    new = [tag for tag in dict.fromkeys(tags) if tag and tag not in draft.tags]
    if new:
        draft.tags.extend(new)
        draft.writes.append(Write(rule, "tags", tuple(new), source=source))


class _Names:
    """The names that templates of one rule may use, made when the first template asks."""

    def __init__(
        self, compiled: CompiledRule, draft: Draft, found: Mapping[str, str], filled: Mapping[str, Any]
    ) -> None:
        self._compiled, self._draft, self._found, self._filled = compiled, draft, found, filled
        self._made: dict[str, Any] | None = None

    def all(self) -> dict[str, Any]:
        """message, fields, found, contact, organisation, mailbox as plain data (details.md)."""
        if self._made is None:
            self._made = self._make()
        self._made["fields"].update(
            {name[7:]: value for name, value in self._draft.values.items() if name.startswith("fields.")}
        )
        return self._made

    def _make(self) -> dict[str, Any]:
        draft, facts = self._draft, self._draft.facts
        message, contact = facts.message, facts.contact
        sender = message.from_[0] if len(message.from_) == 1 else None
        person = {"name": (contact.name if contact else "") or (sender.name if sender else ""),
                  "email": (contact.email if contact else "") or (sender.email if sender else ""),
                  "language": (contact.language if contact else "") or message.language,
                  "phone": contact.phone if contact else ""}  # fmt: skip
        person |= {name[8:]: value for name, value in self._filled.items() if name.startswith("contact.")}
        key = draft.mailbox or facts.mailbox
        mailbox = draft.ruleset.mailboxes.get(key)
        day = message.date.astimezone(draft.ruleset.timezone).strftime("%Y-%m-%d %H:%M") if message.date else ""
        fields = dict.fromkeys(fields_named(self._compiled.rule, draft.ruleset.declared.fields), "")
        if facts.is_answer and facts.case is not None:
            fields |= facts.case.fields
        return {
            "message": {"subject": message.subject, "text": message.text, "new_text": message.new_text, "date": day,
                        "from": {"name": sender.name if sender else "", "email": sender.email if sender else ""}},
            "fields": fields,
            "found": dict(self._found),
            "contact": person,
            "organisation": {"name": facts.organisation.name if facts.organisation else ""},
            "mailbox": {"key": key, "name": (mailbox.name if mailbox else "") or key,
                        "address": mailbox.address if mailbox else facts.mailbox_address},
        }  # fmt: skip


# ---- requests -------------------------------------------------------------------------------------------------------------


def _request(rule: str, case: CaseActions, names: _Names, draft: Draft) -> None:
    """Assignment, contact, update: what the mailroom has to look up or choose."""
    answer = draft.facts.is_answer
    if case.assign is not None:
        _assign(rule, case.assign, draft)
    for user in case.followers:
        if user not in draft.followers:
            draft.followers.append(user)
    if case.contact is not None and draft.write(rule, "contact", case.contact.from_, "contact"):
        draft.contact = _contact(case.contact.from_, case, draft)
    for name in ("match_organisation", "create_contact"):
        wanted = getattr(case, name)
        if wanted is not None and not (answer and name == "create_contact"):
            draft.write(rule, name, wanted, name)
    update = case.updates()
    if update is not None and not answer and draft.write(rule, "update", update.by, "update"):
        then, resolve = None, None
        if update.then is not None:
            then, resolve = _then(rule, update.then, names, draft)
        draft.update = Update(update.by, {}, update.among, update.within, then, resolve, update.else_, rule)


def _assign(rule: str, assign: AssignKey, draft: Draft) -> None:
    group = _group(assign, draft)
    if group is not None:
        draft.write(rule, "group", group, "assign")
    if assign.user is not None:
        if draft.facts.is_answer and assign.user in HOW:
            draft.writes.append(Write(rule, "user", assign.user, False, "not on an answer", "assign"))
        else:
            draft.write(rule, "user", assign.user, "assign")


def _group(assign: AssignKey, draft: Draft) -> str | None:
    if not isinstance(assign.group, GroupBy):
        return assign.group
    table = {fold(key).strip(): group for key, group in assign.group.table.items()}
    seen = (value.strip() for value in draft.view.folded(assign.group.by))
    return next((table[value] for value in seen if value in table), assign.group.else_)


def _contact(source: str, case: CaseActions, draft: Draft) -> ContactSource:
    facts = draft.facts
    if source == "reply_to":
        known = facts.message.reply_to
        return ContactSource(source, address=known[0].email, name=known[0].name) if known else ContactSource(source)
    if source == "forwarded":
        person = facts.forwarded_from
        return ContactSource(source, address=person.email, name=person.name) if person else ContactSource(source)
    label = case.contact.label if case.contact is not None else ""
    if not label:
        return ContactSource(source)
    delimiters = case.autofill.delimiter if case.autofill is not None else (":",)
    wanted = {autofill.keys_of(label, delimiters): False}
    for found in autofill.best(draft.view.plain_lines, draft.view.html_lines, delimiters, wanted):
        if not found.value:
            continue
        try:
            return ContactSource("field", label, address_in(found.value))
        except BadValue as error:
            draft.notes.append(
                f'{found.label}: "{cut(" ".join(found.value.split()), 80)}" {error}; the case is from the sender'
            )
            return ContactSource("field", label)
    draft.notes.append(f"{label}: not found in the mail; the case is from the sender")
    return ContactSource("field", label)


def _then(rule: str, then: Any, names: _Names, draft: Draft) -> tuple[Values, str | None]:
    """What changes on a case found by update, rendered and checked on its own."""
    inner = Draft(draft.ruleset, draft.facts, draft.view)
    inner.values = {name: value for name, value in draft.values.items() if name.startswith("fields.")}
    for source in (then, then.set):
        if isinstance(source, SetValues):
            for name, value in source.given().items():
                ready = _ready(rule, name, value, names, inner)
                if ready is not None:
                    inner.write(rule, name, ready)
            _add_tags(rule, _rendered_tags(rule, source.tags, names, inner), inner)
    if then.assign is not None:
        _assign(rule, then.assign, inner)
    if then.raise_ is not None:
        inner.raised = then.raise_.priority
    resolve = _ready(rule, "resolution", then.resolve, names, inner) if then.resolve is not None else None
    if then.resolve is not None and resolve is None:
        resolve = ""
    draft.notes.extend(inner.notes)
    draft.bad.extend(inner.bad)
    changed = {name: value for name, value in inner.values.items() if name in inner.origin}
    return values_of(changed, inner.tags, inner.raised), resolve


def _require(compiled: CompiledRule, draft: Draft) -> str | None:
    """Mark the case incomplete where a required value is missing. The template to answer with, if one is named."""
    fill = compiled.rule.case.autofill if compiled.rule.case is not None else None
    missing = [name for name in fill.require if draft.values.get(name) in (None, "")] if fill is not None else []
    if fill is None or not missing:
        return None
    words = ", ".join(name.removeprefix("fields.") for name in missing)
    draft.notes.append(f"incomplete: {words} not found in the mail")
    _add_tags(compiled.rule.name, ["incomplete"], draft, "autofill")
    if fill.else_ == "hold":
        draft.hold = Hold(f"incomplete: {words} not found")
    return fill.else_.reply if isinstance(fill.else_, AskAgain) else None


def values_of(found: Mapping[str, Any], tags: Iterable[str], raised: Priority | None) -> Values:
    """The values of a draft as a decision has them."""
    user = found.get("user")
    assign = Assign(found.get("group"), None if user in HOW else user, user if user in HOW else None)
    return Values(
        title=found.get("title"), summary=found.get("summary"), resolution=found.get("resolution"),
        status=found.get("status"), priority=found.get("priority"), raise_priority=raised, category=found.get("category"),
        channel=found.get("channel"), sla=found.get("sla"), sla_always=bool(found.get("sla_always")),
        billable=found.get("billable"), assign=assign if assign != Assign() else None, tags=tuple(tags),
        fields={name[7:]: value for name, value in found.items() if name.startswith("fields.")},
        contact={name[8:]: value for name, value in found.items() if name.startswith("contact.")},
    )  # fmt: skip
