"""This is where maild finds actions that cannot do what they say, or do more than was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maild.plain import patterns, sandbox
from maild.rules import autofill
from maild.rules.engine import OPENS_NOTHING
from maild.rules.lint.findings import Finding, Path, Rules
from maild.rules.ruleset import fields_named, named_kinds
from maild.rules.values import BadValue
from maild.settings.criteria import walk
from maild.settings.faults import nearest
from maild.settings.rule_models import Rule
from maild.settings.rule_values import HOW, SetValues

# What templates in rules may use (fields.* and found.* are the rule's own).
TEMPLATE_NAMES = (
    "message.subject", "message.text", "message.new_text", "message.date", "message.from.name", "message.from.email",
    "contact.name", "contact.email", "contact.language", "contact.phone", "organisation.name",
    "mailbox.key", "mailbox.name", "mailbox.address",
)  # fmt: skip


def _templates(rules: Rules) -> Iterator[Finding]:
    for place, rule in enumerate(rules.rules):
        if rule.case is None:
            continue
        names = {*TEMPLATE_NAMES, *(f"fields.{name}" for name in fields_named(rule, rules.declared.fields)),
                 *(f"found.{name}" for each in rule.extract for name in patterns.compiled(each.matches).groupindex)}  # fmt: skip
        free = rules.declared.fields is None
        for path, source in _sources(rule):
            for name in sorted(sandbox.variables(source)):
                known = name in names or any(each.startswith(f"{name}.") for each in names)
                if known or (free and name.startswith("fields.")):
                    continue
                hint = nearest(name, names) or f"known: {', '.join(sorted(names))}"
                if name.startswith("found."):
                    hint = nearest(name, names) or f"name a group in extract: (?P<{name[6:]}>…)"
                yield Finding(place, path, f"there is no {{{{ {name} }}}} in a rule", hint, "error")


def _sources(rule: Rule) -> Iterator[tuple[Path, str]]:
    """Every template of a rule, with its path."""
    case = rule.case
    if case is None:
        return
    yield from _in_values(case, ("case",))
    if case.set is not None:
        yield from _in_values(case.set, ("case", "set"))
    update = case.updates()
    if update is not None and update.then is not None:
        yield from _in_values(update.then, ("case", "update", "then"))
        if update.then.set is not None:
            yield from _in_values(update.then.set, ("case", "update", "then", "set"))
        if update.then.resolve is not None and sandbox.is_template(update.then.resolve):
            yield ("case", "update", "then", "resolve"), update.then.resolve


def _in_values(values: SetValues, path: Path) -> Iterator[tuple[Path, str]]:
    for name, value in values.given().items():
        if sandbox.is_template(value):
            yield (*path, name), value
    yield from (((*path, "tags"), tag) for tag in values.tags if sandbox.is_template(tag))


def _values(rules: Rules) -> Iterator[Finding]:
    """Plain values of declared fields, and what autofill's words mean, against their declaration."""
    for place, rule in enumerate(rules.rules):
        if rule.case is None:
            continue
        given: list[tuple[Path, str, Any]] = []
        for values, path in ((rule.case, ("case",)), (rule.case.set, ("case", "set"))):
            if values is not None:
                given += [((*path, f"fields.{name}"), f"fields.{name}", value) for name, value in values.fields.items()]
        for mapped in rule.case.autofill.map if rule.case.autofill is not None else ():
            if mapped.target not in (
                "category",
                "sla",
                "group",
                "user",
            ):  # those are compared with the other files anyway
                given += [(("case", "autofill", "map", mapped.target, "values", word), mapped.target, meaning)
                          for word, meaning in mapped.values.items()]  # fmt: skip
        for where, target, value in given:
            if sandbox.is_template(value) or (
                target.startswith("fields.") and target[7:] not in (rules.declared.fields or {})
            ):
                continue
            try:
                rules.declared.check(target, value)
            except BadValue as error:
                yield Finding(place, where, f"{value!r} {error}", nearest(str(value), rules.declared.words(target), shown=12), "error")


def _autofills(rules: Rules) -> Iterator[Finding]:
    for place, rule in enumerate(rules.rules):
        fill = rule.case.autofill if rule.case is not None else None
        if rule.case is None or fill is None:
            continue
        path: Path = ("case", "autofill")
        first: dict[str, str] = {}
        for mapped in fill.map:
            for label in mapped.labels:
                key = autofill.keys_of(label, fill.delimiter)
                if first.setdefault(key, mapped.target) != mapped.target:
                    yield Finding(place, (*path, "map"), f"the label {label!r} is mapped twice: to {first[key]} and {mapped.target}",
                                  f"only {first[key]} is filled")  # fmt: skip
        targets = {mapped.target for mapped in fill.map}
        for name in fill.require:
            if name not in targets and name not in rule.case.values():
                yield Finding(
                    place, (*path, "require"), f"{name} is required, and no label fills it", "add its label to map"
                )
        for name in sorted(targets & set(rule.case.values())):
            yield Finding(place, (*path, "map"), f"both autofill and set name {name}: set is only the default",
                          "leave one out, or take it as it is")  # fmt: skip


