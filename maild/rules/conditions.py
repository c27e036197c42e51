"""This is where maild looks whether the criteria of a rule hold for a mail, and says what it saw.

`compile_node` makes a tree of checks from a rule's criteria; a check can answer (`holds`) or answer and explain (`look`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maild.model.decision import Condition
from maild.rules.operators import Context, Words, cut, tests_of
from maild.rules.view import Seen, View
from maild.settings.criteria import AllOf, AnyOf, Criterion, Named, Node, NoneOf

SHOWN = 160  # characters of a value that the trace keeps


class Check:
    """One criterion, ready to be asked."""

    __slots__ = ("_tests", "absent", "blank", "criterion", "field", "text")

    def __init__(self, criterion: Criterion, context: Context) -> None:
        self.criterion = criterion
        self.field = criterion.field
        self.text = describe(criterion)
        operators = dict(criterion.operators)
        self.absent = operators.get("exists") is False or operators.get("empty") is True
        self.blank = operators.get("empty") is True
        self._tests = tests_of(criterion.field, operators, context)

    def holds(self, view: View) -> bool:
        return self.fitting(view) is not None

    def look(self, view: View) -> Condition:
        words = self.fitting(view)
        return Condition(self.text, words is not None, view.shown(self.field, _shown), words or ())

    def fitting(self, view: Seen) -> Words | None:
        """The words that fit of the first value for which every operator holds; None where there is no such value."""
        values = view.values(self.field)
        if self.absent:
            return None if any(value.strip() or not self.blank for value in values) else ()
        for i, value in enumerate(values):
            words: Words = ()
            for test in self._tests:
                fits = test(view, i)
                if fits is None:
                    break
                words += fits
            else:
                return words or (cut(value, 60),)
        return None


class AttachmentCheck:
    """`attachment: {type, name}`: one attachment for which all parts hold."""

    __slots__ = ("criterion", "exists", "field", "parts", "text")

    def __init__(self, criterion: Criterion, context: Context) -> None:
        self.criterion = criterion
        self.field = criterion.field
        self.text = describe(criterion)
        operators = dict(criterion.operators)
        self.exists: bool | None = operators.get("exists", not operators["empty"] if "empty" in operators else None)
        self.parts = [Check(part, context) for part in operators.values() if isinstance(part, Criterion)]

    def holds(self, view: View) -> bool:
        if self.exists is not None:
            return bool(view.attachments) == self.exists
        return any(all(part.fitting(each) is not None for part in self.parts) for each in view.attachments)

    def look(self, view: View) -> Condition:
        fitting = [each.attachment.name for each in view.attachments if self.exists is None
                   and all(part.fitting(each) is not None for part in self.parts)]  # fmt: skip
        seen = _shown([f"{each.attachment.name} ({each.attachment.type})" for each in view.attachments])
        return Condition(self.text, self.holds(view), seen, tuple(cut(name, 60) for name in fitting[:3]))


class ReceivedCheck:
    """`received: {outside: CALENDAR}`: the mail came while one of these calendars was closed."""

    __slots__ = ("calendars", "criterion", "field", "text")

    def __init__(self, criterion: Criterion) -> None:
        self.criterion = criterion
        self.field = criterion.field
        self.text = describe(criterion)
        self.calendars = frozenset(criterion.get("outside"))

    def holds(self, view: View) -> bool:
        return not self.calendars.isdisjoint(view.facts.outside)

    def look(self, view: View) -> Condition:
        closed = tuple(sorted(self.calendars & view.facts.outside))
        seen = f"{view.facts.received_at.isoformat(timespec='minutes')}, closed: {', '.join(sorted(view.facts.outside)) or 'none'}"
        return Condition(self.text, bool(closed), seen, closed)


@dataclass(frozen=True, slots=True)
class Grouped:
    """`all`, `any` or `none` of parts."""

    how: str
    parts: tuple[Checked, ...]

    def holds(self, view: View) -> bool:
        match self.how:
            case "all":
                return all(part.holds(view) for part in self.parts)
            case "any":
                return any(part.holds(view) for part in self.parts)
            case _:
                return not any(part.holds(view) for part in self.parts)

    def look(self, view: View) -> Condition:
        parts = tuple(part.look(view) for part in self.parts)
        held = [part.held for part in parts]
        answer = all(held) if self.how == "all" else any(held) if self.how == "any" else not any(held)
        return Condition(self.how, answer, parts=parts)


@dataclass(frozen=True, slots=True)
class NamedCheck:
    """A condition that has a name, which the trace says beside what was seen."""

    name: str
    part: Checked

    def holds(self, view: View) -> bool:
        return self.part.holds(view)

    def look(self, view: View) -> Condition:
        seen = self.part.look(view)
        return Condition(f"condition {self.name!r}", seen.held, parts=(seen,))


Checked = Check | AttachmentCheck | ReceivedCheck | Grouped | NamedCheck


def compile_node(node: Node, context: Context) -> Checked:
    """The checks for a tree of criteria."""
    match node:
        case AllOf(items):
            return Grouped("all", tuple(compile_node(item, context) for item in items))
        case AnyOf(items):
            return Grouped("any", tuple(compile_node(item, context) for item in items))
        case NoneOf(items):
            return Grouped("none", tuple(compile_node(item, context) for item in items))
        case Named(name, item):
            assert item is not None, name  # settings.rule_sets filled it in, or refused the name
            return NamedCheck(name, compile_node(item, context))
        case Criterion(field="attachment"):
            return AttachmentCheck(node, context)
        case Criterion(field="received"):
            return ReceivedCheck(node)
        case Criterion():
            return Check(node, context)


def describe(criterion: Criterion) -> str:
    """The criterion in one line, as a person would say it: `subject contains broken | cracked`."""
    said = []
    for operator, value in criterion.operators:
        if isinstance(value, Criterion):
            said.append(describe(value).removeprefix("attachment."))
        elif isinstance(value, bool):
            said.append(
                {"exists": "is there" if value else "is not there", "empty": "is empty" if value else "is not empty"}[
                    operator
                ]
            )
        else:
            words = " | ".join(value) if isinstance(value, tuple) else str(value)
            said.append(f"{operator.replace('_', ' ')} {cut(words, SHOWN)}")
    return f"{criterion.field} {', '.join(said)}"


def _shown(values: Sequence[str]) -> str:
    return cut("; ".join(cut(" ".join(value[: 4 * SHOWN].split()), SHOWN) for value in values[:8]), SHOWN)
