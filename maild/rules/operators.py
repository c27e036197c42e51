"""This is where maild says what each operator asks of a value: `is`, `contains`, `words`, `matches`, `above` …

`tests_of` makes the tests of one criterion. A test looks at one value of the criterion and gives the words that fit, or
None where it does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from maild.plain import patterns
from maild.plain.domains import fold_address, to_ascii
from maild.plain.fold import fold, has_words
from maild.rules import autofill
from maild.rules.values import first_number
from maild.rules.view import View, bare_address
from maild.settings.criteria import ADDRESS, CRITERIA, NUMBER, TEXT
from maild.settings.values import size

Words = tuple[str, ...]

# Looks at value number i of a field; the words that fit, None where it does not hold.
Test = Callable[[Any, int], Words | None]


def in_list_keys(view: Any, field: str, i: int) -> set[str]:
    """What stands for value number i in a list: itself folded; an address also as its domain and the parents of it; an
    organisation also as its domains."""
    value = view.values(field)[i]
    keys = {fold(value).strip()}
    if CRITERIA.get(field, TEXT) == ADDRESS:
        keys |= address_keys(view.addresses(field)[i])
    elif (
        field in ("organisation", "organisation.name")
        and isinstance(view, View)
        and view.facts.organisation is not None
    ):
        keys |= {to_ascii(domain) for domain in view.facts.organisation.domains}
    return keys


def address_keys(address: str) -> set[str]:
    """An address (folded), `@` and its domain, and the domain with all its parents."""
    domain = address.rpartition("@")[2]
    keys = {address, f"@{domain}"}
    while domain:
        keys.add(domain)
        domain = domain.partition(".")[2]
    return keys


def list_entries(entries: Iterable[str]) -> frozenset[str]:
    """The entries of a list as `in_list_keys` asks for them."""
    found: set[str] = set()
    for entry in entries:
        text = entry.strip()
        found.add(fold(text).strip())
        if "@" in text:
            found.add(fold_address(bare_address(text)))
        elif "." in text and " " not in text:
            found.add(to_ascii(text.removeprefix("*.")))
    found.discard("")
    return frozenset(found)


def domain_needle(text: str) -> str:
    """A domain as it is compared: `@Acme.example` and `*.acme.example` are acme.example."""
    return to_ascii(text.strip().rpartition("@")[2].removeprefix("*.").lstrip("."))


def is_needle(field: str, text: str) -> str:
    """A text under `is` as it is compared with `is_value`."""
    return fold_address(bare_address(text)) if _is_address(field) else fold(text).strip()


def _is_address(field: str) -> bool:
    return CRITERIA.get(field, TEXT) == ADDRESS


def is_value(view: Any, field: str, i: int) -> str:
    """Value number i as `is` compares it."""
    return str(view.addresses(field)[i] if _is_address(field) else view.folded(field)[i].strip())


def _test(field: str, operator: str, operand: Any, context: Context) -> Test:
    kind = NUMBER if field == "attachment.size" else CRITERIA.get(field, TEXT)
    match operator:
        case "is" if kind == NUMBER:
            numbers = frozenset(Decimal(_bytes(field, each)) for each in operand)
            return lambda view, i: (view.values(field)[i],) if Decimal(view.values(field)[i]) in numbers else None
        case "is" if field == "attachment.type":
            return _is_type(tuple(fold(each).strip() for each in operand))
        case "is":
            table = {is_needle(field, each): each for each in operand}
            return lambda view, i: _one(table.get(is_value(view, field, i)))
        case "contains":
            return _texts(field, [(fold(each), each) for each in operand], lambda _text, _needle: True)
        case "contains_all":
            needles = [(fold(each), each) for each in operand]
            return lambda view, i: operand if all(needle in view.folded(field)[i] for needle, _ in needles) else None
        case "words":
            return _texts(field, [(fold(each).strip(), each) for each in operand], has_words)
        case "starts_with":
            needles = [(fold(each).lstrip(), each) for each in operand]
            return _texts(field, needles, lambda text, needle: text.lstrip().startswith(needle))
        case "ends_with":
            needles = [(fold(each).rstrip(), each) for each in operand]
            return _texts(field, needles, lambda text, needle: text.rstrip().endswith(needle))
        case "domain":
            domains = {domain_needle(each): each for each in operand}
            return lambda view, i: _domain(view.addresses(field)[i], domains)
        case "in_list":
            entries = context.list(operand)
            return lambda view, i: _kept(sorted(in_list_keys(view, field, i) & entries))
        case "has_field":
            labels = {autofill.keys_of(each, context.delimiters): each for each in operand}
            return lambda view, i: _kept(
                each for key, each in labels.items() if key in view.labels(field, context.delimiters)
            )
        case "exists" | "empty":  # true of the value that is looked at: `exists: false`, `empty: true` never come here
            return lambda view, i: ()
    raise AssertionError(operator)


def _texts(field: str, needles: Sequence[tuple[str, str]], fits: Callable[[str, str], bool]) -> Test:
    """Whether the folded value and a needle (folded, as it was written) fit: asked of every rule, so with little around.

    ``fits`` is asked only where the needle is in the text at all.
    """

    def test(view: Any, i: int) -> Words | None:
        text = view.folded(field)[i]
        return tuple([written for needle, written in needles if needle in text and fits(text, needle)]) or None

    return test


def _bytes(field: str, text: str) -> str:
    return str(size(int(text) if text.isdecimal() else text)) if field in ("size", "attachment.size") else text


def _one(word: str | None) -> Words | None:
    return None if word is None else (word,)


def _kept(words: Iterable[str]) -> Words | None:
    return tuple(words) or None


def _domain(address: str, domains: Mapping[str, str]) -> Words | None:
    domain = address.rpartition("@")[2]
    while domain:
        if domain in domains:
            return (domains[domain],)
        domain = domain.partition(".")[2]
    return None


def _is_type(wanted: tuple[str, ...]) -> Test:
    exact = frozenset(wanted)
    families = tuple(each[:-1] for each in wanted if each.endswith("/*"))

    def test(view: Any, i: int) -> Words | None:
        value = view.folded("attachment.type")[i].strip()
        return (value,) if value in exact or (families and value.startswith(families)) else None

    return test


@dataclass(frozen=True, slots=True)
class Context:
    """What compiling a rule's criteria needs beside them: the lists' entries, and the delimiters of its autofill."""

    lists: Mapping[str, frozenset[str]]
    delimiters: tuple[str, ...] = (":",)

    def list(self, name: str) -> frozenset[str]:
        return self.lists.get(name, frozenset())


def tests_of(field: str, operators: dict[str, Any], context: Context) -> tuple[Test, ...]:
    """The tests that must all hold for one value of this criterion."""
    tests: list[Test] = []
    compared = [name for name in ("above", "below") if name in operators]
    if "matches" in operators:
        tests.append(_matches(field, operators))
    elif compared:
        tests.append(_compared(field, operators))
    if operators.get("empty") is False:
        tests.append(lambda view, i: () if view.values(field)[i].strip() else None)
    rest = [name for name in operators if name not in ("matches", "above", "below", "empty", "exists")]
    tests.extend(_test(field, name, operators[name], context) for name in rest)
    return tuple(tests)


def _matches(field: str, operators: dict[str, Any]) -> Test:
    compiled = [patterns.compiled(pattern) for pattern in operators["matches"]]
    compares = "above" in operators or "below" in operators

    def test(view: Any, i: int) -> Words | None:
        text = view.tidied(field)[i]
        for pattern in compiled:
            found = pattern.search(text)
            if found is None:
                continue
            if not compares:
                return (cut(found.group(0), 60),)
            number = first_number((found.group(1) or "") if pattern.groups == 1 else text)
            if _within(number, operators):
                return (cut(found.group(0), 60),)
        return None

    return test


def _compared(field: str, operators: dict[str, Any]) -> Test:
    def test(view: Any, i: int) -> Words | None:
        number = first_number(view.values(field)[i])
        return (str(number),) if _within(number, operators) else None

    return test


def _within(number: Decimal | None, operators: dict[str, Any]) -> bool:
    if number is None:
        return False
    above, below = operators.get("above"), operators.get("below")
    return (above is None or number > above) and (below is None or number < below)


def cut(text: str, width: int) -> str:
    """The text, shortened with … where it is longer."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
