"""This is where maild turns what the models refuse into faults with a place, in words that say what would be right."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from maild.errors import Fault
from maild.settings import other_words
from maild.settings.source import Document, Node

PAGE = "docs/reference/configuration.md"
RULES_PAGE = "docs/reference/rules.md"

Path = tuple[str | int, ...]

_SENTENCES = {
    "string_type": "must be text",
    "int_type": "must be a whole number", "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number", "float_parsing": "must be a number", "decimal_parsing": "must be a number",
    "bool_type": "must be true or false", "bool_parsing": "must be true or false",
    "model_type": "must be a mapping (key: value lines)", "dict_type": "must be a mapping (key: value lines)",
    "model_attributes_type": "must be a mapping (key: value lines)",
    "tuple_type": "must be a list", "list_type": "must be a list",
}  # fmt: skip
_SHAPES = frozenset({*_SENTENCES, "literal_error", "enum"})


def nearest(word: str, known: Iterable[str], *, shown: int = 0) -> str:
    """`did you mean 'x'?` for the known word most like this one, else the known words if at most ``shown``, or ''."""
    words = sorted({str(each) for each in known})
    close = difflib.get_close_matches(word.lower(), [each.lower() for each in words], 1, 0.6)
    if close:
        return f"did you mean {next(each for each in words if each.lower() == close[0])!r}?"
    return f"known: {', '.join(words)}" if words and len(words) <= shown else ""


def from_validation(document: Document, model: type[BaseModel], error: ValidationError) -> list[Fault]:
    """Each thing that ``model`` refused, at its place in the document; nothing where the reader told of it already.

    A value that may have several shapes is refused once for each shape; the shape that it comes nearest to is told of.
    """
    found: dict[Path, list[_Refusal]] = {}
    for each in error.errors(include_url=False, include_context=True):
        refusal = _Refusal(each["type"], tuple(each["loc"]), each.get("input"), each.get("ctx", {}), each["msg"])
        found.setdefault(_resolve(document, refusal), []).append(refusal)
    deeper = {path[:depth] for path in found for depth in range(len(path))}
    for path, refusals in found.items():
        if len({each.kind for each in refusals}) > 1:  # a key that one shape does not know, another one does
            found[path] = [each for each in refusals if each.kind != "extra_forbidden"]
        if path in deeper:  # another shape of this value came nearer
            found[path] = [each for each in found[path] if each.kind not in _SHAPES or len(each.loc) == len(path)]
    unknown: dict[Path, list[str]] = {}
    for path, refusals in found.items():
        if any(each.kind == "extra_forbidden" for each in refusals):
            unknown.setdefault(path[:-1], []).append(str(path[-1]))
    faults: list[Fault] = []
    for path, refusals in found.items():
        if not refusals:
            continue
        if {each.kind for each in refusals} == {"missing"} and (
            (any(each.of_a_shape for each in refusals) and path[:-1] in deeper)
            or difflib.get_close_matches(str(path[-1]), unknown.get(path[:-1], ()), 1, 0.6)
        ):
            continue  # said by the unknown key beside it
        fault = _fault(document, model, path, refusals)
        if (fault.line, fault.column) not in document.bad:
            faults.append(fault)
    return list(dict.fromkeys(faults))


@dataclass(frozen=True, slots=True)
class _Refusal:
    """One line of a ValidationError."""

    kind: str
    loc: tuple[str | int, ...]
    input: Any
    ctx: Mapping[str, Any]
    msg: str

    @property
    def of_a_shape(self) -> bool:
        """Whether this is about one of several models that the value could be (pydantic puts the model's name in)."""
        return any(isinstance(step, str) and step[:1].isupper() and step.isidentifier() for step in self.loc[:-1])


def _resolve(document: Document, refusal: _Refusal) -> Path:
    """The path in the document that is meant: without names of shapes, and list levels that the file does not have."""
    node = document.node
    path: list[str | int] = []
    for step in refusal.loc:
        if not isinstance(node, Node):
            break
        there = step in node.keys if node.keys is not None else isinstance(step, int) and step < len(node.items)
        if there:
            path.append(step)
            node = node.items[step]  # type: ignore[index]
    if refusal.kind == "missing":
        path.append(refusal.loc[-1])
    return tuple(path)


def whole(path: object, message: str, hint: str = "", severity: str = "error") -> Fault:
    """A fault of a file or directory as a whole."""
    return Fault(str(path), 0, 0, message, hint, PAGE, severity)


def no_keys(document: Document) -> Fault:
    """The fault of a file that holds a list or a text where keys are wanted."""
    rules = isinstance(document.value, list) and document.name.startswith("rules/")
    hint = "a list of rules stands under rules:, indented by two blanks" if rules else ""
    return Fault(document.file, 1, 1, "this file must hold keys (key: value)", hint, page_of(document, ()))


# The sections of the pages: of a rule by the key that is wrong, of the other files by the key on top.
_OF_RULES = {
    "when": "criteria", "conditions": "conditions-with-a-name", "include": "files", "mailbox": "files",
    "tests": "tests-beside-rules", "hold": "holding", "extract": "pieces-of-a-text-extract", "case": "values-of-the-case",
    "ticket": "values-of-the-case", "autofill": "labelled-lines-autofill", "update": "adding-to-a-case-update",
    "update_by": "adding-to-a-case-update", "contact": "whom-the-case-is-from-contact",
}  # fmt: skip
_OF_FILES = frozenset({
    "database", "mailboxes", "ingest", "outbound", "cases", "fields", "services", "agents", "limits", "retention", "web", "log",
    "metrics", "users", "groups", "organisations", "calendars", "policies", "workflows",
})  # fmt: skip


def page_of(document: Document, path: Sequence[str | int]) -> str:
    """The page, with its section, where the key at this path of the file is explained."""
    if document.name.startswith("rules/"):
        if path[:1] == ("rules",):
            keys = [str(step) for step in path[2:]]
            within = [step for step in keys[:2] if keys[0] in ("case", "ticket") or step == keys[0]]
            section = next((_OF_RULES[step] for step in reversed(within) if step in _OF_RULES and step != "mailbox"), "a-rule")
        else:
            section = _OF_RULES.get(str(path[0]) if path else "", "files")
        return f"{RULES_PAGE}#{section}"
    if path and path[0] in _OF_FILES:
        return f"{PAGE}#{path[0]}"
    return f"{PAGE}#{document.name.replace('.', '')}" if document.name else PAGE


def _of_rules(document: Document, path: Path) -> bool:
    return document.name.startswith("rules/") and len(path) == 1


def _of_a_rule(document: Document, path: Path) -> bool:
    return document.name.startswith("rules/") and len(path) == 3 and path[0] == "rules"


def _fault(document: Document, model: type[BaseModel], path: Path, refusals: Sequence[_Refusal]) -> Fault:
    page = page_of(document, path)
    name = str(path[-1]) if path else ""
    by_kind = {each.kind: each for each in refusals}
    on_key = any(each.loc[-1:] == ("[key]",) for each in refusals)
    if "extra_forbidden" in by_kind:
        known = {key for each in refusals for key in _keys_at(model, each.loc)}
        words = other_words.RULE_KEYS if _of_a_rule(document, path) else other_words.FILE_KEYS if _of_rules(document, path) else {}
        elsewhere = other_words.said(name, words)
        return document.fault(path, f"unknown key {name!r}", elsewhere or nearest(name, known, shown=16), key=True, page=page)
    if "value_error" in by_kind:
        text = str(by_kind["value_error"].ctx.get("error", by_kind["value_error"].msg))
        message, _, hint = text.partition("\n")
        return document.fault(path, message, hint, key=on_key, page=page)
    if set(by_kind) == {"missing"}:
        where = f" in {path[-2]!r}" if len(path) > 1 and isinstance(path[-2], str) else ""
        return document.fault(path[:-1], f"the key {name!r} is missing{where}", key=True, page=page)
    given = refusals[0].input
    if given is None:
        return document.fault(path, f"null is not possible for {name!r}", "write a value or remove the key", page=page)
    sentences: list[str] = []
    choices: list[str] = []
    mapping_for_list = isinstance(given, dict) and by_kind.keys() & {"tuple_type", "list_type"}
    for each in refusals:
        match each.kind:
            case "literal_error" | "enum":
                expected = str(each.ctx["expected"]).replace(" or ", ", ")
                choices += [word.strip().strip("'") for word in expected.split(",")]
            case "greater_than_equal":
                sentences.append(f"must be at least {each.ctx['ge']}")
            case "less_than_equal":
                sentences.append(f"must be at most {each.ctx['le']}")
            case "too_short" | "string_too_short":
                sentences.append("must not be empty")
            case kind:
                sentences.append(_SENTENCES.get(kind, each.msg))
    hint = (
        "text that reads as true or false goes into quotes"
        if isinstance(given, bool) and "string_type" in by_kind
        else "each item of a list begins with a dash: - …"
        if mapping_for_list
        else ""
    )
    if choices:
        choices = list(dict.fromkeys(choices))
        sentences.insert(0, f"must be one of {', '.join(choices)}" if len(choices) > 1 else f"must be {choices[0]}")
        hint = nearest(str(given), choices) if isinstance(given, str | int | float) else ""
    shown = f"{name} " if path and isinstance(path[-1], str) else ""
    message = f"{shown}{', or '.join(dict.fromkeys(sentences))}"
    return document.fault(path, message, hint, key=on_key, page=page)


def _keys_at(model: type[BaseModel], loc: Sequence[str | int]) -> set[str]:
    """The keys that were possible where the last step of this location stood."""
    here: set[Any] = {model}
    named = ""
    for step in loc[:-1]:
        below: set[Any] = set()
        for shape in here:
            below |= _below(shape, step)
        if below:
            here, named = below, ""
        elif isinstance(step, str):
            named = step
    models = {shape for shape in here if isinstance(shape, type) and issubclass(shape, BaseModel)}
    chosen = {shape for shape in models if shape.__name__ == named} or models
    return {field.alias or name for shape in chosen for name, field in shape.model_fields.items()}


def _below(shape: Any, step: str | int) -> set[Any]:
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        for name, field in shape.model_fields.items():
            if step in (name, field.alias):
                return _shapes(field.annotation)
        return set()
    origin, args = typing.get_origin(shape), typing.get_args(shape)
    if origin is dict and isinstance(step, str) and len(args) == 2:
        return _shapes(args[1])
    if origin in (tuple, list) and isinstance(step, int) and args:
        return _shapes(args[0])
    return set()


def _shapes(annotation: Any) -> set[Any]:
    """The models, dicts and lists that an annotation allows, through Annotated and unions."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _shapes(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return {shape for each in typing.get_args(annotation) for shape in _shapes(each)}
    if origin is tuple or origin is list:
        return {annotation} | {
            shape for each in typing.get_args(annotation)[:1] for shape in _shapes(each) if isinstance(shape, type)
        }
    return {annotation}
