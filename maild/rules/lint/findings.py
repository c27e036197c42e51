"""This is where the rules of a configuration stand as the checks look at them, and a finding becomes a fault with a place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from maild.errors import Fault
from maild.rules.values import Declared
from maild.settings.criteria import AllOf, AnyOf, Criterion, Named, Node, NoneOf, walk
from maild.settings.faults import page_of
from maild.settings.models import Settings
from maild.settings.rule_models import Rule

if TYPE_CHECKING:
    from maild.settings.source import Document

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the rule at ``place`` (counted over all files), or about the condition of this name; ``path`` leads to
    it below the rule, or below the condition."""

    place: int
    path: Path
    message: str
    hint: str = ""
    severity: str = "warning"
    key: bool = False
    condition: str = ""


@dataclass(slots=True)
class Rules:
    """What the checks look at. ``conditions`` are the named ones that rules ask for."""

    settings: Settings
    rules: tuple[Rule, ...]
    declared: Declared
    documents: dict[str, Document] = field(default_factory=dict)
    conditions: dict[str, Node] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """The rules of these settings; without documents where the files are not (any more) those of the settings."""
        from maild.settings.load import rule_documents

        found = cls(settings, tuple(settings.rules), Declared.of(settings), rule_documents(settings))
        for rule in found.rules:
            found.conditions |= named(rule.when)
        for document in found.documents.values():
            document.file = _shown(document.file)
        return found

    def at(self, place: int) -> tuple[str, int]:
        """The rule's file and its number there."""
        return self.settings.rule_places[place] if self.settings.rule_places else ("", place)

    def raw(self, place: int) -> Any:
        """The rule as it was written, {} where the files cannot be read."""
        file, index = self.at(place)
        return self.documents[file].value["rules"][index] if file in self.documents else {}

    def criteria(self) -> Iterator[tuple[int, str, Rule, Criterion, bool]]:
        """(place, condition, rule, criterion, whether under `none`) for each criterion: those of a rule, and those of each
        named condition once, with the first rule that asks for it."""
        told: set[str] = set()
        for place, rule in enumerate(self.rules):
            yield from ((place, "", rule, each, negated) for each, negated in walk(rule.when, named=False))
            for name, node in named(rule.when).items():
                if name not in told:
                    told.add(name)
                    yield from ((place, name, rule, each, negated) for each, negated in walk(node, named=False))

    def fault(self, finding: Finding) -> Fault:
        """The finding with its file, line and column."""
        about = f"condition {finding.condition!r}" if finding.condition else f"rule {self.rules[finding.place].name!r}"
        message = f"{about}: {finding.message}"
        file, index = self.at(finding.place)
        start: Path = ("rules", index)
        if finding.condition:
            start = ("conditions", finding.condition)
            file = next((name for name, one in self.documents.items() if _leads(one.value, start)), "")
        document = self.documents.get(file)
        if document is None:
            return Fault("rules", 0, 0, message, finding.hint, "docs/reference/rules.md", finding.severity)
        path = _nearest(document.value, (*start, *finding.path), len(start))
        return document.fault(
            path, message, finding.hint, key=finding.key, page=page_of(document, path), severity=finding.severity
        )


def named(node: Node | None) -> dict[str, Node]:
    """The conditions that this tree names, by way of others too."""
    match node:
        case Named(name, item) if item is not None:
            return {name: item, **named(item)}
        case AllOf(items) | AnyOf(items) | NoneOf(items):
            return {name: item for part in items for name, item in named(part).items()}
        case _:
            return {}


def _shown(path: Any) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _nearest(value: Any, path: Path, least: int) -> Path:
    """The path, or what of it is there; a criterion that stands deeper, under `any` or the like, is looked for."""
    for length in range(len(path), least, -1):
        if _leads(value, path[:length]):
            if length < len(path) and (deeper := _below(_at(value, path[:length]), str(path[length]))) is not None:
                return (*path[:length], *deeper)
            return path[:length]
    deeper = _below(_at(value, path[:least]), str(path[least])) if len(path) > least else None
    return (*path[:least], *(deeper or ()))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _leads(value: Any, path: Path) -> bool:
    try:
        _at(value, path)
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _below(value: Any, key: str) -> Path | None:
    """The way to the first such key below lists under `all`, `any` and `none`; None where there is none."""
    if isinstance(value, dict):
        if key in value:
            return (key,)
        for group in ("all", "any", "none"):
            for place, part in enumerate(value[group] if isinstance(value.get(group), list) else ()):
                found = _below(part, key)
                if found is not None:
                    return (group, place, *found)
    return None
