"""Every recipe of the cookbook: its rule is loaded with the shipped configuration, and its tests are run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maild.settings.load import load_with_warnings
from maild.workbench import testing

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"^## (.+?)\n.*?^```yaml\n(.+?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_there_are_twenty_and_more() -> None:
    assert len(RECIPES) >= 20
    assert len(RECIPES) == PAGE.count("\n## ")


@pytest.mark.parametrize(("title", "text"), RECIPES, ids=[title for title, _ in RECIPES])
def test_recipe(title: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "10-recipe.yaml").write_text(text, encoding="utf-8")
    settings, faults = load_with_warnings(ROOT / "config", rules=tmp_path)
    assert settings is not None, [str(fault) for fault in faults]
    assert all(rule.tests for rule in settings.rules)
    report = testing.run(settings)
    assert report.ok, "\n".join(line for one in report.failed for line in one.lines())
    assert report.coverage.report(settings)["unreached"] == []
