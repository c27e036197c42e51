"""This is where maild finds rules that never get a turn, or whose order says otherwise than their words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from maild.rules.engine import NAMED_ONLY
from maild.rules.lint.findings import Finding, Rules
from maild.rules.ruleset import named_kinds
from maild.settings.criteria import ADDRESS, CRITERIA, AllOf, Criterion, Node


def _parts(node: Node | None) -> frozenset[Node]:
    """The criteria that all hold where this tree holds."""
    if node is None:
        return frozenset()
    return frozenset(node.items) if isinstance(node, AllOf) else frozenset((node,))


# Operators of which one of several values is enough.
_ANY = frozenset(("is", "contains", "words", "starts_with", "ends_with", "matches", "domain", "has_field"))


def _values(part: Node) -> tuple[str, str, frozenset[str]] | None:
    """(criterion, operator, values) where the part is one criterion with one operator of which one value is enough."""
    if isinstance(part, Criterion) and len(part.operators) == 1 and part.operators[0][0] in _ANY:
        operator, values = part.operators[0]
        return part.field, operator, frozenset(value if operator == "matches" else value.casefold() for value in values)
    return None


def _keys(part: Node, *, wider: bool = False) -> list[object]:
    """What a part is found by: each of its values alone, else itself; ``wider``: also the domains that an address is in."""
    asked = _values(part)
    if asked is None:
        return [part]
    field, operator, values = asked
    found: list[object] = [(field, operator, value) for value in values]
    if wider and operator == "is" and CRITERIA.get(field) == ADDRESS:
        found += [(field, "domain", domain) for value in values for domain in _domains(value)]
    return found


def _domains(address: str) -> list[str]:
    labels = address.rpartition("@")[2].split(".")
    return [".".join(labels[at:]) for at in range(len(labels))]


def _covered(part: Node, parts: frozenset[Node]) -> bool:
    """Whether this part of an earlier rule holds wherever all these parts of a later one do."""
    asked = _values(part)
    if part in parts or asked is None:
        return part in parts
    field, operator, values = asked
    for other in parts:
        narrower = _values(other)
        if narrower is None or narrower[0] != field:
            continue
        if narrower[1] == operator and narrower[2] <= values:
            return True
        if (operator, narrower[1]) == ("domain", "is") and all(not values.isdisjoint(_domains(each)) for each in narrower[2]):
            return True
    return False


def _unreachable(rules: Rules) -> Iterator[Finding]:
    """A rule that matches only where an earlier one, which ends the search, has matched already."""
    by_key: dict[object, list[int]] = {}
    for place, rule in enumerate(rules.rules):
        if not rule.enabled:
            continue
        parts = _parts(rule.when)
        kinds = named_kinds(rule.when)
        wanted = [None, *(key for part in parts for key in _keys(part, wider=True))]
        for other in sorted({other for key in wanted for other in by_key.get(key, ())}):
            first = rules.rules[other]
            same = _parts(first.when)
            if not all(_covered(part, parts) for part in same) or first.applies_to not in (rule.applies_to, "all"):
                continue
            if kinds & NAMED_ONLY and not kinds <= named_kinds(first.when):
                continue
            why = (
                "has no criteria"
                if not same
                else "has the same criteria"
                if same == parts
                else "has fewer of the same criteria"
                if same <= parts
                else "has wider criteria"
            )
            yield Finding(place, ("name",), f"it is never reached: rule {first.name!r} before it {why} and ends the search",
                          f"move it before {first.name!r}, or give that one continue: true")  # fmt: skip
            break
        if rule.ends_search() and rule.until is None and not any(each.required for each in rule.extract):
            # under the part that fewest rules are filed under, so that a mailbox which all of them name costs nothing
            rarest = min(parts, key=lambda part: (sum(len(by_key.get(key, ())) for key in _keys(part)), repr(part)), default=None)
            for key in (None,) if rarest is None else _keys(rarest):
                by_key.setdefault(key, []).append(place)


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


CHECKS = (_unreachable, _same_names, _continue)
