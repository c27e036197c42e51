"""This is where maild finds rules that never get a turn, or whose order says otherwise than their words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from maild.rules.engine import NAMED_ONLY
from maild.rules.lint.findings import Finding, Rules
from maild.rules.ruleset import named_kinds
from maild.settings.criteria import AllOf, Node


def _parts(node: Node | None) -> frozenset[Node]:
    """The criteria that all hold where this tree holds."""
    if node is None:
        return frozenset()
    return frozenset(node.items) if isinstance(node, AllOf) else frozenset((node,))


def _unreachable(rules: Rules) -> Iterator[Finding]:
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
