"""`maild simulate`: what would happen, by the same code, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from builders import NOW, Room, mail, office
from test_workflows import CLOSE, REMIND, SURVEY, change, resolve

from maild.model.case import Status
from maild.model.outbox import OutboxState, Sent
from maild.schedule import beats, simulate
from maild.store import outbox, schema
from maild.store.unit_of_work import Store

SLA = {"policies": {"Standard": {"escalations": [{"at": "50%", "of": "first_response", "notify": ["manager"]}]}}}
DIGEST = {"name": "Monday", "schedule": "0 8 * * mon", "do": [{"digest": {"to": "support"}}]}


def everything(store: Store) -> dict[str, list[Any]]:
    with store.read() as connection:
        return {
            table.name: [tuple(map(str, row)) for row in connection.execute(table.select())]
            for table in schema.metadata.sorted_tables
        }


def made(store: Store, tmp_path: Path, *workflows: Any, calendars: dict[str, Any] | None = None) -> Room:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "workflows.yaml").write_text(yaml.safe_dump({"workflows": list(workflows)}), encoding="utf-8")
    return Room(store, office(folder, store, sla={**SLA, "calendars": calendars or {}}), NOW)


def test_a_workflow_within_office_hours_is_foretold_without_a_beat_a_minute(
    store: Store, tmp_path: Path
) -> None:
    within = {**REMIND, "send_within": "office"}
    room = made(store, tmp_path, within, calendars={"office": {"timezone": "UTC", "hours": {"mon-fri": "09:00-17:00"}}})
    first, second = room.receive(mail()).case, room.receive(mail(sender="x@y.example")).case
    change(room, first, status=Status.WAIT_FOR_CUSTOMER)  # Monday 10:00
    room.later(days=2)
    change(room, second, status=Status.WAIT_FOR_CUSTOMER)  # Wednesday 10:00: three days later is a Saturday
    looked: list[datetime] = []
    found = simulate.run(room.office.settings, store, room.now, room.now + timedelta(days=20), looked.append)
    assert [(one.case, one.at.isoformat()) for one in found if one.by == "workflow:Remind"] == [
        (first, "2026-11-26T10:00:00+00:00"), (second, "2026-11-30T09:00:00+00:00"),
    ]  # fmt: skip
    assert len(looked) < 20


def test_working_days_are_foretold_by_their_calendar(store: Store, tmp_path: Path) -> None:
    by_days = {**CLOSE, "when": {"status": "resolved", "for": "5wd"}, "calendar": "office"}
    room = made(store, tmp_path, by_days, calendars={"office": {"timezone": "UTC", "hours": {"mon-fri": "09:00-17:00"}}})
    number = room.receive(mail()).case
    resolve(room, number)  # Monday 10:00
    found = simulate.run(room.office.settings, store, room.now, room.now + timedelta(days=20), lambda _at: None)
    assert [(one.case, one.at.isoformat()) for one in found if one.by.startswith("workflow:")] == [
        (number, "2026-11-30T10:00:00+00:00")
    ]


def test_what_is_foretold_is_what_happens_and_nothing_is_written(store: Store, tmp_path: Path) -> None:
    repeated = {**REMIND, "do": [{"reply": "reminder", "at_most": 2, "every": "3d"}]}
    room = made(store, tmp_path, CLOSE, SURVEY, repeated, DIGEST)
    first, second = room.receive(mail()).case, room.receive(mail(sender="x@y.example")).case
    room.receive(mail(sender="z@y.example"))
    resolve(room, first)
    change(room, second, status=Status.WAIT_FOR_CUSTOMER)
    beats.beat(room.store, room.office, room.now)  # the schedule counts from now on
    before = everything(store)
    until = room.now + timedelta(days=20)
    foretold = simulate.run(room.office.settings, store, room.now, until)
    assert everything(store) == before

    happened = []
    while room.now < until:
        room.later(hours=1)
        happened += beats.beat(room.store, room.office, room.now)
    assert sorted((one.case or 0, one.by, one.action) for one in foretold) == sorted(
        (one.case or 0, one.by, one.action) for one in happened
    )
    said = {(one.case, one.action) for one in foretold}
    assert (first, "set status=closed") in said
    assert (second, "reminder to x@y.example") in said
    assert (3, "at 50% of first response: notify carol") in said
    assert (None, "digest to alice, bob") in said
    (closing,) = [one for one in foretold if one.action == "set status=closed"]
    assert closing.as_json()["time"] == "2026-12-08T10:00:00Z"
    assert closing.reason == "resolved since 2026-11-23 10:00 UTC, for 15d"
    assert [one.at for one in foretold] == sorted(one.at for one in foretold)


def test_the_command_prints_it(sqlite: Store, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    from maild.cli import app

    room = made(sqlite, tmp_path, CLOSE)
    from builders import configuration

    configuration(tmp_path / "config", main={"database": f"sqlite:///{sqlite.path}", "state_dir": str(sqlite.state_dir)})
    resolve(room, room.receive(mail()).case)
    run: Callable[[list[str]], int] = app.run
    monkeypatch.setattr("maild.clock.now", lambda: room.now)
    assert run(["--config", str(tmp_path / "config"), "simulate", "--until", "+30d", "--json"]) == 0
    assert [(one["time"], one["case"], one["action"]) for one in json.loads(capsys.readouterr().out)] == [
        ("2026-12-08T10:00:00Z", 1, "set status=closed")
    ]
    assert run(["--config", str(tmp_path / "config"), "simulate", "--until", "+1d"]) == 0
    assert "nothing would happen" in capsys.readouterr().out


def test_mails_that_were_sent_do_not_stand_in_the_way_of_those_foretold(store: Store, tmp_path: Path) -> None:
    room = made(store, tmp_path, DIGEST)
    for number in range(4):  # so many that each number meets each address
        room.receive(mail(sender=f"c{number}@y.example"))
    with store.write() as connection:
        waiting = outbox.listed(connection, states=[OutboxState.PENDING])
        outbox.record(
            connection, [outbox.Result(one, {address: Sent("250 taken") for address in one.waiting}, room.now) for one in waiting]
        )
    foretold = simulate.run(room.office.settings, store, room.now, room.now + timedelta(days=8))
    assert "workflow:Monday" in {one.by for one in foretold}
