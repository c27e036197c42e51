"""This is where maild finds criteria that fit everything, or nothing that comes, or something else than was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from maild.plain import patterns
from maild.plain.domains import fold_address
from maild.plain.fold import tidy
from maild.rules.lint.findings import Finding, Path, Rules
from maild.rules.view import bare_address
from maild.settings.criteria import ADDRESS, CRITERIA, Criterion
from maild.settings.faults import nearest

_SAMPLES = ("", "x", "Zwölf Boxkämpfer, 12:30", "投诉", "a\nb\n\nc", "~")


def _criteria(rules: Rules) -> Iterator[Finding]:
    ours = {fold_address(each): key for key, mailbox in rules.settings.main.mailboxes.items()
            for each in (mailbox.address, *mailbox.aliases, *mailbox.receives)}  # fmt: skip
    domains = {each.rpartition("@")[2] for each in ours}
    for place, condition, rule, criterion, negated in rules.criteria():
        for message, hint in _of(criterion, negated, rule.applies_to == "new", ours, domains):
            path: Path = (criterion.field,) if condition else ("when", criterion.field)
            yield Finding(place, path, message, hint, condition=condition)
    for place in range(len(rules.rules)):
        for path, message, hint in _single_words(rules.raw(place).get("when"), ("when",)):
            yield Finding(place, path, message, hint)


def _of(criterion: Criterion, negated: bool, new: bool, ours: dict[str, str], domains: set[str]) -> Iterator[tuple[str, str]]:
    operators = dict(criterion.operators)
    for pattern in criterion.get("matches") or ():
        if "above" not in operators and "below" not in operators and _fits_all(pattern):
            yield f"the pattern {pattern!r} fits every text", "write what must be there"
    if CRITERIA.get(criterion.field) == ADDRESS:
        for operator in ("is", "contains"):
            for text in criterion.get(operator) or ():
                yield from _address(criterion.field, operator, text, ours, domains)
    if criterion.field.startswith("case.") and new and not negated:
        yield f"{criterion.field} is known on answers (and follow-ups) only", "write applies_to: answers, or all"


def _fits_all(pattern: str) -> bool:
    compiled = patterns.compiled(pattern)
    return all(compiled.search(tidy(sample)) for sample in _SAMPLES)


def _address(name: str, operator: str, text: str, ours: dict[str, str], domains: set[str]) -> Iterator[tuple[str, str]]:
    address = fold_address(bare_address(text))
    if operator == "is" and "@" not in address and "." in address and name != "organisation.domain":
        yield f"{name} is compared with whole addresses, and {text!r} is none", f"write {name}: {{domain: {text}}}"
    if name not in ("recipient", "to", "cc", "envelope.to"):
        return
    known = address.rpartition("@")[2] in domains
    if address in ours:
        yield f"{text} is the mailbox {ours[address]!r}: forwarded mail and aliases would not fit", f"write mailbox: {ours[address]}"
    elif operator == "is" and "@" in address and known and name in ("recipient", "envelope.to"):
        yield f"no mailbox has the address {text}", nearest(address, ours) or "give it to a mailbox: aliases: […]"


def _single_words(value: Any, path: Path) -> Iterator[tuple[Path, str, str]]:
    """`contains: [ALERT]`: a list of one word in capitals, which may have been meant with its brackets."""
    if isinstance(value, dict):
        for key, below in value.items():
            one = isinstance(below, list) and len(below) == 1 and isinstance(below[0], str)
            if one and key not in ("any", "all", "none") and re.fullmatch(r"[A-Z][A-Z0-9 _-]+", below[0]):
                yield ((*path, key), f"this means the text {below[0]}, without brackets",
                       f"did you mean '[{below[0]}]'? put it in quotes; else write {below[0]} without brackets")  # fmt: skip
            yield from _single_words(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _single_words(below, (*path, index))


CHECKS = (_criteria,)
