"""Held mail has an owner, who hears of it once a day and decides by mail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from builders import TRUSTED, Room, daemons_at_once, header, mail

from maild.model.outbox import OutboxEntry
from maild.model.spool import SpoolEntry
from maild.schedule import held
from maild.store import held as stored
from maild.store.unit_of_work import Store

Rooms = Callable[..., Room]
RULES = [
    {"name": "Spam", "when": {"subject": {"contains": "win"}}, "hold": "spam score"},
    {"name": "Lists", "when": {"subject": {"contains": "news"}}, "hold": "newsletter"},
]  # fmt: skip


def filled(store: Store, rooms: Rooms, **parts: Any) -> Room:
    """Three held mails, two of them by the same sender; Carol manages support."""
    room = rooms(store, rules=RULES, **parts)
    receive(room, "Weekly news", "news@list.example")
    receive(room, "Win a car", "spam@bad.example")
    receive(room, "Win a house", "spam@bad.example")
    return room


def receive(room: Room, subject: str, sender: str) -> SpoolEntry:
    return room.receive(mail("Read this.", subject=subject, sender=sender), mail_from=sender)


def told(room: Room) -> list[OutboxEntry]:
    held.sweep(room.store, room.office, room.now)
    return [one for one in room.fresh() if one.message.kind.value == "digest"]


def answer(room: Room, about: OutboxEntry, body: str, sender: str = "carol@example.com", headers: Sequence[str] = ()) -> SpoolEntry:
    room.fresh()
    quoted = "".join(f"> {line}\n" for line in about.message.text.split("\n"))
    return room.receive(
        mail(f"{body}\n\nOn Mon, 23 Nov 2026 at 11:00, Example Support wrote:\n{quoted}", sender=sender, subject=f"Re: {about.message.subject}",
             headers=[f"In-Reply-To: {header(about, 'Message-ID')}", f"References: {header(about, 'References')} {header(about, 'Message-ID')}",
                      *headers]),
        mail_from=sender,
    )  # fmt: skip


def states(room: Room) -> list[tuple[str, str]]:
    return [(one.subject, one.state.value) for one in map(room.entry, _ids(room))]


def _ids(room: Room) -> list[str]:
    from maild.model.spool import SpoolState
    from maild.store import spool

    with room.store.read() as connection:
        every = spool.waiting(connection, states=tuple(SpoolState))
        return [one.id for one in sorted(every, key=lambda one: one.seq) if one.subject.startswith(("Weekly", "Win"))]


def test_of_several_daemons_one_sends_the_list(store: Store, rooms: Rooms) -> None:
    room = filled(store, rooms)
    daemons_at_once(store, lambda one: held.sweep(one, room.office, room.now))
    assert [one.message.recipients for one in room.fresh() if one.message.kind.value == "digest"] == [("carol@example.com",)]


def test_the_groups_manager_gets_one_list_a_day_and_who_wrote_again_stands_first(store: Store, rooms: Rooms) -> None:
    room = filled(store, rooms)
    (listed,) = told(room)
    assert listed.message.recipients == ("carol@example.com",)
    text = listed.message.text
    assert text.index("1  Win a car") < text.index("2  Win a house") < text.index("3  Weekly news")
    assert "from spam@bad.example" in text
    assert "held because: spam score" in text
    room.later(hours=23)
    assert told(room) == []
    room.later(hours=1)
    assert len(told(room)) == 1


def test_the_answer_releases_discards_and_shuts_out(store: Store, rooms: Rooms) -> None:
    room = filled(store, rooms)
    (listed,) = told(room)
    entry = answer(room, listed, "#release 3\n#never 1\n#discard 2")
    assert (entry.disposition, entry.case) == ("commands", None)
    receipt = next(one for one in room.fresh() if one.message.kind.value == "receipt")
    assert "3: released: Weekly news, from news@list.example" in receipt.message.text
    assert "1: discarded, and so is what spam@bad.example sends from now on" in receipt.message.text
    room.work()
    assert room.case(1)["title"] == "Weekly news"
    assert states(room) == [("Win a car", "dead"), ("Win a house", "dead")]
    late = receive(room, "Hello there", "Spam <SPAM@bad.example>")
    assert (late.state.value, late.disposition) == ("done", "discarded")
    assert "carol wants no mail from this address" in room.trace(late.id)["reason"]
    with store.write() as connection:
        assert stored.welcome(connection, "spam@bad.example")
    assert receive(room, "Hello again", "spam@bad.example").disposition == "case"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("#release 1\n#discard 9", "there is no 9 in that list; it has 3"),
        ("#release 1\n#relese 2", "#relese is no command; did you mean #release?"),
        ("#release 1\nand thank you", "holds nothing but commands"),
        ("#release 1\n#take", "holds nothing but commands"),
        ("#release", "#release needs numbers"),
    ],
)
def test_one_wrong_line_and_everything_stays_held(sqlite: Store, rooms: Rooms, body: str, reason: str) -> None:
    room = filled(sqlite, rooms)
    (listed,) = told(room)
    assert answer(room, listed, body).disposition == "returned"
    (back,) = room.fresh()
    assert reason in back.message.text
    assert {state for _, state in states(room)} == {"held"}


def test_an_answer_to_the_list_from_somebody_else_does_nothing(sqlite: Store, rooms: Rooms) -> None:
    room = filled(sqlite, rooms)
    (listed,) = told(room)
    assert answer(room, listed, "#release 1", "bob@example.com").state.value == "held", "Bob did not get it: not believed"
    answer(room, listed, "#release 1", "mallory@bad.example")
    assert {state for subject, state in states(room)} == {"held"}


def test_with_a_trusted_server_only_what_it_proves_counts(sqlite: Store, rooms: Rooms) -> None:
    room = filled(sqlite, rooms, main={"agents": {"trust": {"authserv_id": "mx.example.com"}}})
    (listed,) = told(room)
    assert answer(room, listed, "#release 1").state.value == "held"
    assert answer(room, listed, "#release 1", headers=[TRUSTED.format("example.com")]).disposition == "commands"


def test_release_without_a_list_says_so(sqlite: Store, rooms: Rooms) -> None:
    room = rooms(sqlite)
    room.receive(mail())
    about = next(one for one in room.fresh() if one.message.recipients == ("alice@example.com",))
    assert answer(room, about, "#release 1", "alice@example.com").disposition == "returned"
    assert "answers no list of held mail" in room.fresh()[0].message.text


def test_an_admin_who_is_no_user_decides_too(store: Store, rooms: Rooms) -> None:
    room = filled(store, rooms, directory={"groups": {"support": {"manager": ...}}})
    (listed,) = told(room)
    assert listed.message.recipients == ("root@example.com",)
    assert answer(room, listed, "#release all", "root@example.com").disposition == "commands"
    assert "2: released" in room.fresh()[0].message.text
    room.work()
    assert room.numbers() == [1, 2, 3]
    assert answer(room, listed, "#discard 1", "root@example.com").disposition == "commands"
    assert "waits no more" in room.fresh()[0].message.text
    assert answer(room, listed, "#dicard 1", "root@example.com").disposition == "returned"
    assert "did you mean #discard?" in room.fresh()[0].message.text


def test_a_mail_in_an_agents_name_is_released_by_that_agent_alone(sqlite: Store, rooms: Rooms) -> None:
    room = rooms(sqlite)
    room.receive(mail("Hello", sender="bob@example.com", subject="Unproven"), mail_from="bob@example.com")
    (listed,) = told(room)
    assert answer(room, listed, "#release 1").disposition == "returned"
    assert "only their own answer to our question releases it" in room.fresh()[0].message.text


def test_the_answer_counts_though_a_server_replaced_our_message_id(sqlite: Store, rooms: Rooms) -> None:
    room = filled(sqlite, rooms)
    (listed,) = told(room)
    room.receive(
        mail("#release 3", sender="carol@example.com", subject="Re: held",
             headers=["In-Reply-To: <other@relay.example>", f"References: {header(listed, 'References')} <other@relay.example>"]),
        mail_from="carol@example.com",
    )  # fmt: skip
    room.work()
    assert [room.case(number)["title"] for number in room.numbers()] == ["Weekly news"]