def _slas(rules: Rules) -> Iterator[Finding]:
    own = {name: entry.sla for name, entry in rules.settings.directory.organisations.items() if entry.sla}
    for place, rule in enumerate(rules.rules):
        named = rule.case.values().get("sla") if rule.case is not None else None
        if not isinstance(named, str) or sandbox.is_template(named):
            continue
        if any(each.field.startswith(("organisation", "contact")) and not negated for each, negated in walk(rule.when)):
            continue  # the rule is about certain customers: their SLA is what it is for
        losing = {name: sla for name, sla in own.items() if sla != named}
        if losing:
            some = ", ".join(f"{name}: {sla}" for name, sla in list(losing.items())[:3])
            many = "an organisation" if len(losing) == 1 else f"{len(losing)} organisations"
            yield Finding(place, ("case", "sla"), f"it sets the SLA {named}; {many} with an SLA of their own ({some}) would lose it",
                          f"leave sla out, or write sla: {{always: {named}}}")  # fmt: skip


def _trust(rules: Rules) -> Iterator[Finding]:
    """What anybody could do who writes another's address into From."""
    for place, rule in enumerate(rules.rules):
        case = rule.case
        if case is None:
            continue
        proven = any(
            each.field.startswith("auth") and each.get("is") == ("pass",) and not negated
            for each, negated in walk(rule.when)
        )
        enveloped = any(each.field == "envelope.from" and not negated for each, negated in walk(rule.when))
        update = case.updates()
        if update is not None and update.among == "mailbox" and not proven and not rule.accept_automatic:
            yield Finding(place, ("case", "update"), "anybody could write into the cases of others with among: mailbox",
                          "add auth: pass to when, or accept_automatic: true for machines, or among: same_contact")  # fmt: skip
        source = case.contact.from_ if case.contact is not None else "sender"
        if (source == "reply_to" or source.startswith("field:")) and not proven and not enveloped:
            yield Finding(place, ("case", "contact"), f"anybody could open cases, and cause mail, in another's name (contact: {source})",
                          "add auth: pass or envelope.from: … to when")  # fmt: skip


def _assignment(rules: Rules) -> Iterator[Finding]:
    groups = rules.settings.directory.groups
    for place, rule in enumerate(rules.rules):
        if rule.case is None:
            continue
        values = rule.case.values()
        assign = rule.case.assign
        user = assign.user if assign is not None and assign.user is not None else values.get("user")
        group = assign.group if assign is not None and assign.group is not None else values.get("group")
        if (
            user in HOW
            and group is None
            and not rule.continue_
            and not any(each.group for each in rules.settings.main.mailboxes.values())
        ):
            yield Finding(
                place, ("case", "assign"), f"{user} has no group to choose from", "write assign: {group: NAME, user: …}"
            )
        if (
            isinstance(group, str)
            and group in groups
            and isinstance(user, str)
            and user not in HOW
            and user not in groups[group].members
        ):
            yield Finding(place, ("case", "assign"), f"{user} is no member of {group}", "it is possible; is it meant?")
        if rule.applies_to == "answers":
            lost = [name for name in ("title",) if name in values] + [f"user: {user}"] * (user in HOW)
            lost += ["create_contact"] * (rule.case.create_contact is not None) + ["update"] * (
                rule.case.updates() is not None
            )
            for name in lost:
                yield Finding(
                    place, ("case",), f"{name} has no effect on answers", "leave it out, or write applies_to: new"
                )


def _kinds(rules: Rules) -> Iterator[Finding]:
    for place, rule in enumerate(rules.rules):
        kinds = named_kinds(rule.when)
        if kinds and kinds <= OPENS_NOTHING and rule.case is not None and rule.applies_to == "new":
            names = ", ".join(sorted(kinds))
            yield Finding(place, ("case",), f"mail of kind {names} opens no case: what case says is only for answers",
                          "write applies_to: answers, or discard, hold or forward it")  # fmt: skip


CHECKS = (_templates, _values, _autofills, _slas, _trust, _assignment, _kinds)
