"""This is where the tests beside rules are run: each in a database of its own, with its place, what differs, and what was
reached. Nothing is kept.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from maild import clock
from maild.office import Compiled, open_office
from maild.settings.models import Settings
from maild.settings.rule_models import Rule
from maild.settings.rule_tests import RuleTest
from maild.store import installation
from maild.store.unit_of_work import Store
from maild.workbench.comparing import Difference
from maild.workbench.coverage import Coverage
from maild.workbench.expecting import Story
from maild.workbench.telling import Telling


@dataclass(frozen=True, slots=True)
class Result:
    """One test: ``place`` is file:line and ``column`` where in it, ``story`` what became of its mails in a few lines, ``skipped`` why it was not run."""

    rule: str
    test: str
    place: str
    differences: tuple[Difference, ...] = ()
    story: tuple[str, ...] = ()
    skipped: str = ""
    column: int = 1

    @property
    def ok(self) -> bool:
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule, "test": self.test, "place": self.place, "ok": self.ok, "skipped": self.skipped or None,
            "differences": [one.as_json() for one in self.differences], "story": list(self.story),
        }  # fmt: skip

    def lines(self) -> list[str]:
        """A failed test for people."""
        found = [f"FAIL {self.place}: {self.rule}, {self.test}"]
        found += [f"  {line}" for one in self.differences for line in one.lines()]
        return [*found, *(f"  | {line}" for line in self.story)]


@dataclass(slots=True)
class Report:
    """What all tests gave. ``left`` are tests for which there was no time."""

    results: list[Result] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    seconds: float = 0.0
    left: int = 0

    @property
    def failed(self) -> list[Result]:
        return [one for one in self.results if not one.ok]

    @property
    def ok(self) -> bool:
        return not self.failed

    def as_json(self, settings: Settings) -> dict[str, Any]:
        return {
            "ok": self.ok, "tests": len(self.results), "failed": len(self.failed),
            "skipped": sum(bool(one.skipped) for one in self.results), "left": self.left, "seconds": round(self.seconds, 2),
            "results": [one.as_json() for one in self.results], "coverage": self.coverage.report(settings),
        }  # fmt: skip


def run(
    settings: Settings, compiled: Compiled | None = None, *, only: str = "", seconds: float | None = None
) -> Report:
    """Run the tests beside the rules of this configuration, or those whose rule or name contains ``only``.

    With ``seconds`` no test is begun after that time; how many were left is in the report.
    """
    report = Report()
    started = time.monotonic()
    every = [
        (position, rule, number, test, test.name or f"test {number + 1}")
        for position, rule in _once(settings) for number, test in enumerate(rule.tests)
    ]  # fmt: skip
    wanted = [one for one in every if only.lower() in one[1].name.lower() or only.lower() in one[4].lower()]
    if not wanted:
        return report
    places = _places(settings)
    with Bench(settings, compiled) as bench:
        for position, rule, number, test, name in wanted:
            if seconds is not None and time.monotonic() - started > seconds:
                report.left += 1
                continue
            place, column = places.get((position, number), ("rules", 1))
            if not rule.enabled:
                report.results.append(Result(rule.name, name, place, skipped="the rule is switched off (enabled: false)"))
                continue
            story = bench.tell(rule, test)
            for decision in story.decisions:
                report.coverage.saw(decision)
            report.results.append(Result(rule.name, name, place, tuple(story.differences), tuple(story.lines), column=column))
    report.seconds = time.monotonic() - started
    return report


def _once(settings: Settings) -> Iterator[tuple[int, Rule]]:
    """Each rule with its position; one whose file is included several times where it stands first."""
    seen: set[tuple[str, int]] = set()
    for position, rule in enumerate(settings.rules):
        place = settings.rule_places[position] if settings.rule_places else ("", position)
        if place not in seen:
            seen.add(place)
            yield position, rule


def _places(settings: Settings) -> dict[tuple[int, int], tuple[str, int]]:
    """file:line and column of each test, by the place of its rule in order and the test's number; {} where the files have changed."""
    from maild.settings.load import rule_documents

    documents = rule_documents(settings)
    found: dict[tuple[int, int], tuple[str, int]] = {}
    for position, (name, index) in enumerate(settings.rule_places) if documents else ():
        document = documents[name]
        for number in range(len(settings.rules[position].tests)):
            line, column = document.place(("rules", index, "tests", number))
            found[position, number] = f"{name if settings.rules_folder is None else document.file}:{line}", column
    return found


@cache
def _empty() -> bytes:
    """A database with our tables and nothing in them, made once a process."""
    with tempfile.TemporaryDirectory(prefix="maild-tests-") as name:
        folder = Path(name)
        store = Store(f"sqlite:///{folder / 'tests.db'}", folder)
        store.create_or_upgrade()
        store.close()
        return (folder / "tests.db").read_bytes()


class Bench:
    """A database of its own with one configuration on it, in which tests are run one after the other."""

    def __init__(self, settings: Settings, compiled: Compiled | None = None) -> None:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # nothing of it need survive
        self._folder = tempfile.TemporaryDirectory(prefix="maild-tests-", dir=memory)
        folder = Path(self._folder.name)
        self.store = Store(f"sqlite:///{folder / 'tests.db'}", folder)
        (folder / "tests.db").write_bytes(_empty())
        self.office = open_office(settings, installation.ensure_key(self.store, clock.now()), compiled)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.store.close()
        self._folder.cleanup()

    def tell(self, rule: Rule, test: RuleTest) -> Story:
        """Run one test; the database is afterwards as it was."""
        with self.store.engine.connect() as connection:
            transaction = connection.execution_options(maild_write=True).begin()
            try:
                return Telling(connection, self.office, rule, test).tell()
            finally:
                transaction.rollback()
                self.office.readers.clear()
