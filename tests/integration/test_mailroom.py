"""Mails through the whole mailroom, on both engines: what becomes of each, who hears of it, and what never goes out.

The names tell the decision (item) or the row of the catalogue (F, S) that a test is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from email.utils import parseaddr
from typing import Any

import pytest
from builders import Room, header, mail
from sqlalchemy import update

from maild import casework
from maild.desk import Desk
from maild.errors import MessageError
from maild.mailroom import Mailroom
from maild.model.case import Status, StreamType
from maild.model.outbox import OutboxEntry, OutgoingKind
from maild.model.spool import SpoolState
from maild.plain.tokens import verify_id
from maild.settling import later
from maild.store import audit, cases, migrate, people, schema, spool
from maild.store.unit_of_work import Store

Rooms = Callable[..., Room]
ACK, NOTIFICATION = OutgoingKind.ACKNOWLEDGEMENT, OutgoingKind.NOTIFICATION


@pytest.fixture
def room(store: Store, rooms: Rooms) -> Room:
    return rooms(store)


def kinds(mails: Sequence[OutboxEntry]) -> list[tuple[str, str]]:
    """(kind, recipient) of each mail."""
    return [(one.message.kind.value, who) for one in mails for who in one.message.recipients]


def acks(room: Room) -> list[str]:
    return [who for one in room.fresh() if one.message.kind is ACK for who in one.message.recipients]


def references(entry: OutboxEntry) -> list[str]:
    return [one.strip("<>") for one in header(entry, "References").split()]


def change(room: Room, number: int, values: dict[str, Any], *, reason: str | None = None, who: str = "alice") -> None:
    with room.store.write() as connection:
        desk = Desk(room.office, connection, room.now)
        case = cases.get(connection, number, lock=True)
        assert case is not None
        casework.change(desk, case, values, who, reason=reason)


def resolve(room: Room, number: int) -> None:
    change(room, number, {"status": Status.OPEN})
    change(room, number, {"status": Status.RESOLVED})
    room.fresh()


def close(room: Room, number: int) -> None:
    resolve(room, number)
    change(room, number, {"status": Status.CLOSED})
    room.fresh()


def answer_to(ids: str, body: str = "One more thing.\n", **how: Any) -> bytes:
    return mail(body, subject=how.pop("subject", "Re: It does not work"), headers=[f"In-Reply-To: <{ids}>"], **how)


def stream(room: Room, number: int, *types: StreamType) -> list[str]:
    return [entry["text"] for entry in room.case(number)["stream"] if not types or entry["type"] in types]


@pytest.fixture(autouse=True)
def nothing_is_lost(store: Store) -> Iterator[None]:
    """After every test here `maild audit` finds nothing."""
    yield
    with store.read() as connection:
        assert audit.run(connection)[1] == []


# --- a new case -------------------------------------------------------------------------------------------------


def test_a_mail_makes_a_case_with_its_values(room: Room) -> None:
    entry = room.receive(mail("Nothing works.\n", sender="Ann Lee <Ann.Lee@Acme.Example>", subject="Re: Fwd: [#77] Printer"))
    case = room.case(entry.case)
    assert (entry.state, entry.disposition, entry.attempts) == (SpoolState.DONE, "case", 1)
    wanted = {
        "number": 1, "title": "Printer", "status": "new", "priority": "medium", "channel": "email", "mailbox": "support",
        "group": "support", "assignee": None, "organisation": "Acme Ltd", "sla": "Gold", "resolution": None, "billable": False,
        "created_at": "2026-11-23T10:00:00Z", "first_response_at": None,
    }  # fmt: skip
    assert {name: case[name] for name in wanted} == wanted
    assert case["contact"]["name"] == "Ann Lee"
    assert case["contact"]["email"].lower() == "ann.lee@acme.example"
    assert [(one["direction"], one["kind"]) for one in case["messages"]] == [("in", "customer"), ("out", "acknowledgement")]
    assert case["messages"][0]["text"].strip() == "Nothing works."


def test_numbers_begin_where_the_configuration_says(store: Store, rooms: Rooms) -> None:
    room = rooms(store, main={"cases": {"first_number": 10_000}})
    if not store.sqlite:  # there the sequence is set when the tables are made
        with store.write() as connection:
            migrate.prepare_numbers(connection, 10_000)
    assert [room.receive(mail()).case for _ in range(2)] == [10_000, 10_001]


def test_a_new_case_is_told_to_the_group_each_in_a_mail_and_thread_of_their_own(room: Room) -> None:
    room.receive(mail(subject="Printer"))
    told = [one for one in room.fresh() if one.message.kind is NOTIFICATION]
    assert [one.message.recipients for one in told] == [("alice@example.com",), ("bob@example.com",)]
    assert {one.message.subject for one in told} == {"[#1] Printer"}
    assert len({references(one)[0] for one in told}) == 2
    for one in told:
        assert "Your reply goes to Jo Doe" in one.message.text.splitlines()[0]
        assert "Hello, it does not work." in one.message.text
        assert parseaddr(header(one, "From"))[1] == "support@example.com"
        assert header(one, "Auto-Submitted") == "auto-generated"
        assert header(one, "X-Maild-Case") == "1"


def test_the_acknowledgement_and_its_headers(room: Room) -> None:
    room.receive(mail(subject="Printer", message_id="first@home.example"))
    (ack,) = [one for one in room.fresh() if one.message.kind is ACK]
    assert (ack.message.recipients, ack.message.sender) == (("jo@home.example",), "")
    assert header(ack, "From") == "Example Support <support@example.com>"
    assert header(ack, "Reply-To") == "support@example.com"
    assert header(ack, "Subject") == "[#1] Re: Printer"
    assert header(ack, "Auto-Submitted") == "auto-replied"
    assert header(ack, "In-Reply-To") == "<first@home.example>"
    own = header(ack, "Message-ID").strip("<>")
    assert verify_id(room.office.keyring, own) is not None
    signed = [one for one in references(ack) if verify_id(room.office.keyring, one)]
    assert len(signed) == 1
    assert own not in references(ack)
    assert references(ack)[-1] == "first@home.example"
    assert len(header(ack, "Message-ID")) <= 75
    assert not header(ack, "List-Id")
    assert "Nothing" not in ack.message.text
    assert ack.message.html


def test_item_44_a_tag_and_number_in_the_title_appear_once(room: Room) -> None:
    room.receive(mail(subject="[#99] Re: [#98] Printer"))
    (ack,) = [one for one in room.fresh() if one.message.kind is ACK]
    assert header(ack, "Subject").count("[#") == 1
    assert room.case(1)["title"] == "Printer"


def test_a_mail_without_subject_gets_a_title(room: Room) -> None:
    assert room.case(room.receive(mail(subject=None)).case)["title"] == "(no subject)"
    assert room.case(room.receive(mail(subject="Re: ")).case)["title"] == "(no subject)"


def test_whoever_is_on_copy_takes_part_but_never_we_ourselves(room: Room) -> None:
    headers = ["Cc: Max <max@home.example>, help@example.com, alice@example.com"]
    entry = room.receive(mail(headers=headers, to="support@example.com, Eve <eve@other.example>"))
    assert [(one["email"], one["role"]) for one in room.case(entry.case)["contacts"]] == [
        ("jo@home.example", "contact"), ("eve@other.example", "cc"), ("max@home.example", "cc"),
    ]  # fmt: skip


def test_two_mails_at_once_from_a_new_person_make_one_contact(room: Room) -> None:
    room.put(mail(sender="Jo <jo@home.example>"))
    room.put(mail(sender="JO@HOME.EXAMPLE"))
    room.work()
    with room.store.read() as connection:
        assert len(people.all_contacts(connection)) == 1


def test_a_mailbox_without_acknowledgement_and_notifications_is_quiet(room: Room) -> None:
    room.receive(mail(to="quiet@example.com"), ["quiet@example.com"])
    assert room.fresh() == []


# --- authentication and the acknowledgement ---------------------------------------------------------------------


def trusting(store: Store, rooms: Rooms) -> Room:
    return rooms(store, main={"agents": {"trust": {"authserv_id": "mx.example.com"}}})


def test_s25_the_subject_is_not_repeated_to_one_who_failed_authentication(store: Store, rooms: Rooms) -> None:
    room = trusting(store, rooms)
    failed = ["Authentication-Results: mx.example.com; dmarc=fail header.from=home.example"]
    room.receive(mail(subject="Buy pills", headers=failed))
    (ack,) = [one for one in room.fresh() if one.message.kind is ACK]
    assert "pills" not in ack.message.subject + ack.message.text
    assert "Example Support" in ack.message.subject


def test_s19_authentication_results_from_elsewhere_count_for_nothing(store: Store, rooms: Rooms) -> None:
    room = trusting(store, rooms)
    forged = ["Authentication-Results: mx.evil.example; dmarc=fail header.from=home.example"]
    room.receive(mail(subject="Printer", headers=forged))
    room.receive(mail(subject="Scanner", headers=[forged[0].replace("evil.example", "example.com")]), trusted=False)
    assert [header(one, "Subject") for one in room.fresh() if one.message.kind is ACK] == [
        "[#1] Re: Printer", "[#2] Re: Scanner",
    ]  # fmt: skip


# --- threading --------------------------------------------------------------------------------------------------


def test_an_answer_to_the_acknowledgement_joins_by_the_signed_id(room: Room) -> None:
    room.receive(mail())
    ack = room.fresh()[0].message.message_id
    entry = room.receive(answer_to(ack, subject="something else"))
    assert (entry.disposition, entry.case) == ("answer", 1)
    assert room.numbers() == [1]
    assert kinds(room.fresh()) == [("notification", "alice@example.com"), ("notification", "bob@example.com")]
    assert [one["direction"] for one in room.case(1)["messages"]] == ["in", "out", "in"]


def test_item_10_the_signed_id_in_references_alone_is_enough(room: Room) -> None:
    room.receive(mail())
    ack = room.fresh()[0]
    (signed,) = [one for one in references(ack) if verify_id(room.office.keyring, one)]
    raw = mail(headers=[f"References: <a@b.example>\r\n <{signed.upper()}>", "In-Reply-To: <replaced@smarthost.example>"])
    assert room.receive(raw).case == 1


def test_a_signed_id_folded_into_an_encoded_word_is_read(room: Room) -> None:
    room.receive(mail())
    ack = room.fresh()[0].message.message_id
    assert room.receive(mail(headers=[f"In-Reply-To: =?us-ascii?q?=3C{ack}=3E?="])).case == 1


def test_s12_a_changed_or_guessed_signature_is_no_signature(room: Room) -> None:
    room.receive(mail())
    ack = room.fresh()[0].message.message_id
    left, _, domain = ack.partition("@")
    changed = left[:-1] + ("a" if left[-1] != "a" else "b")
    other_case = ".".join([left.split(".")[0], "2", *left.split(".")[2:]])
    for forged in (f"{changed}@{domain}", f"{other_case}@{domain}", f"k1.1.0.x@{domain}"):
        entry = room.receive(answer_to(forged, sender="eve@evil.example"), mail_from="eve@evil.example")
        assert entry.disposition == "case"


def test_f_a_known_message_id_joins_if_the_sender_takes_part(room: Room) -> None:
    room.receive(mail(message_id="first@home.example"))
    assert room.receive(answer_to("first@home.example")).case == 1
    stranger = room.receive(answer_to("first@home.example", sender="eve@evil.example"), mail_from="eve@evil.example")
    assert (stranger.disposition, stranger.case) == ("case", 2)
    assert "takes no part" in " ".join(room.trace(stranger.id)["threading"])


def test_a_known_message_id_of_another_mailbox_is_not_used(room: Room) -> None:
    room.receive(mail(message_id="first@home.example"))
    entry = room.receive(answer_to("first@home.example", to="billing@example.com"), ["billing@example.com"])
    assert (entry.disposition, entry.case) == ("case", 2)


def test_someone_of_the_same_organisation_takes_part(room: Room) -> None:
    room.receive(mail(sender="ann@acme.example", message_id="first@acme.example"), mail_from="ann@acme.example")
    entry = room.receive(answer_to("first@acme.example", sender="ben@acme.example"), mail_from="ben@acme.example")
    assert (entry.disposition, entry.case) == ("answer", 1)


def test_item_35_not_where_the_organisation_keeps_cases_to_each_person(room: Room) -> None:
    room.receive(mail(sender="ann@own.example", message_id="first@own.example"), mail_from="ann@own.example")
    entry = room.receive(answer_to("first@own.example", sender="ben@own.example"), mail_from="ben@own.example")
    assert entry.disposition == "case"


def test_item_35_nor_in_a_private_mailbox(store: Store, rooms: Rooms) -> None:
    room = rooms(store, main={"mailboxes": {"support": {"private": True}}})
    room.receive(mail(sender="ann@acme.example", message_id="first@acme.example"), mail_from="ann@acme.example")
    entry = room.receive(answer_to("first@acme.example", sender="ben@acme.example"), mail_from="ben@acme.example")
    assert entry.disposition == "case"


def test_people_of_a_free_mail_provider_are_no_organisation(room: Room) -> None:
    room.receive(mail(sender="ann@gmail.com", message_id="first@gmail.com"), mail_from="ann@gmail.com")
    entry = room.receive(answer_to("first@gmail.com", sender="ben@gmail.com"), mail_from="ben@gmail.com")
    assert entry.disposition == "case"


def test_a_number_in_the_subject_joins_if_the_sender_takes_part(room: Room) -> None:
    room.receive(mail())
    entry = room.receive(mail("And one more.\n", subject="AW: [#1] whatever"))
    assert (entry.disposition, entry.case) == ("answer", 1)


def test_s15_a_strangers_number_makes_a_linked_case_and_shows_nothing_of_the_old_one(room: Room) -> None:
    room.receive(mail("The secret is 42.\n", subject="Secret matter"))
    room.fresh()
    entry = room.receive(mail(sender="Eve <eve@evil.example>", subject="[#1] hello"), mail_from="eve@evil.example")
    assert (entry.disposition, entry.case) == ("case", 2)
    assert room.case(2)["links"] == [{"type": "mentions", "number": 1}]
    assert room.case(1)["links"] == [{"type": "mentioned_by", "number": 2}]
    mails = room.fresh()
    to_eve = [one for one in mails if "eve@evil.example" in one.message.recipients]
    assert len(to_eve) == 1
    assert "ecret" not in str(to_eve[0].message)
    assert "[#1]" not in str(to_eve[0].message)
    assert header(to_eve[0], "Subject").startswith("[#2] ")
    (note, *_) = [one for one in mails if one.message.kind is NOTIFICATION]
    assert "#merge 1" in note.message.text
    assert [one["direction"] for one in room.case(1)["messages"]] == ["in", "out"]


def test_an_unknown_number_makes_a_case_like_any(room: Room) -> None:
    entry = room.receive(mail(subject="[#4711] hello"))
    assert (entry.disposition, room.case(1)["links"]) == ("case", [])
    assert acks(room) == ["jo@home.example"]


def test_item_35_s13_a_signed_id_from_a_non_participant_joins_as_unknown(room: Room) -> None:
    room.receive(mail())
    change(room, 1, {"status": Status.WAIT_FOR_CUSTOMER})
    ack = room.fresh()[0].message.message_id
    entry = room.receive(answer_to(ack, sender="Eve <eve@elsewhere.example>"), mail_from="eve@elsewhere.example")
    assert (entry.disposition, entry.case) == ("answer", 1)
    case = room.case(1)
    assert case["status"] == "open"
    assert [one["email"] for one in case["contacts"]] == ["jo@home.example"]
    mails = room.fresh()
    assert {kind for kind, _ in kinds(mails)} == {"notification"}
    assert "from eve@elsewhere.example, not known in this case" in mails[0].message.text


def test_a_signed_id_wins_over_a_number_and_the_conflict_stands_in_the_trace(room: Room) -> None:
    room.receive(mail())
    room.receive(mail(subject="Another"))
    first = room.fresh()[0].message.message_id
    entry = room.receive(answer_to(first, subject="Re: [#2] Another"))
    assert entry.case == 1
    assert any("conflict" in line for line in room.trace(entry.id)["threading"])


def test_a_merged_case_leads_to_its_target(room: Room) -> None:
    room.receive(mail())
    room.receive(mail(subject="Again"))
    first = room.fresh()[0].message.message_id
    with room.store.write() as connection:
        desk = Desk(room.office, connection, room.now)
        source, target = cases.get(connection, 1, lock=True), cases.get(connection, 2, lock=True)
        assert source is not None
        assert target is not None
        casework.merge(desk, source, target, "alice")
    entry = room.receive(answer_to(first))
    assert (entry.disposition, entry.case) == ("answer", 2)
    assert room.receive(mail("x\n", subject="[#1] by number")).case == 2
    assert room.case(1)["status"] == "closed"
    assert {"type": "merged_into", "number": 2} in room.case(1)["links"]
    assert {"type": "merged_from", "number": 1} in room.case(2)["links"]


def test_a_parent_that_comes_after_its_answer_joins(room: Room) -> None:
    answer = room.receive(mail("Me too.\n", message_id="second@home.example", headers=["In-Reply-To: <first@home.example>"]))
    parent = room.receive(mail(message_id="first@home.example"))
    assert (answer.disposition, parent.disposition, parent.case) == ("case", "answer", 1)
    stranger = room.receive(
        mail(message_id="first@home.example", sender="eve@evil.example", subject="other"), mail_from="eve@evil.example"
    )
    assert stranger.disposition == "case"


def test_f53_the_same_id_with_other_content_is_a_case_of_its_own(room: Room) -> None:
    room.receive(mail("one\n", message_id="same@home.example"))
    entry = room.receive(mail("two\n", message_id="same@home.example"))
    assert entry.disposition == "case"


def test_f67_two_answers_at_once_are_both_kept_in_order(room: Room) -> None:
    room.receive(mail(message_id="first@home.example"))
    for n in range(5):
        room.put(answer_to("first@home.example", f"answer {n}\n"))
    room.work()
    texts = [one["text"].strip() for one in room.case(1)["messages"] if one["direction"] == "in"]
    assert texts[1:] == [f"answer {n}" for n in range(5)]


# --- answers and the status -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["wait_for_customer", "resolved"])
def test_an_answer_opens_a_waiting_or_resolved_case(room: Room, status: str) -> None:
    room.receive(mail(message_id="first@home.example"))
    change(room, 1, {"status": Status.OPEN})
    change(room, 1, {"status": Status(status)})
    room.receive(answer_to("first@home.example"))
    assert (room.case(1)["status"], room.case(1)["resolved_at"]) == ("open", None)


def test_item_56_bare_thanks_move_nothing_and_tell_nobody(room: Room) -> None:
    room.receive(mail(message_id="first@home.example"))
    resolve(room, 1)
    room.receive(answer_to("first@home.example", "Thank you very much!\n"))
    assert room.case(1)["status"] == "resolved"
    assert len([one for one in room.case(1)["messages"] if one["direction"] == "in"]) == 2
    assert room.fresh() == []
    room.receive(answer_to("first@home.example", "Thanks, but does it work with version 2?\n"))
    assert room.case(1)["status"] == "open"


def test_item_56_at_most_three_reopenings_a_day(room: Room) -> None:
    room.receive(mail(message_id="first@home.example"))
    for n in range(4):
        change(room, 1, {"status": Status.OPEN})
        change(room, 1, {"status": Status.RESOLVED})
        room.later(minutes=1)
        room.receive(answer_to("first@home.example", f"Still broken, try {n}\n"))
    assert room.case(1)["status"] == "resolved"
    room.later(days=1, minutes=5)
    room.receive(answer_to("first@home.example", "And today again.\n"))
    assert room.case(1)["status"] == "open"


def test_item_55_an_answer_to_a_closed_case_makes_a_linked_follow_up(room: Room) -> None:
    room.receive(mail(message_id="first@home.example", subject="Printer"))
    change(room, 1, {"assignee": "bob", "fields": {"order": "77"}, "category": "defect", "resolution": "new toner"})
    close(room, 1)
    entry = room.receive(answer_to("first@home.example", "It is broken again.\n", subject="Re: Printer"))
    assert (entry.disposition, entry.case) == ("follow_up", 2)
    case = room.case(2)
    wanted = {"mailbox": "support", "group": "support", "assignee": "bob", "category": "defect", "fields": {"order": "77"}}
    assert {name: case[name] for name in wanted} == wanted
    assert case["contact"] == room.case(1)["contact"]
    assert case["links"] == [{"type": "follows", "number": 1}]
    assert room.case(1)["status"] == "closed"
    assert room.case(1)["links"] == [{"type": "followed_by", "number": 2}]
    mails = room.fresh()
    (ack,) = [one for one in mails if one.message.kind is ACK]
    assert "case 1" in ack.message.text
    assert "2" in ack.message.subject
    (note,) = [one for one in mails if one.message.kind is NOTIFICATION]
    assert note.message.recipients == ("bob@example.com",)
    assert "new toner" in note.message.text


def test_a_second_answer_to_the_closed_case_goes_to_its_follow_up(room: Room) -> None:
    room.receive(mail(message_id="first@home.example"))
    close(room, 1)
    room.receive(answer_to("first@home.example", "again\n"))
    entry = room.receive(answer_to("first@home.example", "and again\n"))
    assert (entry.disposition, entry.case) == ("answer", 2)


def test_item_55_a_third_follow_up_within_a_week_goes_to_the_manager(room: Room) -> None:
    room.receive(mail(message_id="m1@home.example"))
    for n in range(1, 4):
        close(room, n)
        room.later(hours=1)
        entry = room.receive(answer_to(f"m{n}@home.example", f"again {n}\n", message_id=f"m{n + 1}@home.example"))
        assert (entry.disposition, entry.case) == ("follow_up", n + 1)
    assert ("notification", "carol@example.com") in kinds(room.fresh())


def test_s11_an_answer_gets_no_case_content_back(room: Room) -> None:
    room.receive(mail(message_id="first@home.example"))
    room.fresh()
    room.receive(answer_to("first@home.example"))
    assert all(one.message.kind is NOTIFICATION for one in room.fresh())


# --- update -----------------------------------------------------------------------------------------------------

UPDATE = {
    "name": "Orders",
    "when": {"subject": {"starts_with": "Order"}},
    "case": {
        "update": {"by": ["fields.order"]},
        "autofill": {"delimiter": ":", "map": {"Order": "fields.order", "Host": "fields.host", "Urgency": "priority"}},
    },
}


def updating(store: Store, rooms: Rooms, **update: Any) -> Room:
    rule = {**UPDATE, "case": {**UPDATE["case"], "update": {"by": ["fields.order"], **update}}}  # type: ignore[dict-item]
    return rooms(store, rules=[rule])


def order(number: str = "77", more: str = "", **how: Any) -> bytes:
    return mail(f"Order: {number}\n{more}", subject=how.pop("subject", "Order"), **how)


def test_item_4_the_same_persons_order_updates_their_case(store: Store, rooms: Rooms) -> None:
    room = updating(store, rooms)
    room.receive(order())
    room.fresh()
    entry = room.receive(order("77", "Urgency: high\nHost: db1\n", subject="Order again"))
    assert (entry.disposition, entry.case) == ("update", 1)
    case = room.case(1)
    assert (case["title"], case["priority"], case["fields"]) == ("Order", "medium", {"order": "77", "host": "db1"})
    assert {kind for kind, _ in kinds(room.fresh())} == {"notification"}


def test_item_4_a_stranger_never_writes_into_anothers_case(store: Store, rooms: Rooms) -> None:
    room = updating(store, rooms)
    room.receive(order())
    entry = room.receive(order(sender="eve@evil.example"), mail_from="eve@evil.example")
    assert (entry.disposition, entry.case) == ("case", 2)
    assert len(room.case(1)["contacts"]) == 1


def test_item_4_among_the_organisation_and_the_mailbox(store: Store, rooms: Rooms) -> None:
    room = updating(store, rooms, among="same_organisation")
    room.receive(order(sender="ann@acme.example"), mail_from="ann@acme.example")
    assert room.receive(order("77", "x\n", sender="ben@acme.example"), mail_from="ben@acme.example").case == 1
    assert room.receive(order("77", "x\n", sender="eve@evil.example"), mail_from="eve@evil.example").case == 2


def test_update_among_mailbox_stays_in_its_mailbox(store: Store, rooms: Rooms) -> None:
    room = updating(store, rooms, among="mailbox")
    room.receive(order())
    assert room.receive(order("77", "x\n", sender="eve@evil.example"), mail_from="eve@evil.example").case == 1
    elsewhere = room.receive(order("77", "y\n", to="billing@example.com"), ["billing@example.com"])
    assert (elsewhere.disposition, elsewhere.case) == ("case", 2)


def test_update_finds_no_closed_case_and_resolved_ones_open(store: Store, rooms: Rooms) -> None:
    room = updating(store, rooms)
    room.receive(order())
    resolve(room, 1)
    room.receive(order("77", "again\n"))
    assert room.case(1)["status"] == "open"
    close(room, 1)
    assert room.receive(order("77", "and again\n")).case == 2


def test_update_within_a_time(store: Store, rooms: Rooms) -> None:
    room = updating(store, rooms, within="30d")
    room.receive(order())
    room.later(days=29)
    assert room.receive(order("77", "x\n")).case == 1
    room.later(days=2)
    assert room.receive(order("77", "y\n")).case == 2


@pytest.mark.parametrize(("otherwise", "disposition"), [("create", "case"), ("hold", "held"), ("discard", "discarded")])
def test_update_else(store: Store, rooms: Rooms, otherwise: str, disposition: str) -> None:
    assert updating(store, rooms, **{"else": otherwise}).receive(order()).disposition == disposition


def test_update_without_its_value_is_no_update(store: Store, rooms: Rooms) -> None:
    room = updating(store, rooms)
    room.receive(mail("nothing here\n", subject="Order"))
    entry = room.receive(mail("nothing here either\n", subject="Order"))
    assert (entry.disposition, entry.case) == ("case", 2)


def test_update_compares_values_without_case_and_blanks_whole(store: Store, rooms: Rooms) -> None:
    room = updating(store, rooms)
    room.receive(order("AB-7"))
    assert room.receive(order(" ab-7 ", "x\n")).case == 1
    assert room.receive(order("AB-77")).case == 2
    assert room.receive(order("%")).case == 3
    assert room.receive(order("AB_7")).case == 4


def test_a_value_that_was_taken_away_finds_nothing(store: Store, rooms: Rooms) -> None:
    room = updating(store, rooms)
    room.receive(order())
    change(room, 1, {"fields": {"order": ""}})
    assert room.receive(order("77", "again\n")).case == 2


def test_threading_wins_over_update(store: Store, rooms: Rooms) -> None:
    room = updating(store, rooms)
    room.receive(order("77", message_id="a@home.example"))
    room.receive(order("78", message_id="b@home.example"))
    entry = room.receive(order("78", headers=["In-Reply-To: <a@home.example>"]))
    assert (entry.disposition, entry.case) == ("answer", 1)


def test_two_at_once_with_the_same_new_value_make_one_case(store: Store, rooms: Rooms) -> None:
    """Two mailrooms, each with one of the mails in hand, at the same moment."""
    import threading

    room = updating(store, rooms, among="mailbox")
    for n in range(6):
        room.put(order("77", f"{n}\n"))
    faults: list[BaseException] = []

    def work(name: str) -> None:
        try:
            mailroom = Mailroom(store, room.office)
            while entries := spool.lease(store, name, limit=1, max_bytes=1 << 20, seconds=60):
                mailroom.process(entries, room.now)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(f"t#{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert room.numbers() == [1]


# --- machines ---------------------------------------------------------------------------------------------------

GENERATED = "Auto-Submitted: auto-generated"


def test_item_3_machine_made_mail_is_held_unless_accepted(room: Room) -> None:
    entry = room.receive(mail(headers=[GENERATED]))
    assert (entry.state, entry.disposition) == (SpoolState.HELD, "held")
    assert entry.reason
    assert room.numbers() == []
    assert room.fresh() == []


def test_item_3_where_the_mailbox_accepts_it_a_case_without_answer_is_made(room: Room) -> None:
    entry = room.receive(mail(headers=[GENERATED], to="alerts@example.com"), ["alerts@example.com"])
    assert entry.disposition == "case"
    assert [kind for kind, _ in kinds(room.fresh())] == ["notification", "notification"]
    assert any("automatic" in text for text in stream(room, 1, StreamType.SUPPRESSED))


def test_item_3_an_empty_sender_that_is_no_report_is_machine_made(room: Room) -> None:
    assert room.receive(mail(), mail_from="").disposition == "held"
    assert room.receive(mail(to="alerts@example.com"), ["alerts@example.com"], mail_from="").disposition == "case"
    assert acks(room) == []


def test_item_3_a_rule_may_accept_it(store: Store, rooms: Rooms) -> None:
    rule = {"name": "cron", "when": {"subject": {"contains": "Cron"}}, "accept_automatic": True, "case": {"contact": "none"}}
    room = rooms(store, rules=[rule])
    entry = room.receive(mail(headers=[GENERATED], subject="Cron <root@db1> backup"))
    assert entry.disposition == "case"
    assert (room.case(1)["contact"], room.case(1)["contacts"]) == (None, [])
    assert acks(room) == []


@pytest.mark.parametrize("line", ["Precedence: bulk", "List-Id: <l.example>", "X-Auto-Response-Suppress: All"])
def test_likely_automatic_mail_makes_a_case_without_answer(room: Room, line: str) -> None:
    assert room.receive(mail(headers=[line])).disposition == "case"
    assert [kind for kind, _ in kinds(room.fresh())] == ["notification", "notification"]


@pytest.mark.parametrize("sender", ["no-reply@shop.example", "mailer-daemon@shop.example", "noreply@shop.example"])
def test_a_sender_that_takes_no_answer_gets_none(room: Room, sender: str) -> None:
    room.receive(mail(sender=f"Shop <{sender}>"), mail_from=sender)
    assert acks(room) == []


def test_item_11_list_headers_of_our_own_group_are_transport(store: Store, rooms: Rooms) -> None:
    room = rooms(store, main={"mailboxes": {"support": {"list_id": "support.example.com"}}})
    headers = ["List-Id: Support <support.example.com>", "Precedence: list"]
    room.receive(mail(headers=headers))
    assert acks(room) == ["jo@home.example"]


def test_item_11_a_group_that_rewrites_from_is_no_loop(room: Room) -> None:
    headers = ["X-Original-From: Jo Doe <jo@home.example>", "Reply-To: Jo Doe <jo@home.example>"]
    entry = room.receive(mail(sender='"Jo Doe via Support" <support@example.com>', headers=headers))
    assert entry.disposition == "case"
    assert room.case(1)["contact"] == {"name": "Jo Doe", "email": "jo@home.example"}
    assert acks(room) == ["jo@home.example"]


def test_s27_our_own_mail_coming_back_is_a_loop(room: Room) -> None:
    room.receive(mail())
    ack = room.fresh()[0]
    back = mail(ack.message.text, sender="support@example.com", subject=ack.message.subject,
                message_id=ack.message.message_id, headers=[f"X-Maild-Loop: {header(ack, 'X-Maild-Loop')}"])  # fmt: skip
    entry = room.receive(back, mail_from="")
    assert (entry.state, entry.case) in {(SpoolState.DONE, None), (SpoolState.DONE, 1)}
    assert room.numbers() == [1]
    assert room.fresh() == []
    assert room.case(1)["status"] == "new"


def test_s27_an_acknowledgement_that_a_group_sends_back_is_a_loop_by_its_mark_alone(room: Room) -> None:
    room.receive(mail())
    ack = room.fresh()[0]
    entry = room.receive(mail(message_id="other@list.example", headers=[f"X-Maild-Loop: {header(ack, 'X-Maild-Loop')}"]))
    assert entry.disposition != "case"
    assert room.fresh() == []


def test_s21_control_headers_from_outside_are_no_control(room: Room) -> None:
    headers = [f"X-Maild-Loop: k1.aaaa.{'b' * 26}", "X-Maild-Case: 7", "X-Maild-Priority: urgent"]
    entry = room.receive(mail(headers=headers))
    assert (entry.disposition, room.case(entry.case)["priority"]) == ("case", "medium")


OUT_OF_OFFICE = ["Auto-Submitted: auto-replied"]


def test_an_out_of_office_goes_to_its_case_and_moves_nothing(room: Room) -> None:
    room.receive(mail())
    ack = room.fresh()[0].message.message_id
    resolve(room, 1)
    entry = room.receive(
        mail("I am away.\n", subject="Out of office", headers=[*OUT_OF_OFFICE, f"In-Reply-To: <{ack}>"]), mail_from=""
    )
    assert (entry.disposition, entry.case) == ("answer", 1)
    assert room.case(1)["status"] == "resolved"
    assert acks(room) == []


def test_an_out_of_office_of_no_case_opens_none(room: Room) -> None:
    entry = room.receive(mail("I am away.\n", subject="Out of office", headers=OUT_OF_OFFICE))
    assert (entry.state, entry.disposition) == (SpoolState.DONE, "ignored")
    assert room.numbers() == []
    assert room.fresh() == []


def test_an_out_of_office_to_a_closed_case_makes_no_follow_up(room: Room) -> None:
    room.receive(mail())
    ack = room.fresh()[0].message.message_id
    close(room, 1)
    room.receive(mail("I am away.\n", headers=[*OUT_OF_OFFICE, f"In-Reply-To: <{ack}>"]))
    assert room.numbers() == [1]
    assert (room.case(1)["status"], room.fresh()) == ("closed", [])


def bounce(of: str, to: str = "jo@home.example", status: str = "5.1.1") -> bytes:
    return mail(
        f"""This is the mail system at host mx.home.example.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.home.example

