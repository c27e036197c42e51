"""This is where maild proves of criteria what follows from what, and what excludes what; what it cannot prove it leaves open.

Every criterion says of a field that there is a value for which all its operators hold. So each tree of criteria is one of
several *branches*, each a set of parts that all hold: criteria, and criteria that do not hold (from `none`, `exists: false`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import combinations, product
from typing import Any

from maild.plain.fold import fold, has_words
from maild.rules.operators import domain_needle, is_needle
from maild.settings.criteria import ADDRESS, CRITERIA, NUMBER, AllOf, AnyOf, Criterion, Named, Node, NoneOf

MOST = 64  # branches of one tree that are looked at; a tree of more stays one part that nothing is known of

# Fields that have one value, or none.
SINGLE = frozenset((
    "mailbox", "envelope.from", "subject", "body", "text", "whole_text", "size", "attachment.count", "language", "kind", "automatic",
    "auth", "auth.dmarc", "auth.dkim", "auth.spf", "contact", "contact.email", "contact.name", "contact.known", "contact.language",
    "contact.sla", "organisation", "organisation.name", "organisation.sla", "case.status", "case.priority", "case.group",
    "case.category", "case.sla", "case.assignee", "case.number", "case.follow_up_of", "attachment.size",
))  # fmt: skip
# One value in all mail but what has several people in From.
NEARLY_SINGLE = frozenset(("from", "from.name"))
_COUNTED = frozenset(("size", "attachment.size", "attachment.count", "case.number", "case.follow_up_of"))
_TEXTUAL = ("is", "contains", "contains_all", "words", "starts_with", "ends_with", "domain")


@dataclass(frozen=True, slots=True)
class Part:
    """A criterion that holds, or (``negated``) does not; ``node`` is a whole tree where it has too many branches.
    ``delimiters`` are those of the rule, where the criterion asks for labels."""

    node: Node
    negated: bool = False
    delimiters: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        return self.node.field if isinstance(self.node, Criterion) else ""


Branch = frozenset[Part]


class _TooMany(Exception):
    pass


def branches(node: Node | None, delimiters: Iterable[str] = ()) -> tuple[Branch, ...]:
    """The ways in which this tree can hold."""
    if node is None:
        return (frozenset(),)
    try:
        return tuple(dict.fromkeys(_ways(node, False, tuple(delimiters))))
    except _TooMany:
        return (frozenset((Part(node),)),)


def _ways(node: Node, negated: bool, delimiters: tuple[str, ...]) -> list[Branch]:
    match node:
        case Criterion():
            return [frozenset((_part(node, negated, delimiters),))]
        case Named(_, item):
            return _ways(item, negated, delimiters) if item is not None else [frozenset((Part(node, negated),))]
        case NoneOf(items):
            return _ways(AnyOf(items), not negated, delimiters)
        case AllOf(items) | AnyOf(items):
            below = [_ways(item, negated, delimiters) for item in items]
            if isinstance(node, AnyOf) is not negated:  # one of them is enough
                found = [way for ways in below for way in ways]
            else:
                found = [frozenset().union(*ways) for ways in product(*below)] if _many(below) <= MOST else []
                if not found:
                    raise _TooMany
            if len(found) > MOST:
                raise _TooMany
            return found


def _many(below: list[list[Branch]]) -> int:
    many = 1
    for ways in below:
        many *= len(ways)
    return many


def _part(criterion: Criterion, negated: bool, delimiters: tuple[str, ...]) -> Part:
    """`exists: false` and `empty: true` say that there is no such value: the opposite of `exists: true`, `empty: false`."""
    if criterion.get("empty") is True:
        opposite = ("exists", True) if criterion.field == "attachment" else ("empty", False)
        return Part(Criterion(criterion.field, (opposite,)), not negated)
    if criterion.get("exists") is False:
        return Part(Criterion(criterion.field, (("exists", True),)), not negated)
    return Part(criterion, negated, delimiters if criterion.get("has_field") else ())


# --- what follows -----------------------------------------------------------------------------------------------


def covers(branch: Branch, other: Branch) -> bool:
    """Whether all of ``other`` holds wherever all of this branch does."""
    return all(wanted in branch or any(_follows(part, wanted) for part in branch) for wanted in other)


def _follows(part: Part, wanted: Part) -> bool:
    if part.negated is not wanted.negated:
        return False
    return implies(wanted, part) if part.negated else implies(part, wanted)


def implies(part: Part, wanted: Part) -> bool:
    """Whether the criterion of ``wanted`` holds of every value of which that of ``part`` does (their negation is not asked)."""
    one, other = part.node, wanted.node
    if one == other:
        return part.delimiters == wanted.delimiters
    if not isinstance(one, Criterion) or not isinstance(other, Criterion) or one.field != other.field:
        return False
    if one.field == "received":
        return set(one.get("outside")) <= set(other.get("outside"))
    if one.field == "attachment":
        return _attachment_implies(dict(one.operators), dict(other.operators))
    if "has_field" in dict(other.operators) and part.delimiters != wanted.delimiters:
        return False
    return _values_imply(one.field, dict(one.operators), dict(other.operators))


def _attachment_implies(have: dict[str, Any], want: dict[str, Any]) -> bool:
    if want == {"exists": True}:
        return have.get("exists") is not False
    parts = {name: below for name, below in have.items() if isinstance(below, Criterion)}
    return all(
        name in parts and isinstance(below, Criterion)
        and (parts[name] == below or _values_imply(f"attachment.{name}", dict(parts[name].operators), dict(below.operators)))
        for name, below in want.items()
    )  # fmt: skip


def _values_imply(field: str, have: dict[str, Any], want: dict[str, Any]) -> bool:
    if "matches" in want and ("above" in want or "below" in want):
        return want.items() <= have.items()
    return all(_operator_implied(field, have, name, wanted) for name, wanted in want.items())


def _operator_implied(field: str, have: dict[str, Any], operator: str, wanted: Any) -> bool:
    match operator:
        case "exists":
            return wanted is True
        case "empty":
            return wanted is False and not set(have).isdisjoint(_TEXTUAL)
        case "matches":
            return set(have.get("matches", ("",))) <= set(wanted)
        case "has_field":
            return "has_field" in have and {fold(one) for one in have["has_field"]} <= {fold(one) for one in wanted}
        case "in_list":
            return bool(have.get("in_list") == wanted)
        case "above" | "below" if "matches" in have:
            return False
        case "above":
            return "above" in have and have["above"] >= wanted
        case "below":
            return "below" in have and have["below"] <= wanted
        case "is":
            return "is" in have and _same(field, have["is"]) <= _same(field, wanted)
        case _:
            return any(name in _TEXTUAL and _texts_imply(field, name, operand, operator, wanted) for name, operand in have.items())


def _same(field: str, texts: Iterable[str]) -> set[str]:
    return {is_needle(field, text) for text in texts}


def _texts_imply(field: str, name: str, have: tuple[str, ...], operator: str, want: tuple[str, ...]) -> bool:
    """Whether what `name: have` fits, `operator: want` fits too."""
    if operator == "contains_all":
        each = any if name == "contains_all" else all
        return all(each(_contained(field, name, one, wanted) for one in have) for wanted in want)
    if operator == "contains" and name == "contains_all":
        return any(_contained(field, name, one, wanted) for one in have for wanted in want)
    return all(any(_fits(field, name, one, operator, wanted) for wanted in want) for one in have)


def _contained(field: str, name: str, text: str, wanted: str) -> bool:
    return name != "domain" and _plain(field, text) and fold(wanted) in fold(text).strip()


def _plain(field: str, text: str) -> bool:
    """Whether this text can be compared as it is written: addresses of other scripts have two forms."""
    return CRITERIA.get(field) != ADDRESS or (text.isascii() and "xn--" not in text.lower() and "<" not in text)


def _fits(field: str, name: str, text: str, operator: str, wanted: str) -> bool:
    """Whether every value that `name: text` fits, `operator: wanted` fits."""
    if operator == "domain" and name in ("is", "domain"):
        mine, theirs = domain_needle(text), domain_needle(wanted)
        return ("@" in text or name == "domain") and (mine == theirs or mine.endswith(f".{theirs}"))
    if not _plain(field, text):
        return False
    needle, within = fold(wanted), fold(text).strip()
    match operator:
        case "contains":
            return _contained(field, name, text, wanted)
        case "words":
            return name in ("is", "words") and has_words(within, needle.strip())
        case "starts_with":
            return name in ("is", "starts_with") and fold(text).lstrip().startswith(needle.lstrip())
        case "ends_with":
            return name in ("is", "ends_with") and fold(text).rstrip().endswith(needle.rstrip())
        case _:
            return False


# --- what excludes ----------------------------------------------------------------------------------------------


def contradiction(branch: Branch) -> tuple[Part, Part] | None:
    """Two parts (or one twice) that no mail can have together; None where none is known."""
    if next(_clashes(branch), None) is None:
        return None
    return next(_clashes(sorted(branch, key=repr)))  # the same two each time


def _clashes(parts: Collection[Part]) -> Iterator[tuple[Part, Part]]:
    for part in parts:
        if not part.negated and isinstance(part.node, Criterion) and _excludes_itself(part.node):
            yield part, part
    for one, other in combinations(parts, 2):
        if one.negated is not other.negated:
            held, refused = (other, one) if one.negated else (one, other)
            if implies(held, refused):
                yield held, refused
        elif not one.negated and _exclude(one.node, other.node):
            yield one, other


def _excludes_itself(criterion: Criterion) -> bool:
    if criterion.field == "attachment":
        return any(_excludes_itself(below) for _, below in criterion.operators if isinstance(below, Criterion))
    operators = dict(criterion.operators)
    return criterion.field != "received" and _no_value(criterion.field, operators, operators)


def _exclude(one: Node, other: Node) -> bool:
    if not isinstance(one, Criterion) or not isinstance(other, Criterion):
        return False
    for count, what in ((one, other), (other, one)):
        if count.field == "attachment.count" and what.field in ("attachment", "attachment.type", "attachment.name") and _zero(count):
            return True
    if one.field != other.field or one.field not in SINGLE | NEARLY_SINGLE:
        return False
    return _no_value(one.field, dict(one.operators), dict(other.operators))


def _zero(count: Criterion) -> bool:
    return any((name == "is" and set(operand) <= {"0"}) or (name == "below" and operand <= 1) for name, operand in count.operators)


def _no_value(field: str, one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether no single value fits both."""
    if ("matches" not in one and "matches" not in other) or one is other:
        above = max((each["above"] for each in (one, other) if "above" in each), default=None)
        below = min((each["below"] for each in (one, other) if "below" in each), default=None)
        if above is not None and below is not None and not _between(above, below, field in _COUNTED):
            return True
    return any(
        _apart(field, name, have, operator, want) or _apart(field, operator, want, name, have)
        for name, have in one.items() if name in _TEXTUAL
        for operator, want in other.items() if operator in _TEXTUAL
    ) or _outside(field, one, other) or _outside(field, other, one)  # fmt: skip


