"""Users who are left alone at night, and users who want one summary a day in place of single mails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builders import Room, header, mail

from maild.plain.quiet import quiet_until
from maild.schedule import beats
from maild.settings.times import cron_line, digest, period
from maild.store import outbox
from maild.store.unit_of_work import Store

Rooms = Callable[..., Room]


def having(store: Store, rooms: Rooms, **alice: Any) -> Room:
    return rooms(store, directory={"users": {"alice": {"timezone": "Europe/Berlin", **alice}}})


def at(room: Room, clock: str) -> None:
    room.now = datetime.fromisoformat(f"2026-11-{clock}").replace(tzinfo=UTC)


def told(room: Room, address: str) -> list[str]:
    return [one.message.subject for one in room.fresh() if address in one.message.recipients]


# --- quiet hours ------------------------------------------------------------------------------------------------


def test_what_falls_into_quiet_hours_waits_until_they_end(store: Store, rooms: Rooms) -> None:
    room = having(store, rooms, quiet_hours="20:00-07:00")
    at(room, "23 22:30")  # 23:30 in Berlin
    room.receive(mail())
    ready = {one.message.recipients[0]: one.next_at for one in room.fresh()}
    assert ready["alice@example.com"] == datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
    assert ready["bob@example.com"] == room.now, "Bob works at night"
    with store.read() as connection:
        assert outbox.figures(connection, room.now)["oldest_seconds"] == 0
        assert outbox.figures(connection, datetime(2026, 11, 24, 6, 1, tzinfo=UTC))["oldest_seconds"] > 0
    at(room, "24 07:00")
    room.receive(mail())
    assert {one.next_at for one in room.fresh()} == {room.now}


def test_an_answer_to_the_agents_own_mail_comes_at_once_even_in_quiet_hours(sqlite: Store, rooms: Rooms) -> None:
    room = having(sqlite, rooms, quiet_hours="20:00-07:00")
    at(room, "23 23:30")
    room.receive(mail())
    about = next(one for one in room.fresh() if one.message.recipients == ("alice@example.com",))
    message_id = header(about, "Message-ID")
    room.receive(
        mail("#take", sender="alice@example.com", subject="Re: x", headers=[f"In-Reply-To: {message_id}"]),
        mail_from="alice@example.com",
    )
    (receipt,) = (one for one in room.fresh() if one.message.recipients == ("alice@example.com",))
    assert (receipt.message.kind.value, receipt.next_at) == ("receipt", room.now)


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        ("20:00-07:00", "24 18:59", None),  # 19:59 in Berlin
        ("20:00-07:00", "24 19:00", "25 06:00"),
        ("20:00-07:00", "25 05:59", "25 06:00"),
        ("20:00-07:00", "25 06:00", None),
        ("12:00-13:00", "24 11:30", "24 12:00"),
        ("18:00-24:00", "24 22:00", "24 23:00"),
        ("00:00-06:00", "24 23:00", "25 05:00"),
    ],
)
def test_quiet_hours_end_on_the_right_day(hours: str, now: str, until: str | None) -> None:
    from zoneinfo import ZoneInfo

    def moment(text: str) -> datetime:
        return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)

    assert quiet_until(hours, ZoneInfo("Europe/Berlin"), moment(now)) == (moment(until) if until else None)


@pytest.mark.parametrize("text", ["25:00-26:00", "20:00-20:00", "00:00-24:00", "at night"])
def test_quiet_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="20:00-07:00"):
        period(text)


# --- digests ----------------------------------------------------------------------------------------------------


def test_a_user_with_a_digest_gets_one_mail_a_day_in_place_of_many(store: Store, rooms: Rooms) -> None:
    room = having(store, rooms, digest="17:00")
    at(room, "23 09:00")
    first = room.receive(mail("The display is cracked.", subject="Broken phone"))
    room.receive(mail("And another thing.", subject="No sound", sender="Sue Roe <sue@else.example>"), mail_from="sue@else.example")
    room.receive(mail("It is the left half.", subject=f"Re: [#{first.case}] Broken phone"))
    assert told(room, "alice@example.com") == []
    assert [entry["text"] for entry in room.case(1)["stream"] if entry["type"] == "notified"] == [
        "new_case: alice, bob", "answer: alice, bob",
    ]  # fmt: skip
    at(room, "23 15:59")
    beats.beat(store, room.office, room.now)
    assert told(room, "alice@example.com") == []
    at(room, "23 16:00")  # 17:00 in Berlin
    beats.beat(store, room.office, room.now)
    beats.beat(store, room.office, room.now)
    (digest_,) = [one for one in room.fresh() if "alice@example.com" in one.message.recipients]
    assert digest_.message.subject == "What happened in 2 cases"
    assert "[#1] Broken phone" in digest_.message.text
    assert "Monday 23 November, 10:00: new case from Jo Doe" in digest_.message.text
    assert "The display is cracked." in digest_.message.text
    assert "Jo Doe has answered" in digest_.message.text
    assert "[#2] No sound" in digest_.message.text
    at(room, "24 16:00")
    beats.beat(store, room.office, room.now)
    assert told(room, "alice@example.com") == [], "nothing happened since"


def test_a_new_case_that_somebody_took_is_withdrawn_from_the_digest(sqlite: Store, rooms: Rooms) -> None:
    room = having(sqlite, rooms, digest="17:00")
    at(room, "23 09:00")
    room.receive(mail())
    about = next(one for one in room.fresh() if one.message.recipients == ("bob@example.com",))
    room.receive(
        mail("#take", sender="bob@example.com", subject="Re: x", headers=[f"In-Reply-To: {header(about, 'Message-ID')}"]),
        mail_from="bob@example.com",
    )
    at(room, "23 16:00")
    beats.beat(sqlite, room.office, room.now)
    assert told(room, "alice@example.com") == []


def test_a_reminder_comes_at_its_time_though_there_is_a_digest(sqlite: Store, rooms: Rooms) -> None:
    room = having(sqlite, rooms, digest="daily")
    at(room, "23 09:00")
    room.receive(mail())
    room.fresh()
    room.receive(
        mail("#remind 2h call them", sender="alice@example.com", subject="Re: [#1] x",
             headers=[f"In-Reply-To: <{room.signed_id(1, _reader(room, 'alice'))}>"]),
        mail_from="alice@example.com",
    )  # fmt: skip
    room.fresh()
    room.later(hours=2)
    beats.beat(sqlite, room.office, room.now)
    assert told(room, "alice@example.com") == ["[#1] It does not work"]


def test_a_workflows_digest_brings_along_what_waited(sqlite: Store, rooms: Rooms, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "workflows.yaml").write_text(
        'workflows: [{name: Morning, schedule: "0 8 * * *", do: [{digest: {to: support}}]}]', encoding="utf-8"
    )
    room = having(sqlite, rooms, digest="0 17 * * fri")
    at(room, "23 09:00")
    beats.beat(sqlite, room.office, room.now)
    room.receive(mail())
    at(room, "24 08:00")
    beats.beat(sqlite, room.office, room.now)
    mine = [one for one in room.fresh() if one.message.recipients == ("alice@example.com",)]
    (text,) = [one.message.text for one in mine if one.message.kind.value == "digest"]
    assert "new case from Jo Doe" in text
    assert "Open cases in support:" in text
    at(room, "27 17:00")
    beats.beat(sqlite, room.office, room.now)
    assert "What happened" not in str([one.message.subject for one in room.fresh()])


def test_bare_thanks_are_no_mail_and_stand_in_the_assignees_digest(sqlite: Store, rooms: Rooms) -> None:
    from test_workflows import change, resolve

    room = having(sqlite, rooms, digest="17:00")
    at(room, "23 09:00")
    case = room.receive(mail()).case
    change(room, case, assignee="alice")
    resolve(room, case)
    beats.beat(sqlite, room.office, datetime(2026, 11, 23, 16, 0, tzinfo=UTC))
    room.fresh()
    at(room, "23 16:30")
    room.receive(mail("Thank you!", subject=f"Re: [#{case}] It does not work"))
    assert room.fresh() == []
    at(room, "24 16:00")
    beats.beat(sqlite, room.office, room.now)
    (summary,) = [one.message.text for one in room.fresh() if one.message.recipients == ("alice@example.com",)]
    assert "Jo Doe says thanks\n        Thank you!" in summary


@pytest.mark.parametrize(
    ("text", "line"), [("08:00", "0 8 * * *"), ("17:30", "30 17 * * *"), ("daily", "0 8 * * *"), ("0 8 * * mon-fri", "0 8 * * mon-fri")]
)
def test_the_time_of_a_digest_is_written_in_three_ways(text: str, line: str) -> None:
    assert cron_line(digest(text)) == line


@pytest.mark.parametrize("text", ["25:00", "yes", "8"])
def test_a_time_of_digests_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="08:00"):
        digest(text)


def _reader(room: Room, user: str) -> int:
    from maild.store import people

    with room.store.write() as connection:
        return people.reader_number(connection, user)
