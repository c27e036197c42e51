"""Drafts of rules, YAML for people, times of tests, and the watch on files."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from builders import configuration, mail
from hypothesis import given
from hypothesis import strategies as st

from maild.errors import CaseError
from maild.ingest.parse import parse
from maild.settings.load import load
from maild.settings.reader import read_bytes
from maild.settings.watching import Watch
from maild.workbench import testing, yamltext
from maild.workbench.draft import Sample, draft
from maild.workbench.times import moment

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_draft_is_a_rule_whose_tests_pass(tmp_path: Path) -> None:
    folder = configuration(tmp_path)
    bodies = ("Order: 77\nName: Jo Doe\nE-mail: jo@home.example\n", "Order: 78\nName: Al Roe\nE-mail: al@work.example\nNote: x\n")
    samples = [Sample(f"{n}.eml", parse(mail(body, subject=f"New order {n}"))) for n, body in enumerate(bodies)]
    text = draft(samples, load(folder))
    assert "jo@home.example" not in text and "al@work.example" not in text
    (folder / "rules" / "10-draft.yaml").write_text(text, encoding="utf-8")
    settings = load(folder)
    assert [rule.name for rule in settings.rules] == ["order"]
    assert settings.rules[0].case.autofill is not None
    report = testing.run(settings)
    assert [one.lines() for one in report.failed] == []
    assert len(report.results) == 2


def test_a_draft_of_mails_with_nothing_in_common_says_so(tmp_path: Path) -> None:
    samples = [Sample("a", parse(mail("one", subject="Alpha", sender="a@x.example"))), Sample("b", parse(mail("two", subject="Beta", sender="b@y.example")))]
    assert "Nothing is common" in draft(samples, load(configuration(tmp_path)))


_plain = st.recursive(
    st.one_of(st.text(st.one_of(st.characters(categories=("L", "N", "P", "S")), st.sampled_from(" \n\t")), max_size=30), st.booleans(), st.integers(-999, 999)),
    lambda below: st.one_of(
        st.lists(below, max_size=4),
        st.dictionaries(st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=8), below, min_size=1, max_size=4),
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["rules", "a b", "when", "body"]), _plain, min_size=1))
def test_yaml_reads_back_as_it_was(value: dict[str, Any]) -> None:
    document = read_bytes(yamltext.dump(value).encode(), "x.yaml")
    assert [str(fault) for fault in document.faults if fault.severity == "error"] == []
    assert document.value == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, datetime(2026, 6, 9, 8, 0, tzinfo=UTC)),
        ("2026-11-22 20:00", datetime(2026, 11, 22, 19, 0, tzinfo=UTC)),
        ("2026-11-22T20:00:00Z", datetime(2026, 11, 22, 20, 0, tzinfo=UTC)),
        ("sat 20:00", datetime(2026, 6, 13, 18, 0, tzinfo=UTC)),
        ("+2h", datetime(2026, 6, 9, 10, 0, tzinfo=UTC)),
    ],
)
def test_times_of_tests(text: str | None, expected: datetime) -> None:
    assert moment(text, BERLIN) == expected


def test_what_is_no_time_says_how_one_is_written() -> None:
    with pytest.raises(CaseError, match="sat 20:00"):
        moment("soon", BERLIN)


def test_a_change_counts_once_it_has_come_to_rest(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    file = tmp_path / "rules" / "a.yaml"
    file.write_text("rules: []")
    watch = Watch(tmp_path)
    assert not watch.changed(10.0)
    file.write_text("rules: [{name: x}]")
    os.utime(file, (1, 1))
    assert [watch.changed(at) for at in (11.0, 12.0, 14.0, 16.0, 18.0)] == [False, False, True, False, False]
    (tmp_path / "note.bak").write_text("x")
    assert [watch.changed(at) for at in (20.0, 22.0)] == [False, False]
