"""This is where the JSON Schema of the rule files is finished: what the models read in several spellings, editors must allow.

The models give the shape; this adds criteria (a tree that no model spells out), short forms, and keys like `fields.NAME`.
"""

from __future__ import annotations

from typing import Any

from maild.model.message import MessageKind
from maild.settings.criteria import ATTACHMENT, CONDITION, CRITERIA, RECEIVED, WORDS
from maild.settings.rule_tests import COMPARISONS, OF_A_CASE

Schema = dict[str, Any]

SCALAR: Schema = {"type": ["string", "number", "boolean"]}
TEXTS: Schema = {"anyOf": [SCALAR, {"type": "array", "items": SCALAR, "minItems": 1}]}
DURATION: Schema = {
    "type": ["string", "integer"],
    "pattern": r"^\s*\d+(\.\d+)?\s*[smhdw]\s*$|^0$",
    "examples": ["15m", "4h", "30d"],
}
_OWN_KEYS: Schema = {r"^fields\..+$": SCALAR, r"^contact\.(name|email|phone|language)$": SCALAR}


def finished(schema: Schema) -> Schema:
    """The schema of RuleFile with everything added that the models accept beside their fields."""
    made = _spelled(schema)
    assert isinstance(made, dict)
    made["properties"]["conditions"] = {
        "type": "object", "additionalProperties": {"$ref": "#/$defs/When"},
        "description": "criteria that rules of any file ask for by their name: condition: NAME",
    }  # fmt: skip
    made["properties"]["rules"]["items"] = {  # not anyOf: an editor then says what is wrong with the one that is meant
        "if": {"type": "object", "required": ["include"]}, "then": {"$ref": "#/$defs/Include"}, "else": {"$ref": "#/$defs/Rule"},
    }  # fmt: skip
    defs: dict[str, Schema] = made["$defs"]
    for name in ("SetValues", "CaseActions", "Then"):
        properties = defs[name]["properties"]
        del properties["contact_values"]
        properties["assignee"] = SCALAR
        defs[name]["patternProperties"] = _OWN_KEYS
    _also(defs["CaseActions"], match_organization="match_organisation")
    _also(defs["Assign"], assignee="user")
    _also(defs["Rule"], ticket="case")
    defs["Rule"]["properties"] |= {
        "when": {"$ref": "#/$defs/When"},
        "stop": {"type": "boolean", "deprecated": True, "description": "the opposite of continue"},
        "discard": {"type": ["string", "boolean"]},
        "extract": {"anyOf": [{"$ref": "#/$defs/Extract"}, {"type": "array", "items": {"$ref": "#/$defs/Extract"}}]},
    }
    defs["Autofill"]["properties"]["map"] = {
        "type": "object", "minProperties": 1, "description": "LABEL: VALUE, or VALUE: [LABELS] or {labels, values}",
        "additionalProperties": {"anyOf": [TEXTS, {"type": "object", "required": ["labels"], "additionalProperties": False,
                                                   "properties": {"labels": TEXTS, "values": {"type": "object"}}}]},
    }  # fmt: skip
    del defs["Mapped"]
    defs["GroupBy"] = {"type": "object", "required": ["by"], "additionalProperties": {"type": "string"},
                       "description": defs["GroupBy"]["description"]}  # fmt: skip
    defs["Contact"] = _short(
        defs["Contact"], {"type": "string", "pattern": "^(sender|reply_to|forwarded|none|field:.+)$"}
    )
    defs["Hold"] = _short(defs["Hold"], {"type": ["string", "boolean"]})
    defs["Update"]["properties"]["among"]["enum"].append("same_organization")
    defs["TestMessage"]["patternProperties"] = {r"^header\..+$": SCALAR, r"^envelope\.(from|to)$": TEXTS}
    defs["TestExpect"]["properties"]["case"] = _expected(OF_A_CASE)
    _also(defs["TestExpect"], ticket="case", hold="held", discard="discarded", forward="forwarded")
    defs |= _criteria()
    return made


def _expected(names: tuple[str, ...]) -> Schema:
    """What a test may expect of a thing with these values: any of them, or one of the comparisons in place of a value."""
    return {"type": "object", "additionalProperties": False, "properties": {key: {} for key in (*names, *COMPARISONS)},
            "patternProperties": {rf"^({'|'.join(names)})\..+$": {}}}  # fmt: skip


def _short(schema: Schema, other: Schema) -> Schema:
    return {"description": schema.get("description", ""), "anyOf": [other, schema]}


def _also(schema: Schema, **spellings: str) -> None:
    """Other spellings of keys."""
    for other, name in spellings.items():
        schema["properties"][other] = schema["properties"][name]


def _spelled(value: Any) -> Any:
    """Lists of texts also as one text, durations as they are written here."""
    if isinstance(value, list):
        return [_spelled(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "array" and value.get("items") == {"type": "string"}:
        return {**{key: each for key, each in value.items() if key in ("title", "description", "default")}, **TEXTS}
    if value.get("type") == "string" and value.get("format") == "duration":
        return DURATION
    return {key: _spelled(each) for key, each in value.items()}


def _criteria() -> dict[str, Schema]:
    """`When`, and what stands under a criterion."""
    number: Schema = {"type": ["number", "string"]}
    operators = dict.fromkeys(("is", "contains", "contains_all", "words", "starts_with", "ends_with", "matches", "domain", "has_field"), TEXTS)  # fmt: skip
    operators |= {"exists": {"type": "boolean"}, "empty": {"type": "boolean"}, "above": number, "below": number,
                  "in_list": {"type": "string"}}  # fmt: skip
    under: Schema = {"anyOf": [TEXTS, {"$ref": "#/$defs/Operators"}]}
    fields: dict[str, Schema] = dict.fromkeys(CRITERIA, under)
    for name, kind in CRITERIA.items():
        if kind == ATTACHMENT:
            fields[name] = {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": {
                "type": under, "name": under, "size": under, "exists": {"type": "boolean"}, "empty": {"type": "boolean"}}}  # fmt: skip
        elif kind == RECEIVED:
            fields[name] = {"type": "object", "required": ["outside"], "additionalProperties": False,
                            "properties": {"outside": TEXTS}}  # fmt: skip
        elif name in WORDS and name not in ("contact.known",):
            words: Schema = {"enum": sorted(WORDS[name]) if name != "kind" else [kind.value for kind in MessageKind]}
            fields[name] = {"anyOf": [words, {"type": "array", "items": words}, {"$ref": "#/$defs/Operators"}]}
    for british, american in (("organisation", "organization"),):
        fields |= {
            name.replace(british, american): schema for name, schema in fields.items() if name.startswith(british)
        }
    parts: Schema = {"type": "array", "items": {"$ref": "#/$defs/When"}, "minItems": 1}
    when: Schema = {"type": "object", "description": "criteria; all of them hold", "additionalProperties": False,
                    "properties": {**fields, "all": parts, "any": parts, "none": parts, CONDITION: TEXTS},
                    "patternProperties": {r"^[Hh]eader\..+$": under, r"^case\.fields\..+$": under}}  # fmt: skip
    return {
        "When": when,
        "Operators": {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": operators},
    }
