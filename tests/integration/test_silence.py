"""Machines that answer machines, and scanners that open every link: it ends by itself, and changes nothing."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import yaml
from builders import NOW, Room, header, mail, office
from test_surveys import client
from test_workflows import SURVEY, change, resolve

from maild.model.case import Status
from maild.model.message import Door, Envelope
from maild.model.outbox import OutboxEntry
from maild.outbound.bytes import serialise
from maild.processes.door import arrival
from maild.processes.post_office import StoredOutbox
from maild.schedule import beats
from maild.store import spool
from maild.store import surveys as kept
from maild.store.unit_of_work import Store

REMIND = {
    "name": "Remind", "when": {"status": "wait_for_customer", "for": "3d"}, "do": [{"reply": "reminder", "at_most": 2, "every": "3d"}],
}  # fmt: skip


def room_of(store: Store, folder: Path, address: str = "", **parts: Any) -> Room:
    folder.mkdir(exist_ok=True)
    (folder / "workflows.yaml").write_text(yaml.safe_dump({"workflows": [SURVEY, REMIND]}), encoding="utf-8")
    if address:
        parts = {"main": {"mailboxes": {"support": {"address": address, "aliases": ..., "receives": ...}}}, **parts}
    return Room(store, office(folder, store, **parts), NOW)


def wire(room: Room, sent: OutboxEntry) -> bytes:
    """A mail as it leaves."""
    return serialise(sent.message, StoredOutbox(room.store, room.office, "test").read_part)


def outside(room: Room, address: str) -> list[OutboxEntry]:
    return [one for one in room.fresh() if address in one.message.recipients and not one.message.kind.to_users]


def passed_on(sent: OutboxEntry, raw: bytes, room: Room) -> None:
    """Deliver a mail that the other one sent."""
    envelope = Envelope(
        door=Door.SMTP, mail_from=sent.message.sender, rcpt_tos=sent.message.recipients, raw=raw, received_at=room.now, trusted=False
    )
    with room.store.write() as connection:
        spool.accept(connection, [arrival(envelope, room.office.addresses)])
    room.work()


def test_two_installations_that_answer_each_other_end_after_three_mails_each(sqlite: Store, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other_store = Store(f"sqlite:///{tmp_path}/b/maild.db", tmp_path / "b")
    other_store.create_or_upgrade()
    other_store.mark()
    one = room_of(sqlite, tmp_path / "one")
    other = room_of(other_store, tmp_path / "other", "help@other.example")
    rooms = {"support@example.com": one, "help@other.example": other}
    counted = dict.fromkeys(rooms, 0)
    # a person of theirs writes to us from the group's address, with nothing that marks it
    one.receive(mail("Can you help?", sender="Other Help <help@other.example>"), mail_from="help@other.example")
    for _ in range(20):
        moved = False
        for ours, theirs in (("support@example.com", "help@other.example"), ("help@other.example", "support@example.com")):
            for sent in outside(rooms[ours], theirs):
                counted[ours] += 1
                moved = True
                passed_on(sent, wire(rooms[ours], sent), rooms[theirs])
        for room in rooms.values():
            room.later(days=1)
            beats.beat(room.store, room.office, room.now)
        if not moved:
            break
    else:
        raise AssertionError("it never ended")
    assert 1 <= counted["support@example.com"] <= 3
    assert counted["help@other.example"] <= 3
    other_store.close()


def test_an_absent_persons_robot_gets_three_automatic_mails_at_most(store: Store, tmp_path: Path) -> None:
    room = room_of(store, tmp_path / "config")
    case = room.receive(mail()).case
    got = 0
    for day in range(40):
        for sent in outside(room, "jo@home.example"):
            got += header(sent, "Auto-Submitted") != ""
            # as phones do it: nothing but the subject and the words say that it is a machine's
            room.receive(
                mail("I am out of the office until 30 December and will answer then.\n", subject=f"Automatic reply: {sent.message.subject}",
                     headers=[f"In-Reply-To: {header(sent, 'Message-ID')}"])
            )  # fmt: skip
        if day == 2:
            change(room, case, status=Status.WAIT_FOR_CUSTOMER)
        room.later(days=1)
        beats.beat(room.store, room.office, room.now)
    assert 1 <= got <= 3
    assert room.numbers() == [case]
    assert room.case(case)["status"] == "wait_for_customer"


def test_a_customer_whose_mail_bounces_gets_three_automatic_mails_at_most(store: Store, tmp_path: Path) -> None:
    room = room_of(store, tmp_path / "config")
    case = room.receive(mail()).case
    got = 0
    for day in range(40):
        for sent in outside(room, "jo@home.example"):
            got += 1
            room.receive(_bounce(sent), mail_from="")
        if day == 1:
            resolve(room, case)
        room.later(days=1)
        beats.beat(room.store, room.office, room.now)
    assert 1 <= got <= 3
    assert room.case(case)["status"] in {"resolved", "closed"}


def test_a_scanner_that_opens_every_link_of_every_mail_twice_changes_nothing(store: Store, tmp_path: Path) -> None:
    public = {"main": {"web": {"listen": "127.0.0.1:0", "public_url": "https://cases.example.com"}}}
    room = room_of(store, tmp_path / "config", **public)
    first, second = room.receive(mail()).case, room.receive(mail(sender="Sue <sue@else.example>"), mail_from="sue@else.example").case
    resolve(room, first)
    change(room, second, status=Status.WAIT_FOR_CUSTOMER)
    for _ in range(8):
        room.later(days=1)
        beats.beat(room.store, room.office, room.now)
    links: set[str] = set()
    for sent in room.outgoing():
        text = sent.message.text + html.unescape(sent.message.html) + repr(sent.message.headers)
        links |= set(re.findall(r"https://cases\.example\.com[^\s\"'<>)]+", text))
    assert len(links) >= 6, "five smileys and a way to be asked no more"
    before = [room.case(first), room.case(second)], len(room.outgoing())
    web = client(room)
    for _ in range(2):
        for link in sorted(links):
            path = link.removeprefix("https://cases.example.com")
            assert (web.get(path).status_code, web.head(path).status_code) == (200, 200), link
    assert ([room.case(first), room.case(second)], len(room.outgoing())) == before
    with store.read() as connection:
        assert kept.unsubscribed_since(connection, "jo@home.example") is None


def _bounce(sent: OutboxEntry) -> bytes:
    recipient = sent.message.recipients[0]
    body = (
        "--r\nContent-Type: text/plain\n\nNo such user.\n"
        f"--r\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.home.example\n\nFinal-Recipient: rfc822; {recipient}\n"
        "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n"
        f"--r\nContent-Type: text/rfc822-headers\n\nMessage-ID: {header(sent, 'Message-ID')}\nSubject: {sent.message.subject}\n--r--\n"
    )
    return mail(
        body, sender="MAILER-DAEMON@home.example", subject="Undelivered Mail Returned to Sender",
        headers=["MIME-Version: 1.0", 'Content-Type: multipart/report; report-type=delivery-status; boundary="r"', "Auto-Submitted: auto-replied"],
    )  # fmt: skip

