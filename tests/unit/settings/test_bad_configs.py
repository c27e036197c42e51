"""Every mistake in tests/bad_configs is named with its place, in the words that its file expects."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from maild.settings.load import load_with_warnings

HERE = Path(__file__).parents[2] / "bad_configs"
MISTAKES = sorted(HERE.glob("*.yaml"))


def heading(mistake: Path) -> list[str]:
    lines = mistake.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("#!").strip() for line in lines if line.startswith("#!")]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda path: path.stem)
def test_a_mistake_is_named_at_its_place(mistake: Path, tmp_path: Path) -> None:
    file, *expected = heading(mistake)
    shutil.copytree(HERE / "base", tmp_path / "config")
    (tmp_path / "config" / "rules").mkdir()
    shutil.copyfile(mistake, tmp_path / "config" / file)

    settings, found = load_with_warnings(tmp_path / "config")

    root = f"{tmp_path / 'config'}/"
    said = [
        f"{fault.line}:{fault.column}: {'warning: ' if fault.severity == 'warning' else ''}"
        f"{fault.message}{f' ({fault.hint})' if fault.hint else ''}".replace(root, "")
        for fault in found
    ]
    assert said == expected
    assert {fault.file for fault in found} == {root + file}
    assert (settings is None) == any(fault.severity == "error" for fault in found)


def test_the_base_of_the_mistakes_has_none(tmp_path: Path) -> None:
    settings, found = load_with_warnings(HERE / "base")
    assert settings is not None
    assert found == ()


def sections(page: str) -> set[str]:
    """The anchors that the headings of a page have."""
    text = (HERE.parents[1] / page).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {"", *(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda path: path.stem)
def test_the_page_that_explains_a_mistake_is_there(mistake: Path, tmp_path: Path) -> None:
    shutil.copytree(HERE / "base", tmp_path / "config")
    (tmp_path / "config" / "rules").mkdir()
    shutil.copyfile(mistake, tmp_path / "config" / heading(mistake)[0])
    for fault in load_with_warnings(tmp_path / "config")[1]:
        page, _, section = fault.page.partition("#")
        assert page and section in sections(page), fault
