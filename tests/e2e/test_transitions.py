"""The transition table (seed 002, "Managing Customer Cases") through every door that a change of status comes by: a mail, the
command line, a workflow, a rule. All 49 pairs each; a refusal changes nothing and loses nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from builders import NOW, TRUSTED, Room, mail, office

from maild import casework
from maild.desk import Desk
from maild.model.case import Case, Status
from maild.schedule import beats
from maild.store import cases, people
from maild.store.unit_of_work import Store

if TYPE_CHECKING:
    from running import Daemon

N, A, P, C, T, R, X = Status  # new, assigned, open, wait_for_customer, wait_for_third_party, resolved, closed
# Written out by hand from the seed and contract section 5: what may follow without a reason.
ALLOWED: dict[Status, set[Status]] = {
    N: {N, A, P, C, T}, A: {N, A, P, C, T}, P: {N, A, P, C, T, R}, C: {N, A, P, C, T}, T: {N, A, P, C, T},
    R: {R, P, X}, X: {X},
}  # fmt: skip
PAIRS = list(itertools.product(Status, Status))


@pytest.fixture
def rooms_with(sqlite: Store, tmp_path: Path) -> Callable[..., Room]:
    def make(rules: Sequence[Any] = (), workflows: Sequence[Any] = ()) -> Room:
        folder = tmp_path / "config"
        folder.mkdir()
        (folder / "workflows.yaml").write_text(yaml.safe_dump({"workflows": list(workflows)}), encoding="utf-8")
        trust = {"agents": {"trust": {"authserv_id": "mx.example.com"}}}
        return Room(sqlite, office(folder, sqlite, rules=rules, main=trust), NOW)

    return make


def begun(room: Room, status: Status, title: str = "It", *, contact: str = "") -> int:
    """A case that began in this status, with a contact where an address is given."""
    with room.store.write() as connection:
        found = people.contact_by_address(connection, contact) if contact else None
        case = Case(number=0, title=title, mailbox="support", group="support", contact_id=found.id if found else None)
        case = casework.begin(Desk(room.office, connection, room.now), case, "alice", since=None)
        cases.save_case(connection, replace(case, status=status))
        if contact:
            people.add_participant(connection, case.number, contact, "", "contact")
    return case.number


def statuses(room: Room, number: int) -> list[str]:
    """The changes of its status, in order."""
    return [entry["text"] for entry in room.case(number)["stream"] if entry["type"] == "status"][1:]


def test_by_mail(rooms_with: Callable[..., Room]) -> None:
    room = rooms_with()
    for before, after in PAIRS:
        number = begun(room, before)
        room.fresh()
        raw = mail(
            f"#status {after}", sender="Alice Ng <alice@example.com>", subject=f"[#{number}] It",
            headers=[TRUSTED.format("example.com")],
        )  # fmt: skip
        entry = room.receive(raw, mail_from="alice@example.com")
        (receipt,) = [one for one in room.fresh() if one.message.recipients == ("alice@example.com",)]
        refused = "Not done" in receipt.message.subject
        assert (room.case(number)["status"], refused) == (
            (after, False) if after in ALLOWED[before] else (before, True)
        ), (before, after, entry.reason)
        assert len(statuses(room, number)) == (before is not after and not refused)


def test_by_command_line(daemons: Callable[..., Daemon]) -> None:
    daemon = daemons()
    daemon.maild("db", "upgrade")
    store = daemon.store()
    room = Room(store, office(daemon.config, store, **daemon.parts), NOW)
    numbers = {pair: begun(room, pair[0]) for pair in PAIRS}
    for (before, after), number in numbers.items():
        allowed = after in ALLOWED[before]
        done = daemon.maild("case", "set", str(number), f"status={after}", status=0 if allowed else 3)
        assert room.case(number)["status"] == (after if allowed else before), (before, after)
        if not allowed:
            assert any(words in done.stderr for words in (b"possible from here", b"needs a reason", b"final")), done.stderr
    store.close()


@pytest.mark.parametrize("after", Status)
def test_by_workflow_which_resolves_by_way_of_open(rooms_with: Callable[..., Room], after: Status) -> None:
    room = rooms_with(workflows=[{"name": "Move", "event": "note", "do": [{"set": {"status": after.value}}]}])
    numbers = {before: begun(room, before) for before in Status}
    with room.store.write() as connection:
        for number in numbers.values():
            case = cases.get(connection, number)
            assert case is not None
            casework.note(Desk(room.office, connection, room.now), case, "alice", "Now.")
    beats.beat(room.store, room.office, room.now)
    for before, number in numbers.items():
        allowed = after in ALLOWED[before] or (after is R and before not in {R, X})
        assert room.case(number)["status"] == (after if allowed else before), (before, after)
        through = [f"{before} → open", "open → resolved"] if after is R and before not in {P, R} else [f"{before} → {after}"]
        assert statuses(room, number) == (through if allowed and before is not after else [])
        refused = [entry for entry in room.case(number)["stream"] if entry["type"] == "suppressed"]
        assert len(refused) == (not allowed)


@pytest.mark.parametrize("after", Status)
def test_by_rule_on_an_answer(rooms_with: Callable[..., Room], after: Status) -> None:
    rule = {"name": "Move", "applies_to": "answers", "when": {"body": {"words": "move"}}, "case": {"set": {"status": after.value}}}
    room = rooms_with(rules=[rule])
    room.receive(mail())  # so that Jo is known
    for before in Status:
        number = begun(room, before, f"From {before}", contact="jo@home.example")
        entry = room.receive(mail("Please move it.", subject=f"[#{number}] From {before}"))
        if before is X:  # closed is final: the answer begins a follow-up
            assert (room.case(number)["status"], entry.case == number) == ("closed", False)
            continue
        moved = after if after in ALLOWED[before] else before
        # what the customer's answer itself does comes after the rule
        assert room.case(number)["status"] == (P if moved in {C, R} else moved), (before, after)
        assert len(room.case(number)["messages"]) == 1
