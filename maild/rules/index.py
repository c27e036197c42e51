"""This is where maild finds out which rules could match a mail without asking each.

A rule gives a *trigger*: something that must be true of a mail for the rule to match, and that can be looked up (an
address, a domain, a word in a text, a pattern). An index has the triggers of all rules; for one mail it gives the rules
whose trigger is true, and those without one. It only ever leaves out rules that cannot match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import re2

from maild.plain import patterns
from maild.plain.fold import fold
from maild.rules import autofill
from maild.rules.operators import address_keys, domain_needle, in_list_keys, is_needle, is_value
from maild.rules.view import View
from maild.settings.criteria import CRITERIA, NUMBER, TEXT, AllOf, AnyOf, Criterion, Named, Node

_SET_SIZE = 500  # patterns searched for together
_FEW = 32  # texts that are found sooner one by one
_SET_MEMORY = 64 << 20  # bytes that RE2 may keep for one such set

# Criteria of which a few values serve for most mails: no good triggers where there is a better one.
_COARSE = frozenset(("mailbox", "kind", "automatic", "language", "auth", "auth.dmarc", "auth.dkim", "auth.spf", "contact.known",
                     "case.status", "case.priority", "envelope.to", "to", "recipient"))  # fmt: skip

Key = tuple[str, str, Any]  # what is looked up (same, domain, list, label, literal, pattern), the criterion, the needle
Trigger = tuple[Key, ...]  # one of these must be true; an empty tuple can never be, None stands for no trigger

_RANK = {"same": 0, "domain": 0, "list": 1, "label": 1, "literal": 2, "pattern": 3}


def _cost(trigger: Trigger) -> tuple[int, int]:
    coarse = any(name in _COARSE and how in ("same", "domain") for how, name, _ in trigger)
    return max((_RANK[how] + 4 * coarse for how, _, _ in trigger), default=0), len(trigger)


def trigger_of(node: Node | None, delimiters: tuple[str, ...]) -> Trigger | None:
    """What must be true of a mail for this tree to hold; None where nothing can be looked up."""
    match node:
        case Criterion():
            return _of_criterion(node, delimiters)
        case Named(_, item):
            return trigger_of(item, delimiters)
        case AllOf(items):
            found = [trigger for item in items if (trigger := trigger_of(item, delimiters)) is not None]
            return min(found, key=_cost) if found else None
        case AnyOf(items):
            parts = [trigger_of(item, delimiters) for item in items]
            return None if any(part is None for part in parts) else tuple(key for part in parts for key in part or ())
        case _:
            return None


def _of_criterion(criterion: Criterion, delimiters: tuple[str, ...]) -> Trigger | None:
    field = criterion.field
    operators = dict(criterion.operators)
    if field in ("attachment", "received") or operators.get("exists") is False or operators.get("empty") is True:
        return None
    found = [
        trigger
        for name, operand in operators.items()
        if (trigger := _of_operator(field, name, operand, delimiters)) is not None
    ]
    return min(found, key=_cost) if found else None


def _of_operator(field: str, name: str, operand: Any, delimiters: tuple[str, ...]) -> Trigger | None:
    kind = CRITERIA.get(field, TEXT)
    match name:
        case "is" if kind != NUMBER and field != "attachment.type":
            return tuple(("same", field, is_needle(field, each)) for each in operand)
        case "domain":
            return tuple(("domain", field, domain_needle(each)) for each in operand)
        case "in_list":
            return (("list", field, operand),)
        case "has_field":
            return tuple(("label", field, (delimiters, autofill.keys_of(each, delimiters))) for each in operand)
        case "contains" | "starts_with" | "ends_with" | "words":
            needles = [fold(each).strip() for each in operand]
            return None if "" in needles else tuple(("literal", field, needle) for needle in needles)
        case "contains_all":
            longest = max((fold(each).strip() for each in operand), key=len)
            return (("literal", field, longest),) if longest else None
        case "matches":
            return tuple(("pattern", field, each) for each in operand)
        case _:
            return None


class Index:
    """From what is true of a mail to the rules that it could match."""

    def __init__(self, lists: Mapping[str, frozenset[str]]) -> None:
        self._lists = lists
        self._always: list[int] = []
        self._same: dict[str, dict[str, list[int]]] = {}
        self._domains: dict[str, dict[str, list[int]]] = {}
        self._named: dict[tuple[str, str], list[int]] = {}
        self._labels: dict[tuple[str, tuple[str, ...]], dict[str, list[int]]] = {}
        self._literals: dict[str, _Literals] = {}
        self._patterns: dict[str, dict[str, list[int]]] = {}
        self._sets: dict[str, list[_PatternSet]] = {}

    def add(self, place: int, trigger: Trigger | None) -> None:
        """The rule at this place is to be looked at where one of the keys is true; always, where there is no trigger."""
        if trigger is None:
            self._always.append(place)
            return
        for how, name, needle in trigger:
            match how:
                case "same":
                    self._same.setdefault(name, {}).setdefault(needle, []).append(place)
                case "domain":
                    self._domains.setdefault(name, {}).setdefault(needle, []).append(place)
                case "list":
                    self._named.setdefault((name, needle), []).append(place)
                case "label":
                    self._labels.setdefault((name, needle[0]), {}).setdefault(needle[1], []).append(place)
                case "literal":
                    self._literals.setdefault(name, _Literals()).add(needle, place)
                case "pattern":
                    self._patterns.setdefault(name, {}).setdefault(needle, []).append(place)

    def close(self) -> None:
        """Nothing more comes: compile the patterns together."""
        for name, table in self._patterns.items():
            wanted = list(table)
            self._sets[name] = [_PatternSet(wanted[at : at + _SET_SIZE]) for at in range(0, len(wanted), _SET_SIZE)]
        for literals in self._literals.values():
            literals.close()

    def hits(self, view: View) -> set[int]:
        """The places of the rules that could match this mail."""
        found = set(self._always)
        for name, table in self._same.items():
            for i in range(len(view.values(name))):
                found.update(table.get(is_value(view, name, i), ()))
        for name, table in self._domains.items():
            for address in view.addresses(name):
                for key in address_keys(address):
                    found.update(table.get(key, ()))
        for (name, listed), places in self._named.items():
            entries = self._lists.get(listed, frozenset())
            if any(not entries.isdisjoint(in_list_keys(view, name, i)) for i in range(len(view.values(name)))):
                found.update(places)
        for (name, delimiters), table in self._labels.items():
            for key in view.labels(name, delimiters) if view.values(name) else ():
                found.update(table.get(key, ()))
        for name, literals in self._literals.items():
            for text in view.folded(name):
                found.update(literals.hits(text))
        for name, sets in self._sets.items():
            table = self._patterns[name]
            for text in view.tidied(name):
                for group in sets:
                    for pattern in group.hits(text):
                        found.update(table[pattern])
        return found


class _Literals:
    """Many short texts looked for in one: together, as one set of RE2's (10 KB in 0.03 ms, whatever their number); each
    is also filed under its rarest three letters, so that few are tried where there are few or RE2 gives up."""

    def __init__(self) -> None:
        self._filed: dict[str, list[str]] = {}
        self._short: set[str] = set()
        self._places: dict[str, list[int]] = {}
        self._sets: list[_PatternSet] = []

    def close(self) -> None:
        """Nothing more comes."""
        if len(self._places) >= _FEW:
            wanted = list(self._places)
            self._sets = [
                _PatternSet(wanted[at : at + _SET_SIZE], literal=True) for at in range(0, len(wanted), _SET_SIZE)
            ]

    def add(self, needle: str, place: int) -> None:
        known = self._places.get(needle)
        if known is not None:
            known.append(place)
            return
        self._places[needle] = [place]
        if len(needle) < 3:
            self._short.add(needle)
            return
        pieces = {needle[at : at + 3] for at in range(len(needle) - 2)}
        self._filed.setdefault(min(sorted(pieces), key=lambda piece: len(self._filed.get(piece, ()))), []).append(
            needle
        )

    def hits(self, text: str) -> Iterable[int]:
        answers = [group.answer(text) for group in self._sets]
        if answers and None not in answers:
            for needles in answers:
                for needle in needles or ():
                    yield from self._places[needle]
            return
        for needle in self._short:
            if needle in text:
                yield from self._places[needle]
        filed = self._filed
        if len(filed) < _FEW:  # so few are found sooner one by one than by cutting the text up
            pieces: Iterable[str] = (piece for piece in filed if piece in text)
        else:
            pieces = filed.keys() & {text[at : at + 3] for at in range(len(text) - 2)}
        for piece in pieces:
            for needle in filed[piece]:
                if needle in text:
                    yield from self._places[needle]


class _PatternSet:
    """Patterns searched for together. An empty pattern among them always fits: where even that is missing from the
    answer, RE2 ran out of memory, and every pattern counts as possible."""

    def __init__(self, wanted: list[str], *, literal: bool = False) -> None:
        self._wanted = wanted
        self._search: Callable[[str], list[int]] | None = None
        if len(wanted) < 3:
            return
        made = re2.Set.SearchSet(patterns.options(_SET_MEMORY))
        made.Add("")
        for pattern in wanted:
            made.Add(re2.escape(pattern) if literal else patterns.source(pattern))
        made.Compile()
        self._search = made.Match

    def hits(self, text: str) -> Iterable[str]:
        found = self.answer(text)
        return self._wanted if found is None else found

    def answer(self, text: str) -> list[str] | None:
        """The patterns that fit; None where that is not known and each may."""
        if self._search is None:
            return None
        places = self._search(text)
        if 0 not in places:
            return None
        return [self._wanted[place - 1] for place in places if place]
