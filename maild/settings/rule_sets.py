"""This is where the rule files become one list in the order of trial: included files in their places, named conditions
filled in, and a file's mailboxes asked before the criteria of its rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from maild.errors import Fault
from maild.settings.criteria import CONDITION, AllOf, AnyOf, Criterion, Named, Node, NoneOf
from maild.settings.faults import nearest, page_of
from maild.settings.source import Document

if TYPE_CHECKING:
    from maild.settings.load import Reading
    from maild.settings.rule_models import Rule, RuleFile

Placed = tuple["Rule", str, int]  # a rule, the name of its file, and its number there


def assemble(files: Mapping[str, RuleFile], first: tuple[str, ...]) -> Iterator[Placed]:
    """Every rule of the files ``first`` in order, with the rules of other ``files`` where they are included.

    The files are free of `faults`; a rule included twice comes twice.
    """
    conditions = {name: node for file in files.values() for name, node in file.conditions.items()}
    for name in first:
        yield from _rules(name, files, conditions, ())


def _rules(
    name: str, files: Mapping[str, RuleFile], conditions: Mapping[str, Node], within: tuple[Criterion, ...]
) -> Iterator[Placed]:
    file = files[name]
    if file.mailbox:
        within = (*within, Criterion("mailbox", (("is", file.mailbox),)))
    for place, item in enumerate(file.rules):
        if hasattr(item, "include"):
            yield from _rules(included(item.include), files, conditions, within)
            continue
        when = item.when if item.when is None else _filled(item.when, conditions)
        if within:
            parts = () if when is None else when.items if isinstance(when, AllOf) else (when,)
            when = AllOf((*within, *parts))
        yield (item if when is item.when else item.model_copy(update={"when": when})), name, place


def _filled(node: Node, conditions: Mapping[str, Node]) -> Node:
    """The tree with each condition that it names; the same tree where it names none."""
    match node:
        case Named(name):
            return Named(name, _filled(conditions[name], conditions))
        case AllOf(items) | AnyOf(items) | NoneOf(items):
            filled = tuple(_filled(item, conditions) for item in items)
            return node if all(one is other for one, other in zip(filled, items, strict=True)) else type(node)(filled)
        case _:
            return node


# ---- as they are written ----------------------------------------------------------------------------------------------


def included(path: str) -> str:
    """The name within the configuration of a file that `include` names: `shared/spam.yaml` is rules/shared/spam.yaml."""
    return f"rules/{path.strip().removeprefix('rules/').removeprefix('./')}"


def includes(document: Document) -> Iterator[tuple[int, str]]:
    """(number of the item, what it says) for each `include` in a rule file."""
    items = document.value.get("rules") if isinstance(document.value, dict) else None
    for place, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and isinstance(item.get("include"), str):
            yield place, item["include"]


def may_be_included(name: str) -> bool:
    """Whether this is a rule file in a folder below rules/, so that it is read nowhere else and kept with the others."""
    parts = name.split("/")
    return len(parts) > 2 and parts[0] == "rules" and name.endswith(".yaml") and not any(
        each in ("", "..") or each.startswith(".") for each in parts[1:]
    )  # fmt: skip


def faults(reading: Reading) -> Iterator[Fault]:
    """Includes of files that are not there or read anyway, conditions that nobody or two files define, and circles."""
    documents = {name: each for name, each in reading.documents.items() if name.startswith("rules/")}
    yield from _of_includes(documents, reading)
    yield from _of_conditions(documents)


def _of_includes(documents: Mapping[str, Document], reading: Reading) -> Iterator[Fault]:
    for name, document in documents.items():
        for place, path in includes(document):
            target, at = included(path), ("rules", place, "include")
            if may_be_included(target):
                if target not in documents:
                    known = {each.removeprefix("rules/") for each in reading.below()}
                    yield document.fault(at, f"there is no file {target}", nearest(path, known, shown=8) or "paths are relative to rules/",
                                         page=page_of(document, at))  # fmt: skip
                elif name in _reached(target, documents):
                    yield document.fault(at, f"{target} includes this file, and so itself", "take one of the two includes out",
                                         page=page_of(document, at))  # fmt: skip
            elif target in documents:
                yield document.fault(at, f"{target} is read anyway, in its own place", "move it into a folder: rules/shared/NAME.yaml",
                                     page=page_of(document, at))  # fmt: skip
            else:
                yield document.fault(at, f"{path!r} is no rule file that can be included",
                                     "it lies in a folder below rules/: include: shared/NAME.yaml is rules/shared/NAME.yaml",
                                     page=page_of(document, at))  # fmt: skip


def _reached(start: str, documents: Mapping[str, Document]) -> set[str]:
    """Every file that this one includes, itself and by way of others."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found and name in documents:
            found.add(name)
            waiting += (included(path) for _, path in includes(documents[name]))
    return found


def _of_conditions(documents: Mapping[str, Document]) -> Iterator[Fault]:
    defined: dict[str, tuple[Document, Any]] = {}
    for document in documents.values():
        for name, value in _conditions(document).items():
            at = ("conditions", name)
            if name in defined:
                first = defined[name][0]
                yield document.fault(at, f"there is a condition {name!r} already: {first.file}:{first.place(at, key=True)[0]}",
                                     "give each its own name", key=True, page=page_of(document, at))  # fmt: skip
            else:
                defined[name] = document, value
    used: set[str] = set()
    for document in documents.values():
        for path, name in named(document):
            used.add(name)
            if name not in defined:
                if not any(each.broken for each in documents.values()):
                    yield document.fault(path, f"there is no condition {name!r}", nearest(name, defined, shown=8) or "write it under conditions:",
                                         page=page_of(document, path))  # fmt: skip
            elif path[0] == "conditions" and str(path[1]) in _uses(name, defined):
                yield document.fault(path, f"condition {path[1]!r} asks for itself", "a condition names others only",
                                     page=page_of(document, path))  # fmt: skip
    for name, (document, _) in defined.items():
        if name not in used:
            at = ("conditions", name)
            yield document.fault(at, f"no rule asks for condition {name!r}", "write condition: … into a when, or remove it", key=True,
                                 severity="warning", page=page_of(document, at))  # fmt: skip


def _conditions(document: Document) -> dict[str, Any]:
    found = document.value.get("conditions") if isinstance(document.value, dict) else None
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}


def named(document: Document) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(path, name) for each condition that a rule or condition of this file asks for."""
    for name, value in _conditions(document).items():
        yield from _asked(value, ("conditions", name))
    items = document.value.get("rules") if isinstance(document.value, dict) else None
    for place, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield from _asked(item.get("when"), ("rules", place, "when"))


def _asked(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, list):
        for place, each in enumerate(value):
            yield from _asked(each, (*path, place))
    elif isinstance(value, dict):
        for key, below in value.items():
            if key in ("any", "all", "none"):
                yield from _asked(below, (*path, key))
            elif key == CONDITION:
                many = isinstance(below, list)
                for place, each in enumerate(below if many else [below]):
                    if isinstance(each, str):
                        yield (*path, key, place) if many else (*path, key), each.strip()


def _uses(name: str, defined: Mapping[str, tuple[Document, Any]]) -> set[str]:
    """Every condition that this one asks for, by way of others too, and itself."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found and one in defined:
            found.add(one)
            waiting += (each for _, each in _asked(defined[one][1], ()))
    return found