Final-Recipient: rfc822; {to}
Action: failed
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b
Content-Type: message/rfc822

From: Example Support <support@example.com>
To: {to}
Subject: [#1] Re: x
Message-ID: <{of}>

text

--b--
""",
        sender="MAILER-DAEMON@mx.home.example", subject="Undelivered Mail Returned to Sender",
        headers=["MIME-Version: 1.0", "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
                 "Auto-Submitted: auto-replied"],
    )  # fmt: skip


def test_f44_a_bounce_of_ours_is_an_event_on_its_case(room: Room) -> None:
    room.receive(mail())
    change(room, 1, {"assignee": "bob"})
    ack = room.fresh()[0].message.message_id
    entry = room.receive(bounce(ack), mail_from="")
    assert (entry.disposition, entry.case) == ("bounce", 1)
    (event,) = stream(room, 1, StreamType.BOUNCED)
    assert "jo@home.example" in event
    assert kinds(room.fresh()) == [("notification", "bob@example.com")]
    assert room.case(1)["status"] == "assigned"


def test_f44_nothing_automatic_goes_to_an_address_that_bounced(room: Room) -> None:
    room.receive(mail())
    room.receive(bounce(room.fresh()[0].message.message_id), mail_from="")
    room.fresh()
    with room.store.read() as connection:
        found = people.contact_by_address(connection, "jo@home.example")
    assert found is not None
    assert found.undeliverable


def test_a_forged_report_makes_nobody_else_undeliverable(room: Room) -> None:
    """Whoever has a mail of ours can write a report that returns it and names whom they like."""
    room.receive(mail(sender="victim@else.example"))
    room.fresh()
    room.receive(mail())
    room.receive(bounce(room.fresh()[0].message.message_id, to="victim@else.example"), mail_from="")
    with room.store.read() as connection:
        found = people.contact_by_address(connection, "victim@else.example")
    assert found is not None
    assert not found.undeliverable


def test_a_person_who_writes_again_can_be_reached_again(room: Room) -> None:
    room.receive(mail())
    room.receive(bounce(room.fresh()[0].message.message_id), mail_from="")
    room.fresh()
    room.receive(mail(subject="I am here"))
    assert acks(room) == ["jo@home.example"]


def test_s28_a_bounce_of_nothing_that_we_sent_is_ignored(room: Room) -> None:
    room.receive(mail())
    room.fresh()
    for of in ("never@sent.example", "k1.1.0.aaaa.bbbb@example.com"):
        entry = room.receive(bounce(of), mail_from="")
        assert (entry.state, entry.disposition, entry.case) == (SpoolState.DONE, "ignored", None)
    assert room.fresh() == []
    assert stream(room, 1, StreamType.BOUNCED) == []


def test_a_bounce_to_a_merged_case_lands_in_its_target(room: Room) -> None:
    room.receive(mail())
    room.receive(mail(subject="Again"))
    first = room.fresh()[0].message.message_id
    with room.store.write() as connection:
        source, target = cases.get(connection, 1), cases.get(connection, 2)
        assert source is not None
        assert target is not None
        casework.merge(Desk(room.office, connection, room.now), source, target, "alice")
    assert room.receive(bounce(first), mail_from="").case == 2


# --- who the case is from, and where the answer goes ------------------------------------------------------------


def test_item_1_mail_that_gmail_forwarded(room: Room) -> None:
    headers = ["X-Forwarded-To: cases-7f3k@in.example.com", "X-Forwarded-For: support@example.com cases-7f3k@in.example.com",
               "Delivered-To: support@example.com"]  # fmt: skip
    entry = room.receive(
        mail(headers=headers), ["cases-7f3k@in.example.com"], mail_from="support+caf_=cases-7f3k=in.example.com@example.com"
    )
    assert (entry.disposition, room.case(1)["mailbox"]) == ("case", "support")
    mails = room.fresh()
    assert [who for one in mails if one.message.kind is ACK for who in one.message.recipients] == ["jo@home.example"]
    assert "cases-7f3k" not in str([one.message for one in mails])


def test_item_1_mail_that_came_by_srs(room: Room) -> None:
    room.receive(mail(), mail_from="SRS0=HHH=TT=home.example=jo@forwarder.example")
    assert acks(room) == ["jo@home.example"]


def test_item_1_mail_without_an_envelope_as_imap_has_it(room: Room) -> None:
    room.receive(mail(), mail_from=None)
    assert acks(room) == ["jo@home.example"]


FORM = {
    "name": "Web form",
    "when": {"from": "noreply@www.example.org"},
    "case": {
        "contact": {"from": "reply_to"},
        "channel": "webform",
        "autofill": {"delimiter": ":", "map": {"Name": "contact.name", "Message": "summary"}},
    },
}


def test_item_13_a_web_form_is_from_the_person_who_filled_it_in(store: Store, rooms: Rooms) -> None:
    room = rooms(store, rules=[FORM])
    raw = mail("Name: Jo Doe\nMessage: it broke\n", sender="Website <noreply@www.example.org>",
               headers=["Reply-To: jo@home.example"])  # fmt: skip
    room.receive(raw, mail_from="www-data@web01.example.org")
    case = room.case(1)
    assert (case["contact"], case["channel"], case["summary"]) == (
        {"name": "Jo Doe", "email": "jo@home.example"}, "webform", "it broke",
    )  # fmt: skip
    assert acks(room) == ["jo@home.example"]


def test_item_13_a_form_without_reply_to_never_answers_the_robot(store: Store, rooms: Rooms) -> None:
    room = rooms(store, rules=[FORM])
    room.receive(mail("Name: Jo\n", sender="noreply@www.example.org"), mail_from="www-data@web01.example.org")
    assert acks(room) == []


def test_item_13_contact_none_makes_a_case_without_a_person(store: Store, rooms: Rooms) -> None:
    room = rooms(store, rules=[{"name": "alerts", "case": {"contact": "none"}}])
    room.receive(mail())
    case = room.case(1)
    assert (case["contact"], case["contacts"]) == (None, [])
    assert acks(room) == []
    with room.store.read() as connection:
        assert people.contact_by_address(connection, "jo@home.example") is None


def test_item_13_without_a_contact_made_the_answer_still_goes_to_the_sender(store: Store, rooms: Rooms) -> None:
    room = rooms(store, rules=[{"name": "no contact", "case": {"create_contact": False}}])
    room.receive(mail())
    assert room.case(1)["contact"] is None
    assert acks(room) == ["jo@home.example"]


@pytest.mark.parametrize(
    "sender", [None, "a@x.example, b@x.example", "a@x.example\nFrom: b@x.example", "alice@example.org <bob@evil.example"]
)
def test_s17_where_from_is_nobody_the_case_has_no_contact_and_nothing_is_answered(room: Room, sender: str | None) -> None:
    entry = room.receive(mail(sender=sender), mail_from="envelope@x.example")
    assert entry.disposition == "case"
    assert room.case(1)["contact"] is None
    mails = room.fresh()
    assert {one.message.kind for one in mails} == {NOTIFICATION}
    assert "envelope@x.example" in mails[0].message.text


def test_automatic_answers_never_go_to_our_own_addresses(room: Room) -> None:
    room.receive(mail(sender="billing@example.com"), mail_from="billing@example.com")
    room.receive(mail(sender="cases-7f3k@in.example.com"), mail_from="cases-7f3k@in.example.com")
    assert acks(room) == []


def test_postmasters_mail_goes_to_the_admins(room: Room) -> None:
    entry = room.receive(mail(to="postmaster@example.com"), ["postmaster@example.com"])
    assert entry.disposition == "forwarded"
    (sent,) = room.fresh()
    assert (sent.message.recipients, sent.message.kind) == (("root@example.com",), OutgoingKind.FORWARD)


def test_postmasters_mail_without_admins_is_held(store: Store, rooms: Rooms) -> None:
    entry = rooms(store, main={"admins": ...}).receive(mail(to="postmaster@example.com"), ["postmaster"])
    assert entry.state is SpoolState.HELD


# --- two mailboxes ----------------------------------------------------------------------------------------------


def test_f54_one_mail_to_two_mailboxes_makes_one_case_in_the_first_named(room: Room) -> None:
    raw = mail(to="billing@example.com, support@example.com")
    entry = room.receive(raw, ["support@example.com", "billing@example.com"])
    assert room.numbers() == [1]
    case = room.case(entry.case)
    assert (case["mailbox"], case["group"], case["followers"]) == ("billing", "billing", ["group:support"])
    mails = kinds(room.fresh())
    assert sorted(mails) == [
        ("acknowledgement", "jo@home.example"), ("notification", "alice@example.com"),
        ("notification", "bob@example.com"), ("notification", "carol@example.com"),
    ]  # fmt: skip


@pytest.mark.parametrize("at_once", [True, False], ids=["both waiting", "one after the other"])
@pytest.mark.parametrize("order", [["support", "billing"], ["billing", "support"]])
def test_f54_copies_that_come_one_by_one_make_one_case_in_the_first_named(room: Room, order: list[str], at_once: bool) -> None:
    raw = mail(to="billing@example.com", headers=["Cc: support@example.com"])
    for one in order:
        seen = room.put(raw, [f"{one}@example.com"])
        if not at_once:
            room.work()
    room.work()
    later.sweep(room.store, room.office, room.now)
    assert room.numbers() == [1]
    case = room.case(room.entry(seen).case)
    assert (case["mailbox"], case["group"], case["followers"]) == ("billing", "billing", ["group:support"])
    assert sorted(kinds(room.fresh())) == [
        ("acknowledgement", "jo@home.example"), ("notification", "alice@example.com"),
        ("notification", "bob@example.com"), ("notification", "carol@example.com"),
    ]  # fmt: skip


def test_a_mailbox_in_bcc_whose_copy_comes_later_is_told_and_follows(room: Room) -> None:
    raw = mail("It smokes.")
    room.receive(raw)
    room.fresh()
    room.put(raw, ["billing@example.com"])
    assert later.sweep(room.store, room.office, room.now) == 1
    assert later.sweep(room.store, room.office, room.now) == 0
    case = room.case(1)
    assert (room.numbers(), case["mailbox"], case["followers"]) == ([1], "support", ["group:billing"])
    (told,) = room.fresh()
    assert told.message.recipients == ("carol@example.com",)
    assert "It smokes." in told.message.text
    assert "sent to billing@example.com, too" in told.message.text
    assert any("also sent to billing@example.com" in text for text in stream(room, 1, StreamType.FIELD))


def test_a_copy_that_comes_while_the_mail_is_being_settled_is_not_forgotten(room: Room) -> None:
    raw = mail()
    room.put(raw)
    entries = spool.lease(room.store, "test#1", limit=5, max_bytes=1 << 20, seconds=60.0)
    room.put(raw, ["billing@example.com"])
    assert later.sweep(room.store, room.office, room.now) == 0  # not before it is settled
    Mailroom(room.store, room.office).process(entries, room.now)
    assert later.sweep(room.store, room.office, room.now) == 1
    assert room.case(1)["followers"] == ["group:billing"]


@pytest.mark.parametrize("machine", [True, False], ids=["a machine's", "the customer's"])
def test_an_answers_later_copy_brings_a_group_in_as_one_in_time_would(room: Room, machine: bool) -> None:
    room.receive(mail())
    headers = [f"In-Reply-To: <{room.signed_id(1)}>", *(["Auto-Submitted: auto-replied"] if machine else [])]
    raw = mail("I am away.", subject="Re: It does not work", message_id="again@home.example", headers=headers)
    room.receive(raw)
    room.fresh()
    room.put(raw, ["billing@example.com"])
    assert later.sweep(room.store, room.office, room.now) == (0 if machine else 1)
    assert room.case(1)["followers"] == ([] if machine else ["group:billing"])


def test_a_copy_that_cannot_be_told_of_keeps_no_other_waiting(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    first, second = mail(subject="first"), mail(subject="second", message_id="two@home.example")
    room.receive(first)
    room.receive(second)
    room.put(first, ["billing@example.com"])
    room.put(second, ["billing@example.com"])
    whole = Desk.notify

    def broken(desk: Desk, case: Any, *args: Any, **how: Any) -> list[str]:
        if case.title == "first":
            raise RuntimeError("a fault of ours")
        return whole(desk, case, *args, **how)

    monkeypatch.setattr(Desk, "notify", broken)
    assert later.sweep(room.store, room.office, room.now) == 1
    assert [room.case(number)["followers"] for number in (1, 2)] == [[], ["group:billing"]]


def test_what_is_passed_on_to_a_mailbox_that_it_does_not_name_is_for_that_one(room: Room) -> None:
    room.receive(mail(to="support@example.com"), ["billing@example.com"])
    case = room.case(1)
    assert (case["mailbox"], case["followers"]) == ("billing", [])


def test_a_copy_for_another_mailbox_of_discarded_mail_makes_nothing(store: Store, rooms: Rooms) -> None:
    room = rooms(store, rules=[{"name": "no", "when": {"subject": {"contains": "spam"}}, "discard": "spam"}])
    raw = mail(subject="spam")
    room.receive(raw)
    room.put(raw, ["billing@example.com"])
    assert later.sweep(room.store, room.office, room.now) == 0
    assert room.numbers() == []


def test_one_mail_to_two_addresses_of_one_mailbox_makes_one_case(room: Room) -> None:
    room.receive(mail(to="support@example.com, help@example.com"), ["support@example.com", "help@example.com"])
    room.receive(mail(subject="bcc", to="undisclosed-recipients:;"), ["help@example.com"])
    assert room.numbers() == [1, 2]
    assert len(acks(room)) == 2


def test_a_rules_mailbox_is_as_if_sent_there(store: Store, rooms: Rooms) -> None:
    room = rooms(store, rules=[{"name": "invoices", "when": {"subject": {"contains": "invoice"}}, "mailbox": "billing"}])
    room.receive(mail(subject="Your invoice"))
    case = room.case(1)
    assert (case["mailbox"], case["group"]) == ("billing", "billing")
    assert header(next(one for one in room.fresh() if one.message.kind is ACK), "From").endswith("<billing@example.com>")


# --- limits -----------------------------------------------------------------------------------------------------


def test_answers_to_one_address_are_limited_and_come_back_later(store: Store, rooms: Rooms) -> None:
    room = rooms(store, main={"limits": {"answers_per_address": ["3 in 2h"], "same_subject": []}})
    for n in range(5):
        room.receive(mail(subject=f"matter {n}"))
    assert len(acks(room)) == 3
    assert any("3 automatic answers" in text for text in stream(room, 5, StreamType.SUPPRESSED))
    room.receive(mail(subject="x", sender="max@home.example"), mail_from="max@home.example")
    assert acks(room) == ["max@home.example"]
    room.later(hours=2, minutes=1)
    room.receive(mail(subject="later"))
    assert acks(room) == ["jo@home.example"]


def test_answers_about_the_same_subject_are_limited(store: Store, rooms: Rooms) -> None:
    room = rooms(store, main={"limits": {"same_subject": ["2 in 3h"]}})
    for subject in ("Printer", "Re: Printer", "[#9] AW: printer", "Scanner"):
        room.receive(mail(subject=subject))
    assert len(acks(room)) == 3


def test_s26_the_breaker_stops_all_automatic_answers_for_an_hour_and_tells_the_admins_once(store: Store, rooms: Rooms) -> None:
    room = rooms(store, main={"limits": {"answers_overall": ["3 in 10m"]}})
    for n in range(6):
        room.receive(mail(sender=f"p{n}@home.example"), mail_from=f"p{n}@home.example")
    mails = room.fresh()
    assert sum(one.message.kind is ACK for one in mails) == 3
    assert [one.message.recipients for one in mails if one.message.kind is OutgoingKind.ADMIN] == [("root@example.com",)]
    assert len(room.numbers()) == 6
    room.later(minutes=59)
    room.receive(mail(sender="q@home.example"), mail_from="q@home.example")
    assert acks(room) == []
    room.later(minutes=2)
    room.receive(mail(sender="r@home.example"), mail_from="r@home.example")
    assert acks(room) == ["r@home.example"]


def test_s26_two_helpdesks_that_answer_each_other_fall_silent(room: Room) -> None:
    """The other one marks nothing as automatic, and answers every mail of ours with a mail of its own."""
    sent = 0
    room.receive(mail(sender="help@other.example", subject="hello"), mail_from="help@other.example")
    for n in range(40):
        mails = [one for one in room.fresh() if one.message.kind is ACK]
        sent += len(mails)
        for one in mails:
            room.receive(
                mail(f"We got your mail, number {n}\n", sender="help@other.example", subject=f"[T-{n}] {one.message.subject}"),
                mail_from="help@other.example",
            )
    assert sent <= 20


# --- rules at work ----------------------------------------------------------------------------------------------


def test_rules_set_values_assign_reply_and_notify(store: Store, rooms: Rooms) -> None:
    rules = [
        {"name": "vip", "when": {"organisation": "Acme Ltd"}, "case": {"raise": {"priority": "high"}, "tags": ["vip"]}, "continue": True},
        {
            "name": "damaged", "when": {"subject": {"words": ["damaged"]}}, "reply": "none", "notify": ["manager"],
            "case": {"assign": {"group": "support", "user": "round_robin"}, "set": {"category": "defect", "tags": ["returns"]}},
        },
    ]  # fmt: skip
    room = rooms(store, rules=rules)
    for _ in range(3):
        room.receive(mail(sender="ann@acme.example", subject="Damaged phone"), mail_from="ann@acme.example")
    shown = [room.case(number) for number in (1, 2, 3)]
    assert [case["assignee"] for case in shown] == ["alice", "bob", "alice"]
    assert {(case["status"], case["priority"], case["category"], tuple(case["tags"])) for case in shown} == {
        ("assigned", "high", "defect", ("vip", "returns"))
    }
    assert set(kinds(room.fresh())) == {("notification", "carol@example.com")}
    trace = room.trace(room.receive(mail(subject="Damaged x")).id)
    assert [one["rule"] for one in trace["decision"]["trace"]["tried"]] == ["vip", "damaged"]


def test_item_5_on_an_answer_a_rule_changes_only_what_it_names(store: Store, rooms: Rooms) -> None:
    rules = [
        {"name": "words", "applies_to": "all", "when": {"text": {"words": ["lawyer"]}}, "reply": "none",
         "case": {"raise": {"priority": "urgent"}, "assign": {"group": "support", "user": "round_robin"}, "set": {"title": "Legal"}}},
    ]  # fmt: skip
    room = rooms(store, rules=rules)
    room.receive(mail(message_id="first@home.example"))
    room.receive(answer_to("first@home.example", "I call my lawyer\n"))
    case = room.case(1)
    assert (case["priority"], case["title"], case["assignee"]) == ("urgent", "It does not work", None)


@pytest.mark.parametrize(
    ("action", "disposition"), [({"discard": "newsletter"}, "discarded"), ({"hold": {"reason": "odd", "for": "14d"}}, "held")]
)
def test_a_rule_may_discard_or_hold(store: Store, rooms: Rooms, action: dict[str, Any], disposition: str) -> None:
    room = rooms(store, rules=[{"name": "r", "when": {"subject": {"contains": "x"}}, **action}])
    entry = room.receive(mail(subject="x"))
    assert entry.disposition == disposition
    assert "newsletter" in room.trace(entry.id).get("reason", "newsletter")
    assert room.fresh() == []


def test_held_mail_that_is_released_becomes_a_case_whatever_the_rules_say(store: Store, rooms: Rooms) -> None:
    room = rooms(store, rules=[{"name": "r", "hold": {"reason": "odd"}}])
    entry = room.receive(mail())
    with store.write() as connection:
        spool.release(connection, entry.seq, "alice")
    room.work()
    assert room.entry(entry.id).disposition == "case"


def test_a_rule_may_forward(store: Store, rooms: Rooms) -> None:
    room = rooms(store, rules=[{"name": "r", "forward": "elsewhere@partner.example"}])
    entry = room.receive(mail())
    (sent,) = room.fresh()
    assert (entry.disposition, sent.message.recipients) == ("forwarded", ("elsewhere@partner.example",))
    assert sent.message.sender == "support@example.com"
    assert sent.message.attachments[0].spool_id == entry.id


@pytest.mark.parametrize(("unmatched", "disposition"), [("case", "case"), ("hold", "held"), ("discard", "discarded")])
def test_mail_that_no_rule_matches(store: Store, rooms: Rooms, unmatched: str, disposition: str) -> None:
    rules = [{"name": "all", "case": {"tags": ["x"]}, "continue": True}]
    room = rooms(store, rules=rules, main={"mailboxes": {"support": {"unmatched": unmatched}}})
    assert room.receive(mail()).disposition == disposition


def test_a_bad_value_never_loses_the_mail(store: Store, rooms: Rooms) -> None:
    rule = {"name": "r", "case": {"autofill": {"delimiter": ":", "map": {"Urgency": "priority"}}}}
    room = rooms(store, rules=[rule])
    room.receive(mail("Urgency: extreme\n"))
    assert room.case(1)["priority"] == "medium"
    assert any("extreme" in text for text in stream(room, 1))


def test_s48_a_customers_braces_are_only_words(store: Store, rooms: Rooms) -> None:
    rule = {"name": "r", "case": {"set": {"title": "{{ message.subject }}"}}}
    room = rooms(store, rules=[rule])
    room.receive(mail("{{ 7*7 }} {% for x in y %}\n", subject="{{ 7*7 }} {{ case.number }}", sender="{{ 8*8 }} <jo@home.example>"))
    assert room.case(1)["title"] == "{{ 7*7 }} {{ case.number }}"
    assert "49" not in str([one.message.text + one.message.subject for one in room.fresh()])


# --- mail in an agent's name ------------------------------------------------------------------------------------


def test_an_agents_new_mail_is_nobody_elses_case(room: Room) -> None:
    entry = room.receive(mail(sender="alice@example.com"), mail_from="alice@example.com")
    assert acks(room) == []
    if entry.case is not None:
        assert room.case(entry.case)["contact"] is None


@pytest.mark.parametrize("known", ["the agent's own notification, unproven", "another reader's id"])
def test_s10_mail_in_an_agents_name_that_is_not_believed_changes_and_sends_nothing(
    store: Store, rooms: Rooms, known: str
) -> None:
    """A token proves the case, never the person; where a trusted server is configured it has to have said pass."""
    room = trusting(store, rooms) if known.startswith("the agent") else rooms(store)
    room.receive(mail())
    mails = room.fresh()
    to_bob = next(one for one in mails if one.message.recipients == ("bob@example.com",)).message.message_id
    raw = answer_to(to_bob, "#close spam\nSend money.\n", sender="bob@example.com" if "unproven" in known else "alice@example.com")
    entry = room.receive(raw, mail_from="alice@example.com")
    assert entry.state is SpoolState.HELD
    assert room.case(1)["status"] == "new"
    outside = [one for one in room.fresh() if "jo@home.example" in one.message.recipients]
    assert outside == []


# --- what goes wrong --------------------------------------------------------------------------------------------


def poison(monkeypatch: pytest.MonkeyPatch, error: Exception, where: str = "settle") -> None:
    from maild import mailroom

    real = getattr(mailroom, where)

    def failing(*args: Any, **kwargs: Any) -> Any:
        entry = next(one for one in args if hasattr(one, "conversation"))
        if entry.subject == "poison":
            if where == "settle":  # what it had written before it failed is rolled back
                real(*args, **kwargs)
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(mailroom, where, failing)


def hurry(store: Store) -> None:
    with store.write() as connection:
        connection.execute(update(schema.spool).values(next_at=None))


@pytest.mark.parametrize("where", ["read", "settle"])
def test_f57_a_poison_mail_is_tried_three_times_then_held_and_the_next_goes_on(
    room: Room, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    poison(monkeypatch, RuntimeError("out of cheese"), where)
    bad, good = room.put(mail(subject="poison")), room.put(mail(subject="fine"))
    room.work()
    assert room.entry(good).disposition == "case"
    tries = [room.entry(bad).attempts]
    while room.entry(bad).state is SpoolState.PENDING:
        hurry(room.store)
        room.work()
        tries.append(room.entry(bad).attempts)
    assert tries == [1, 2, 3]
    entry = room.entry(bad)
    assert (entry.state, entry.case) == (SpoolState.HELD, None)
    assert "out of cheese" in entry.reason
    assert entry.raw
    assert [room.case(number)["title"] for number in room.numbers()] == ["fine"]
    assert len(acks(room)) == 1


def test_f57_a_held_poison_mail_can_be_retried_when_the_cause_is_gone(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        poison(patched, RuntimeError("x"))
        bad = room.put(mail(subject="poison"))
        for _ in range(3):
            hurry(room.store)
            room.work()
    with room.store.write() as connection:
        spool.release(connection, room.entry(bad).seq, None)
    room.work()
    assert room.entry(bad).disposition == "case"


def test_a_message_error_holds_at_once(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, MessageError("too strange"))
    entry = room.receive(mail(subject="poison"))
    assert (entry.state, entry.reason, entry.attempts) == (SpoolState.HELD, "too strange", 1)


def test_f5_one_that_fails_in_the_middle_leaves_nothing_behind(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, RuntimeError("x"))
    for n in range(3):
        room.put(mail(subject="poison" if n == 1 else f"fine {n}"))
    room.work()
    assert [room.case(number)["title"] for number in room.numbers()] == ["fine 0", "fine 2"]
    with room.store.read() as connection:
        stored = connection.execute(schema.messages.select().with_only_columns(schema.messages.c.spool_seq)).scalars()
        assert len([one for one in stored if one is not None]) == 2


def test_the_same_entry_cannot_be_settled_twice(room: Room) -> None:
    """A worker whose lease ran out while it worked, and the one that took over."""
    room.put(mail())
    first = spool.lease(room.store, "a#1", limit=1, max_bytes=1, seconds=-1)
    second = spool.lease(room.store, "b#2", limit=1, max_bytes=1, seconds=60)
    assert [one.id for one in first] == [one.id for one in second]
    Mailroom(room.store, room.office).process(second, room.now)
    Mailroom(room.store, room.office).process(first, room.now)
    assert room.numbers() == [1]
    assert len(acks(room)) == 1
    assert room.entry(first[0].id).disposition == "case"


def test_f29_a_worker_whose_lease_ran_out_sends_on_nothing_that_another_has_sent_on(store: Store, rooms: Rooms) -> None:
    room = rooms(store, rules=[{"name": "on", "forward": "elsewhere@example.org"}])
    room.put(mail())
    late = spool.lease(room.store, "a#1", limit=1, max_bytes=1, seconds=-1)
    Mailroom(room.store, room.office).process(spool.lease(room.store, "b#2", limit=1, max_bytes=1, seconds=60), room.now)
    Mailroom(room.store, room.office).process(late, room.now)
    assert [one.message.recipients for one in room.outgoing()] == [("elsewhere@example.org",)]


def test_f57_a_worker_whose_lease_ran_out_holds_nothing_that_another_has_done(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    spool_id = room.put(mail(subject="poison"))
    with room.store.write() as connection:
        connection.execute(update(schema.spool).values(attempts=2))
    late = spool.lease(room.store, "a#1", limit=1, max_bytes=1, seconds=-1)
    Mailroom(room.store, room.office).process(spool.lease(room.store, "b#2", limit=1, max_bytes=1, seconds=60), room.now)
    poison(monkeypatch, RuntimeError("x"), "read")
    Mailroom(room.store, room.office).process(late, room.now)
    assert room.entry(spool_id).state is SpoolState.DONE


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\r\n", b"\0" * 50, b"From: \xff\xfe\r\nSubject: \x00\r\n\r\n\x00", b"Subject: " + b"a" * 70_000 + b"\r\n\r\nx",
        b"From: " + b"(" * 2000 + b"\r\n\r\n", b"Message-ID: " + b"<" * 2000 + b"\r\n\r\n",
        b"From: " + b"a" * 5000 + b"@home.example\r\nTo: support@example.com\r\n\r\nx\r\n",
        b"From: a@" + b"b." * 3000 + b"example\r\n\r\nx\r\n",
        b"From: jo@home.example\r\nReferences: " + b"<a@b.example> " * 3000 + b"\r\n\r\nx\r\n",
        b"From: =?utf-8?b?AAAA?= <jo@home.example>\r\nSubject: =?utf-8?q?a=00b=0D=0ABcc:_x?=\r\n\r\nx",
        b"From: =?utf-7?q?+2AA-?= <jo@home.example>\r\nContent-Type: text/plain; charset=utf-16-le\r\n\r\n\x00\xd8\x00\xd8",
        b"From: jo@home.example\r\nCc: " + b", ".join(b"x%d@y.example" % n for n in range(3000)) + b"\r\n\r\nx",
        b"From: jo@home.example\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" * 60,
    ],
    ids=range(14),
)  # fmt: skip
def test_whatever_comes_ends_in_a_case_or_held_at_the_first_try(room: Room, raw: bytes) -> None:
    entry = room.receive(raw)
    assert entry.state in {SpoolState.DONE, SpoolState.HELD}
    assert entry.attempts == 1, entry.reason
    assert entry.raw == raw


def test_moving_a_case_to_another_mailbox_moves_where_its_mail_comes_from(room: Room) -> None:
    room.receive(mail())
    change(room, 1, {"mailbox": "billing"})
    with room.store.write() as connection:
        case = cases.get(connection, 1)
        assert case is not None
        casework.reply(Desk(room.office, connection, room.now), replace(case), "alice", "Here you are.")
    sent = room.fresh()[-1]
    assert header(sent, "Reply-To") == "billing@example.com"
    assert room.receive(answer_to(sent.message.message_id, to="billing@example.com"), ["billing@example.com"]).case == 1


def test_an_agents_answer_goes_to_everybody_outside_in_one_mail(room: Room) -> None:
    room.receive(mail(message_id="first@home.example", headers=["Cc: Max <max@home.example>, bob@example.com"]))
    room.fresh()
    with room.store.write() as connection:
        case = cases.get(connection, 1, lock=True)
        assert case is not None
        casework.reply(Desk(room.office, connection, room.now), case, "alice", "Try turning it off.")
    (sent,) = room.fresh()
    assert sent.message.kind is OutgoingKind.ANSWER
    assert set(sent.message.recipients) == {"jo@home.example", "max@home.example"}
    assert sent.message.sender == "support@example.com"
    assert header(sent, "Subject").startswith("[#1] ")
    assert "first@home.example" in references(sent)
    assert not header(sent, "Auto-Submitted") or header(sent, "Auto-Submitted") == "no"
    case_ = room.case(1)
    assert (case_["assignee"], case_["status"], case_["first_response_at"]) == ("alice", "assigned", "2026-11-23T10:00:00Z")
    assert case_["sla_state"]["first_response"]["status"] == "fulfilled"
    entry = room.receive(answer_to(sent.message.message_id, sender="max@home.example"), mail_from="max@home.example")
    assert entry.disposition == "answer"


def test_sla_a_breach_is_seen_when_looked_at(room: Room) -> None:
    room.receive(mail())
    room.later(hours=5)
    state = room.case(1)["sla_state"]
    assert state["first_response"]["status"] == "violated"
    assert state["first_response"]["due_at"] == "2026-11-23T14:00:00Z"
    assert room.case(1)["time_in_status"] == int(timedelta(hours=5).total_seconds())


def test_an_answer_long_after_a_case_was_resolved_makes_a_follow_up_but_thanks_do_not(store: Store, rooms: Rooms) -> None:
    room = rooms(store, main={"cases": {"reopen": {"within": "15d"}}})
    number = room.receive(mail("It smokes.")).case
    assert number is not None
    acknowledged = room.outgoing()[0].message.message_id
    with store.write() as connection:
        for status in (Status.OPEN, Status.RESOLVED):
            case = cases.get(connection, number, lock=True)
            assert case is not None
            casework.change(Desk(room.office, connection, room.now), case, {"status": status}, "alice")
    answers = [f"In-Reply-To: {acknowledged}"]
    room.later(days=16)
    assert room.receive(mail("Thank you!", headers=answers)).case == number
    later = room.receive(mail("It smokes again, in the same place.", headers=answers))
    assert (later.disposition, later.case == number) == ("follow_up", False)
    assert room.case(number)["status"] == "resolved"


def test_an_answer_within_the_time_reopens_it(store: Store, rooms: Rooms) -> None:
    room = rooms(store, main={"cases": {"reopen": {"within": "15d"}}})
    number = room.receive(mail("It smokes.")).case
    assert number is not None
    acknowledged = room.outgoing()[0].message.message_id
    with store.write() as connection:
        for status in (Status.OPEN, Status.RESOLVED):
            case = cases.get(connection, number, lock=True)
            assert case is not None
            casework.change(Desk(room.office, connection, room.now), case, {"status": status}, "alice")
    room.later(days=14)
    room.receive(mail("It smokes again, in the same place.", headers=[f"In-Reply-To: {acknowledged}"]))
    assert room.case(number)["status"] == "open"


def test_a_groups_own_address_gets_what_its_members_would(store: Store, rooms: Rooms) -> None:
    room = rooms(store, directory={"groups": {"support": {"email": "team@example.com"}}})
    room.receive(mail())
    told = [one.message.recipients for one in room.outgoing() if one.message.kind.value == "notification"]
    assert told == [("team@example.com",)]


def test_the_language_of_an_organisation_is_that_of_its_people(store: Store, rooms: Rooms) -> None:
    room = rooms(store, directory={"organisations": {"Acme Ltd": {"language": "de"}}})
    room.receive(mail("It smokes, please help me with the printer.", sender="Eve <eve@acme.example>"))
    answer = next(one.message for one in room.outgoing() if one.message.kind.value == "acknowledgement")
    assert "vielen Dank" in answer.text


@pytest.mark.parametrize(
    ("headers", "limit", "why"),
    [
        ([f"X-Junk-{number}: {'a' * 300}" for number in range(900)], None, "(limits.header is 262144)"),
        (["X-Junk: a"] * 1100, None, "fields, of which 1000 are read"),
        (["X-Junk: a"] * 200, "1000B", "(limits.header is 1000)"),
    ],
)
def test_over_long_or_too_many_header_lines_are_taken_and_held(
    store: Store, rooms: Rooms, headers: list[str], limit: str | None, why: str
) -> None:
    room = rooms(store, main={"ingest": {"lmtp": {"listen": "unix:lmtp.sock", **({"limits": {"header": limit}} if limit else {})}}})
    entry = room.receive(mail(headers=headers))
    assert entry.state is SpoolState.HELD and why in entry.reason
    with store.write() as connection:
        spool.release(connection, entry.seq, "alice")
    room.work()
    assert room.entry(entry.id).case is not None
