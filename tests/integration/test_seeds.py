"""The sentences of the products that maild's cases are modelled on, each with a test named after it, through mail.

Seed 002 is Vtiger's "Managing Customer Cases" (its dependencies of the status, its SLA information block, its satisfaction
survey), seed 000 EspoCRM's "Case Management" (the paragraph on Reply-To).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from builders import Room, header, mail, office
from test_agents import PROVEN, TRUST, Team
from test_workflows import CLOSE, SURVEY

from maild.model.case import Status
from maild.model.spool import SpoolEntry
from maild.schedule import beats
from maild.store.unit_of_work import Store

SLA = {
    "policies": {
        "Standard": {
            "pause_in": ["wait_for_customer", "wait_for_third_party"],
            "targets": {"medium": {"first_response": "4h", "resolution": "10h"}},
            "escalations": [{"at": "150%", "of": "resolution", "notify": ["manager"]}],
        }
    }
}  # fmt: skip


@pytest.fixture
def team(sqlite: Store, rooms: Callable[..., Room]) -> Team:
    """Alice and Bob in support, Jo's case, and the two default workflows."""
    made = Team(rooms(sqlite, main=TRUST, sla=SLA, workflows=[CLOSE, SURVEY]))
    made.customer()
    return made


def orders(team: Team, *lines: str, case: int = 1) -> SpoolEntry:
    """Alice's mail with these commands alone."""
    room = team.room
    room.fresh()
    raw = mail("\n".join(lines), sender="Alice Ng <alice@example.com>", subject=f"[#{case}]", headers=[PROVEN])
    entry = room.receive(raw, mail_from="alice@example.com")
    beats.beat(room.store, room.office, room.now)
    return entry


def refused(team: Team) -> bool:
    return any("Not done" in one.message.subject for one in team.room.fresh())


def status(team: Team, case: int = 1) -> str:
    return str(team.case(case)["status"])


def sla(team: Team) -> dict[str, Any]:
    return dict(team.case()["sla_state"])


# --- 002, Key Terminology and the dependencies of the status ----------------------------------------------------


def test_seed_002_new_when_the_case_is_created(team: Team) -> None:
    assert status(team) == "new"


def test_seed_002_assigned_when_the_case_is_assigned_to_a_person(team: Team) -> None:
    orders(team, "#assign bob")
    assert (status(team), team.case()["assignee"]) == ("assigned", "bob")


def test_seed_002_open_when_the_case_is_accepted_but_not_assigned(team: Team) -> None:
    orders(team, "#status open")
    assert (status(team), team.case()["assignee"]) == ("open", None)


def test_seed_002_wait_for_3rd_party_when_an_input_is_required_from_a_3rd_party(team: Team) -> None:
    orders(team, "#wait 3rd")
    assert status(team) == "wait_for_third_party"


def test_seed_002_wait_for_customer_when_an_input_is_required_from_the_customer(team: Team) -> None:
    orders(team, "#wait")
    assert status(team) == "wait_for_customer"
    team.customer("Here it is.", subject="Re: [#1] It does not work")
    assert status(team) == "open"


@pytest.mark.parametrize("wanted", Status)
def test_seed_002_when_you_create_a_case_you_can_set_its_status_to_any(team: Team, wanted: Status) -> None:
    rule = {"name": "So", "when": {"subject": "so"}, "case": {"set": {"status": wanted.value}}}
    team.room.office = office(team.room.office.settings.folder, team.room.store, main=TRUST, sla=SLA, rules=[rule])
    assert status(team, team.customer(subject="so", sender="x@y.example").case or 0) == wanted.value


def test_seed_002_new_if_assigned_to_is_empty_and_assigned_when_assigned_during_creation(team: Team) -> None:
    rule = {"name": "So", "when": {"subject": "so"}, "case": {"assign": {"user": "bob"}}}
    team.room.office = office(team.room.office.settings.folder, team.room.store, main=TRUST, sla=SLA, rules=[rule])
    assert status(team) == "new"
    assert status(team, team.customer(subject="so", sender="x@y.example").case or 0) == "assigned"


@pytest.mark.parametrize("before", ["new", "assigned", "wait_for_customer", "wait_for_third_party"])
def test_seed_002_resolved_only_when_its_current_status_is_open(team: Team, before: str) -> None:
    if before != "new":
        orders(team, "#assign bob", f"#status {before}")
    orders(team, "#status resolved")
    assert refused(team)
    assert status(team) == before
    orders(team, "#status open")
    orders(team, "#status resolved")
    assert status(team) == "resolved"


def test_seed_002_a_closed_case_cannot_be_reopened_and_a_resolved_one_can(team: Team) -> None:
    orders(team, "#resolve Done.")
    orders(team, "#reopen")
    assert status(team) == "open"
    orders(team, "#resolve Done.")
    orders(team, "#close")
    orders(team, "#reopen")
    assert refused(team)
    assert status(team) == "closed"


def test_seed_002_closed_when_the_case_is_in_the_resolved_state_for_a_specified_time(team: Team) -> None:
    orders(team, "#resolve Done.")
    team.room.later(days=15)
    beats.beat(team.room.store, team.room.office, team.room.now)
    assert status(team) == "closed"


# --- 002, SLA Information Block ---------------------------------------------------------------------------------


def test_seed_002_sla_name_is_the_policy_and_can_be_assigned(team: Team) -> None:
    assert team.case()["sla"] == "Standard"
    orders(team, "#sla Gold")
    assert team.case()["sla"] == "Gold"


