"""This is where maild counts which rules, and which criteria in them, the tests beside rules reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from maild.model.decision import Condition, Decision
from maild.settings.criteria import AllOf, AnyOf, Node, NoneOf
from maild.settings.models import Settings


@dataclass(slots=True)
class _Branch:
    held: int = 0
    failed: int = 0


@dataclass(slots=True)
class Coverage:
    """What was reached: how often each rule matched, and each of its criteria held or did not."""

    matched: dict[str, int] = field(default_factory=dict)
    branches: dict[str, dict[tuple[int, ...], tuple[str, _Branch]]] = field(default_factory=dict)

    def saw(self, decision: Decision) -> None:
        """Count one decision."""
        for tried in decision.trace.tried:
            if tried.matched:
                self.matched[tried.rule] = self.matched.get(tried.rule, 0) + 1
            if tried.condition is not None:
                self._note(self.branches.setdefault(tried.rule, {}), tried.condition, ())

    def _note(self, branches: dict[tuple[int, ...], tuple[str, _Branch]], seen: Condition, path: tuple[int, ...]) -> None:
        for place, part in enumerate(seen.parts):
            self._note(branches, part, (*path, place))
        branch = branches.setdefault(path, (seen.text, _Branch()))[1]
        if seen.held:
            branch.held += 1
        else:
            branch.failed += 1

    def report(self, settings: Settings) -> dict[str, Any]:
        """``{"rules", "reached", "unreached": [names], "branches", "reached_branches", "unreached_branches": [{rule, criterion}]}``.

        A branch is one criterion beside others under `any` or `none`: it is reached when it held in some test.
        """
        rules = [rule for rule in settings.rules if rule.enabled]
        unreached = [rule.name for rule in rules if rule.name not in self.matched]
        missing: list[dict[str, str]] = []
        total = 0
        for rule in rules:
            seen = self.branches.get(rule.name, {})
            for path in _alternatives(rule.when):
                total += 1
                text, branch = seen.get(path, ("", _Branch()))
                if not branch.held:
                    missing.append({"rule": rule.name, "criterion": text or _written(rule.when, path)})
        return {
            "rules": len(rules), "reached": len(rules) - len(unreached), "unreached": unreached,
            "branches": total, "reached_branches": total - len(missing), "unreached_branches": missing,
        }  # fmt: skip


def _alternatives(node: Node | None, path: tuple[int, ...] = (), below: bool = False) -> list[tuple[int, ...]]:
    """The paths of the criteria that stand as one of several ways under `any` or `none`."""
    if node is None:
        return []
    if not isinstance(node, AllOf | AnyOf | NoneOf):
        return [path] if below else []
    inside = below or isinstance(node, AnyOf | NoneOf)
    return [found for place, item in enumerate(node.items) for found in _alternatives(item, (*path, place), inside)]


def _written(node: Node | None, path: tuple[int, ...]) -> str:
    from maild.settings.criteria import plain

    for step in path:
        assert isinstance(node, AllOf | AnyOf | NoneOf)
        node = node.items[step]
    return str(plain(node)) if node is not None else ""


def lines(report: dict[str, Any]) -> list[str]:
    """The coverage for people."""
    found = [f"coverage: {report['reached']} of {report['rules']} rules, {report['reached_branches']} of {report['branches']} branches"]
    found += [f"  no test reaches rule {name!r}" for name in report["unreached"]]
    unreached = set(report["unreached"])
    found += [
        f"  rule {one['rule']!r}: no test in which this holds: {one['criterion']}"
        for one in report["unreached_branches"] if one["rule"] not in unreached
    ]  # fmt: skip
    return found
