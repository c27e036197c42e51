"""The reference page names every key, criterion and operator, and its examples are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from rule_bench import facts_of, matches, settings_of

from maild.rules.lint.actions import TEMPLATE_NAMES
from maild.rules.ruleset import compile_rules
from maild.settings import rule_autofill, rule_case, rule_models, rule_tests, rule_values
from maild.settings.criteria import CONDITION, CRITERIA, OPERATORS
from maild.settings.rule_case import CONTACT_SOURCES
from maild.settings.rule_values import CASE_VALUES, CONTACT_VALUES

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "rules.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
CODE = " ".join(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)))


def keys() -> set[str]:
    found = set()
    for module in (rule_models, rule_case, rule_values, rule_autofill, rule_tests):
        for model in vars(module).values():
            if (
                isinstance(model, type)
                and issubclass(model, BaseModel)
                and model.__module__ == module.__name__
                and model.__name__ != "Mapped"
            ):
                found |= {field.alias or name for name, field in model.model_fields.items()}
    return found - {"contact_values", "table"}


@pytest.mark.parametrize(
    "name",
    sorted(
        keys()
        | {CONDITION}
        | set(CRITERIA)
        | set(OPERATORS)
        | set(CASE_VALUES)
        | set(CONTACT_SOURCES)
        | {f"contact.{each}" for each in CONTACT_VALUES}
    ),
)
def test_every_key_criterion_and_operator_is_on_the_page(name: str) -> None:
    assert re.search(rf"(?<![\w.]){re.escape(name)}(?![\w])", CODE)


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_every_name_for_templates_is_on_the_page(name: str) -> None:
    assert f"{{{{ {name} }}}}" in PAGE


@pytest.mark.parametrize("block", BLOCKS, ids=[re.findall("name: (.*)", block)[0] for block in BLOCKS])
def test_every_example_is_valid(block: str) -> None:
    others = {"rules/shared/newsletters.yaml": "rules: [{name: Newsletters, hold: newsletter}]"}
    settings = settings_of(block, others=others)
    assert settings.rules
    compile_rules(settings)


EXAMPLES = [match[1] for match in re.finditer(r"^\| .* \| `([^`]+: [^`]+)` \|$", PAGE, re.MULTILINE)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_criterion_of_the_tables_is_valid(example: str) -> None:
    if not example.startswith("condition"):
        matches("{" + example + "}", facts_of(), {"lists/vip.csv": (), "lists/known.csv": ()})


def test_there_are_examples() -> None:
    assert len(BLOCKS) > 8 and len(EXAMPLES) > 35