def test_seed_002_first_response_actual_and_last_responded_on(team: Team) -> None:
    assert (team.case()["first_response_at"], team.case()["last_responded_at"]) == (None, None)
    team.room.later(hours=1)
    team.alice("Please switch it off.", headers=[PROVEN])
    team.room.later(hours=1)
    team.alice("Did it help?", headers=[PROVEN])
    shown = team.case()
    assert (shown["first_response_at"], shown["last_responded_at"]) == ("2026-11-23T11:00:00Z", "2026-11-23T12:00:00Z")


def test_seed_002_sla_time_elapsed_is_what_was_used_of_the_allotted_time(team: Team) -> None:
    team.room.later(hours=2)
    orders(team, "#wait")
    team.room.later(hours=20)
    assert sla(team)["resolution"]["elapsed"] == 2 * 3600  # waiting uses none of it
    orders(team, "#status open")
    team.room.later(hours=1)
    assert sla(team)["resolution"]["elapsed"] == 3 * 3600


def test_seed_002_resolution_actual_is_when_the_case_was_resolved(team: Team) -> None:
    assert team.case()["resolved_at"] is None
    team.room.later(hours=3)
    orders(team, "#resolve Done.")
    assert team.case()["resolved_at"] == "2026-11-23T13:00:00Z"


def test_seed_002_time_in_current_state(team: Team) -> None:
    team.room.later(hours=3)
    assert team.case()["time_in_status"] == 3 * 3600
    orders(team, "#status open")
    team.room.later(minutes=5)
    assert team.case()["time_in_status"] == 300


def test_seed_002_total_time_elapsed_counts_the_waiting_too(team: Team) -> None:
    orders(team, "#wait")
    team.room.later(hours=20)
    orders(team, "#resolve Done.")
    team.room.later(hours=5)
    assert sla(team)["total_elapsed"] == 20 * 3600


@pytest.mark.parametrize(("after", "said"), [(4, "fulfilled"), (4.001, "violated")])
def test_seed_002_first_response_status_is_fulfilled_within_the_time_stated_else_violated(
    team: Team, after: float, said: str
) -> None:
    assert sla(team)["first_response"]["status"] == "pending"
    team.room.now += timedelta(hours=after)
    team.alice("Please switch it off.", headers=[PROVEN])
    assert sla(team)["first_response"]["status"] == said


def test_seed_002_sla_status_running_in_the_new_state_while_time_has_not_expired(team: Team) -> None:
    team.room.later(hours=9)
    assert sla(team)["status"] == "running"


def test_seed_002_sla_status_time_left_in_the_open_state_while_time_has_not_expired(team: Team) -> None:
    orders(team, "#status open")
    team.room.later(hours=9)
    assert sla(team)["status"] == "time_left"


def test_seed_002_sla_status_fulfilled_in_the_resolved_state_with_time_remaining(team: Team) -> None:
    team.room.later(hours=9)
    orders(team, "#resolve Done.")
    assert sla(team)["status"] == "fulfilled"


def test_seed_002_sla_status_violated_when_time_expires(team: Team) -> None:
    team.room.later(hours=11)
    assert sla(team)["status"] == "violated"
    orders(team, "#resolve Done.")
    assert sla(team)["status"] == "violated"


def test_seed_002_sla_status_escalated_when_violated_and_escalation_rules_are_configured(team: Team) -> None:
    team.room.later(hours=15)
    beats.beat(team.room.store, team.room.office, team.room.now)
    assert sla(team)["status"] == "escalated"
    assert team.mail_to("carol@example.com").message.subject == "[#1] It does not work"


# --- 002, Customer Satisfaction Survey --------------------------------------------------------------------------


def test_seed_002_the_survey_is_sent_when_you_mark_the_case_as_resolved_and_not_before(team: Team) -> None:
    team.room.fresh()
    orders(team, "#assign bob")
    assert team.sent("survey") == []
    orders(team, "#resolve Done.")
    (survey,) = team.sent("survey")
    assert survey.message.recipients == ("jo@home.example",)


def test_seed_002_the_customer_picks_a_smiley_and_then_writes_a_comment(team: Team) -> None:
    orders(team, "#resolve Done.")
    (survey,) = team.sent("survey")
    assert all(smiley in survey.message.text for smiley in "😀🙂😐🙁😞")
    team.answer(survey, "2\n\nIt took a week.", "Jo Doe <jo@home.example>")
    shown = team.case()
    # "their response is recorded in the Rating and Satisfaction Survey Feedback fields in the case record"
    assert (shown["rating"], shown["feedback"], shown["status"]) == (2, "It took a week.", "resolved")


# --- 000, Email-to-Case -----------------------------------------------------------------------------------------


def test_seed_000_the_reply_to_is_the_group_address_so_the_customers_reply_comes_there_and_not_to_the_user(team: Team) -> None:
    team.alice("Please switch it off.", headers=[PROVEN])
    (answer,) = team.sent("answer")
    assert [value for name, value in answer.message.headers if name == "Reply-To"] == ["support@example.com"]
    assert "alice@example.com" not in repr(answer.message)
    to = header(answer, "Reply-To")
    entry = team.answer(answer, "It is off.", "Jo Doe <jo@home.example>", to=to)
    assert (entry.mailboxes, entry.case) == (("support",), 1)
