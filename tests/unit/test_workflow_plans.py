"""What an entry of a stream is to workflows, and which cases a workflow means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from maild.cases import workflows as plans
from maild.model.case import Case, Status, StreamEntry, StreamType
from maild.settings.models import Event, When, Workflow
from maild.settings.values import WorkingDays, lasting

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def entry(type_: StreamType, public: bool = False, **data: Any) -> StreamEntry:
    return StreamEntry(NOW, type_, "x", public, "", data)


@pytest.mark.parametrize(
    ("happened", "event"),
    [
        (entry(StreamType.STATUS, to="new"), Event.CREATED),
        (entry(StreamType.STATUS, **{"name": "status", "from": "new", "to": "open"}), Event.STATUS_CHANGED),
        (entry(StreamType.MESSAGE, True, kind="answer"), Event.REPLIED),
        (entry(StreamType.MESSAGE, True, kind="customer"), Event.CUSTOMER_REPLIED),
        (entry(StreamType.MESSAGE, False, kind="customer"), None),
        (entry(StreamType.MESSAGE, False, kind="auto_reply"), None),
        (entry(StreamType.MESSAGE, True, kind="acknowledgement"), None),
        (entry(StreamType.MESSAGE, True, kind="survey"), None),
        (entry(StreamType.MESSAGE, False, kind="agent"), Event.NOTE),
        (entry(StreamType.NOTE), Event.NOTE),
        (entry(StreamType.ASSIGNMENT, name="assignee", to="bob"), Event.ASSIGNED),
        (entry(StreamType.ASSIGNMENT, name="assignee", to=None), Event.UPDATED),
        (entry(StreamType.ASSIGNMENT, name="group", to="billing"), Event.UPDATED),
        (entry(StreamType.FIELD, name="fields"), Event.UPDATED),
        (entry(StreamType.FIELD), None),
        (entry(StreamType.SLA, event="sla_violated"), Event.SLA_VIOLATED),
        (entry(StreamType.SLA, event="sla_warning"), Event.SLA_WARNING),
        (entry(StreamType.SLA, event="sla_escalated"), None),
        (entry(StreamType.SLA, name="sla"), Event.UPDATED),
        (entry(StreamType.SLA), None),
        (entry(StreamType.BOUNCED), Event.BOUNCED),
        (entry(StreamType.RATED, name="rating"), Event.RATED),
        (entry(StreamType.NOTIFIED), None),
        (entry(StreamType.SUPPRESSED), None),
    ],
)
def test_what_an_entry_is_to_workflows(happened: StreamEntry, event: Event | None) -> None:
    assert plans.event_of(happened) is event


def test_the_message_that_a_case_began_with_is_no_answer() -> None:
    assert plans.event_of(entry(StreamType.MESSAGE, True, kind="customer"), first=True) is None


def over(time: timedelta | WorkingDays, since: datetime) -> datetime:
    assert isinstance(time, timedelta)
    return since + time


def test_all_keys_must_fit_and_a_list_means_any() -> None:
    case = Case(1, "t", "support", status=Status.OPEN, status_since=NOW - timedelta(days=2))

    def means(fits: bool = True, **when: Any) -> bool:
        return plans.matches(When.model_validate(when), case, NOW, lambda criterion: fits, over)

    assert means(status=["open", "new"])
    assert not means(status="resolved")
    assert means(**{"status": "open", "for": "2d"})
    assert not means(**{"status": "open", "for": "49h"})
    assert means(status="open", priority="high")
    assert not means(False, status="open", priority="high")
    assert means(any=[{"status": "new"}, {"status": "open"}])
    assert not means(all=[{"status": "new"}, {"status": "open"}])
    assert not means(none=[{"status": "open"}])


def test_resolving_goes_by_way_of_open() -> None:
    waiting = Case(1, "t", "support", status=Status.WAIT_FOR_CUSTOMER)
    assert plans.way_to(waiting, Status.RESOLVED) == (Status.OPEN, Status.RESOLVED)
    assert plans.way_to(Case(1, "t", "support", status=Status.OPEN), Status.RESOLVED) == (Status.RESOLVED,)
    assert plans.way_to(waiting, Status.CLOSED) == (Status.CLOSED,)


def test_a_workflow_rests_when_switched_off_or_over() -> None:
    workflow = Workflow.model_validate({"name": "A", "event": "created", "do": [{"tag": ["x"]}], "until": "2026-11-23"})
    assert plans.active(workflow, "2026-11-23")
    assert not plans.active(workflow, "2026-11-24")
    assert not plans.active(workflow.model_copy(update={"enabled": False}), "2026-11-23")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("case_created", "created"), ("customer_answered", "customer_replied"), ("agent_answered", "replied"),
     ("note_added", "note"), ("field_changed", "updated")],
)  # fmt: skip
def test_other_words_for_events_are_understood(written: str, meant: str) -> None:
    assert Workflow.model_validate({"name": "A", "on": written, "do": [{"tag": ["x"]}]}).event == meant


@pytest.mark.parametrize(
    ("span", "said"),
    [(timedelta(days=15), "15d"), (timedelta(minutes=90), "90m"), (timedelta(hours=4), "4h"), (timedelta(seconds=5), "5s")],
)
def test_durations_are_said_as_they_are_written(span: timedelta, said: str) -> None:
    assert lasting(span) == said
