"""This is where it is said what rules can ask of a mail: the criteria, the operators, and the tree that a `when:` is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from maild.model.case import PRIORITY_WORDS, STATUS_WORDS, Priority, Status
from maild.model.message import Automatic, MessageKind

ADDRESS, TEXT, NAME, WORD, NUMBER = "address", "text", "name", "word", "number"
ATTACHMENT, RECEIVED = "attachment", "received"

CRITERIA: dict[str, str] = {
    "mailbox": NAME,
    "from": ADDRESS, "from.name": TEXT, "to": ADDRESS, "cc": ADDRESS, "reply_to": ADDRESS, "recipient": ADDRESS,
    "envelope.from": ADDRESS, "envelope.to": ADDRESS,
    "subject": TEXT, "body": TEXT, "text": TEXT, "whole_text": TEXT,
    "attachment": ATTACHMENT, "attachment.type": TEXT, "attachment.name": TEXT, "attachment.count": NUMBER,
    "size": NUMBER, "language": NAME, "received": RECEIVED, "kind": WORD, "automatic": WORD,
    "auth": WORD, "auth.dmarc": WORD, "auth.dkim": WORD, "auth.spf": WORD,
    "contact": ADDRESS, "contact.name": TEXT, "contact.email": ADDRESS, "contact.known": WORD, "contact.tags": NAME,
    "contact.language": NAME, "contact.sla": NAME,
    "organisation": NAME, "organisation.name": NAME, "organisation.domain": ADDRESS, "organisation.tags": NAME,
    "organisation.sla": NAME,
    "case.status": WORD, "case.priority": WORD, "case.group": NAME, "case.category": NAME, "case.tags": NAME,
    "case.sla": NAME, "case.assignee": NAME, "case.number": NUMBER, "case.follow_up_of": NUMBER,
}  # fmt: skip
PREFIXES = {"header.": TEXT, "case.fields.": TEXT}

OPERATORS = ("is", "contains", "contains_all", "words", "starts_with", "ends_with", "matches", "domain", "exists", "empty",
             "above", "below", "in_list", "has_field")  # fmt: skip
WORDS: dict[str, dict[str, str]] = {
    "kind": {kind.value: kind.value for kind in MessageKind},
    "automatic": {level.value: level.value for level in Automatic},
    **{
        name: {word: word for word in ("pass", "fail", "none")}
        for name in ("auth", "auth.dmarc", "auth.dkim", "auth.spf")
    },
    "contact.known": {"true": "true", "yes": "true", "false": "false", "no": "false"},
    "case.status": {**{status.value: status.value for status in Status}, **STATUS_WORDS},
    "case.priority": {**{priority.value: priority.value for priority in Priority}, **PRIORITY_WORDS},
}


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion: ``field`` as in CRITERIA (or header.NAME, case.fields.NAME), and operators that hold for one value.

    Values: texts and patterns as tuples (any of them, for contains_all all), exists and empty as bool, above and below
    as Decimal, in_list as the list's name. `attachment` has Criterion values under ``type``, ``name`` and ``size``;
    `received` has ``outside``, a tuple of calendars.
    """

    field: str
    operators: tuple[tuple[str, Any], ...]

    def get(self, operator: str) -> Any:
        """The value of this operator, None where it is not used."""
        return next((value for name, value in self.operators if name == operator), None)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; without parts it holds for every mail."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """No part holds."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A condition that stands under `conditions` by this name; ``item`` is it, None until the files are put together."""

    name: str
    item: Node | None = None


Node = Criterion | AllOf | AnyOf | NoneOf | Named

CONDITION = "condition"  # the key by which a condition is named
def plain(node: Node | None) -> Any:
    """The tree as the YAML values that it was made of (short forms written out)."""
    match node:
        case None:
            return None
        case Criterion(field, operators):
            return {field: {name: _plain_operand(value) for name, value in operators}}
        case AllOf(items):
            return {"all": [plain(item) for item in items]}
        case AnyOf(items):
            return {"any": [plain(item) for item in items]}
        case NoneOf(items):
            return {"none": [plain(item) for item in items]}
        case Named(name):
            return {CONDITION: name}


def _plain_operand(value: Any) -> Any:
    match value:
        case Criterion(_, operators):
            return {name: _plain_operand(below) for name, below in operators}
        case tuple():
            return list(value)
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case _:
            return value


def walk(node: Node | None, negated: bool = False, *, named: bool = True) -> Iterator[tuple[Criterion, bool]]:
    """Every criterion of the tree, and whether it stands under `none`; without ``named`` those alone that stand in it
    itself, not in conditions that it names."""
    match node:
        case None:
            return
        case Criterion():
            yield node, negated
        case Named(_, item):
            if named:
                yield from walk(item, negated)
        case NoneOf(items):
            for item in items:
                yield from walk(item, True, named=named)
        case AllOf(items) | AnyOf(items):
            for item in items:
                yield from walk(item, negated, named=named)
