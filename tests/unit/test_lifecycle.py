"""The statuses of a case and what may follow which: Vtiger's "Managing Customer Cases", as the contract (section 5) and
decision 25 settle it. The table is written out, so that it can be compared line by line with the page that it is from."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.cases.lifecycle import (
    answered,
    change,
    channel_of,
    customer_wrote,
    open_case,
    possible,
    priority_of,
    raised,
    status_of,
    taken_back,
)
from maild.errors import CaseError, IllegalTransition, UnknownValue
from maild.model.case import Case, Channel, CloseReason, Priority, Status, StreamEntry, StreamType

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)

NEW, ASSIGNED, OPEN = Status.NEW, Status.ASSIGNED, Status.OPEN
CUSTOMER, THIRD, RESOLVED, CLOSED = (
    Status.WAIT_FOR_CUSTOMER, Status.WAIT_FOR_THIRD_PARTY, Status.RESOLVED, Status.CLOSED
)  # fmt: skip

# yes: may follow; reason: only with spam, duplicate or no_answer_needed; no: refused; same: nothing happens
#             to:  new      assigned open     customer third    resolved closed
MANAGING_CUSTOMER_CASES = {
    NEW:          ("same",  "yes",   "yes",   "yes",   "yes",   "no",    "reason"),
    ASSIGNED:     ("yes",   "same",  "yes",   "yes",   "yes",   "no",    "reason"),
    OPEN:         ("yes",   "yes",   "same",  "yes",   "yes",   "yes",   "reason"),
    CUSTOMER:     ("yes",   "yes",   "yes",   "same",  "yes",   "no",    "reason"),
    THIRD:        ("yes",   "yes",   "yes",   "yes",   "same",  "no",    "reason"),
    RESOLVED:     ("no",    "no",    "yes",   "no",    "no",    "same",  "yes"),
    CLOSED:       ("no",    "no",    "no",    "no",    "no",    "no",    "same"),
}  # fmt: skip
COLUMNS = (NEW, ASSIGNED, OPEN, CUSTOMER, THIRD, RESOLVED, CLOSED)
CELLS = [
    pytest.param(before, after, verdict, id=f"{before}-{after}-{verdict}")
    for before, row in MANAGING_CUSTOMER_CASES.items()
    for after, verdict in zip(COLUMNS, row, strict=True)
]


def case(status: Status = NEW, **values: Any) -> Case:
    return Case(number=7, title="Damaged phone", mailbox="support", status=status, created_at=NOW, **values)


@pytest.mark.parametrize(("before", "after", "verdict"), CELLS)
def test_managing_customer_cases(before: Status, after: Status, verdict: str) -> None:
    start = case(before)
    match verdict:
        case "same":
            assert change(start, {"status": after}, "bob", LATER).events == ()
        case "yes":
            done = change(start, {"status": after}, "bob", LATER)
            assert (done.after.status, done.after.status_since, done.after.updated_at) == (after, LATER, LATER)
            assert [event.type for event in done.events] == [StreamType.STATUS]
            assert (done.events[0].actor, done.events[0].public) == ("bob", False)
        case "no":
            with pytest.raises(IllegalTransition):
                change(start, {"status": after}, "bob", LATER)
            with pytest.raises(IllegalTransition):
                change(start, {"status": after}, "bob", LATER, reason="spam")
        case _:
            for reason in (None, "", "because", "Spam "):
                with pytest.raises(IllegalTransition, match=r"reason|final"):
                    change(start, {"status": after}, "bob", LATER, reason=reason)
            for reason in CloseReason:
                done = change(start, {"status": after}, "bob", LATER, reason=reason.value)
                assert (done.after.status, done.after.closed_at) == (after, LATER)
                assert reason.value in done.events[0].text


@pytest.mark.parametrize("status", COLUMNS)
def test_a_new_case_may_start_in_any_status(status: Status) -> None:
    begun = open_case(case(status), "maild", NOW).after
    assert begun.status is status
    ended = status in {RESOLVED, CLOSED}
    assert (begun.first_response_at, begun.resolved_at) == ((NOW, NOW) if ended else (None, None))
    assert begun.closed_at == (NOW if status is CLOSED else None)


def test_a_case_without_a_status_named_starts_new_and_with_an_assignee_assigned() -> None:
    assert open_case(case(), "maild", NOW).after.status is NEW
    assert open_case(case(assignee="bob"), "maild", NOW).after.status is ASSIGNED
    assert open_case(case(OPEN, assignee="bob"), "maild", NOW).after.status is OPEN


def test_assigning_a_new_case_makes_it_assigned_and_unassigning_new_again() -> None:
    given_ = change(case(), {"assignee": "bob"}, "alice", LATER).after
    assert (given_.status, given_.assignee) == (ASSIGNED, "bob")
    back = change(given_, {"assignee": None}, "alice", LATER).after
    assert (back.status, back.assignee) == (NEW, None)


@pytest.mark.parametrize("status", [OPEN, CUSTOMER, THIRD, RESOLVED])
def test_other_statuses_keep_when_the_assignee_changes(status: Status) -> None:
    assert change(case(status), {"assignee": "bob"}, "alice", LATER).after.status is status
    assert change(case(status, assignee="bob"), {"assignee": None}, "alice", LATER).after.status is status


def test_a_status_named_beside_the_assignee_wins() -> None:
    assert change(case(), {"assignee": "bob", "status": OPEN}, "alice", LATER).after.status is OPEN


def test_closed_is_final_for_all_but_what_comes_afterwards() -> None:
    closed = case(CLOSED)
    for name, value in {"title": "x", "priority": Priority.HIGH, "assignee": "bob", "fields": {"order": "7"}}.items():
        with pytest.raises(IllegalTransition, match="final"):
            change(closed, {name: value}, "bob", LATER)
    rated = change(closed, {"rating": 5, "feedback": "thanks"}, "jo@home.example", LATER).after
    assert (rated.rating, rated.feedback, rated.status) == (5, "thanks", CLOSED)


def test_a_refused_change_says_what_is_possible() -> None:
    with pytest.raises(IllegalTransition) as refused:
        change(case(RESOLVED), {"status": THIRD}, "bob", LATER)
    assert "open, closed" in str(refused.value)
    assert possible(case(RESOLVED)) == ["open", "closed"]
    assert possible(case(CLOSED)) == []
    assert possible(case(NEW))[-1] == "closed (spam | duplicate | no_answer_needed)"


def test_an_unknown_value_is_refused_and_nothing_changes() -> None:
    with pytest.raises(UnknownValue):
        change(case(), {"titel": "x"}, "bob", LATER)
    with pytest.raises(UnknownValue):
        change(case(), {"number": 8}, "bob", LATER)


def test_reopening_takes_back_when_it_was_resolved_and_keeps_the_first_response() -> None:
    resolved = change(case(OPEN), {"status": RESOLVED}, "bob", NOW).after
    assert (resolved.resolved_at, resolved.first_response_at) == (NOW, NOW)
    again = change(resolved, {"status": OPEN}, "bob", LATER).after
    assert (again.resolved_at, again.first_response_at) == (None, NOW)
    done = change(resolved, {"status": CLOSED}, "workflow:Close resolved cases", LATER).after
    assert (done.resolved_at, done.closed_at) == (NOW, LATER)


# --- the customer answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", COLUMNS)
def test_a_customers_answer_opens_what_waits_for_them_and_what_is_resolved(status: Status) -> None:
    moved = customer_wrote(case(status), "jo@home.example", LATER, moves=True).after
    assert moved.status is (OPEN if status in {CUSTOMER, RESOLVED} else status)
    assert moved.updated_at == LATER


@pytest.mark.parametrize("status", COLUMNS)
def test_a_machines_answer_reopens_nothing(status: Status) -> None:
    assert customer_wrote(case(status), "jo@home.example", LATER, moves=False).after.status is status


def test_item_56_bare_thanks_leave_a_resolved_case_alone_but_not_a_waiting_one() -> None:
    assert customer_wrote(case(RESOLVED), "jo@x.example", LATER, moves=True, bare_thanks=True).after.status is RESOLVED
    assert customer_wrote(case(CUSTOMER), "jo@x.example", LATER, moves=True, bare_thanks=True).after.status is OPEN


def test_item_56_the_fourth_reopening_of_a_day_asks_an_agent() -> None:
    third = customer_wrote(case(RESOLVED), "jo@x.example", LATER, moves=True, reopened_today=2)
    fourth = customer_wrote(case(RESOLVED), "jo@x.example", LATER, moves=True, reopened_today=3)
    assert (third.after.status, fourth.after.status) == (OPEN, RESOLVED)
    assert [event.type for event in fourth.events] == [StreamType.SUPPRESSED]


# --- an agent answers -------------------------------------------------------------------------------------------


def test_item_27_the_first_public_answer_is_the_first_response_and_takes_a_new_case() -> None:
    first = answered(case(), "bob", LATER).after
    assert (first.status, first.assignee) == (ASSIGNED, "bob")
    assert (first.first_response_at, first.last_responded_at) == (LATER, LATER)
    second = answered(first, "alice", LATER + timedelta(hours=1)).after
    assert (second.assignee, second.first_response_at) == ("bob", LATER)
    assert second.last_responded_at == LATER + timedelta(hours=1)
    assert answered(case(), "bob", LATER, takes=False).after.assignee is None


# --- words ------------------------------------------------------------------------------------------------------


def test_item_60_words_of_the_seeds_are_understood() -> None:
    assert [status_of(one) for one in ("in_progress", "In Progress", "wait for 3rd party", "Wait for customer", "OPEN")] == [
        OPEN, OPEN, THIRD, CUSTOMER, OPEN,
    ]  # fmt: skip
    assert [priority_of(one) for one in ("normal", "Urgent", " low ")] == [Priority.MEDIUM, Priority.URGENT, Priority.LOW]
    assert [channel_of(one) for one in ("web", "Webform", "Phone")] == [Channel.WEBFORM, Channel.WEBFORM, Channel.PHONE]
    for of, word in ((status_of, "done"), (priority_of, "p1"), (channel_of, "fax")):
        with pytest.raises(UnknownValue, match="one of"):
            of(word)


@pytest.mark.parametrize(("has", "wanted"), list(itertools.product(Priority, Priority)))
def test_raise_raises_and_never_lowers(has: Priority, wanted: Priority) -> None:
    order = [Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.URGENT]
    assert raised(has, wanted) is max(has, wanted, key=order.index)


# --- item 29: what was a mistake is taken back ------------------------------------------------------------------


def test_item_29_closing_by_mistake_is_taken_back_past_the_table() -> None:
    waiting = case(CUSTOMER)
    closed = change(waiting, {"status": CLOSED}, "bob", NOW, reason="spam")
    back = taken_back(closed.after, closed.events[0], "bob", LATER)
    assert (back.after.status, back.after.closed_at, back.after.status_since) == (CUSTOMER, None, LATER)
    assert [(one.actor, one.text) for one in back.events] == [("bob", "taken back: closed → wait_for_customer")]


def test_item_29_an_assignment_is_taken_back_with_the_status_that_came_with_it() -> None:
    taken = change(case(), {"assignee": "bob"}, "bob", NOW)
    assert taken.after.status is ASSIGNED
    back = taken_back(taken.after, taken.events[0], "bob", LATER)
    assert (back.after.assignee, back.after.status) == (None, NEW)


def test_item_29_what_has_changed_again_since_stays() -> None:
    first = change(case(), {"priority": Priority.HIGH}, "bob", NOW)
    second = change(first.after, {"priority": Priority.URGENT}, "alice", NOW)
    with pytest.raises(CaseError, match="priority has changed again since"):
        taken_back(second.after, first.events[0], "bob", LATER)
    one = change(case(fields={"order": "1", "host": "a"}), {"fields": {"order": "2"}}, "bob", NOW)
    other = change(one.after, {"fields": {"host": "b"}}, "bob", NOW)
    assert taken_back(other.after, one.events[0], "bob", LATER).after.fields == {"order": "1", "host": "b"}


def test_item_29_an_event_that_set_no_value_cannot_be_taken_back() -> None:
    with pytest.raises(CaseError, match="set no value"):
        taken_back(case(), StreamEntry(NOW, StreamType.NOTE, "bob", False, "hello"), "bob", LATER)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from([OPEN, CUSTOMER, THIRD, CLOSED]), "assignee": st.sampled_from([None, "alice", "bob"]),
            "priority": st.sampled_from(Priority), "tags": st.sampled_from([(), ("x", "y")]), "title": st.just("Other"),
            "fields": st.dictionaries(st.sampled_from(["order", "host"]), st.just("9"), max_size=2),
        },
    )
)  # fmt: skip
def test_item_29_taking_every_event_back_leaves_the_case_as_it_was(values: dict[str, Any]) -> None:
    begun = case(OPEN, assignee="alice", fields={"order": "1"})
    done = change(begun, values, "bob", NOW, reason="spam")
    now = done.after
    for event in reversed(done.events):
        now = taken_back(now, event, "bob", LATER).after
    names = ("status", "assignee", "priority", "tags", "title", "closed_at", "resolved_at")
    assert [getattr(now, name) for name in names] == [getattr(begun, name) for name in names]
    assert {key: value for key, value in now.fields.items() if value is not None} == begun.fields


# --- whatever is done -------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"status": st.sampled_from(Status)}),
            st.fixed_dictionaries({"assignee": st.sampled_from([None, "", "alice", "bob"])}),
            st.fixed_dictionaries({"priority": st.sampled_from(Priority), "tags": st.just(("x",))}),
            st.just("customer"),
            st.just("answer"),
        ),
        max_size=12,
    ),
    st.sampled_from([None, "spam", "nonsense"]),
)
def test_whatever_is_done_the_story_of_statuses_is_a_path_through_the_table(steps: list[Any], reason: str | None) -> None:
    now, at, told = open_case(case(), "maild", NOW).after, NOW, [NEW]
    for step in steps:
        at += timedelta(minutes=1)
        before = now
        try:
            if step == "customer":
                done = customer_wrote(now, "jo@x.example", at, moves=True)
            elif step == "answer":
                done = answered(now, "bob", at) if now.status is not CLOSED else None
            else:
                done = change(now, step, "bob", at, reason=reason)
        except CaseError:
            assert now == before
            continue
        if done is None:
            continue
        now = done.after
        told += [Status(event.data["to"]) for event in done.events if event.type is StreamType.STATUS]
        assert (now.resolved_at is not None) >= (now.status is RESOLVED)
        assert (now.closed_at is not None) == (now.status is CLOSED)
        assert now.status is told[-1]
    for one, other in itertools.pairwise(told):
        assert MANAGING_CUSTOMER_CASES[one][COLUMNS.index(other)] in {"yes", "reason"}
