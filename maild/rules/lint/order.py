"""This is where maild finds rules that never get a turn, or whose order says otherwise than their words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from maild.plain.fold import fold
from maild.rules.engine import NAMED_ONLY
from maild.rules.lint.findings import Finding, Rules
from maild.rules.lint.proof import NEARLY_SINGLE, Branch, Part, alternatives, branches, covers, described, never
from maild.rules.operators import domain_needle, is_needle
from maild.rules.ruleset import named_kinds
from maild.settings.criteria import ADDRESS, CRITERIA, Criterion
from maild.settings.rule_models import Rule

# Operators whose values a criterion is filed under, the sharpest first.
_FILED = ("is", "domain", "has_field", "matches", "starts_with", "ends_with", "words", "contains", "contains_all")
_LONGEST = 60  # characters of a text whose pieces are looked up


def _keys(part: Part) -> list[object]:
    """What a part is filed under: each value of its sharpest operator, else its field."""
    if isinstance(part.node, Criterion) and not part.negated and part.field not in ("attachment", "received"):
        operators = dict(part.node.operators)
        sharpest = next((name for name in _FILED if name in operators), None)
        if sharpest is not None:
            return [(part.field, *_key(part.field, sharpest, value)) for value in operators[sharpest]]
    return [(part.field, part.negated)]


def _key(name: str, operator: str, value: str) -> tuple[str, str]:
    match operator:
        case "is":
            return "is", is_needle(name, value)
        case "domain":
            return "domain", domain_needle(value)
        case "has_field" | "matches":
            return operator, value
        case _:
            return "piece", fold(value).strip()


def _wider_keys(part: Part) -> Iterator[object]:
    """What all is filed under that could be wider than this part: its values, their pieces, the domains of addresses."""
    yield part.field, part.negated
    if not isinstance(part.node, Criterion) or part.negated or part.field in ("attachment", "received"):
        return
    for operator, values in part.node.operators:
        if operator not in _FILED:
            continue
        for value in values:
            key = _key(part.field, operator, value)
            yield part.field, *key
            if operator in ("is", "domain") and CRITERIA.get(part.field) == ADDRESS:
                labels = domain_needle(value).split(".")
                yield from ((part.field, "domain", ".".join(labels[at:])) for at in range(len(labels)))
            if operator not in ("domain", "matches", "has_field"):
                text = fold(value).strip()[:_LONGEST]
                yield from ((part.field, "piece", text[a:b]) for a in range(len(text)) for b in range(a + 1, len(text) + 1))


@dataclass(slots=True)
class _Enders:
    """The rules so far that end the search where they match, by what they could be wider than."""

    filed: dict[object, list[tuple[int, Branch]]] = field(default_factory=dict)

    def add(self, place: int, ways: tuple[Branch, ...]) -> None:
        for branch in ways:
            # under the part that fewest are filed under, so that a mailbox which all of them name costs nothing
            rarest = min(branch, key=lambda part: (sum(len(self.filed.get(key, ())) for key in _keys(part)), repr(part)), default=None)
            for key in (None,) if rarest is None else _keys(rarest):
                self.filed.setdefault(key, []).append((place, branch))

    def before(self, branch: Branch) -> Iterator[tuple[int, Branch]]:
        """The rules that may match wherever this branch holds, in order, with what they ask there."""
        wanted = dict.fromkeys([None, *(key for part in branch for key in _wider_keys(part))])
        found = {(place, other) for key in wanted for place, other in self.filed.get(key, ())}
        yield from sorted((each for each in found if covers(branch, each[1])), key=lambda each: each[0])


def _unreachable(rules: Rules) -> Iterator[Finding]:
    """A rule that matches only where earlier ones, which end the search, have matched already."""
    enders = _Enders()
    for place, rule in enumerate(rules.rules):
        if not rule.enabled:
            continue
        ways = ways_of(rule)
        kinds = named_kinds(rule.when)
        taken: list[tuple[int, Branch, Branch]] = []
        for branch in ways:
            taken += next(([(other, asked, branch)] for other, asked in enders.before(branch)
                           if rules.rules[other].applies_to in (rule.applies_to, "all")
                           and not (kinds & NAMED_ONLY and not kinds <= named_kinds(rules.rules[other].when))), [])  # fmt: skip
        if ways and len(taken) == len(ways):
            names = list(dict.fromkeys(repr(rules.rules[other].name) for other, _, _ in taken))
            if len(names) == 1:
                told, hint = f"rule {names[0]} before it {_why(taken)} and ends the search", f"move it before {names[0]}, or give that one continue: true"
            else:
                told, hint = f"rules {' and '.join(names)} before it match all of its mail and end the search", "move it before them"
            yield Finding(place, ("name",), f"it is never reached: {told}", hint)
        if rule.ends_search() and rule.until is None and not any(each.required for each in rule.extract):
            enders.add(place, ways)


def _why(taken: list[tuple[int, Branch, Branch]]) -> str:
    if all(not asked for _, asked, _ in taken):
        return "has no criteria"
    if all(asked == branch for _, asked, branch in taken):
        return "has the same criteria"
    if all(asked <= branch for _, asked, branch in taken):
        return "has fewer of the same criteria"
    return "has wider criteria"


def ways_of(rule: Rule) -> tuple[Branch, ...]:
    """The ways in which a rule's criteria can hold."""
    return branches(rule.when, rule.case.autofill.delimiter if rule.case is not None and rule.case.autofill is not None else (":",))


def _never(rules: Rules) -> Iterator[Finding]:
    """Criteria that exclude each other, so that no mail has all of them."""
    for place, rule in enumerate(rules.rules):
        if rule.when is None:
            continue
        clash = never(ways_of(rule))
        if clash is not None:
            yield _excluded(place, clash, "")
            continue
        for number, tree in alternatives(rule.when):
            clash = never(branches(tree))
            if clash is not None:
                yield _excluded(place, clash, f" by number {number + 1} under any")


def _excluded(place: int, clash: tuple[Part, Part], where: str) -> Finding:
    one, other = clash
    if one == other:
        return Finding(place, ("when", one.field), f"it can never match{where}: no value has {described(one)}", "one of the two is too much")
    both = f"{described(one)}, and {described(other)}"
    if one.field in NEARLY_SINGLE and one.field == other.field and not other.negated:
        said = f"it can only match mail with several people in From{where}: {both}"
    else:
        said = f"it can never match{where}: no mail has both {both}"
    alike = one.field == other.field and not one.negated and not other.negated
    return Finding(place, ("when", other.field), said, f"a list means any of them: {one.field}: [one, other]" if alike else "take one of the two out")


def _same_names(rules: Rules) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for place, rule in enumerate(rules.rules):
        again = rule.name in seen and rules.at(place) != rules.at(seen[rule.name])  # else its file is included twice
        if again and not re.fullmatch(r"rule \d+", rule.name):
            yield Finding(place, ("name",), "another rule has the same name", "traces name rules: give each its own")
        seen.setdefault(rule.name, place)


def _continue(rules: Rules) -> Iterator[Finding]:
    for place, rule in enumerate(rules.rules):
        if rule.continue_ and rule.ends_search():
            end = next(each for each in ("discard", "hold", "forward", "mailbox") if getattr(rule, each) is not None)
            yield Finding(place, ("continue",), f"continue has no effect: {end} ends the search", "leave continue out")


CHECKS = (_unreachable, _never, _same_names, _continue)
