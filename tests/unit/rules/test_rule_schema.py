"""The JSON Schema for editors allows what the models read, and refuses what they refuse by shape."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rule_bench import rules_of
from test_appendix_rules import CONTRACT, RULES

from maild.settings.reader import read_bytes
from maild.settings.rule_models import RuleFile


def _values(text: str) -> Any:
    return _bare(read_bytes(text.encode(), "x").value)


def _bare(value: Any) -> Any:
    """Numbers as numbers, whatever their class."""
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_bare(each) for each in value]
    return (
        value
        if isinstance(value, bool | str) or value is None
        else (int(value) if isinstance(value, int) else float(value))
    )


VALIDATOR = Draft202012Validator(RuleFile.model_json_schema(by_alias=True))

VALID = [
    RULES, CONTRACT,
    "rules: [{hold: spam}, {discard: true}, {hold: {reason: x, for: 1h, then: case}}, {forward: a@b.example}]",
    "rules: [{ticket: {contact: none, set: {fields.a: 1, contact.phone: x, assignee: bob}, fields: {b: c}, match_organization: false}}]",
    "rules: [{when: {organization: [a, b], case.fields.x: 7, header.X-Y: {exists: false}}, stop: true}]",
    "rules: [{case: {autofill: {delimiter: [':', '='], map: {A: summary, priority: {labels: [U], values: {x: high}}}, require: fields.a, else: hold, within: 9}}}]",
    "rules: [{case: {assign: {group: {by: language, de: x, else: y}, user: bob}, sla: {always: Gold}, tags: one}, notify: manager}]",
    "rules: [{extract: {from: subject, matches: '(?P<a>x)', required: true}, tests: [{message: {from: a@b.example, header.X: 1}, expect: {no_case: true}}]}]",
    "rules: [{when: {kind: [bounce, list], attachment: {type: 'a/*', size: {above: 1MiB}}, received: {outside: [a, b]}}}]",
    "rules: [{case: {update: {by: [fields.a], within: 30d, then: {resolve: x, set: {fields.b: c}, raise: {priority: high}}, else: hold}}}]",
]  # fmt: skip


@pytest.mark.parametrize("text", VALID)
def test_what_the_models_read_is_valid(text: str) -> None:
    rules_of(text)
    assert [error.message for error in VALIDATOR.iter_errors(_values(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "rules: [{nmae: x}]", "rules: [{when: {subjekt: x}}]", "rules: [{when: {subject: {contans: x}}}]", "rules: [{when: {any: {subject: x}}}]",
        "rules: [{case: {titel: x}}]", "rules: [{when: {kind: bounced}}]", "rules: [{case: {update: {among: all}}}]", "rules: {a: b}",
    ],
)  # fmt: skip
def test_what_they_refuse_by_shape_is_not(text: str) -> None:
    assert list(VALIDATOR.iter_errors(_values(text)))


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(RuleFile.model_json_schema(by_alias=True))


ROOT = Path(__file__).parents[3]
PAGES = ("docs/reference/rules.md", "docs/cookbook.md", "docs/howto/first-rules.md", "docs/howto/coming-from.md")
WRITTEN = {
    **{f"{page} {number}": block for page in PAGES
       for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL))
       if re.search("^rules:", block, re.MULTILINE)},
    **{str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
       for folder in ("config", "maild/settings/starter") for path in sorted((ROOT / folder).glob("rules/*.yaml"))},
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_every_rule_that_we_ship_or_show_is_valid(name: str) -> None:
    errors = VALIDATOR.iter_errors(_values(WRITTEN[name]))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("conditions: {a: {subjct: x}}", "$.conditions.a"),
        ("rules: [{when: {condition: a, subjct: x}}]", "$.rules[0].when"),
        ("rules: [{include: shared/a.yaml, when: {subject: x}}]", "$.rules[0]"),
        ("rules: [{include: 3}]", "$.rules[0].include"),
        ("rules: [{tests: [{message: {subject: x}, expect: {case: {gruop: x}}}]}]", "$.rules[0].tests[0].expect.case"),
    ],
)
def test_an_editor_is_told_where_it_is_wrong(text: str, path: str) -> None:
    assert path in [error.json_path for error in VALIDATOR.iter_errors(_values(text))]
