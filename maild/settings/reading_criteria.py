"""This is where a rule's criteria are read into a checked tree.

Everything that can be known of a criterion by itself is refused here, with the sentence that says what would be right.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from maild.plain import patterns
from maild.settings import other_words
from maild.settings.criteria import (
    ADDRESS,
    ATTACHMENT,
    CONDITION,
    CRITERIA,
    NUMBER,
    OPERATORS,
    PREFIXES,
    RECEIVED,
    TEXT,
    WORDS,
    AllOf,
    AnyOf,
    Criterion,
    Named,
    Node,
    NoneOf,
)
from maild.settings.faults import nearest
from maild.settings.refused import KEY, Faults, Refused
from maild.settings.values import scalar, size

_GROUPS: dict[str, type[AllOf] | type[AnyOf] | type[NoneOf]] = {"all": AllOf, "any": AnyOf, "none": NoneOf}
_ONLY_FOR = {"domain": (ADDRESS, TEXT), "has_field": (TEXT,)}
_WITH_LABELS = ("body", "text", "whole_text")


def parse_when(value: Any) -> Node:
    """The tree of criteria that a `when:` means. Raises ValidationError with every fault at its place."""
    if isinstance(value, Criterion | AllOf | AnyOf | NoneOf | Named):
        return value
    faults = Faults()
    node = _mapping(value, (), faults)
    faults.raise_any("when")
    return node


def _mapping(value: Any, loc: tuple[str | int, ...], faults: Faults) -> Node:
    if not isinstance(value, dict):
        faults.add(loc, "criteria are a mapping, like {subject: {contains: broken}}",
                   "a list goes under all:, any: or none:" if isinstance(value, list) else "", value)  # fmt: skip
        return AllOf(())
    items: list[Node] = []
    for raw, below in value.items():
        name = str(raw)
        if name in _GROUPS:
            items.append(_group(name, below, (*loc, name), faults))
            continue
        try:
            items.append(_named(below) if name == CONDITION else criterion(name, below))
        except Refused as refused:
            for each in (refused, *refused.more):
                faults.add((*loc, name, *each.loc), each.message, each.hint, below)
    return items[0] if len(items) == 1 else AllOf(tuple(items))


def _named(value: Any) -> Node:
    """`condition: NAME`, or a list of names of which one must hold."""
    if value is None or isinstance(value, dict):
        raise Refused("'condition' takes a name that stands under conditions:", "write condition: from a partner")
    names = [Named(each.strip()) for each in _texts(value)]
    return names[0] if len(names) == 1 else AnyOf(tuple(names))


def _group(name: str, value: Any, loc: tuple[str | int, ...], faults: Faults) -> Node:
    if isinstance(value, dict):
        keys = [f"{key}: …" for key in value] or ["…"]
        each = ", ".join(f"{{{key}}}" for key in keys)
        together = ", ".join(keys)
        word = {"all": "all of these", "any": "any of these", "none": "none of these"}[name]
        faults.add(loc, f"'{name}:' takes a list, and a mapping could mean two things",
                   f"{word}: {name}: [{each}]; or one part that needs all: {name}: [{{{together}}}]", value)  # fmt: skip
        return AllOf(())
    if not isinstance(value, list | tuple):
        faults.add(
            loc, f"'{name}:' takes a list of criteria", f"write {name}: [{{subject: {{contains: broken}}}}]", value
        )
        return AllOf(())
    if not value:
        faults.add(loc, f"'{name}:' has an empty list", "write criteria into it, or remove it", value)
    return _GROUPS[name](tuple(_mapping(part, (*loc, place), faults) for place, part in enumerate(value)))


_RENAMED = {"organization": "organisation", "ticket": "case"}


def find_field(name: str) -> tuple[str, str]:
    """The criterion of this name and its kind. Raises Refused with the nearest name."""
    head, dot, rest = name.partition(".")
    known = _RENAMED.get(head.lower(), head.lower()) + dot
    field = known + rest if known in ("header.", "case.") and rest else (known + rest).lower()
    if field in CRITERIA:
        return field, CRITERIA[field]
    for prefix, kind in PREFIXES.items():
        if field.startswith(prefix) and len(field) > len(prefix):
            return (prefix + field[len(prefix) :].lower() if prefix == "header." else field), kind
    if field in ("header", "headers") or field.startswith("headers."):
        raise Refused(f"there is no criterion {name!r}", "write header.NAME, like header.X-Spam-Status", (KEY,))
    if field in OPERATORS:
        raise Refused(f"{name!r} is an operator, and stands under a criterion", f"write subject: {{{field}: …}}", (KEY,))
    if field in ("all_of", "any_of", "none_of"):
        raise Refused(f"there is no criterion {name!r}", "lists of criteria go under all:, any: or none:", (KEY,))
    raise Refused(f"there is no criterion {name!r}", other_words.said(name, other_words.CRITERIA) or nearest(field, [*CRITERIA, *_GROUPS, CONDITION]), (KEY,))


def criterion(name: str, value: Any) -> Criterion:
    """One criterion from its key and value as read from YAML. Raises ValueError whose text says what would be right."""
    field, kind = find_field(name)
    if value is None:
        raise Refused(f"{name!r} has no value", "write what it is compared with, or remove it")
    if kind == ATTACHMENT:
        return Criterion(field, _attachment(value))
    if kind == RECEIVED:
        return Criterion(field, _received(value))
    return Criterion(field, _operators(field, kind, value))


def _operators(field: str, kind: str, value: Any) -> tuple[tuple[str, Any], ...]:
    if not isinstance(value, dict):
        return (("is", _compared(field, kind, "is", value)),)
    if not value:
        raise Refused(f"{field!r} has no operator", "write one, like {contains: broken}")
    found: list[tuple[str, Any]] = []
    wrong: list[Refused] = []
    for raw, operand in value.items():
        operator = str(raw)
        try:
            _fits(field, kind, operator)
            found.append((operator, _operand(field, kind, operator, operand)))
        except Refused as refused:
            wrong.append(Refused(refused.message, refused.hint, (operator, *refused.loc)))
    if wrong:
        wrong[0].more = tuple(wrong[1:])
        raise wrong[0]
    _check_together(field, dict(found))
    return tuple(found)


def _fits(field: str, kind: str, operator: str) -> None:
    """Whether there is such an operator, and for this criterion. Raises Refused."""
    if operator == "outside":
        raise Refused("'outside' belongs to received", "write received: {outside: CALENDAR}", (KEY,))
    if operator not in OPERATORS:
        hint = other_words.said(operator, other_words.OPERATORS) or nearest(operator, OPERATORS)
        raise Refused(f"there is no operator {operator!r}", hint, (KEY,))
    if kind not in _ONLY_FOR.get(operator, (kind,)) or (operator == "has_field" and field not in _WITH_LABELS):
        fits = "body, text and whole_text" if operator == "has_field" else "addresses and headers"
        raise Refused(f"{operator!r} does not fit {field!r}", f"it is for {fits}", (KEY,))


def _operand(field: str, kind: str, operator: str, operand: Any) -> Any:
    if operand is None:
        raise Refused(f"{operator!r} has no value")
    match operator:
        case "exists" | "empty":
            if not isinstance(operand, bool):
                raise Refused(f"{operator!r} is true or false")
            return operand
        case "above" | "below":
            return _number(operand, field)
        case "in_list":
            if not isinstance(operand, str) or not operand.strip():
                raise Refused("'in_list' names a file", "write in_list: lists/vip.csv")
            return operand
        case "matches":
            texts = _texts(operand)
            for place, pattern in enumerate(texts):
                try:
                    patterns.compiled(pattern)
                except ValueError as error:
                    message, _, hint = str(error).partition("\n")
                    raise Refused(message, hint, (place,) if isinstance(operand, list) else ()) from None
            return texts
        case _:
            return _compared(field, kind, operator, operand)


def _check_together(field: str, found: dict[str, Any]) -> None:
    if found.get("exists") is False and len(found) > 1 and found.get("empty") is not True:
        raise Refused("'exists: false' cannot stand with other operators", "what is not there has no value to compare")
    if found.get("empty") is True and {*found} - {"empty", "exists"}:
        raise Refused("'empty: true' cannot stand with other operators", "what is empty has no value to compare")
    if "matches" in found and ("above" in found or "below" in found):
        many = [pattern for pattern in found["matches"] if patterns.compiled(pattern).groups > 1]
        if many:
            raise Refused("a pattern whose group is compared has one group", "write the others as (?:…)", ("matches",))


def _texts(value: Any) -> tuple[str, ...]:
    """One text or a list of texts; numbers and true/false as they are written in JSON."""
    items = value if isinstance(value, list | tuple) else [value]
    if not items:
        raise Refused("the list is empty", "an empty list fits nothing")
    found = []
    for place, item in enumerate(items):
        if isinstance(item, dict | list) or item is None:
            raise Refused("a text is wanted here", "put it in quotes if it begins with { or [", (place,))
        found.append(scalar(item))
    return tuple(found)


def _compared(field: str, kind: str, operator: str, operand: Any) -> tuple[str, ...]:
    texts = _texts(operand)
    for place, text in enumerate(texts):
        at: tuple[str | int, ...] = (place,) if isinstance(operand, list) else ()
        if not text.strip():
            fits = "nothing" if operator in ("is", "domain", "words", "has_field") else "everything"
            raise Refused(f"an empty text under {operator!r} fits {fits}", "ask with empty: true or exists: true", at)
        if operator == "is" and kind == NUMBER:
            _number(text, field)
        if operator == "is" and field in WORDS and text.strip().lower() not in WORDS[field]:
            known = sorted(set(WORDS[field].values()))
            hint = nearest(text, WORDS[field]) or f"known: {', '.join(known)}"
            raise Refused(f"{field} is never {text!r}", hint, at)
    if operator == "is" and field in WORDS:
        return tuple(WORDS[field][text.strip().lower()] for text in texts)
    return texts


def _number(value: Any, field: str) -> Decimal:
    if isinstance(value, bool):
        raise Refused("a number is wanted here")
    if field in ("size", "attachment.size"):
        try:
            return Decimal(size(value))
        except ValueError as error:
            raise Refused(str(error)) from None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise Refused("a number is wanted here", "like above: 5") from None
    if not number.is_finite():
        raise Refused("a number is wanted here", "like above: 5")
    return number


_OF_ATTACHMENT = {"type": TEXT, "name": TEXT, "size": NUMBER}


def _attachment(value: Any) -> tuple[tuple[str, Any], ...]:
    if not isinstance(value, dict) or not value:
        raise Refused("attachment takes {type: …, name: …}", "write attachment: {type: application/pdf}")
    found: list[tuple[str, Any]] = []
    for raw, below in value.items():
        key = str(raw)
        if key in ("exists", "empty"):
            if not isinstance(below, bool) or len(value) > 1:
                raise Refused(f"{key!r} is true or false and stands alone", "", (key,))
            found.append((key, below))
        elif key in _OF_ATTACHMENT:
            try:
                found.append(
                    (key, Criterion(f"attachment.{key}", _operators(f"attachment.{key}", _OF_ATTACHMENT[key], below)))
                )
            except Refused as refused:
                raise Refused(refused.message, refused.hint, (key, *refused.loc)) from None
        else:
            raise Refused(
                f"an attachment has no {key!r}", nearest(key, _OF_ATTACHMENT) or "known: type, name, size", (key, KEY)
            )
    return tuple(found)


def _received(value: Any) -> tuple[tuple[str, Any], ...]:
    if not isinstance(value, dict) or set(value) != {"outside"}:
        raise Refused("received takes {outside: CALENDAR}", "calendars stand in sla.yaml")
    return (("outside", _texts(value["outside"])),)
