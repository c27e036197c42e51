"""This is where maild looks at the rules as a whole for what is valid and yet not meant: rules that never get a turn,
templates that ask for names there are not, criteria that fit everything or nothing.

Errors are what would fail on every mail; the rest are warnings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from maild.errors import Fault
from maild.plain import patterns, sandbox
from maild.plain.domains import fold_address
from maild.plain.fold import tidy
from maild.rules import autofill
from maild.rules.engine import NAMED_ONLY, OPENS_NOTHING
from maild.rules.ruleset import fields_named, named_kinds
from maild.rules.values import BadValue, Declared
from maild.rules.view import bare_address
from maild.settings.criteria import ADDRESS, CRITERIA, AllOf, Node, walk
from maild.settings.faults import nearest
from maild.settings.models import Settings
from maild.settings.rule_models import Rule
from maild.settings.rule_values import HOW, SetValues

if TYPE_CHECKING:
    from maild.settings.source import Document

PAGE = "docs/reference/rules.md"

# What templates in rules may use (fields.* and found.* are the rule's own).
TEMPLATE_NAMES = (
    "message.subject", "message.text", "message.new_text", "message.date", "message.from.name", "message.from.email",
    "contact.name", "contact.email", "contact.language", "contact.phone", "organisation.name",
    "mailbox.key", "mailbox.name", "mailbox.address",
)  # fmt: skip

_SAMPLES = ("", "x", "Zwölf Boxkämpfer, 12:30", "投诉", "a\nb\n\nc", "~")

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the rule at ``place`` (counted over all files); ``path`` leads to it below the rule."""

    place: int
    path: Path
    message: str
    hint: str = ""
    severity: str = "warning"
    key: bool = False


@dataclass(slots=True)
class _Rules:
    """What the checks look at."""

    settings: Settings
    rules: tuple[Rule, ...]
    declared: Declared
    documents: list[tuple[Document, int]] = field(default_factory=list)

    def raw(self, place: int) -> Any:
        """The rule as it was written, {} where the files cannot be read."""
        if place >= len(self.documents):
            return {}
        document, index = self.documents[place]
        return document.value["rules"][index]


def lint(settings: Settings) -> list[Fault]:
    """Every finding about the rules of this configuration, at its place in the rule files."""
    rules = _Rules(settings, tuple(settings.rules), Declared.of(settings), _documents(settings))
    return [_fault(rules, finding) for check in CHECKS for finding in check(rules)]


def _documents(settings: Settings) -> list[tuple[Document, int]]:
    """For each rule its file and its number in it; nothing where the files are not (any more) those of the settings."""
    from maild.settings.load import rule_files, rule_path
    from maild.settings.reader import read_file

    found: list[tuple[Document, int]] = []
    for name in rule_files(settings.folder, settings.rules_folder) if settings.folder.is_dir() else ():
        path = rule_path(settings.folder, settings.rules_folder, name)
        document = read_file(path, _shown(path))
        rules = document.value.get("rules") if isinstance(document.value, dict) else None
        found.extend((document, index) for index in range(len(rules or ())))
    return found if len(found) == len(settings.rules) else []


def _shown(path: Any) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _fault(rules: _Rules, finding: Finding) -> Fault:
    rule = rules.rules[finding.place]
    message = f"rule {rule.name!r}: {finding.message}"
    if finding.place >= len(rules.documents):
        return Fault("rules", 0, 0, message, finding.hint, PAGE, finding.severity)
    document, index = rules.documents[finding.place]
    path = ("rules", index, *finding.path)
    while len(path) > 2 and not _leads(document.value, path):
        path = path[:-1]
    return document.fault(path, message, finding.hint, key=finding.key, page=PAGE, severity=finding.severity)


def _leads(value: Any, path: Path) -> bool:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


# ---- order ----------------------------------------------------------------------------------------------------------


def _parts(node: Node | None) -> frozenset[Node]:
    """The criteria that all hold where this tree holds."""
    if node is None:
        return frozenset()
    return frozenset(node.items) if isinstance(node, AllOf) else frozenset((node,))


def _unreachable(rules: _Rules) -> Iterator[Finding]:
    """A rule whose criteria an earlier rule, which ends the search, already has (or which has none)."""
    by_part: dict[Node | None, list[int]] = {}
    for place, rule in enumerate(rules.rules):
        if not rule.enabled:
            continue
        parts = _parts(rule.when)
        kinds = named_kinds(rule.when)
        earlier = (other for part in (None, *parts) for other in by_part.get(part, ()))
        for other in sorted(earlier):
            first = rules.rules[other]
            same = _parts(first.when)
            if not same <= parts or first.applies_to not in (rule.applies_to, "all"):
                continue
            if kinds & NAMED_ONLY and not kinds <= named_kinds(first.when):
                continue
            why = (
                "has no criteria"
                if not same
                else "has the same criteria"
                if same == parts
                else "has fewer of the same criteria"
            )
            yield Finding(place, ("name",), f"it is never reached: rule {first.name!r} before it {why} and ends the search",
                          f"move it before {first.name!r}, or give that one continue: true")  # fmt: skip
            break
        if rule.ends_search() and rule.until is None and not any(each.required for each in rule.extract):
            by_part.setdefault(next(iter(sorted(parts, key=repr)), None), []).append(place)


