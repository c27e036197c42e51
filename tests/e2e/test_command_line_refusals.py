"""What the command line refuses: in one line, naming the word that is wrong and what would be right; nothing is changed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from running import Daemon


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One case, made by hand; no daemon runs."""
    from running import Daemon

    one = Daemon(tmp_path_factory.mktemp("refusals"), main={"outbound": {"mode": "hold"}, "fields": {"due": {"type": "date"}}})
    one.maild("case", "new", "--title", "[/b] [support] rings", "--contact", "ann@acme.example", "--tag", "=1+1", "--text", "=cmd|x")
    yield one
    one.close()


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ("case list --limit 0", 2, ["--limit", "maild case list --help"]),
        ("case set x priority=low", 2, ["NUMBER", "integer"]),
        ("case new", 2, ["--title", "maild case new --help"]),
        ("case new --title=", 2, ["title"]),
        ("case new --title X --contact nobody", 3, ["'nobody'", "jo@acme.example"]),
        ("case new --title X --organisation Nope", 3, ["organisation 'Nope'", "Acme Ltd"]),
        ("case set 1 contact=nobody", 3, ["'nobody'"]),
        ("case set 1 organisation=Acne", 3, ["organisation 'Acne'"]),
        ("case set 1 title=", 3, ["title"]),
        ("case undo 1 99", 3, ["events 1 to"]),
        ("case undo 1 1", 3, ["set no value"]),
        ("case undo 99 1", 1, ["no case 99"]),
        ("case set 1 due=soon", 3, ["due", "'soon'", "date"]),
        ("case set 1 colour=red", 3, ["colour", "due"]),
        ("case note 1 ", 2, ["text"]),
        ("case reply 1 --file /nowhere/text", 2, ["/nowhere/text", "no such file"]),
        ("user away bob --until soon", 2, ["'soon'", "2026-12-01"]),
        ("user away bob --until 2001-01-01", 2, ["2001-01-01"]),
        ("organisation import /nowhere/list.csv", 2, ["/nowhere/list.csv"]),
        ("report --html /nowhere/page.html", 2, ["/nowhere/page.html"]),
        ("contact export ann@acme.example /nowhere/data.zip", 2, ["/nowhere/data.zip"]),
        ("backup /nowhere/copy.db", 2, ["/nowhere/copy.db"]),
        ("restore /nowhere/copy.db", 2, ["/nowhere/copy.db", "no such file"]),
        ("outbox approve", 2, ["--all"]),
        ("sla try Nope high", 1, ["SLA 'Nope'", "Standard"]),
        ("calendar show nope", 1, ["calendar 'nope'"]),
        ("--config /nowhere reload", 2, ["/nowhere/maild.yaml", "--config DIR"]),
        ("--config /nowhere template list", 2, ["/nowhere", "--config DIR"]),
        ("--config /nowhere template diff", 2, ["/nowhere", "--config DIR"]),
        ("--config /nowhere rules rollback abc", 2, ["/nowhere", "--config DIR"]),
        ("faq list --status done", 2, ["--status", "draft"]),
    ],
)
def test_what_is_wrong_is_told_in_one_line(shop: Daemon, words: str, status: int, told: list[str]) -> None:
    before = shop.json("case")
    done = shop.maild(*words.split(" "), status=status)
    (line,) = done.stderr.decode().splitlines()
    assert [word for word in told if word not in line] == [], line
    assert done.stdout == b""
    assert shop.json("case") == before


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("Acme Ltd,other.example,", "directory.yaml"), ("New,acme.example,", "acme.example"), ("New,new.example,Gold2", "'Gold2'"),
    ],
)
def test_an_organisation_that_does_not_fit_the_configuration_is_not_imported(
    shop: Daemon, tmp_path: Path, lines: str, told: str
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"name,domains,sla\nFirst,first.example,\n{lines}\n", encoding="utf-8")
    error = shop.maild("organisation", "import", str(file), status=1).stderr.decode()
    assert "list.csv:3: " in error
    assert told in error
    assert "First" not in [one["name"] for one in shop.json("organisation")]


def test_a_misspelt_filter_is_told_and_the_list_is_empty(shop: Daemon) -> None:
    done = shop.maild("case", "list", "--group", "suport", "--json")
    assert done.stdout.strip() == b"[]"
    assert b"did you mean support?" in done.stderr


def test_csv_has_its_columns_without_a_case_too_and_no_formulas(shop: Daemon) -> None:
    def rows(*words: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(shop.maild("case", "list", "--csv", *words).stdout.decode())))

    (one,) = rows()
    assert (one["title"], one["tags"]) == ("[/b] [support] rings", "'=1+1")
    empty = shop.maild("case", "list", "--csv", "--status", "closed").stdout.decode().strip()
    assert empty.split(",") == list(one)


def test_lists_are_sorted_as_asked(shop: Daemon) -> None:
    shop.maild("case", "new", "--title", "Second", "--priority", "urgent")
    shop.maild("case", "new", "--title", "Third", "--priority", "low")
    assert [one["number"] for one in shop.json("case", "list", "--sort", "priority")] == [2, 1, 3]
    assert [one["number"] for one in shop.json("case", "list", "--reverse", "--limit", "1")] == [3]


def test_the_status_of_a_database_that_does_not_answer_is_a_status(tmp_path: Path) -> None:
    from running import Daemon

    one = Daemon(tmp_path, main={"database": "postgresql+psycopg://maild@127.0.0.1:1/maild"})
    status = one.json("status")
    assert len(status["needs"]) == 1
    assert "does not answer" in status["needs"][0]
    assert set(status) >= {"spool", "outbox", "cases", "listeners", "configuration", "paused", "version"}
    assert "does not answer" in one.maild("status", status=1).stdout.decode().splitlines()[0]
    one.close()
