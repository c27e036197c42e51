"""This is where maild makes the JSON Schema of its files, for editors: completion and red lines while typing."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import AliasChoices, BaseModel

from maild.settings.descriptions import DESCRIPTIONS
from maild.settings.load import MODELS, rule_model
from maild.settings.values import OneOrMore

FILES = ("rules", "maild", "directory", "sla", "workflows")
_DURATION = {"type": ["string", "integer"], "pattern": r"^\s*\d+(\.\d+)?\s*[smhdwy]\s*$|^0$", "examples": ["15m", "4h"]}


def schema(file: str = "rules") -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a kind of file: rules, maild, directory, sla or workflows; else KeyError."""
    model = rule_model() if file == "rules" else MODELS[f"{file}.yaml"]
    assert model is not None
    made = model.model_json_schema(by_alias=True, mode="validation")
    if file != "rules":  # those are finished by settings.rule_schema
        made = _durations(made)
        for each in models(model):
            _complete(each, made if each is model else made["$defs"].get(each.__name__))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"maild-{file}.schema.json", **made}


def models(annotation: Any, seen: dict[type[BaseModel], None] | None = None) -> dict[type[BaseModel], None]:
    """Every model that an annotation leads to, itself first."""
    seen = {} if seen is None else seen
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in seen:
            seen[annotation] = None
            for field in annotation.model_fields.values():
                models(field.annotation, seen)
    else:
        for each in typing.get_args(annotation):
            models(each, seen)
    return seen


def _complete(model: type[BaseModel], definition: dict[str, Any] | None) -> None:
    """What the model takes beside its fields: one value for a list, other spellings, criteria; and what each key means."""
    if definition is None:
        return
    properties = definition["properties"]
    for name, field in model.model_fields.items():
        key = next(each for each in (field.alias, _first(field.validation_alias), name) if each in properties)
        words = DESCRIPTIONS.get(model.__name__, {}).get(field.alias or name)
        if words:
            properties[key].setdefault("description", words)
        if any(each is OneOrMore for each in field.metadata) and properties[key].get("type") == "array":
            array = {
                word: properties[key].pop(word) for word in ("type", "items", "minItems") if word in properties[key]
            }
            properties[key]["anyOf"] = [array["items"], array]
        if isinstance(field.validation_alias, AliasChoices):
            for other in field.validation_alias.choices[1:]:
                properties[str(other)] = properties[key]
    if "criteria" in properties:  # the criteria of rules, which have a schema of their own
        del properties["criteria"]
        definition["additionalProperties"] = True


def _first(alias: Any) -> str | None:
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else None


def _durations(value: Any) -> Any:
    if isinstance(value, list):
        return [_durations(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("format") == "duration":
        return {**{word: value[word] for word in ("title", "description") if word in value}, **_DURATION}
    return {key: _durations(each) for key, each in value.items()}
