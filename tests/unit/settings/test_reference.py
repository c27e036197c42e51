"""The page with every key, the descriptions behind it, and the schemas are complete and current."""

from __future__ import annotations

from pathlib import Path

import pytest

from maild.settings import reference
from maild.settings.descriptions import DESCRIPTIONS
from maild.settings.load import MODELS
from maild.settings.schema import FILES, models, schema

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"


def test_every_key_is_described_and_none_that_is_gone() -> None:
    known = {each for model in MODELS.values() for each in models(model)}
    keys = {
        model.__name__: {field.alias or name for name, field in model.model_fields.items()} - {"criteria"}
        for model in known
    }
    assert {name: set(words) for name, words in DESCRIPTIONS.items()} == keys


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference.page(), "python -m maild.settings.reference > " + str(PAGE)


@pytest.mark.parametrize("file", FILES)
def test_schemas_name_every_key(file: str) -> None:
    made = schema(file)
    assert made["$schema"].startswith("https://json-schema.org/")
    assert made["properties"]
    assert made["additionalProperties"] is False
