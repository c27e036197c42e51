"""Escalations and breaches: each step once, in one transaction with its effects, by the policy's working time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from builders import NOW, Room, configuration, daemons_at_once, header, mail
from sqlalchemy import select

from maild import casework
from maild.desk import Desk
from maild.model.case import Case, Priority, Status
from maild.office import open_office
from maild.schedule import beats, deadlines
from maild.settings.load import load
from maild.store import cases, due, installation, schema
from maild.store.unit_of_work import Store

STEPS = [
    {"at": "50%", "of": "first_response", "notify": ["assignee"], "tag": ["hurry"]},
    {"at": "100%", "of": "first_response", "notify": ["manager"], "set": {"priority": "urgent"}},
    {"at": "150%", "of": "first_response", "notify": ["manager"], "assign": {"group": "billing"}},
    {"before": "1h", "of": "resolution", "notify": ["group"]},
]
SLA = {
    "policies": {
        "Standard": {
            "targets": {
                "medium": {"first_response": "4h", "resolution": "5d"}, "urgent": {"first_response": "1h", "resolution": "1d"},
            },
            "escalations": STEPS,
        }
    }
}  # fmt: skip


@pytest.fixture
def room(store: Store, rooms: Callable[..., Room]) -> Room:
    return rooms(store, sla=SLA)


def beat(room: Room, **later: float) -> list[str]:
    room.now += timedelta(**later)
    return [one.action for one in beats.beat(room.store, room.office, room.now)]


def of_sla(room: Room, number: int) -> list[dict[str, Any]]:
    return [entry["data"] for entry in room.case(number)["stream"] if entry["type"] == "sla" and entry.get("data")]


def test_each_step_of_a_clock_is_taken_once_when_it_is_due(room: Room) -> None:
    number = room.receive(mail()).case
    assert number is not None
    room.fresh()
    assert beat(room, hours=1, minutes=59) == []
    # nobody is assigned: its group is told
    assert beat(room, minutes=1) == ["at 50% of first response: tag hurry; notify alice, bob"]
    assert beat(room, seconds=1) == []
    assert beat(room, hours=2) == [
        "first response violated",
        "at 100% of first response: set priority=urgent; notify carol",
    ]
    assert room.case(number)["priority"] == "urgent"
    (told,) = room.fresh()[2:]
    assert told.message.recipients == ("carol@example.com",)
    assert "The time for the first answer is over" in told.message.text
    assert beat(room, hours=2) == ["at 150% of first response: assign billing; notify carol"]
    shown = room.case(number)
    assert (shown["group"], shown["sla_state"]["first_response"]["status"]) == ("billing", "violated")
    assert [data["event"] for data in of_sla(room, number)] == [
        "sla_warning", "sla_violated", "sla_escalated", "sla_escalated",
    ]  # fmt: skip


def test_a_person_named_by_role_and_by_address_is_told_once(store: Store, rooms: Callable[..., Room]) -> None:
    step = {"at": "50%", "of": "first_response", "notify": ["manager", "Carol@Example.com", "carol"]}
    policy = {"targets": {"medium": {"first_response": "4h"}}, "escalations": [step]}
    room = rooms(store, sla={"policies": {"Standard": policy}})
    room.receive(mail())
    room.fresh()
    assert beat(room, hours=2) == ["at 50% of first response: notify carol"]
    assert [row.message.recipients for row in room.fresh()] == [("carol@example.com",)]


NEXT = {"policies": {"Standard": {"targets": {"medium": {"first_response": "4h", "next_response": "2h", "resolution": "5d"}}}}}


def solved(room: Room) -> int:
    """A case that was answered and resolved."""
    number = room.receive(mail()).case
    assert number is not None
    with room.store.write() as connection:
        case = cases.get(connection, number, lock=True)
        assert case is not None
        desk = Desk(room.office, connection, room.now)
        case = casework.reply(desk, case, "alice", "Please try again.")
        for status in (Status.OPEN, Status.RESOLVED):
            case = casework.change(desk, case, {"status": status}, "alice")
    return number


def test_bare_thanks_for_a_resolved_case_start_no_clock(store: Store, rooms: Callable[..., Room]) -> None:
    room = rooms(store, sla=NEXT)
    number = solved(room)
    room.receive(mail("Thank you very much!", subject=f"Re: [#{number}] It does not work"))
    assert room.case(number)["status"] == "resolved"
    assert "next_response" not in room.case(number)["sla_state"]
    assert beat(room, hours=3) == []


def test_a_case_that_is_not_reopened_once_more_waits_for_an_answer_and_the_agent_is_told_why(
    store: Store, rooms: Callable[..., Room]
) -> None:
    room = rooms(store, sla=NEXT, main={"cases": {"reopen": {"per_day": 0}}})
    number = solved(room)
    room.fresh()
    room.receive(mail("Still broken.", subject=f"Re: [#{number}] It does not work"))
    assert room.case(number)["status"] == "resolved"
    (told,) = room.fresh()
    assert "not reopened: already 0 times today; an agent decides; answer #reopen to open it" in told.message.text
    assert room.case(number)["sla_state"]["next_response"]["status"] == "pending"
    assert beat(room, hours=3) == ["next response violated"]


def test_a_case_that_no_customer_wrote_on_waits_for_no_first_response_after_a_change_of_priority(room: Room) -> None:
    with room.store.write() as connection:
        desk = Desk(room.office, connection, room.now)
        begun = casework.begin(desk, Case(number=0, title="Checked by phone", mailbox="support", sla="Standard"), "alice", since=None)
        casework.change(desk, begun, {"priority": Priority.URGENT}, "alice")
    shown = room.case(begun.number)["sla_state"]
    assert (shown["first_response"], shown["resolution"]["status"]) == (None, "running")


def test_what_a_step_sets_does_not_move_the_deadlines_of_its_case(room: Room) -> None:
    number = room.receive(mail()).case
    before = room.case(number)["sla_state"]["resolution"]["due_at"]
    beat(room, hours=4, seconds=1)
    after = room.case(number)
    assert (after["priority"], after["sla_state"]["resolution"]["due_at"]) == ("urgent", before)


def test_an_answer_in_time_ends_the_steps(room: Room) -> None:
    from maild import casework
    from maild.desk import Desk
    from maild.store import cases

    number = room.receive(mail()).case
    assert number is not None
    room.later(hours=1)
    with room.store.write() as connection:
        case = cases.get(connection, number, lock=True)
        assert case is not None
        casework.reply(Desk(room.office, connection, room.now), case, "alice", "We look into it.")
    assert [one for one in beat(room, days=2) if "first response" in one] == []


def test_a_breach_that_no_sweep_saw_in_time_is_still_told(room: Room) -> None:
    from maild import casework
    from maild.desk import Desk
    from maild.store import cases

    number = room.receive(mail()).case
    assert number is not None
    room.later(hours=5)
    with room.store.write() as connection:
        case = cases.get(connection, number, lock=True)
        assert case is not None
        casework.reply(Desk(room.office, connection, room.now), case, "alice", "Sorry, here we are.")
    assert beat(room, minutes=1) == ["first response violated"]
    assert beat(room, minutes=1) == []


def test_what_fell_due_while_no_daemon_ran_is_done_and_marked_late(room: Room) -> None:
    number = room.receive(mail()).case
    assert number is not None
    beats.heard(room.store, room.now)
    room.later(hours=6)
    beats.heard(room.store, room.now)
    done = beats.beat(room.store, room.office, room.now)
    assert len(done) == 4
    assert all("late: no maild ran from 2026-11-23 10:00 to 2026-11-23 16:00 UTC" in one.reason for one in done)
    assert all(data["late"] for data in of_sla(room, number))
    # what falls due from now on is in time again
    assert "late" not in beats.beat(room.store, room.office, room.now + timedelta(days=5))[0].reason


def test_after_a_jump_of_the_clock_little_is_done_at_once_and_the_admins_are_told(room: Room) -> None:
    for each in range(30):
        room.receive(mail(sender=f"p{each}@home.example"), mail_from=f"p{each}@home.example")
    room.fresh()
    room.later(hours=2, minutes=1)
    beats.clock_jumped(room.store, room.office, room.now, timedelta(hours=2))
    assert len(beats.beat(room.store, room.office, room.now)) == 20
    (told,) = (one for one in room.fresh() if one.message.kind.value == "admin")
    assert told.message.recipients == ("root@example.com",)
    assert "jumped forward by 2:00:00" in told.message.subject
    assert len(beats.beat(room.store, room.office, room.now)) == 10
    assert beats.beat(room.store, room.office, room.now) == []
    with room.store.read() as connection:
        assert installation.get_meta(connection, "clock_jump") == ""


def test_several_daemons_at_once_take_each_step_once(room: Room) -> None:
    for each in range(25):
        room.receive(mail(sender=f"p{each}@home.example"), mail_from=f"p{each}@home.example")
    room.later(hours=5)
    done: list[Any] = []

    def sweep(store: Store) -> None:
        for _ in range(4):
            done.extend(deadlines.sweep(store, room.office, room.now))

    daemons_at_once(room.store, sweep, 3)
    assert sorted((one.case, one.action[:10]) for one in done) == sorted(
        (number, step) for number in room.numbers() for step in ("at 50% of ", "first resp", "at 100% of")
    )
    with room.store.read() as connection:
        rows = connection.execute(select(schema.stream.c.id).where(schema.stream.c.type == "sla")).all()
    assert len(rows) == 75


def test_a_case_that_fails_does_not_stop_the_others(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = room.receive(mail()).case, room.receive(mail(sender="x@y.example")).case
    real = deadlines.of_case

    def failing(desk: Any, number: int) -> Any:
        if number == first:
            raise RuntimeError("broken")
        return real(desk, number)

    monkeypatch.setattr(deadlines, "of_case", failing)
    room.later(hours=2)
    assert [one.case for one in deadlines.sweep(room.store, room.office, room.now)] == [second]
    monkeypatch.undo()
    assert deadlines.sweep(room.store, room.office, room.now) == []
    assert [one.case for one in deadlines.sweep(room.store, room.office, room.now + timedelta(minutes=5))] == [first]


def test_a_policy_that_changed_moves_the_clocks_and_says_so(room: Room, store: Store) -> None:
    number = room.receive(mail()).case
    deadlines.renew(room.store, room.office, room.now)
    room.later(hours=1)
    folder = room.office.settings.folder
    shorter = {"policies": {"Standard": {"targets": {"medium": {"first_response": "2h", "resolution": "5d"}},
                                         "escalations": STEPS}}}  # fmt: skip
    configuration(folder, sla=shorter)
    room.office = open_office(load(folder), room.office.keyring)
    assert deadlines.renew(room.store, room.office, room.now) == 1
    assert deadlines.renew(room.store, room.office, room.now) == 0
    shown = room.case(number)
    assert shown["sla_state"]["first_response"]["due_at"] == "2026-11-23T12:00:00Z"
    assert "the terms of Standard changed: first_response: due 2026-11-23 12:00 UTC" in [e["text"] for e in shown["stream"]]
    assert beat(room)[:1] == ["at 50% of first response: tag hurry; notify alice, bob"]


def test_the_calendar_decides_when_a_step_is_due(store: Store, rooms: Callable[..., Room]) -> None:
    room = rooms(
        store,
        sla={
            "calendars": {"office": {"timezone": "Europe/Berlin", "hours": {"mon-fri": "09:00-17:00"}}},
            "policies": {"Standard": {
                "calendar": "office", "targets": {"medium": {"first_response": "4h"}},
                "escalations": [{"at": "50%", "of": "first_response", "tag": ["half"]}],
            }},
        },
    )  # fmt: skip
    room.now = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)  # Friday 16:00 in Berlin
    room.receive(mail())
    assert beat(room, hours=3) == []
    room.now = datetime(2026, 11, 30, 8, 59, tzinfo=UTC)  # Monday 9:59: one hour of Friday, nearly one of Monday
    assert beat(room) == []
    assert beat(room, minutes=1) == ["at 50% of first response: tag half"]


def test_history_has_no_deadlines(room: Room) -> None:
    with room.store.read() as connection:
        assert due.all_downtimes(connection, NOW) == []


def test_the_acknowledgement_says_by_when_to_expect_an_answer(room: Room) -> None:
    room.receive(mail())
    (answer,) = [entry for entry in room.fresh() if entry.message.kind == "acknowledgement"]
    assert "You can expect an answer by Monday 23 November, 15:00." in answer.message.text  # Berlin


@pytest.mark.parametrize("internal", [{"for": "internal"}, {"customer": False}])
def test_times_of_an_internal_policy_are_not_told_to_customers(
    store: Store, rooms: Callable[..., Room], internal: dict[str, Any]
) -> None:
    room = rooms(store, sla={"policies": {"Standard": SLA["policies"]["Standard"] | internal}})
    number = room.receive(mail()).case
    (answer,) = [entry for entry in room.fresh() if entry.message.kind == "acknowledgement"]
    assert "You can expect an answer by" not in answer.message.text
    assert number is not None and room.case(number)["sla_state"]["first_response"]["status"] == "pending"


def test_a_group_that_gets_a_case_by_escalation_is_told(store: Store, rooms: Callable[..., Room]) -> None:
    step = {"at": "100%", "of": "first_response", "notify": ["manager"], "assign": {"group": "billing"}}
    support = {"members": ["alice", "bob"], "manager": "bob"}
    room = rooms(
        store, sla={"policies": {"Standard": {**SLA["policies"]["Standard"], "escalations": [step]}}},
        directory={"groups": {"support": support, "billing": {"members": ["carol", "bob"]}}},
    )  # fmt: skip
    room.receive(mail())
    room.fresh()
    beat(room, days=2)
    told = sorted((one.message.recipients[0], header(one, "X-Maild-Event")) for one in room.fresh())
    assert told == [("bob@example.com", "escalation"), ("carol@example.com", "assignment")]  # each once