def _same_names(rules: _Rules) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for place, rule in enumerate(rules.rules):
        if rule.name in seen and not re.fullmatch(r"rule \d+", rule.name):
            yield Finding(place, ("name",), "another rule has the same name", "traces name rules: give each its own")
        seen.setdefault(rule.name, place)


def _continue(rules: _Rules) -> Iterator[Finding]:
    for place, rule in enumerate(rules.rules):
        if rule.continue_ and rule.ends_search():
            end = next(each for each in ("discard", "hold", "forward", "mailbox") if getattr(rule, each) is not None)
            yield Finding(place, ("continue",), f"continue has no effect: {end} ends the search", "leave continue out")


# ---- criteria -------------------------------------------------------------------------------------------------------


def _criteria(rules: _Rules) -> Iterator[Finding]:
    ours = {fold_address(each): key for key, mailbox in rules.settings.main.mailboxes.items()
            for each in (mailbox.address, *mailbox.aliases, *mailbox.receives)}  # fmt: skip
    domains = {each.rpartition("@")[2] for each in ours}
    for place, rule in enumerate(rules.rules):
        for criterion, negated in walk(rule.when):
            path = ("when", criterion.field)
            for pattern in criterion.get("matches") or ():
                if (
                    "above" not in dict(criterion.operators)
                    and "below" not in dict(criterion.operators)
                    and _fits_all(pattern)
                ):
                    yield Finding(place, path, f"the pattern {pattern!r} fits every text", "write what must be there")
            if CRITERIA.get(criterion.field) == ADDRESS:
                for operator in ("is", "contains"):
                    for text in criterion.get(operator) or ():
                        yield from _address(place, path, criterion.field, operator, text, ours, domains)
            if criterion.field.startswith("case.") and rule.applies_to == "new" and not negated:
                yield Finding(place, path, f"{criterion.field} is known on answers (and follow-ups) only",
                              "write applies_to: answers, or all")  # fmt: skip
        yield from _single_words(place, rules.raw(place).get("when"), ("when",))


def _fits_all(pattern: str) -> bool:
    compiled = patterns.compiled(pattern)
    return all(compiled.search(tidy(sample)) for sample in _SAMPLES)


def _address(place: int, path: Path, name: str, operator: str, text: str, ours: dict[str, str], domains: set[str]) -> Iterator[Finding]:  # fmt: skip
    address = fold_address(bare_address(text))
    if operator == "is" and "@" not in address and "." in address and name != "organisation.domain":
        yield Finding(
            place,
            path,
            f"{name} is compared with whole addresses, and {text!r} is none",
            f"write {name}: {{domain: {text}}}",
        )
    if name not in ("recipient", "to", "cc", "envelope.to"):
        return
    if address in ours:
        yield Finding(place, path, f"{text} is the mailbox {ours[address]!r}: forwarded mail and aliases would not fit",
                      f"write mailbox: {ours[address]}")  # fmt: skip
    elif (
        operator == "is"
        and "@" in address
        and address.rpartition("@")[2] in domains
        and name in ("recipient", "envelope.to")
    ):
        hint = nearest(address, ours)
        yield Finding(place, path, f"no mailbox has the address {text}", hint or "give it to a mailbox: aliases: […]")


def _single_words(place: int, value: Any, path: Path) -> Iterator[Finding]:
    """`contains: [ALERT]`: a list of one word in capitals, which may have been meant with its brackets."""
    if isinstance(value, dict):
        for key, below in value.items():
            one = isinstance(below, list) and len(below) == 1 and isinstance(below[0], str)
            if one and key not in ("any", "all", "none") and re.fullmatch(r"[A-Z][A-Z0-9 _-]+", below[0]):
                yield Finding(place, (*path, key), f"this means the text {below[0]}, without brackets",
                              f"did you mean '[{below[0]}]'? put it in quotes; else write {below[0]} without brackets")  # fmt: skip
            yield from _single_words(place, below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _single_words(place, below, (*path, index))


# ---- actions --------------------------------------------------------------------------------------------------------


def _templates(rules: _Rules) -> Iterator[Finding]:
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


def _values(rules: _Rules) -> Iterator[Finding]:
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
                yield Finding(place, where, f"{value!r} {error}", "", "error")


def _autofills(rules: _Rules) -> Iterator[Finding]:
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


def _slas(rules: _Rules) -> Iterator[Finding]:
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


def _trust(rules: _Rules) -> Iterator[Finding]:
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


def _assignment(rules: _Rules) -> Iterator[Finding]:
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


def _kinds(rules: _Rules) -> Iterator[Finding]:
    for place, rule in enumerate(rules.rules):
        kinds = named_kinds(rule.when)
        if kinds and kinds <= OPENS_NOTHING and rule.case is not None and rule.applies_to == "new":
            names = ", ".join(sorted(kinds))
            yield Finding(place, ("case",), f"mail of kind {names} opens no case: what case says is only for answers",
                          "write applies_to: answers, or discard, hold or forward it")  # fmt: skip


Check = Callable[[_Rules], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (_unreachable, _same_names, _continue, _criteria, _templates, _values, _autofills, _slas, _trust,
                             _assignment, _kinds)  # fmt: skip