def _between(above: Decimal, below: Decimal, whole: bool) -> bool:
    """Whether there is a number between the two, a whole one if asked for."""
    return above // 1 + 1 < below if whole and above >= 0 else above < below


def _outside(field: str, one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the numbers of `is` are none of those that the other asks for."""
    if CRITERIA.get(field) != NUMBER or "is" not in one or not {"above", "below"} & set(other):
        return False
    try:
        numbers = [Decimal(text) for text in one["is"]]
    except InvalidOperation:
        return False
    return not any(number > other.get("above", number - 1) and number < other.get("below", number + 1) for number in numbers)


def _apart(field: str, name: str, have: tuple[str, ...], operator: str, want: tuple[str, ...]) -> bool:
    """Whether no value fits both `name: have` and `operator: want`."""
    if CRITERIA.get(field) == NUMBER or field == "attachment.type":
        return False
    if name == operator == "is":
        mine, theirs = _same(field, have), _same(field, want)
        if field == "language":  # `de` is also `de-AT`
            mine, theirs = ({one.partition("-")[0] for one in each} for each in (mine, theirs))
        return mine.isdisjoint(theirs)
    if field == "language":
        return False
    if name == operator and name in ("domain", "starts_with", "ends_with"):
        return not any(_fits(field, name, a, name, b) or _fits(field, name, b, name, a) or not _both_plain(field, name, a, b)
                       for a in have for b in want)  # fmt: skip
    blanks = any(text != text.strip() for text in want)  # the value may have them at its ends
    if name == "is" and operator != "is" and not blanks and all(_plain(field, text) for text in (*have, *want)):
        if operator == "contains_all":
            return not any(all(_contained(field, "is", text, wanted) for wanted in want) for text in have)
        if operator == "domain" and not all("@" in text for text in have):
            return False
        return not any(_fits(field, "is", text, operator, wanted) for text in have for wanted in want)
    return False


def _both_plain(field: str, name: str, one: str, other: str) -> bool:
    return name == "domain" or (_plain(field, one) and _plain(field, other))


def described(part: Part) -> str:
    """The part in words, for a finding."""
    from maild.rules.conditions import describe

    said = describe(part.node) if isinstance(part.node, Criterion) else "the criteria"
    return f"not {said}" if part.negated else said


def never(ways: Iterable[Branch]) -> tuple[Part, Part] | None:
    """Two parts that exclude each other where none of these ways can hold for any mail; None where one may."""
    found = None
    for branch in ways:
        found = contradiction(branch)
        if found is None:
            return None
    return found


def alternatives(node: Node | None) -> Iterator[tuple[int, Node]]:
    """(place in its `any`, the tree with this alternative alone in place of the `any`), for each `any` that must hold."""
    parts = list(_conjuncts(node)) if node is not None else []
    for at, part in enumerate(parts):
        if isinstance(part, AnyOf):
            rest = (*parts[:at], *parts[at + 1 :])
            yield from ((place, AllOf((*rest, item))) for place, item in enumerate(part.items))


def _conjuncts(node: Node) -> Iterator[Node]:
    if isinstance(node, AllOf):
        for item in node.items:
            yield from _conjuncts(item)
    else:
        yield node
