"""The page for newcomers is true: its files, put into what `maild init` writes, pass their own check and tests."""

from __future__ import annotations

import re
from pathlib import Path

from maild.rules.lint import lint
from maild.settings import starter
from maild.settings.load import load
from maild.workbench import testing

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "first-rules.md").read_text(encoding="utf-8")
BLOCKS = {
    name: text for text, name in ((block, block.partition("\n")[0].split()[1].rstrip(":")) for block in re.findall(r"```(?:yaml)?\n(.*?)```", PAGE, re.DOTALL))
}  # fmt: skip


def test_what_the_page_shows_is_valid_and_does_what_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    starter.write(folder)
    for name, above in (("maild.yaml", "mailboxes:\n"), ("directory.yaml", "groups:\n")):
        lines = BLOCKS[name].partition("\n")[2]
        path = folder / name
        path.write_text(path.read_text().replace(above, above + lines, 1))
    for name in ("rules/20-orders.yaml", "lists/suppliers.csv"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(BLOCKS[name])  # as it is copied, its first line too
    settings = load(folder)
    assert [str(fault) for fault in lint(settings)] == []
    report = testing.run(settings)
    assert [line for one in report.failed for line in one.lines()] == []
    assert {one.rule for one in report.results} >= {"Cancellations", "Our suppliers", "Order forms"}
