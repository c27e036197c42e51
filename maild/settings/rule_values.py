"""This is where the values stand that rules write to a case: their words, their types, and `set` as a frozen typed model.

A value that is wrong by itself is refused with a message and, after a line break, a hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ModelWrapValidatorHandler, ValidationError, model_validator

from maild.model.case import CHANNEL_WORDS, PRIORITY_WORDS, STATUS_WORDS, Channel, Priority, Status
from maild.plain import sandbox
from maild.settings.faults import nearest
from maild.settings.refused import Faults
from maild.settings.values import Model, scalar

HOW = ("round_robin", "least_busy")


def _text(value: Any) -> Any:
    return scalar(value) if isinstance(value, bool | int | float | date) else value


def listed(value: Any) -> Any:
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(_text(item) for item in items)


def template(value: Any) -> Any:
    value = _text(value)
    if sandbox.is_template(value):
        sandbox.parse(value)
    return value


def closed(value: Any, what: str, words: Mapping[str, str]) -> str:
    """The word of a closed set that this text means; spelling variants understood. Raises ValueError with the nearest."""
    text = str(value).strip().lower()
    found = words.get(text) or words.get(text.replace(" ", "_").replace("-", "_"))
    if found is None:
        known = ", ".join(sorted(set(words.values()), key=list(words.values()).index))
        raise ValueError(f"{str(value)!r} is no {what}\n{nearest(text, words) or f'known: {known}'}")
    return found


STATUSES = {**{each.value: each.value for each in Status}, **STATUS_WORDS}
PRIORITIES = {**{each.value: each.value for each in Priority}, **PRIORITY_WORDS}
CHANNELS = {**{each.value: each.value for each in Channel}, **CHANNEL_WORDS}


def _closed(what: str, words: Mapping[str, str]) -> BeforeValidator:
    def read(value: Any) -> Any:
        if value is None or sandbox.is_template(value):
            return template(value)
        return closed(value, what, words)

    return BeforeValidator(read)


def _boolean(value: Any) -> Any:
    if value is None or isinstance(value, bool) or sandbox.is_template(value):
        return template(value)
    text = str(value).strip().lower()
    if text in ("yes", "true", "on", "no", "false", "off"):
        return text in ("yes", "true", "on")
    raise ValueError("true or false is wanted here")


Texts = Annotated[tuple[str, ...], BeforeValidator(listed)]
Template = Annotated[str, BeforeValidator(template)]
StatusWord = Annotated[Status | str, _closed("status", STATUSES)]
PriorityWord = Annotated[Priority | str, _closed("priority", PRIORITIES)]
PriorityOnly = Annotated[Priority, BeforeValidator(lambda value: closed(value, "priority", PRIORITIES))]
ChannelWord = Annotated[Channel | str, _closed("channel", CHANNELS)]
YesOrNo = Annotated[bool | str, BeforeValidator(_boolean)]

# Values of a case that mail can fill and `set` can name, beside fields.NAME and contact.NAME.
CASE_VALUES = ("title", "summary", "resolution", "status", "priority", "category", "channel", "sla", "group", "user", "billable",
               "tags")  # fmt: skip
CONTACT_VALUES = ("name", "email", "phone", "language")


def is_target(name: str) -> bool:
    """Whether autofill can fill a value of this name."""
    head, dot, rest = name.partition(".")
    return name in CASE_VALUES or (
        bool(dot and rest) and (head == "fields" or (head == "contact" and rest in CONTACT_VALUES))
    )


def known_targets() -> list[str]:
    return [*CASE_VALUES, *(f"contact.{name}" for name in CONTACT_VALUES), "fields.NAME"]


class SlaAlways(Model):
    """An SLA that also replaces the organisation's own, on purpose."""

    always: str


class Raise(Model):
    """Raises what the case has, and never lowers it."""

    priority: PriorityOnly

    @model_validator(mode="before")
    @classmethod
    def _mapping(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"raise takes a mapping\nwrite raise: {{priority: {value}}}")
        return value


class SetValues(Model):
    """Values of a case, as text, number or template; `fields.NAME` and `contact.NAME` are keys of their own."""

    title: Template | None = None
    summary: Template | None = None
    resolution: Template | None = None
    status: StatusWord | None = None
    priority: PriorityWord | None = None
    category: Template | None = None
    channel: ChannelWord | None = None
    sla: SlaAlways | Template | None = None
    group: Template | None = None
    user: Template | None = None
    billable: YesOrNo | None = None
    tags: Texts = ()
    fields: dict[str, Any] = Field(default_factory=dict)
    contact_values: dict[str, str] = Field(
        default_factory=dict, json_schema_extra={"description": "written contact.NAME"}
    )

    @model_validator(mode="wrap")
    @classmethod
    def _dotted(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, dict) or not any("." in str(key) or key in ("fields", "assignee") for key in value):
            return handler(value)
        faults = Faults()
        kept: dict[Any, Any] = {}
        fields: dict[str, Any] = {}
        contact: dict[str, str] = {}
        for key, below in value.items():
            head, dot, rest = str(key).partition(".")
            pairs = (
                [(rest, below)] if dot else list(below.items()) if key == "fields" and isinstance(below, dict) else None
            )
            if key == "assignee":
                kept["user"] = below
            elif head == "fields" and pairs is not None:
                for name, item in pairs:
                    try:
                        fields[str(name)] = _field_value(item)
                    except ValueError as error:
                        message, _, hint = str(error).partition("\n")
                        faults.add((str(key),) if dot else (str(key), str(name)), message, hint, item)
            elif head == "contact" and dot:
                if rest not in CONTACT_VALUES:
                    faults.add((str(key),), f"a contact has no {rest!r}", nearest(rest, CONTACT_VALUES), below)
                contact[rest] = str(template(below))
            elif dot:
                faults.add((str(key),), f"there is no value {key!r}", nearest(str(key), known_targets()), below)
            else:
                kept[key] = below
        if fields:
            kept["fields"] = fields
        if contact:
            kept["contact_values"] = contact
        try:
            made = handler(kept)
        except ValidationError as error:
            faults.take(error)
        faults.raise_any(cls.__name__)
        return made

    def given(self) -> dict[str, Any]:
        """The values named here: by name, `fields.NAME` and `contact.NAME` among them, tags left out."""
        found = {
            name: getattr(self, name) for name in CASE_VALUES if name != "tags" and getattr(self, name) is not None
        }
        found |= {f"fields.{name}": value for name, value in self.fields.items()}
        return found | {f"contact.{name}": value for name, value in self.contact_values.items()}


def _field_value(value: Any) -> Any:
    if isinstance(value, dict | list) or value is None:
        raise ValueError("a field takes text, a number or a date\nput it in quotes if it begins with { or [")
    return template(value) if isinstance(value, str) else value
