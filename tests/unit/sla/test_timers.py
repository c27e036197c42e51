"""The SLA Information block of a case, line by line, and what must stay true around it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.model.case import Priority, Status
from maild.model.sla import Clock, ClockKind, Outcome, Pause, ResponseStatus, SlaState, SlaStatus
from maild.settings.models import Policy, SlaYaml
from maild.sla import escalation, standing, stopwatch, timers
from maild.sla.calendar import ALWAYS, WorkingCalendar

POLICY: dict[str, Any] = {
    "targets": {
        "urgent": {"first_response": "1h", "resolution": "8h"},
        "low": {"first_response": "4h", "next_response": "2h", "resolution": "10h"},
        "medium": {"resolution": "5d"},
    },
    "escalations": [
        {"at": "80%", "of": "resolution", "notify": ["assignee"]},
        {"at": "100%", "of": "first_response", "notify": ["manager"], "set": {"priority": "urgent"}},
        {"at": "150%", "of": "resolution", "notify": ["manager"], "assign": {"group": "tier2"}},
        {"before": "30m", "of": "first_response", "notify": ["assignee"]},
        {"after": "2h", "of": "first_response", "notify": ["admins@example.com"]},
    ],
}
STANDARD = Policy.model_validate(POLICY)
START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # a Monday


def after(hours: float) -> datetime:
    return START + timedelta(hours=hours)


class Story:
    """One case as its clocks live it, around the clock unless told otherwise."""

    def __init__(self, priority: str = "low", policy: Policy = STANDARD, calendar: WorkingCalendar = ALWAYS) -> None:
        self.policy, self.calendar, self.priority, self.status = policy, calendar, Priority(priority), Status.NEW
        self.clocks = timers.opened(policy, self.priority, calendar, Status.NEW, START, since=START)

    def moves(self, status: str, hours: float) -> Story:
        self.status = Status(status)
        self.clocks = timers.moved(self.clocks, self.policy, self.calendar, self.status, after(hours))
        return self

    def answered(self, hours: float) -> Story:
        self.clocks = timers.responded(self.clocks, self.policy, self.priority, self.calendar, after(hours))
        return self

    def asked(self, hours: float) -> Story:
        self.clocks = timers.asked(self.clocks, self.policy, self.priority, self.calendar, after(hours))
        return self

    def becomes(self, priority: str, hours: float) -> Story:
        self.priority = Priority(priority)
        self.clocks = timers.retimed(self.clocks, self.policy, self.priority, self.calendar, self.status, after(hours),
                                     since=START)  # fmt: skip
        return self

    def sweeps(self, hours: float) -> list[str]:
        """Take the steps that are due; their keys, in order."""
        taken = []
        for clock in self.clocks:
            for step in escalation.due(self.policy, clock, self.calendar, after(hours)):
                taken.append(f"{step.key} of {step.kind}")
                self.clocks = tuple(escalation.ran(c, step) if c.kind is step.kind else c for c in self.clocks)
        return taken

    def state(self, hours: float) -> SlaState:
        return standing.state(self.clocks, self.calendar, self.status, after(hours))

    def sla(self, hours: float) -> str:
        return str(self.state(hours).status)

    def clock(self, kind: str) -> Clock:
        return [clock for clock in self.clocks if clock.kind == kind][-1]


# The block's lines ------------------------------------------------------------------------------------------------


def test_first_response_status_fulfilled_if_the_first_response_is_made_within_the_time() -> None:
    state = Story().answered(4).state(9)
    assert state.first_response is not None
    assert state.first_response.status == "fulfilled"
    assert state.first_response.elapsed == timedelta(hours=4)


def test_first_response_status_violated_if_it_is_not_made_within_the_time() -> None:
    for story in (Story(), Story().answered(4.01)):
        state = story.state(5)
        assert state.first_response is not None and state.first_response.status == "violated"


def test_first_response_status_is_pending_until_then() -> None:
    state = Story().state(3)
    assert state.first_response is not None
    assert (state.first_response.status, state.first_response.due_at) == ("pending", after(4))


def test_a_case_that_is_opened_with_a_mail_has_its_first_response_fulfilled() -> None:
    clocks = timers.opened(STANDARD, Priority.LOW, ALWAYS, Status.NEW, START, since=None, first_response_at=START)
    state = standing.state(clocks, ALWAYS, Status.NEW, after(100))
    assert state.first_response is not None and state.first_response.status == "fulfilled"


def test_running_when_new_or_assigned_and_time_has_not_expired() -> None:
    assert Story().sla(1) == "running"
    assert Story().moves("assigned", 1).sla(2) == "running"


def test_time_left_when_open_and_time_has_not_expired() -> None:
    assert Story().moves("open", 1).sla(2) == "time_left"


@pytest.mark.parametrize("status", ["wait_for_customer", "wait_for_third_party"])
def test_paused_while_waiting(status: str) -> None:
    assert Story().moves(status, 1).sla(100) == "paused"


def test_fulfilled_when_resolved_and_time_is_remaining() -> None:
    assert Story().moves("open", 1).moves("resolved", 9).sla(50) == "fulfilled"


def test_violated_when_time_expires() -> None:
    assert Story().sla(10) == "running"
    assert Story().sla(10.01) == "violated"
    assert Story().moves("open", 1).moves("resolved", 11).sla(12) == "violated"


def test_escalated_when_violated_and_a_step_at_100_percent_or_more_ran() -> None:
    story = Story().moves("open", 1)
    story.sweeps(12)
    assert story.sla(12) == "violated"
    story.sweeps(15.1)
    assert story.sla(15.1) == "escalated"
    assert story.moves("resolved", 16).sla(17) == "escalated"


def test_sla_time_elapsed_leaves_out_pauses_and_total_time_does_not() -> None:
    story = Story().moves("wait_for_customer", 2).moves("open", 5).moves("resolved", 9)
    state = story.state(50)
    assert state.resolution is not None
    assert state.resolution.elapsed == timedelta(hours=6)
    assert state.total_elapsed == timedelta(hours=9)


def test_a_case_without_sla_has_an_empty_block() -> None:
    assert standing.as_json(standing.state((), ALWAYS, Status.NEW, START)) == {
        "status": None, "total_elapsed": None, "first_response": None, "resolution": None}  # fmt: skip


def test_the_block_as_json() -> None:
    story = Story().answered(1).moves("wait_for_customer", 2)
    assert standing.as_json(story.state(3)) == {
        "status": "paused",
        "total_elapsed": 3 * 3600,
        "first_response": {"status": "fulfilled", "due_at": after(4), "elapsed": 3600},
        "resolution": {"status": "paused", "due_at": after(10), "elapsed": 7200},
    }


# Clocks -----------------------------------------------------------------------------------------------------------


def test_a_pause_moves_the_due_time_by_what_it_took() -> None:
    story = Story().moves("wait_for_customer", 2).moves("open", 5).moves("wait_for_customer", 6).moves("open", 7)
    clock = story.clock("resolution")
    assert clock.due_at == after(14)
    assert clock.pauses == (Pause(after(2), after(5)), Pause(after(6), after(7)))


def test_first_response_never_pauses() -> None:
    assert Story().moves("wait_for_customer", 1).moves("open", 3).clock("first_response").due_at == after(4)


def test_a_clock_past_its_due_time_never_pauses() -> None:
    story = Story().moves("wait_for_customer", 11)
    assert story.sla(12) == "violated"
    assert story.clock("resolution").pauses == ()


def test_from_one_waiting_status_to_another_it_goes_on_standing() -> None:
    story = Story().moves("wait_for_customer", 1).moves("wait_for_third_party", 2).moves("open", 4)
    assert story.clock("resolution").pauses == (Pause(after(1), after(4)),)


def test_resolving_without_an_answer_ends_the_first_response_there() -> None:
    assert Story().moves("open", 1).moves("resolved", 2).clock("first_response").outcome is Outcome.FULFILLED
    assert Story().moves("closed", 5).clock("first_response").outcome is Outcome.VIOLATED


def test_a_case_that_starts_resolved_has_both_clocks_ended() -> None:
    clocks = timers.opened(STANDARD, Priority.LOW, ALWAYS, Status.RESOLVED, START, since=START)
    assert [clock.outcome for clock in clocks] == [Outcome.FULFILLED, Outcome.FULFILLED]


def test_a_case_that_starts_waiting_stands() -> None:
    clocks = timers.opened(STANDARD, Priority.LOW, ALWAYS, Status.WAIT_FOR_CUSTOMER, START, since=START)
    assert [clock.paused_at for clock in clocks] == [None, START]


def test_the_clock_runs_from_the_message_and_not_from_when_it_was_processed() -> None:
    clocks = timers.opened(STANDARD, Priority.LOW, ALWAYS, Status.NEW, after(3), since=START)
    assert [clock.due_at for clock in clocks] == [after(4), after(10)]


def test_reopening_goes_on_with_the_time_used() -> None:
    story = Story().answered(1).moves("open", 1).moves("resolved", 6).moves("open", 106)
    clock = story.clock("resolution")
    assert (clock.due_at, clock.running) == (after(110), True)
    assert story.sla(110) == "time_left"
    assert story.sla(111) == "violated"
    assert story.clock("first_response").ended_at == after(1)


def test_reopening_while_the_customer_is_waited_for_counts_the_time_once() -> None:
    story = Story().moves("wait_for_customer", 2).moves("open", 4).moves("resolved", 4).moves("open", 10)
    assert story.clock("resolution").due_at == after(18)
    assert stopwatch.elapsed(story.clock("resolution"), ALWAYS, after(11)) == timedelta(hours=3)


def test_closed_while_waiting_is_fulfilled() -> None:
    assert Story().moves("wait_for_customer", 2).moves("closed", 300).clock("resolution").outcome is Outcome.FULFILLED


def test_reopening_does_not_undo_a_breach() -> None:
    story = Story().moves("open", 1).moves("resolved", 12).moves("open", 20)
    assert story.sla(20) == "violated"
    assert story.clock("resolution").due_at == after(10)
    assert stopwatch.elapsed(story.clock("resolution"), ALWAYS, after(21)) == timedelta(hours=13)


def test_a_change_of_priority_keeps_start_and_pauses() -> None:
    story = Story().moves("wait_for_customer", 2).moves("open", 5).becomes("urgent", 6)
    assert story.clock("resolution").due_at == after(11)
    assert story.clock("resolution").pauses == (Pause(after(2), after(5)),)


def test_a_change_while_waiting_keeps_it_standing() -> None:
    story = Story().moves("wait_for_customer", 2).becomes("urgent", 4)
    assert story.sla(5) == "paused"
    assert story.moves("open", 6).clock("resolution").due_at == after(12)


def test_a_change_does_not_undo_a_breach() -> None:
    story = Story("urgent").becomes("low", 2)
    state = story.state(2)
    assert state.first_response is not None and state.first_response.status == "violated"
    assert story.clock("resolution").due_at == after(10)


def test_a_shorter_target_may_be_missed_already_even_while_waiting() -> None:
    story = Story().moves("wait_for_customer", 9).becomes("urgent", 9.5)
    assert story.clock("resolution").due_at == after(8)
    assert story.sla(9.5) == "violated"


def test_a_target_that_is_gone_ends_its_clock_and_a_new_one_starts_from_the_first_message() -> None:
    story = Story("medium")
    assert [clock.kind for clock in story.clocks] == [ClockKind.RESOLUTION]
    story.becomes("low", 3)
    assert story.clock("first_response").due_at == after(4)
    story.becomes("medium", 3.5)
    assert [clock.kind for clock in story.clocks] == [ClockKind.RESOLUTION]


def test_next_response_runs_from_the_oldest_unanswered_message() -> None:
    story = Story().asked(1).answered(2).asked(5).asked(6)
    assert [(c.kind, c.started_at) for c in story.clocks if c.kind == "next_response"] == [("next_response", after(5))]
    state = story.state(8)
    assert state.next_response is not None
    assert (state.next_response.status, state.next_response.due_at) == (ResponseStatus.VIOLATED, after(7))
    assert story.answered(8).asked(9).clock("next_response").due_at == after(11)


def test_a_case_that_a_user_opened_silently_waits_for_no_response_until_a_customer_writes() -> None:
    story = Story()
    story.clocks = timers.opened(STANDARD, Priority.LOW, ALWAYS, Status.NEW, START, since=None)
    assert [clock.kind for clock in story.clocks] == ["resolution"]
    assert story.asked(2).clock("first_response").due_at == after(6)


# Working days -----------------------------------------------------------------------------------------------------

OFFICE = SlaYaml.model_validate(
    {
        "calendars": {
            "office": {
                "timezone": "Europe/Berlin",
                "hours": {"mon-thu": ["09:00-12:30", "13:00-17:30"], "fri": "09:00-15:00"},
            }
        },
        "policies": {
            "Days": {
                "calendar": "office",
                "targets": {"low": {"first_response": "1d", "resolution": "3d"}, "urgent": {"resolution": "8h"}},
                "escalations": [{"at": "50%"}, {"before": "1d"}, {"after": "1d"}],
            },
            "Always": {"targets": {"low": {"resolution": "2d"}}},
        },
    }
)


DAYS = timers.calendars(OFFICE)["Days"]


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=DAYS.zone)


def test_a_target_in_days_is_due_at_the_same_time_of_day() -> None:
    policy, calendar = OFFICE.policies["Days"], DAYS
    clocks = timers.opened(policy, Priority.LOW, calendar, Status.NEW, START, since=berlin("2026-11-28 12:00"))
    assert [clock.due_at for clock in clocks] == [berlin("2026-12-01 09:00"), berlin("2026-12-03 09:00")]
    assert clocks[0].target == timedelta(hours=8)
    # a pause by night changes nothing, one of an hour by day moves it by that hour
    slept = stopwatch.resume(stopwatch.pause(clocks[1], berlin("2026-11-30 18:00")), calendar, berlin("2026-12-01 08:00"))
    assert slept.due_at == berlin("2026-12-03 09:00")
    worked = stopwatch.resume(stopwatch.pause(slept, berlin("2026-12-01 10:00")), calendar, berlin("2026-12-01 11:00"))
    assert worked.due_at == berlin("2026-12-03 10:00")


def test_steps_in_working_days() -> None:
    policy, calendar = OFFICE.policies["Days"], DAYS
    clock = stopwatch.start(ClockKind.RESOLUTION, policy, Priority.LOW, calendar, berlin("2026-11-30 10:00"))
    assert clock is not None and clock.due_at == berlin("2026-12-03 10:00")
    assert [(step.key, step.due_at) for step in escalation.steps(policy, clock, calendar)] == [
        ("at 50%", berlin("2026-12-01 14:30")),
        ("before 1d", berlin("2026-12-02 10:00")),
        ("breach", berlin("2026-12-03 10:00")),
        ("after 1d", berlin("2026-12-04 10:00")),
    ]


def test_without_a_calendar_a_day_has_24_hours() -> None:
    clock = stopwatch.start(ClockKind.RESOLUTION, OFFICE.policies["Always"], Priority.LOW,
                         timers.calendars(OFFICE)["Always"], START)  # fmt: skip
    assert clock is not None and clock.due_at == START + timedelta(days=2)


# Escalations ------------------------------------------------------------------------------------------------------


def test_steps_come_in_order_each_once() -> None:
    story = Story()
    assert story.sweeps(3) == []
    assert story.sweeps(3.5) == ["before 30m of first_response"]
    assert story.sweeps(4) == []  # in time until the very end
    assert story.sweeps(4.01) == ["breach of first_response", "at 100% of first_response"]
    assert story.sweeps(6) == ["after 2h of first_response"]
    assert story.sweeps(9) == ["at 80% of resolution"]
    assert story.sweeps(20) == ["breach of resolution", "at 150% of resolution"]
    assert story.sweeps(1000) == []


def test_a_late_sweep_takes_all_that_fell_due() -> None:
    assert len(Story().sweeps(1000)) == 7


def test_no_step_after_the_end() -> None:
    assert Story().answered(1).moves("open", 1).moves("resolved", 2).sweeps(1000) == []


def test_no_step_while_standing_but_what_fell_due_before() -> None:
    assert Story().answered(1).moves("wait_for_customer", 7).sweeps(100) == []
    assert Story().answered(1).moves("wait_for_customer", 9).sweeps(100) == ["at 80% of resolution"]


def test_a_pause_moves_the_steps_after_it() -> None:
    story = Story().answered(1).moves("wait_for_customer", 2).moves("open", 5)
    clock = story.clock("resolution")
    assert [(step.key, step.due_at) for step in escalation.steps(STANDARD, clock, ALWAYS)] == [
        ("at 80%", after(11)), ("breach", after(13)), ("at 150%", after(18))]  # fmt: skip


def test_a_step_that_ran_does_not_run_again_after_a_change_of_priority() -> None:
    story = Story().answered(1).moves("open", 1)
    assert story.sweeps(9) == ["at 80% of resolution"]
    assert story.becomes("medium", 9).sweeps(119) == []


def test_two_steps_at_one_moment_have_names_of_their_own() -> None:
    policy = Policy.model_validate({**POLICY, "escalations": [{"at": "80%"}, {"at": "80%"}]})
    clock = stopwatch.start(ClockKind.RESOLUTION, policy, Priority.LOW, ALWAYS, START)
    assert clock is not None
    assert [step.key for step in escalation.steps(policy, clock, ALWAYS)] == ["at 80%", "at 80% (2)", "breach"]


# Always true ------------------------------------------------------------------------------------------------------

deeds = st.lists(
    st.tuples(
        st.floats(0.01, 6),
        st.sampled_from(["open", "assigned", "wait_for_customer", "wait_for_third_party", "resolved"]),
        st.sampled_from(["low", "urgent", "medium", ""]),
    ),
    max_size=12,
)


@given(deeds, st.booleans())
def test_whatever_happens_the_books_balance(story: list[tuple[float, str, str]], office: bool) -> None:
    calendar = DAYS if office else ALWAYS
    case, hours, breached = Story(calendar=calendar), 0.0, False
    for wait, status, priority in story:
        hours += wait
        if priority:
            case.becomes(priority, hours)
        case.moves(status, hours)
        clock = case.clock("resolution")
        late = stopwatch.past_due(clock, after(hours))
        # once late, for ever late
        assert late or not breached
        breached = late
        assert case.sla(hours) in set(SlaStatus)
        assert timedelta() <= stopwatch.elapsed(clock, calendar, after(hours)) <= after(hours) - START
        if clock.running and not late:
            used = stopwatch.elapsed(clock, calendar, after(hours))
            since = clock.paused_at or after(hours)
            # what is left to the due time and what is used are the target
            assert used + calendar.working_between(since, clock.due_at) == clock.target
        assert timers.moved(case.clocks, case.policy, calendar, case.status, after(hours)) == case.clocks


def test_a_clock_set_back_does_no_harm() -> None:
    clock = Story().clock("resolution")
    paused = stopwatch.pause(clock, after(5))
    assert stopwatch.resume(paused, ALWAYS, after(4)).due_at == clock.due_at
    assert stopwatch.end(paused, ALWAYS, after(3)).outcome is Outcome.FULFILLED
    assert stopwatch.end(clock, ALWAYS, after(-5)).ended_at == START
    ended = replace(clock, ended_at=after(1), outcome=Outcome.FULFILLED)
    assert stopwatch.end(ended, ALWAYS, after(9)) == ended
