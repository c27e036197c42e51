"""Workflows: on events, on stays, by the clock; each step once, on both databases, and everything is looked at again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import TRUSTED, Room, header, mail, office

from maild import casework
from maild.desk import Desk
from maild.model.case import Case, Status
from maild.model.outbox import OutboxState
from maild.schedule import beats, crons, events, stays, webhooks
from maild.store import cases, due, installation, people, reminders
from maild.store import webhooks as calls
from maild.store.unit_of_work import Store

Make = Callable[..., Room]
PROVEN = TRUSTED.format("example.com")


@pytest.fixture
def having(store: Store, tmp_path: Path) -> Make:
    """Makes a room with these workflows."""

    def make(*wanted: dict[str, Any], on: Store | None = None, **parts: Any) -> Room:
        folder = tmp_path / "config"
        folder.mkdir(exist_ok=True)
        (folder / "workflows.yaml").write_text(yaml.safe_dump({"workflows": list(wanted)}), encoding="utf-8")
        from builders import NOW

        return Room(on or store, office(folder, on or store, **parts), NOW)

    return make


def beat(room: Room, **later: float) -> list[str]:
    room.now += timedelta(**later)
    done = beats.beat(room.store, room.office, room.now)
    return [one.action for one in done if one.by.startswith("workflow:")]


def change(room: Room, number: int | None, actor: str = "alice", reason: str | None = None, **values: Any) -> Case:
    assert number is not None
    with room.store.write() as connection:
        case = cases.get(connection, number, lock=True)
        assert case is not None
        return casework.change(Desk(room.office, connection, room.now), case, values, actor, reason=reason)


def resolve(room: Room, number: int | None) -> None:
    change(room, number, status=Status.OPEN)
    change(room, number, status=Status.RESOLVED)


def reply(room: Room, number: int | None, text: str = "Please try again.") -> None:
    assert number is not None
    with room.store.write() as connection:
        case = cases.get(connection, number, lock=True)
        assert case is not None
        casework.reply(Desk(room.office, connection, room.now), case, "alice", text)


CLOSE = {"name": "Close resolved cases", "when": {"status": "resolved", "for": "15d"}, "do": [{"set": {"status": "closed"}}]}
REMIND = {"name": "Remind", "when": {"status": "wait_for_customer", "for": "3d"}, "do": [{"reply": "reminder"}]}
SURVEY = {
    "name": "Survey", "event": "status_changed", "when": {"status": "resolved"}, "do": [{"survey": "satisfaction"}],
    "at_most": "1 per contact in 30d",
}  # fmt: skip


# --- Vtiger's two (seed 002, "Workflows for Cases") -------------------------------------------------------------


def test_a_report_goes_out_on_schedule_with_its_charts_inside(having: Make) -> None:
    from email import message_from_bytes, policy

    from maild.outbound.bytes import serialise
    from maild.processes.post_office import StoredOutbox

    room = having(
        {"name": "Weekly", "schedule": "0 8 * * mon-fri", "do": [{"report": {"to": ["support", "boss@example.com"], "since": "14d"}}]}
    )
    beats.beat(room.store, room.office, room.now)
    room.receive(mail())
    room.fresh()
    room.later(days=1)
    assert "report to alice, bob, boss@example.com" in [one.action for one in beats.beat(room.store, room.office, room.now)]
    sent = [one for one in room.fresh() if one.message.kind.value == "digest"]
    assert [one.message.recipients[0] for one in sent] == ["alice@example.com", "bob@example.com", "boss@example.com"]
    assert sent[0].message.subject == "1 case from 2026-11-10 to 2026-11-24"
    assert "1 cases made, 0 resolved, 1 open now" in sent[0].message.text
    raw = serialise(sent[0].message, StoredOutbox(room.store, room.office, "test").read_part)
    parts = list(message_from_bytes(raw, policy=policy.default).walk())
    page = next(part.get_content() for part in parts if part.get_content_type() == "text/html")
    pictures = {part["Content-ID"].strip("<>"): part.get_content() for part in parts if part.get_content_type() == "image/png"}
    assert pictures
    assert all(picture.startswith(b"\x89PNG") and f'src="cid:{name}"' in page for name, picture in pictures.items())
    assert [part.get_content_type() for part in parts][:4] == [
        "multipart/alternative", "text/plain", "multipart/related", "text/html",
    ]  # fmt: skip


def test_seed_002_update_case_status_to_closed_15_days_after_it_was_resolved(having: Make) -> None:
    room = having(CLOSE)
    number = room.receive(mail()).case
    resolve(room, number)
    room.fresh()
    assert beat(room, days=14, hours=23) == []
    assert beat(room, hours=1) == ["set status=closed"]
    shown = room.case(number)
    assert (shown["status"], shown["closed_at"]) == ("closed", "2026-12-08T10:00:00Z")
    assert room.fresh() == []  # silently
    assert beat(room, days=30) == []


def test_seed_002_the_default_satisfaction_survey_is_sent_when_a_case_is_resolved(having: Make) -> None:
    room = having(SURVEY)
    number = room.receive(mail()).case
    room.fresh()
    change(room, number, status=Status.OPEN)
    assert beat(room) == []
    change(room, number, status=Status.RESOLVED)
    assert beat(room) == ["survey satisfaction"]
    (survey,) = room.fresh()
    assert (survey.message.kind, survey.message.recipients) == ("survey", ("jo@home.example",))
    assert beat(room) == []


def test_seed_002_a_workflow_is_deactivated_by_its_toggle(having: Make) -> None:
    room = having({**SURVEY, "enabled": False}, {**CLOSE, "enabled": False})
    number = room.receive(mail()).case
    resolve(room, number)
    assert beat(room, days=16) == []
    assert room.case(number)["status"] == "resolved"


# --- stays ------------------------------------------------------------------------------------------------------


def test_a_customers_answer_ends_the_stay_and_the_next_one_counts_anew(having: Make) -> None:
    room = having(REMIND)
    number = room.receive(mail()).case
    change(room, number, status=Status.WAIT_FOR_CUSTOMER)
    beat(room, days=2)
    room.receive(mail("Here it is.", subject=f"Re: [#{number}] It does not work"))
    assert room.case(number)["status"] == "open"
    assert beat(room, days=2) == []
    change(room, number, status=Status.WAIT_FOR_CUSTOMER)
    assert beat(room, days=2, hours=23) == []
    assert beat(room, hours=1) == ["reminder to jo@home.example"]
    assert beat(room, days=9) == []  # once a stay
    room.receive(mail("Still here.", subject=f"Re: [#{number}] It does not work"))
    change(room, number, status=Status.WAIT_FOR_CUSTOMER)
    assert beat(room, days=3) == ["reminder to jo@home.example"]


def test_a_step_with_every_is_repeated_as_often_as_at_most_says(having: Make) -> None:
    room = having({**REMIND, "do": [{"reply": "reminder", "at_most": 2, "every": "3d"}]})
    change(room, room.receive(mail()).case, status=Status.WAIT_FOR_CUSTOMER)
    assert [len(beat(room, days=1)) for _ in range(14)] == [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]


def test_thanks_do_not_put_off_closing_but_words_of_people_do(having: Make) -> None:
    room = having(CLOSE)
    first, second = room.receive(mail()).case, room.receive(mail(sender="x@y.example")).case
    for number in (first, second):
        resolve(room, number)
    room.later(days=5)
    room.receive(mail("Thank you!", subject=f"Re: [#{first}] It does not work"))
    reply(room, second, "One more thing you may like to know.")
    assert room.case(first)["status"] == "resolved"
    beats.beat(room.store, room.office, room.now + timedelta(days=10))
    assert [room.case(number)["status"] for number in (first, second)] == ["closed", "resolved"]
    beats.beat(room.store, room.office, room.now + timedelta(days=15))
    assert room.case(second)["status"] == "closed"


def test_a_customer_who_cannot_be_reached_holds_closing_and_survey(having: Make) -> None:
    room = having(CLOSE, SURVEY)
    number = room.receive(mail()).case
    with room.store.write() as connection:
        contact = people.contact_by_address(connection, "jo@home.example")
        assert contact is not None
        people.update_contact(connection, contact.id, {"undeliverable_since": room.now})
    resolve(room, number)
    assert beat(room) == ["no survey: mail to jo@home.example could not be delivered"]
    assert beat(room, days=20) == []
    assert room.case(number)["status"] == "resolved"
    with room.store.write() as connection:
        people.update_contact(connection, contact.id, {"undeliverable_since": None})
    assert beat(room) == ["set status=closed"]


def test_waiting_cases_are_resolved_by_way_of_open_and_told_before(having: Make) -> None:
    room = having(
        {"name": "Notice", "when": {"status": "wait_for_customer", "for": "11d"}, "do": [{"reply": "reminder"}]},
        {"name": "Resolve", "when": {"status": "wait_for_customer", "for": "14d"}, "do": [{"set": {"status": "resolved"}}]},
        SURVEY,
    )
    number = room.receive(mail()).case
    change(room, number, status=Status.WAIT_FOR_CUSTOMER)
    assert beat(room, days=11) == ["reminder to jo@home.example"]
    assert beat(room, days=3) == ["set status=resolved", "no survey: the case was resolved by itself"]
    told = [entry["text"] for entry in room.case(number)["stream"] if entry["type"] == "status"]
    assert told[-2:] == ["wait_for_customer → open", "open → resolved"]


def test_what_fell_due_in_downtime_is_done_late(having: Make) -> None:
    room = having(CLOSE)
    resolve(room, room.receive(mail()).case)
    room.later(days=10)
    beats.heard(room.store, room.now)
    room.later(days=6)
    beats.heard(room.store, room.now)
    (done,) = beats.beat(room.store, room.office, room.now)
    assert "late: no maild ran from 2026-12-03 10:00 to 2026-12-09 10:00 UTC" in done.reason


def test_mail_to_customers_goes_out_within_the_calendar(having: Make) -> None:
    calendar = {"calendars": {"office": {"timezone": "UTC", "hours": {"mon-fri": "09:00-17:00"}}}}
    room = having({**REMIND, "send_within": "office"}, {**SURVEY, "send_within": "office"}, sla=calendar)
    room.now = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)  # Tuesday evening
    number = room.receive(mail()).case
    change(room, number, status=Status.WAIT_FOR_CUSTOMER)
    assert beat(room, days=3) == []  # Friday evening
    room.now = datetime(2026, 11, 30, 8, 59, tzinfo=UTC)
    assert beat(room) == []
    assert beat(room, minutes=1) == ["reminder to jo@home.example"]
    room.now = datetime(2026, 11, 30, 18, 0, tzinfo=UTC)
    resolve(room, number)
    room.fresh()
    beat(room)
    (survey,) = room.fresh()
    assert survey.next_at == datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


OFFICE = {
    "calendars": {
        "office": {"timezone": "Europe/Berlin", "hours": {"mon-thu": "09:00-17:00", "fri": "09:00-12:00"}, "closed": ["2026-12-24..2026-12-28"]}
    }
}


def test_15d_in_workflows_is_15_x_24_h_and_15wd_are_working_days_of_a_calendar(having: Make) -> None:
    by_days = {**CLOSE, "name": "Days", "when": {"status": "resolved", "for": "3d"}, "do": [{"tag": ["days"]}]}
    by_working_days = {**by_days, "name": "Working days", "calendar": "office", "when": {"status": "resolved", "for": "3wd"}, "do": [{"tag": ["working"]}]}
    room = having(by_days, by_working_days, sla=OFFICE)
    room.now = datetime(2026, 12, 21, 15, 0, tzinfo=UTC)  # a Monday, 16:00 in Berlin
    first = room.receive(mail()).case
    resolve(room, first)
    room.now = datetime(2026, 12, 21, 15, 30, tzinfo=UTC)
    resolve(room, room.receive(mail(sender="ann@home.example")).case)
    room.now = datetime(2026, 12, 24, 14, 59, tzinfo=UTC)
    assert beat(room) == []
    assert beat(room, minutes=1) == ["tag days"]
    assert beat(room, minutes=30) == ["tag days"]
    room.now = datetime(2026, 12, 29, 14, 59, tzinfo=UTC)  # after Tuesday and Wednesday, and five days closed
    assert beat(room) == []
    room.now = datetime(2026, 12, 29, 15, 0, tzinfo=UTC)
    assert beat(room) == ["tag working"]
    assert beat(room, minutes=29) == []
    assert beat(room, minutes=1) == ["tag working"]
    assert beat(room, days=30) == []


def test_a_working_day_that_ends_on_a_short_friday_is_over_when_the_office_closes(having: Make) -> None:
    room = having({**CLOSE, "calendar": "office", "when": {"status": "resolved", "for": "1wd"}}, sla=OFFICE)
    room.now = datetime(2026, 12, 3, 15, 0, tzinfo=UTC)  # a Thursday, 16:00 in Berlin
    resolve(room, room.receive(mail()).case)
    room.now = datetime(2026, 12, 4, 10, 59, tzinfo=UTC)
    assert beat(room) == []
    assert beat(room, minutes=1) == ["set status=closed"]


def test_what_people_write_puts_closing_off_by_working_days_too(having: Make) -> None:
    room = having({**CLOSE, "calendar": "office", "when": {"status": "resolved", "for": "2wd"}}, sla=OFFICE)
    room.now = datetime(2026, 12, 4, 9, 0, tzinfo=UTC)  # a Friday, 10:00 in Berlin
    number = room.receive(mail()).case
    resolve(room, number)
    room.now = datetime(2026, 12, 7, 9, 0, tzinfo=UTC)
    reply(room, number, "One more thing you may like to know.")
    room.now = datetime(2026, 12, 8, 9, 0, tzinfo=UTC)
    assert beat(room) == []
    room.now = datetime(2026, 12, 9, 9, 0, tzinfo=UTC)
    assert beat(room) == ["set status=closed"]


def test_more_mails_at_once_than_the_batch_wait_for_approval(having: Make) -> None:
    room = having(REMIND, main={"limits": {"batch": 3}})
    for each in range(4):
        change(room, room.receive(mail(sender=f"p{each}@y.example")).case, status=Status.WAIT_FOR_CUSTOMER)
    room.fresh()
    assert len(beat(room, days=3)) == 4
    mails = room.fresh()
    assert {entry.state for entry in mails} == {OutboxState.HELD}
    assert "would send 4 mails at once (limits.batch is 3)" in mails[0].reason
    change(room, room.receive(mail(sender="q@y.example")).case, status=Status.WAIT_FOR_CUSTOMER)
    room.fresh()
    beat(room, days=3)
    assert [entry.state for entry in room.fresh()] == [OutboxState.PENDING]


def test_a_batch_that_takes_several_sweeps_waits_for_approval_as_a_whole(having: Make) -> None:
    room = having(REMIND, main={"limits": {"batch": 3}})
    for each in range(5):
        change(room, room.receive(mail(sender=f"p{each}@y.example")).case, status=Status.WAIT_FOR_CUSTOMER)
    room.fresh()
    room.now += timedelta(days=3)
    sweeps = [len(stays.act(room.store, room.office, room.now, limit=3)) for _ in range(3)]  # as after a clock that jumped
    assert sweeps == [3, 2, 0]
    assert [entry.state for entry in room.fresh()] == [OutboxState.HELD] * 5


def test_mails_about_cases_that_a_workflow_resolved_all_at_once_wait_for_approval(having: Make) -> None:
    give_up = {"name": "Give up", "when": {"status": "wait_for_customer", "for": "14d"}, "do": [{"set": {"status": "resolved"}}]}
    goodbye = {"name": "Goodbye", "event": "status_changed", "when": {"status": "resolved"}, "do": [{"reply": "reminder"}]}
    room = having(give_up, goodbye, main={"limits": {"batch": 3}})
    for each in range(4):
        change(room, room.receive(mail(sender=f"p{each}@y.example")).case, status=Status.WAIT_FOR_CUSTOMER)
    room.fresh()
    held = [f"reminder to p{each}@y.example (held: maild outbox approve)" for each in range(4)]
    assert sorted(beat(room, days=14)) == [*held, *["set status=resolved"] * 4]
    mails = room.fresh()
    assert {entry.state for entry in mails} == {OutboxState.HELD}
    assert "workflow 'Goodbye' would send 4 mails at once (limits.batch is 3)" in mails[0].reason
    resolve(room, room.receive(mail(sender="q@y.example")).case)  # what people do is theirs
    room.fresh()
    beat(room)
    assert [entry.state for entry in room.fresh()] == [OutboxState.PENDING]


def test_imported_cases_set_nothing_off(having: Make, tmp_path: Path) -> None:
    from maild import history

    room = having(CLOSE, REMIND, SURVEY, {"name": "New", "event": "created", "do": [{"notify": ["manager"]}]})
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "1.eml").write_bytes(mail(date=datetime(2026, 11, 1, 9, 0, tzinfo=UTC)))
    history.run(
        room.office.settings, room.store, history.find(tmp_path / "old"), "support@example.com",
        status=Status.WAIT_FOR_CUSTOMER, live=False, by="root", path=tmp_path,
    )  # fmt: skip
    from maild import clock

    room.now = clock.now()
    assert beat(room, days=30) == []
    assert room.outgoing() == []


# --- events -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "happen"),
    [
        ("created", lambda room: room.receive(mail())),
        ("customer_replied", lambda room: room.receive(mail("And?", subject="Re: [#1] x"))),
        ("replied", lambda room: reply(room, 1)),
        ("assigned", lambda room: change(room, 1, assignee="bob")),
        ("priority_changed", lambda room: change(room, 1, priority="high")),
        ("updated", lambda room: change(room, 1, category="defect")),
        ("status_changed", lambda room: change(room, 1, status=Status.OPEN)),
        ("rated", lambda room: change(room, 1, rating=4)),
        ("note", lambda room: note(room, 1)),
    ],
)
def test_each_event_starts_its_workflows_once(having: Make, event: str, happen: Callable[[Room], Any]) -> None:
    room = having({"name": "It", "event": event, "do": [{"tag": ["seen"]}]})
    if event != "created":
        room.receive(mail())
        beats.beat(room.store, room.office, room.now)
    assert "seen" not in (room.case(1)["tags"] if event != "created" else [])
    happen(room)
    assert beat(room) == ["tag seen"]
    assert beat(room) == []
    assert room.case(1)["tags"] == ["seen"]


def note(room: Room, number: int) -> None:
    with room.store.write() as connection:
        case = cases.get(connection, number, lock=True)
        assert case is not None
        casework.note(Desk(room.office, connection, room.now), case, "alice", "hm")


def test_a_bounce_and_a_breach_start_workflows(having: Make) -> None:
    sla = {"policies": {"Standard": {"escalations": [{"at": "50%", "of": "first_response", "notify": ["manager"]}]}}}
    room = having(
        {"name": "B", "on": "sla_violated", "do": [{"set": {"priority": "urgent"}}]},
        {"name": "W", "on": "sla_warning", "do": [{"tag": ["hurry"]}]},
        sla=sla,
    )
    number = room.receive(mail()).case
    assert "tag hurry" in beat(room, hours=3)
    assert "set priority=urgent" in beat(room, hours=2)
    assert room.case(number)["priority"] == "urgent"


def test_a_status_that_was_left_again_is_not_acted_on(having: Make) -> None:
    room = having(SURVEY)
    number = room.receive(mail()).case
    resolve(room, number)
    change(room, number, status=Status.OPEN)
    assert beat(room) == []


def test_the_criteria_of_rules_hold_for_workflows(having: Make) -> None:
    room = having(
        {"name": "A", "event": "created", "when": {"mailbox": "support", "subject": {"contains": "broken"}},
         "do": [{"tag": ["a"]}]},
        {"name": "B", "event": "created", "when": {"organisation": "Acme Ltd"}, "do": [{"tag": ["b"]}]},
        {"name": "C", "event": "created", "when": {"none": [{"group": "support"}]}, "do": [{"tag": ["c"]}]},
        {"name": "D", "event": "created", "when": {"any": [{"priority": "medium"}, {"status": "closed"}]},
         "do": [{"tag": ["d"]}]},
    )  # fmt: skip
    first = room.receive(mail(subject="It is broken", sender="jo@acme.example"), mail_from="jo@acme.example").case
    second = room.receive(mail(subject="Invoice", to="billing@example.com"), ["billing@example.com"]).case
    beat(room)
    assert [room.case(number)["tags"] for number in (first, second)] == [["a", "b", "d"], ["c", "d"]]


def test_workflows_that_set_each_other_off_are_cut_and_reported(having: Make) -> None:
    room = having(
        {"name": "Ping", "event": "status_changed", "when": {"status": "open"}, "do": [{"set": {"status": "assigned"}}]},
        {"name": "Pong", "event": "status_changed", "when": {"status": "assigned"}, "do": [{"set": {"status": "open"}}]},
        {"name": "More", "event": "created", "do": [{"case": {"mailbox": "quiet", "title": "child"}}]},
        {"name": "Again", "event": "created", "do": [{"case": {"mailbox": "quiet", "title": "child"}}]},
    )
    number = room.receive(mail()).case
    assert len(beat(room)) == 2 * 5  # by turns, until they are cut
    assert len(room.numbers()) == 11
    room.fresh()
    change(room, number, status=Status.OPEN)
    assert len(beat(room)) == 5
    assert beat(room) == []
    stream = room.case(number)["stream"]
    assert sum("was cut: workflows set each other off" in entry["text"] for entry in stream) == 1
    assert [entry.message.recipients for entry in room.fresh() if entry.message.kind == "admin"] == [("root@example.com",)]


def test_a_workflow_that_fails_is_written_down_and_the_others_go_on(having: Make) -> None:
    room = having(
        {"name": "Bad", "event": "created", "do": [{"set": {"status": "closed"}}]},
        {"name": "Good", "event": "created", "do": [{"tag": ["good"]}]},
    )
    number = room.receive(mail()).case
    assert beat(room) == ["tag good"]
    assert any("workflow Bad: case" in entry["text"] for entry in room.case(number)["stream"])


def test_workflows_wait_while_they_are_paused(having: Make) -> None:
    room = having({"name": "It", "event": "created", "do": [{"tag": ["seen"]}]}, CLOSE)
    with room.store.write() as connection:
        installation.pause(connection, "workflows", None, "", "root", room.now)
    room.receive(mail())
    assert beat(room) == []
    with room.store.write() as connection:
        installation.resume(connection, "workflows", "root", room.now)
    assert beat(room) == ["tag seen"]


def test_the_steps_of_one_workflow_belong_together(having: Make) -> None:
    room = having(
        {"name": "End", "when": {"status": "resolved", "for": "1d"},
         "do": [{"set": {"status": "closed"}}, {"notify": ["manager"]}, {"tag": ["ended"]}], "at_most": 1}
    )  # fmt: skip
    number = room.receive(mail()).case
    resolve(room, number)
    assert beat(room, days=1) == ["set status=closed", "notify carol", "tag ended"]


# --- schedules --------------------------------------------------------------------------------------------------


def test_a_cron_line_runs_once_when_it_fires_in_the_zone_of_the_configuration(having: Make) -> None:
    room = having({"name": "Morning", "schedule": "0 8 * * mon-fri", "do": [{"digest": {"to": "groups"}}]})
    room.now = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)  # Friday
    room.receive(mail())
    room.fresh()
    assert beat(room) == []
    room.now = datetime(2026, 11, 30, 6, 59, tzinfo=UTC)
    assert beat(room) == []
    assert beat(room, minutes=1) == ["digest to alice, bob"]
    mails = room.fresh()
    assert [entry.message.recipients for entry in mails] == [("alice@example.com",), ("bob@example.com",)]
    assert "It does not work" in mails[0].message.text
    assert beat(room, minutes=1) == []
    assert len(beat(room, days=3)) == 1  # missed twice: once


def test_a_digest_waits_for_the_deadlines_that_another_daemon_works_on(having: Make) -> None:
    room = having({"name": "Monday", "schedule": "0 8 * * tue", "do": [{"digest": {"to": "support"}}]})
    room.receive(mail())
    beat(room)
    room.later(hours=22)  # the first response was due on Monday
    assert crons.run(room.store, room.office, room.now) == []
    assert beat(room) == ["digest to alice, bob"]


def test_a_schedule_acts_on_the_cases_it_names_and_makes_cases(having: Make) -> None:
    room = having(
        {"name": "Weekly", "schedule": "0 9 * * mon", "when": {"status": "new"}, "do": [{"set": {"priority": "high"}}]},
        {"name": "Check", "schedule": "0 9 1 * *",
         "do": [{"case": {"mailbox": "support", "title": "Backup check {{ month }}", "group": "billing"}}]},
    )  # fmt: skip
    first, second = room.receive(mail()).case, room.receive(mail()).case
    change(room, second, status=Status.OPEN)
    beat(room)
    room.now = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    assert sorted(beat(room)) == ["case 3 'Backup check 2026-12'", "set priority=high"]
    assert [room.case(number)["priority"] for number in (first, second)] == ["high", "medium"]
    assert (room.case(3)["group"], room.case(3)["contact"]) == ("billing", None)


# --- several daemons, and assignment ----------------------------------------------------------------------------


def test_several_daemons_do_each_thing_once(having: Make) -> None:
    room = having(
        {"name": "Tag", "event": "created", "do": [{"notify": ["manager"]}]}, CLOSE,
        {"name": "Daily", "schedule": "0 8 * * *", "do": [{"digest": {"to": "billing"}}]},
    )  # fmt: skip
    for each in range(12):
        resolve(room, room.receive(mail(sender=f"p{each}@y.example")).case)
    change(room, room.receive(mail()).case, group="billing")
    stores = [Store(room.store.url.render_as_string(hide_password=False), room.store.state_dir) for _ in range(3)]
    done: list[Any] = []

    def run(at: datetime) -> None:
        def daemon(store: Store) -> None:
            for _ in range(3):
                done.extend(beats.beat(store, room.office, at))

        threads = [threading.Thread(target=daemon, args=(store,)) for store in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    run(room.now)
    assert sorted(one.case for one in done) == room.numbers()
    done.clear()
    run(room.now + timedelta(days=16))
    assert sorted(one.action for one in done if one.by != "sla:Standard") == sorted(
        [*["set status=closed"] * 12, "digest to carol"]
    )
    for store in stores:
        store.close()


@pytest.mark.parametrize("how", ["round_robin", "least_busy"])
def test_assignment_is_fair_when_many_daemons_assign_at_once(having: Make, how: str) -> None:
    room = having(
        {"name": "Give", "event": "created", "do": [{"assign": {"group": "support", "user": how}}]},
        directory={"groups": {"support": {"members": ["alice", "bob", "carol"]}}},
    )
    for each in range(24):
        room.receive(mail(sender=f"p{each}@y.example"))
    stores = [Store(room.store.url.render_as_string(hide_password=False), room.store.state_dir) for _ in range(3)]
    threads = [threading.Thread(target=events.react, args=(store, room.office, room.now)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for store in stores:
        store.close()
    given = [room.case(number)["assignee"] for number in room.numbers()]
    assert {user: given.count(user) for user in ("alice", "bob", "carol")} == {"alice": 8, "bob": 8, "carol": 8}


@pytest.mark.parametrize("how", ["round_robin", "least_busy"])
def test_nobody_gets_more_than_their_capacity_when_many_daemons_assign_at_once(having: Make, how: str) -> None:
    room = having(
        {"name": "Give", "event": "created", "do": [{"assign": {"group": "support", "user": how}}]},
        directory={"groups": {"support": {"members": ["alice", "bob"]}}, "users": {"alice": {"capacity": 1}, "bob": {"capacity": 30}}},
    )
    for each in range(45):
        room.receive(mail(sender=f"p{each}@y.example"))
    stores = [Store(room.store.url.render_as_string(hide_password=False), room.store.state_dir) for _ in range(3)]
    threads = [threading.Thread(target=events.react, args=(store, room.office, room.now)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for store in stores:
        store.close()
    given = [room.case(number)["assignee"] for number in room.numbers()]
    assert {user: given.count(user) for user in ("alice", "bob", None)} == {"alice": 1, "bob": 30, None: 14}


def test_a_manual_assignment_does_not_shift_the_turn_and_the_absent_are_skipped(having: Make) -> None:
    room = having(
        {"name": "Give", "event": "created", "do": [{"assign": {"group": "support", "user": "round_robin"}}]},
        directory={"groups": {"support": {"members": ["alice", "bob", "carol"]}}, "users": {"carol": {"capacity": 1}}},
    )
    given = []
    for each in range(4):
        number = room.receive(mail(sender=f"p{each}@y.example")).case
        beat(room)
        given.append(room.case(number)["assignee"])
        change(room, number, assignee="bob")
    assert given == ["alice", "bob", "carol", "alice"]
    with room.store.write() as connection:
        people.set_away(connection, "bob", room.now + timedelta(days=1))
    number = room.receive(mail(sender="z@y.example")).case
    beat(room)
    assert room.case(number)["assignee"] == "carol"


# --- webhooks ---------------------------------------------------------------------------------------------------


def test_a_webhook_is_signed_posted_once_and_tried_again(having: Make) -> None:
    room = having({"name": "Hook", "event": "created", "do": [{"webhook": "https://hooks.example/x"}]})
    number = room.receive(mail()).case
    beat(room)
    posted: list[tuple[str, bytes, dict[str, str]]] = []
    answers = [503, 200]

    def post(url: str, body: bytes, headers: dict[str, str]) -> int:
        posted.append((url, body, headers))
        return answers.pop(0)

    assert webhooks.deliver(room.store, room.now, post) == 0
    assert webhooks.deliver(room.store, room.now, post) == 0  # not yet
    assert webhooks.deliver(room.store, room.now + timedelta(seconds=5), post) == 1
    assert webhooks.deliver(room.store, room.now + timedelta(days=1), post) == 0
    (url, body, headers), again = posted
    assert url == "https://hooks.example/x"
    assert json.loads(body)["data"]["case"]["number"] == number
    assert json.loads(body)["type"] == "workflow.created"
    assert again[2]["webhook-id"] == headers["webhook-id"]
    with room.store.write() as connection:
        secret = calls.secret(connection)
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == webhooks.signature(secret, headers["webhook-id"], stamp, body)


def test_the_signature_is_that_of_the_specifications_example() -> None:
    body = b'{"test": 2432232314}'
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = webhooks.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_downtime_is_only_what_no_daemon_lived_through(store: Store) -> None:
    at = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    beats.heard(store, at)
    beats.heard(store, at + timedelta(seconds=10))
    beats.heard(store, at + timedelta(hours=1))
    with store.read() as connection:
        assert due.all_downtimes(connection, at) == [(at + timedelta(seconds=10), at + timedelta(hours=1))]


def test_a_reminder_is_automatic_mail_in_the_customers_thread(having: Make) -> None:
    room = having(REMIND)
    number = room.receive(mail(message_id="first@home.example")).case
    change(room, number, status=Status.WAIT_FOR_CUSTOMER)
    room.fresh()
    beat(room, days=3)
    (sent,) = room.fresh()
    assert (header(sent, "Auto-Submitted"), sent.message.sender) == ("auto-generated", "")
    assert f"[#{number}]" in sent.message.subject
    assert header(sent, "In-Reply-To")
    assert [one["kind"] for one in room.case(number)["messages"]][-1] == "reminder"


def test_no_survey_after_a_workflow_resolved_a_silent_customers_case_but_after_a_person_did(having: Make) -> None:
    give_up = {"name": "Give up", "when": {"status": "wait_for_customer", "for": "14d"}, "do": [{"set": {"status": "resolved"}}]}
    room = having(give_up, SURVEY)
    number = room.receive(mail()).case
    change(room, number, status=Status.WAIT_FOR_CUSTOMER)
    assert beat(room, days=14) == ["set status=resolved", "no survey: the case was resolved by itself"]
    change(room, number, status=Status.OPEN)
    change(room, number, status=Status.RESOLVED)
    assert beat(room) == ["survey satisfaction"]


def test_a_case_opened_for_a_customer_who_then_wrote_gets_its_survey(having: Make) -> None:
    room = having(SURVEY, main={"agents": {"trust": {"authserv_id": "mx.example.com"}}})
    room.receive(mail("#new jo@home.example\nYour phone is ready.", sender="alice@example.com", headers=[PROVEN]), mail_from="alice@example.com")
    change(room, 1, status=Status.OPEN)
    change(room, 1, status=Status.RESOLVED)
    assert beat(room) == ["no survey: no customer wrote about it"]
    room.receive(mail("Thank you, I have a question: when?", headers=[f"In-Reply-To: <{room.signed_id(1)}>"]))
    change(room, 1, status=Status.OPEN)
    change(room, 1, status=Status.RESOLVED)
    assert beat(room) == ["survey satisfaction"]


def test_a_step_for_an_assignee_who_is_not_there_goes_to_the_group_or_is_said_in_the_stream(having: Make) -> None:
    room = having({"name": "Late", "when": {"status": "new", "for": "1h"}, "do": [{"notify": ["assignee"]}]})
    number = room.receive(mail()).case
    assert beat(room, hours=1) == ["notify alice, bob"]
    other = room.receive(mail(to="quiet@example.com"), to=("quiet@example.com",)).case
    assert beat(room, hours=1) == ["notify nobody"]
    texts = [entry["text"] for entry in room.case(other)["stream"]]
    assert "workflow:Late: nobody was told: the case has no assignee that could be told" in texts
    assert number != other


def test_a_stay_that_fails_by_our_own_fault_is_tried_again_after_a_while(having: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    room = having({"name": "Late", "when": {"status": "new", "for": "1h"}, "do": [{"tag": ["late"]}]})
    number = room.receive(mail()).case
    tried: list[int] = []

    def broken(desk: Desk, case: Case, *_: Any) -> Case:
        tried.append(case.number)
        raise RuntimeError("our own fault")

    with monkeypatch.context() as patched:
        patched.setattr("maild.schedule.effects.tag", broken)
        beat(room, hours=1)
        for _ in range(5):
            beat(room, seconds=1)
        assert tried == [number]
        beat(room, minutes=5)
        assert tried == [number, number]
    assert beat(room, seconds=1) == []
    assert beat(room, minutes=5) == ["tag late"]


def test_a_reminder_or_digest_that_fails_stops_nothing_else_of_the_beat(having: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    room = having(
        {"name": "Late", "when": {"status": "new", "for": "1h"}, "do": [{"tag": ["late"]}]},
        directory={"users": {"bob": {"digest": "09:00"}}},
    )
    number = room.receive(mail()).case
    assert number is not None
    with room.store.write() as connection:
        reminders.add(connection, number, "alice", room.now, "", room.now)

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("our own fault")

    with monkeypatch.context() as patched:
        patched.setattr("maild.schedule.reminding._remind", broken)
        patched.setattr("maild.schedule.digests._to", broken)
        assert beat(room, hours=24) == ["tag late"]
    room.fresh()
    beat(room, seconds=1)
    assert room.fresh() == []
    beat(room, minutes=5)
    assert sorted(one.message.kind.value for one in room.fresh()) == ["digest", "notification"]
