"""What the pages of docs/ tell people to type are commands that there are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import typer.main

from maild.cli.app import build

ROOT = Path(__file__).resolve().parent.parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def typed() -> Iterator[tuple[str, str, str]]:
    """(place, command, word after it) of each `maild …` in backticks or in an indented block."""
    for page in PAGES:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            found = re.findall(r"`maild ([^`]+)`", line)
            if line.startswith("    "):
                found += re.findall(r"(?:^|[;&|]|sudo -u maild|bin/)\s*maild ([a-z-].*)", line.strip())
            for words in found:
                given = re.sub(r"--(config|as) \S+ ", "", words).split()
                if given and re.fullmatch(r"[a-z-]+", given[0]) and not given[0].startswith("-"):
                    yield f"{page.relative_to(ROOT)}:{number}", given[0], given[1] if len(given) > 1 else ""


def test_every_command_that_a_page_names_is_there() -> None:
    commands = typer.main.get_group(build()).commands
    wrong = []
    seen = 0
    for place, name, word in typed():
        seen += 1
        inner = getattr(commands.get(name), "commands", None)
        if name not in commands or (inner is not None and re.fullmatch(r"[a-z][a-z-]+", word) and word not in inner and "show" not in inner):
            wrong.append(f"{place}: maild {name} {word}")
    assert wrong == []
    assert seen > 60


def test_a_shell_completes_the_verbs_of_a_noun() -> None:
    maild = str(Path(sys.executable).parent / "maild")
    asked = {**os.environ, "COMP_WORDS": "maild case ex", "COMP_CWORD": "2", "_MAILD_COMPLETE": "complete_bash"}
    assert subprocess.run([maild], env=asked, capture_output=True, text=True, check=True).stdout.split() == ["export"]
