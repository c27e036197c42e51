"""The figures of `maild report` and `maild sla report`, and the page with charts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from builders import Room, mail
from test_workflows import change, reply, resolve

from maild.reports import charts, figures
from maild.schedule import beats
from maild.store.unit_of_work import Store


@pytest.fixture
def month(store: Store, rooms: Callable[..., Room]) -> Room:
    """Two cases of support, answered in time and too late; one of an organisation that waits."""
    room = rooms(store)
    first = room.receive(mail()).case
    room.later(hours=1)
    reply(room, first)
    change(room, first, assignee="alice")
    resolve(room, first)
    change(room, first, rating=5)
    second = room.receive(mail(sender="x@y.example")).case
    room.later(hours=5)
    beats.beat(room.store, room.office, room.now)
    reply(room, second)
    room.receive(mail(sender="jo@acme.example", subject="<b>Mine</b>"), mail_from="jo@acme.example")
    room.later(hours=2)
    beats.beat(room.store, room.office, room.now)
    return room


def test_the_report_counts_by_group_agent_and_organisation(month: Room) -> None:
    made = figures.report(month.office.settings, month.store, month.now - timedelta(days=2), month.now)
    totals = made["totals"]
    assert (totals["created"], totals["resolved"], totals["open"]) == (3, 1, 2)
    assert (totals["mails_in"], totals["mails_out"]) == (3, 5)
    assert (totals["first_response_median"], totals["resolution_median"], totals["rating"]) == (3 * 3600, 3600, 5)
    # ended: two of the first case kept, one of the second violated, one of Acme's is past its hour
    assert totals["sla_kept"] == 0.5
    assert [(row["name"], row["created"]) for row in made["by_organisation"]] == [("Acme Ltd", 1), ("", 2)]
    assert [row["name"] for row in made["by_agent"]] == ["alice", ""]
    assert sum(day["in"] for day in made["by_day"]) == 3
    assert made["ratings"]["5"] == 1


def test_the_sla_report_names_what_is_overdue(month: Room) -> None:
    made = figures.sla_report(month.office.settings, month.store, month.now - timedelta(days=2), month.now)
    lines = {(row["policy"], row["clock"]): row for row in made["policies"]}
    standard = lines["Standard", "first_response"]
    assert (standard["cases"], standard["fulfilled"], standard["violated"], standard["kept"]) == (2, 1, 1, 0.5)
    assert lines["Gold", "first_response"]["violated"] == 1
    assert [(one["number"], one["clock"]) for one in made["overdue"]] == [(3, "first_response")]


def test_the_page_stands_alone_and_shows_text_as_text(month: Room) -> None:
    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[tuple[str, dict[str, str | None]]] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.append((tag, dict(attrs)))

    made = figures.report(month.office.settings, month.store, month.now - timedelta(days=2), month.now)
    made["by_group"][0]["name"] = "<script>alert(1)</script>"
    page = charts.page(made)
    tags = Tags()
    tags.feed(page)
    names = [tag for tag, _ in tags.seen]
    assert names.count("svg") >= 3
    assert "script" not in names
    assert not [attrs for _, attrs in tags.seen for name in ("src", "href", "xlink:href") if attrs.get(name, "#")[:1] not in "#"]
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_a_database_that_is_not_there_has_no_figures(month: Room) -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    assert figures.report(month.office.settings, None, at, at)["totals"]["created"] == 0
    assert figures.sla_report(month.office.settings, None, at, at)["policies"] == []


def test_deadlines_are_tried_out_by_policy_and_moment(month: Room) -> None:
    (first, resolution) = figures.tried(month.office.settings, "Gold", "normal", datetime(2026, 11, 23, 9, 0, tzinfo=UTC))
    assert (first["at"], resolution["at"]) == ("2026-11-23T10:00:00Z", "2026-11-24T09:00:00Z")
