"""This is where maild makes the rules of a configuration ready to be asked, so that ten thousand cost little more than ten."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from maild.model.message import MessageKind
from maild.plain.subjects import tag_pattern
from maild.rules import autofill
from maild.rules.conditions import Checked, compile_node
from maild.rules.index import Index, trigger_of
from maild.rules.operators import Context, list_entries
from maild.rules.values import Declared
from maild.rules.view import View
from maild.settings.criteria import Node, walk
from maild.settings.models import FieldSpec, Mailbox, Settings
from maild.settings.rule_models import Rule


@dataclass(frozen=True, slots=True)
class AutofillPlan:
    """A rule's autofill ready for reading: folded label -> target, and what of it may have many lines."""

    delimiters: tuple[str, ...]
    targets: Mapping[str, str]
    wanted: Mapping[str, bool]
    meanings: Mapping[str, Mapping[str, Any]]
    within: int | None


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule with its checks. ``named_kinds``: the kinds of mail that its criteria ask for by name."""

    place: int
    rule: Rule
    check: Checked | None
    named_kinds: frozenset[MessageKind]
    plan: AutofillPlan | None


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All enabled rules in the order of trial, and what deciding needs of the configuration."""

    rules: tuple[CompiledRule, ...]
    index: Index
    declared: Declared
    mailboxes: Mapping[str, Mailbox]
    timezone: ZoneInfo
    tag: re.Pattern[str]
    lists: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def candidates(self, view: View) -> list[CompiledRule]:
        """The rules that could match this mail, in order."""
        return [self.rules[place] for place in sorted(self.index.hits(view))]

    def day(self, view: View) -> date:
        """The day on which the mail came, in the configuration's time zone."""
        return view.facts.received_at.astimezone(self.timezone).date()


def compile_rules(settings: Settings) -> Ruleset:
    """The ruleset of a configuration: ``settings.rules`` in order, disabled ones left out."""
    lists = {name: list_entries(entries) for name, entries in settings.lists.items()}
    declared = Declared.of(settings)
    compiled: list[CompiledRule] = []
    index = Index(lists)
    for rule in settings.rules:
        if not rule.enabled:
            continue
        plan = _plan(rule, declared)
        delimiters = plan.delimiters if plan is not None else (":",)
        check = None if rule.when is None else compile_node(rule.when, Context(lists, delimiters))
        place = len(compiled)
        compiled.append(CompiledRule(place, rule, check, named_kinds(rule.when), plan))
        index.add(place, trigger_of(rule.when, delimiters))
    index.close()
    return Ruleset(tuple(compiled), index, declared, settings.main.mailboxes, ZoneInfo(settings.main.timezone),
                   tag_pattern(settings.main.cases.tag, settings.main.cases.legacy_tags), lists)  # fmt: skip


def _plan(rule: Rule, declared: Declared) -> AutofillPlan | None:
    fill = rule.case.autofill if rule.case is not None else None
    if fill is None:
        return None
    targets: dict[str, str] = {}
    for mapped in fill.map:
        for label in mapped.labels:
            targets.setdefault(autofill.keys_of(label, fill.delimiter), mapped.target)
    wanted = {key: declared.many_lines(target) for key, target in targets.items()}
    meanings = {mapped.target: {autofill.word_key(word): meaning for word, meaning in mapped.values.items()}
                for mapped in fill.map if mapped.values}  # fmt: skip
    return AutofillPlan(fill.delimiter, targets, wanted, meanings, fill.within)


def named_kinds(node: Node | None) -> frozenset[MessageKind]:
    """The kinds of mail that these criteria ask for by name."""
    found: set[MessageKind] = set()
    for criterion, negated in walk(node):
        if criterion.field == "kind" and not negated:
            check = compile_node(criterion, Context({}))
            found.update(kind for kind in MessageKind if check.holds(_OfKind(kind)))  # type: ignore[arg-type]
    return frozenset(found)


class _OfKind:
    """Just enough of a View to ask a criterion about a kind."""

    def __init__(self, kind: MessageKind) -> None:
        self._kind = (kind.value,)

    def values(self, field: str) -> tuple[str, ...]:
        return self._kind

    folded = tidied = addresses = values


def fields_named(rule: Rule, declared: Mapping[str, FieldSpec] | None) -> set[str]:
    """The custom fields that a template of this rule may ask for: those declared, and those the rule itself fills."""
    names = set(declared or ())
    if rule.case is not None:
        names.update(name[7:] for name in rule.case.values() if name.startswith("fields."))
        if rule.case.autofill is not None:
            names.update(each.target[7:] for each in rule.case.autofill.map if each.target.startswith("fields."))
    return names
