"""Mail as Gmail, Microsoft 365, Google Groups, Mailman, Amazon SES and web forms hand it on: who it is from, who hears.

The header blocks have the shape of those services'; names, addresses and ids are made up.
"""

from __future__ import annotations

import base64
import dataclasses
import shutil
import subprocess
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from builders import NOW, Room, envelope, mail
from sqlalchemy import select

from maild import fetching
from maild.model.message import SENT, Door
from maild.model.outbox import OutboxEntry, OutgoingKind
from maild.model.spool import SpoolEntry, SpoolState
from maild.processes.door import arrival
from maild.reading import read
from maild.store import installation, schema, spool
from maild.store.unit_of_work import Store

Rooms = Callable[..., Room]
JO = "jo@home.example"
FORWARDED_TO = "cases-7f3k@in.example.com"


@pytest.fixture
def room(sqlite: Store, rooms: Rooms) -> Room:
    return rooms(sqlite)


def to_outside(room: Room) -> list[tuple[str, str]]:
    """(kind, recipient) of what goes to people who are no users."""
    return [
        (one.message.kind.value, who)
        for one in room.fresh()
        for who in one.message.recipients
        if who not in {"alice@example.com", "bob@example.com", "carol@example.com", "root@example.com"}
    ]


def notification(room: Room) -> OutboxEntry:
    return next(one for one in room.fresh() if one.message.kind is OutgoingKind.NOTIFICATION)


# --- the shapes -------------------------------------------------------------------------------------------------


def gmail_forwarded(**how: str) -> bytes:
    """A mail to a Gmail account that forwards all of its mail to maild."""
    return mail(
        sender="Jo Doe <jo@home.example>", to="support@example.com",
        headers=[
            "Return-Path: <support+caf_=cases-7f3k=in.example.com@example.com>",
            "Received: from mail-wr1-f52.google.com (mail-wr1-f52.google.com [209.85.221.52])",
            "\tby in.example.com (Postfix) with ESMTPS id 4Sx2l71gZ9z for <cases-7f3k@in.example.com>;",
            "\tMon, 23 Nov 2026 09:59:58 +0000 (UTC)",
            "X-Google-DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=1e100.net; s=20230601; b=abc",
            "X-Gm-Message-State: AOJu0YyExample",
            "X-Received: by 2002:a5d:58e1:0:b0:337 with SMTP id f1-20020a5d58e1000000b00337; Mon, 23 Nov 2026 01:59:57 -0800 (PST)",
            "X-Forwarded-To: cases-7f3k@in.example.com",
            "X-Forwarded-For: support@example.com cases-7f3k@in.example.com",
            "Delivered-To: support@example.com",
            "ARC-Authentication-Results: i=1; mx.google.com; dkim=pass header.i=@home.example; dmarc=pass header.from=home.example",
        ],
        **how,
    )  # fmt: skip


def microsoft_forwarded() -> bytes:
    """A mail that Exchange Online redirects, with its sender rewritten (SRS)."""
    return mail(
        sender='"Doe, Jo" <jo@home.example>', to="Support <support@example.com>",
        headers=[
            "Received: from AM0PR01MB5555.eurprd01.prod.exchangelabs.com (2603:10a6:208::1)",
            " by DB8PR01MB6666.eurprd01.prod.exchangelabs.com with HTTPS; Mon, 23 Nov 2026 09:59:58 +0000",
            "Thread-Topic: It does not work",
            "Thread-Index: AQHaHExampleThreadIndex==",
            "Accept-Language: de-DE, en-US",
            "X-MS-Exchange-Organization-AuthAs: Anonymous",
            "X-MS-Exchange-Organization-SCL: 1",
            "X-MS-Exchange-CrossTenant-FromEntityHeader: Internet",
            "x-ms-exchange-generated-message-source: Mailbox Rules Agent",
            "X-MS-Exchange-Transport-CrossTenantHeadersStamped: DB8PR01MB6666",
        ],
    )  # fmt: skip


def google_groups(rewritten: bool = True) -> bytes:
    """A mail to a Google group whose sender's domain has p=reject: From is the group."""
    sender = "'Jo Doe' via Support <support@example.com>" if rewritten else "Jo Doe <jo@home.example>"
    return mail(
        sender=sender, to="support@example.com",
        headers=[
            "X-Google-Smtp-Source: AGHT+IExample",
            "X-BeenThere: support@example.com",
            *(["X-Original-Sender: jo@home.example", "X-Original-From: Jo Doe <jo@home.example>", "Reply-To: Jo Doe <jo@home.example>"]
              if rewritten else []),
            "X-Original-Authentication-Results: mx.google.com; dkim=pass header.i=@home.example; dmarc=pass (p=REJECT) header.from=home.example",
            "Precedence: list",
            "Mailing-list: list support@example.com; contact support+owners@example.com",
            "List-ID: <support.example.com>",
            "X-Spam-Checked-In-Group: support@example.com",
            "X-Google-Group-Id: 123456789012",
            "List-Post: <https://groups.google.com/a/example.com/group/support/post>, <mailto:support@example.com>",
            "List-Help: <https://support.google.com/a/example.com/bin/topic.py?topic=25838>, <mailto:support+help@example.com>",
            "List-Archive: <https://groups.google.com/a/example.com/group/support/>",
            "List-Unsubscribe: <mailto:googlegroups-manage+123456789012+unsubscribe@googlegroups.com>,",
            " <https://groups.google.com/a/example.com/group/support/subscribe>",
        ],
    )  # fmt: skip


def mailman(list_id: str = "support.lists.example.com") -> bytes:
    """A mail through Mailman 3 that mitigates DMARC by putting itself into From."""
    return mail(
        sender="Jo Doe via Support <support@lists.example.com>", to="support@lists.example.com", subject="[Support] It does not work",
        headers=[
            "Received: from mail.lists.example.com (localhost [127.0.0.1])",
            "\tby mail.lists.example.com (Postfix) with ESMTP id 99F1A2C02; Mon, 23 Nov 2026 09:59:58 +0000 (UTC)",
            "X-Mailman-Rule-Misses: dmarc-mitigation; no-senders; approved; loop; banned-address; header-match-example",
            "X-Mailman-Version: 3.3.9",
            "Precedence: list",
            f"List-Id: Support <{list_id}>",
            "Archived-At: <https://lists.example.com/archives/list/support@lists.example.com/message/ABC/>",
            "List-Archive: <https://lists.example.com/archives/list/support@lists.example.com/>",
            "List-Help: <mailto:support-request@lists.example.com?subject=help>",
            "List-Owner: <mailto:support-owner@lists.example.com>",
            "List-Post: <mailto:support@lists.example.com>",
            "List-Unsubscribe: <mailto:support-leave@lists.example.com>",
            "Reply-To: Jo Doe <jo@home.example>",
        ],
    )  # fmt: skip


def ses_form(**how: str) -> bytes:
    """A web form that sends through Amazon SES, with the person in Reply-To and in its text."""
    return mail(
        "Name: Jo Doe\nE-Mail: jo@home.example\nMessage: The lamp is broken.\n", subject="Contact form",
        sender="Website <noreply@www.example.org>", to="support@example.com",
        headers=[
            "Return-Path: <0102018c0example-000000@eu-west-1.amazonses.com>",
            "DKIM-Signature: v=1; a=rsa-sha256; q=dns/txt; c=relaxed/simple; s=abcdef; d=www.example.org; t=1700000000;",
            " h=From:To:Subject:MIME-Version:Content-Type:Message-ID:Date; bh=abc; b=def",
            "DKIM-Signature: v=1; a=rsa-sha256; q=dns/txt; c=relaxed/simple; s=uku4taia5b5tsbglxyj6zym32efj7xqv;",
            " d=amazonses.com; t=1700000000; h=From:To:Subject:Feedback-ID; bh=abc; b=ghi",
            "Feedback-ID: ::1.eu-west-1.AbCdEfGhIjKl=:AmazonSES",
            "X-SES-Outgoing: 2026.11.23-54.240.7.1",
            *([how["extra"]] if "extra" in how else ["Reply-To: Jo Doe <jo@home.example>"]),
        ],
    )  # fmt: skip


# --- who gets the automatic answer (item 1) ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "to", "mail_from"),
    [
        (gmail_forwarded(), FORWARDED_TO, "support+caf_=cases-7f3k=in.example.com@example.com"),
        (microsoft_forwarded(), FORWARDED_TO, "bounces+SRS=aB3dE=7Q@example.onmicrosoft.com"),
        (mail(headers=["Return-Path: <jo@home.example>"]), "support@example.com", JO),
        (mail(), "support@example.com", None),
    ],
    ids=["gmail", "microsoft srs", "imap with return-path", "imap without"],
)
def test_the_person_gets_one_answer_and_the_forwarder_none(room: Room, raw: bytes, to: str, mail_from: str | None) -> None:
    entry = room.receive(raw, (to,), mail_from)
    assert (entry.disposition, room.case(entry.case)["mailbox"]) == ("case", "support")
    assert to_outside(room) == [("acknowledgement", JO)]


FORM = {
    "name": "Form", "when": {"envelope.from": {"domain": "amazonses.com"}},
    "case": {"contact": {"from": "reply_to"}, "channel": "webform"},
}  # fmt: skip


def test_a_web_form_is_answered_to_the_person_in_reply_to(sqlite: Store, rooms: Rooms) -> None:
    room = rooms(sqlite, rules=[FORM])
    entry = room.receive(ses_form(), mail_from="0102018c0example-000000@eu-west-1.amazonses.com")
    assert room.case(entry.case)["contact"] == {"name": "Jo Doe", "email": JO}
    sent_now = [one.message for one in room.fresh()]
    assert next((one.kind.value, one.recipients) for one in sent_now) == ("acknowledgement", (JO,))
    assert {dict(one.headers)["From"] for one in sent_now[1:]} == {"Jo Doe via Example Support <support@example.com>"}


def test_a_web_form_is_answered_to_the_person_in_a_field(sqlite: Store, rooms: Rooms) -> None:
    rule = {**FORM, "case": {"contact": {"from": "field:E-Mail"}, "autofill": {"delimiter": ":", "map": {"Message": "summary"}}}}
    room = rooms(sqlite, rules=[rule])
    entry = room.receive(ses_form(extra="X-Mailer: PHPMailer 6.8.0"), mail_from="x@eu-west-1.amazonses.com")
    assert room.case(entry.case)["contact"]["email"] == JO
    assert to_outside(room) == [("acknowledgement", JO)]


def test_without_a_rule_nobody_answers_the_form_itself(room: Room) -> None:
    entry = room.receive(ses_form(), mail_from="0102018c0example-000000@eu-west-1.amazonses.com")
    assert entry.disposition == "case"
    assert to_outside(room) == []


def test_a_newsletter_with_a_reply_to_is_not_answered(sqlite: Store, rooms: Rooms) -> None:
    room = rooms(sqlite, rules=[FORM])
    raw = mail(sender="noreply@www.example.org", headers=["Reply-To: jo@home.example", "List-Unsubscribe: <https://www.example.org/u>"])
    room.receive(raw, mail_from="x@eu-west-1.amazonses.com")
    assert to_outside(room) == []


# --- group addresses (item 11) ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rewritten", [True, False])
def test_a_google_group_is_transport_and_the_person_is_behind_it(room: Room, rewritten: bool) -> None:
    entry = room.receive(google_groups(rewritten), mail_from="support+bncBCexample@example.com")
    shown = room.case(entry.case)
    assert shown["contact"] == {"name": "Jo Doe", "email": JO}
    sent_now = [one.message for one in room.fresh()]
    assert next((one.kind.value, one.recipients) for one in sent_now) == ("acknowledgement", (JO,))
    assert {dict(one.headers)["From"] for one in sent_now[1:]} == {"Jo Doe via Example Support <support@example.com>"}
    assert shown["messages"][0]["kind"] == "customer"


@pytest.mark.parametrize("list_id", ["support.lists.example.com", "helpdesk.example.com"])
def test_a_mailman_list_in_front_of_the_mailbox(sqlite: Store, rooms: Rooms, list_id: str) -> None:
    parts = {"aliases": ["support@lists.example.com"], "list_id": "helpdesk.example.com"}
    room = rooms(sqlite, main={"mailboxes": {"support": parts}})
    entry = room.receive(mailman(list_id), ("support@lists.example.com",), "support-bounces@lists.example.com")
    assert room.case(entry.case)["contact"] == {"name": "Jo Doe", "email": JO}
    assert to_outside(room) == [("acknowledgement", JO)]


def test_another_list_is_a_list_and_gets_no_answer(room: Room) -> None:
    raw = mail(headers=["List-Id: News <news.vendor.example>", "Precedence: list", "List-Unsubscribe: <https://vendor.example/u>"])
    entry = room.receive(raw, mail_from="news-bounces@vendor.example")
    assert entry.disposition == "case"
    assert to_outside(room) == []


def test_another_maild_is_no_loop_and_gets_no_automatic_answer(room: Room) -> None:
    raw = mail(headers=["X-Maild-Loop: k1.abcdefghij.klmnopqrstuvwxyz234567abcd", "X-Maild-Case: 7"])
    entry = room.receive(raw)
    assert entry.disposition == "case"
    assert to_outside(room) == []


def test_control_headers_from_outside_are_seen_by_no_rule(sqlite: Store, rooms: Rooms) -> None:
    rule = {"name": "Trap", "when": {"header.X-Maild-Priority": {"exists": True}}, "case": {"set": {"priority": "urgent"}}}
    room = rooms(sqlite, rules=[rule])
    entry = room.receive(mail(headers=["X-Maild-Priority: urgent", "X-MAILD-Reply: customer"]))
    assert room.case(entry.case)["priority"] == "medium"


# --- mail that asks to confirm an address -----------------------------------------------------------------------


def gmail_confirmation() -> bytes:
    return mail(
        "support@example.com has requested to automatically forward mail to your email\naddress cases-7f3k@in.example.com.\n"
        "Confirmation code: 123456789\n\nTo allow this, please click the link below to confirm the request:\n\n"
        "https://mail-settings.google.com/mail/vf-%5BANGjdJ8example%5D-AbCdEfG\n\n",
        sender="Gmail Team <forwarding-noreply@google.com>", to=FORWARDED_TO,
        subject="(#123456789) Gmail Forwarding Confirmation - Receive Mail from support@example.com",
        headers=["X-Google-Smtp-Source: AGHT"],
    )  # fmt: skip


def third_party_confirmation(to: str = "support@example.com") -> bytes:
    return mail(
        "Welcome! Please verify your email address:\nhttps://app.tool.example/verify?token=s3cr3t\nYour code: 482913\n",
        sender="Tool <hello@tool.example>", to=to, subject="Verify your email address",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "to", "shown"),
    [
        (gmail_confirmation(), FORWARDED_TO, ["https://mail-settings.google.com/mail/vf-%5BANGjdJ8example%5D-AbCdEfG", "123456789"]),
        (third_party_confirmation(), "support@example.com", ["https://app.tool.example/verify?token=s3cr3t", "482913"]),
    ],
    ids=["gmail forwarding", "s23 the ticket trick"],
)
def test_s23_a_mail_that_asks_to_confirm_is_held_and_told_to_the_admins(
    room: Room, raw: bytes, to: str, shown: Sequence[str]
) -> None:
    entry = room.receive(raw, (to,), "bounce@tool.example")
    assert (entry.state, entry.case) == (SpoolState.HELD, None)
    (told,) = room.fresh()
    assert told.message.recipients == ("root@example.com",)
    assert all(one in told.message.text for one in shown)
    assert entry.id in told.message.text


def test_a_flood_of_them_is_not_a_flood_to_the_admins(room: Room) -> None:
    for _ in range(15):
        room.receive(third_party_confirmation())
    assert len(room.fresh()) == 10


def test_a_person_who_asks_about_such_a_mail_gets_a_case(room: Room) -> None:
    raw = mail("Is this from you?\nhttps://app.tool.example/verify?token=1\n", subject="Fwd: Verify your email address")
    assert room.receive(raw).disposition == "case"


# --- what an agent is warned of ---------------------------------------------------------------------------------


def test_a_name_that_shows_another_address_is_marked(room: Room) -> None:
    room.receive(mail(sender='"ceo@acme.example" <jo@home.example>'))
    assert "the name shows another address: “ceo@acme.example”, but it is from jo@home.example" in notification(room).message.text


def test_a_domain_of_other_letters_is_shown_in_both_forms(room: Room) -> None:
    entry = room.receive(mail(sender="Jo <jo@раураl.example>"))
    text = notification(room).message.text
    assert "раураl.example" in text
    assert "xn--l-7sba6dbr.example" in text
    assert room.case(entry.case)["contact"]["email"]


def test_encrypted_mail_is_kept_and_said(room: Room) -> None:
    raw = mail(
        "--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n--b\nContent-Type: application/octet-stream; name=encrypted.asc\n\n"
        "-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n--b--\n",
        headers=['Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b', "MIME-Version: 1.0"],
    )  # fmt: skip
    entry = room.receive(raw)
    assert room.trace(entry.id)["sealed"] == ["encrypted"]
    assert room.case(entry.case)["stream"][0]["text"].startswith("case") or "(encrypted)" in str(room.case(entry.case)["stream"])
    assert "encrypted" in notification(room).message.text


# --- forwarded mail ---------------------------------------------------------------------------------------------

FORWARD = {"name": "Forwards", "applies_to": "new", "when": {"subject": {"starts_with": "Fwd:"}}, "case": {"contact": {"from": "forwarded"}}}


def test_what_a_person_forwards_can_become_the_original_senders_case(sqlite: Store, rooms: Rooms) -> None:
    room = rooms(sqlite, rules=[FORWARD])
    raw = mail(
        "Can you help him?\n\n---------- Forwarded message ---------\nFrom: Sam Sender <sam@acme.example>\nDate: Mon, 23 Nov 2026 at 10:00\n"
        "Subject: Lamp\nTo: Jo Doe <jo@home.example>\n\nThe lamp is broken.\n", subject="Fwd: Lamp",
    )  # fmt: skip
    entry = room.receive(raw)
    shown = room.case(entry.case)
    assert (shown["contact"], shown["organisation"]) == ({"name": "Sam Sender", "email": "sam@acme.example"}, "Acme Ltd")


def test_a_resent_mail_is_its_authors(room: Room) -> None:
    raw = mail(headers=["Resent-From: Alice Ng <alice@example.com>", "Resent-To: support@example.com", "Resent-Date: Mon, 23 Nov 2026 09:00:00 +0000"])
    entry = room.receive(raw, mail_from="alice@example.com")
    assert room.case(entry.case)["contact"]["email"] == JO


MAILBOX_RULE = [
    "X-MS-Exchange-Inbox-Rules-Loop: support@example.com", "X-Auto-Response-Suppress: All", "auto-submitted: auto-generated",
    "x-ms-exchange-generated-message-source: Mailbox Rules Agent", "x-ms-exchange-parent-message-id: <lamp@acme.example>",
]  # fmt: skip
FORWARDED_BLOCK = (
    "\n\n________________________________\nFrom: Sam Sender <sam@acme.example>\nSent: Monday, November 23, 2026 9:59 AM\n"
    "To: Support <support@example.com>\nSubject: Lamp\n\nThe lamp is broken.\n"
)


@pytest.mark.parametrize("headers", [MAILBOX_RULE, []], ids=["by a rule", "by hand"])
def test_what_our_own_mailbox_forwards_as_it_came_is_its_authors_case_and_answered(room: Room, headers: list[str]) -> None:
    raw = mail(FORWARDED_BLOCK, sender="support@example.com", to=FORWARDED_TO, subject="FW: Lamp", headers=headers)
    entry = room.receive(raw, (FORWARDED_TO,), "support@example.com")
    assert room.case(entry.case)["contact"] == {"name": "Sam Sender", "email": "sam@acme.example"}
    assert next((one.message.kind.value, one.message.recipients) for one in room.fresh()) == ("acknowledgement", ("sam@acme.example",))


def test_what_our_own_mailbox_forwards_with_a_word_above_is_nobodys(room: Room) -> None:
    raw = mail("Can you?" + FORWARDED_BLOCK, sender="support@example.com", to=FORWARDED_TO, subject="FW: Lamp")
    entry = room.receive(raw, (FORWARDED_TO,), "support@example.com")
    assert room.case(entry.case)["contact"] is None
    assert to_outside(room) == []


def test_what_a_rule_of_a_mailbox_redirects_is_its_authors_case(room: Room) -> None:
    """Whether the mail was automatic before is not to be known then: it is a case, and answered by a person alone."""
    raw = mail(headers=["Resent-From: <support@example.com>", *MAILBOX_RULE])
    entry = room.receive(raw, (FORWARDED_TO,), "support@example.com")
    assert room.case(entry.case)["contact"]["email"] == JO
    assert to_outside(room) == []


def test_what_only_calls_itself_made_by_a_rule_is_still_made_by_a_machine(room: Room) -> None:
    assert room.receive(mail(headers=MAILBOX_RULE[2:4])).state == "held"


# --- pictures that only decorate (item 37) ----------------------------------------------------------------------

LOGO = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"logo" * 5000).decode()
SMALL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"mark" * 500).decode()
PHOTO = ("photo.png", "p@x", base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"photo" * 900).decode())


def with_pictures(page: str, *pictures: tuple[str, str, str], sender: str = "Jo Doe <jo@acme.example>") -> bytes:
    parts = [f"Content-Type: text/html; charset=utf-8\n\n{page}\n"]
    parts += [
        f'Content-Type: image/png; name="{name}"\nContent-Disposition: inline; filename="{name}"\nContent-ID: <{ident}>\n'
        f"Content-Transfer-Encoding: base64\n\n{data}\n"
        for name, ident, data in pictures
    ]
    body = "".join(f"--b\n{part}\n" for part in parts) + "--b--\n"
    return mail(body, sender=sender, headers=["MIME-Version: 1.0", "Content-Type: multipart/related; boundary=b"])


def decorated(room: Room, case: int | None) -> dict[str, bool]:
    with room.store.read() as connection:
        rows = connection.execute(
            select(schema.messages.c.attachments).where(schema.messages.c.case_number == case, schema.messages.c.direction == "in")
        ).scalars()
        return {one["name"]: one["decoration"] for row in rows for one in row}


SIGNED = (
    "<p>The lamp is broken, see the picture.</p><p><img src='cid:p@x'></p><p>Best regards<br>Jo Doe</p>"
    "<p>Acme Ltd, Sales</p><p><img src='cid:l@x'></p>"
)


@pytest.mark.parametrize("page", [SIGNED, SIGNED.replace("Best regards", "-- ").replace("Acme Ltd, Sales", "Acme Ltd")])
def test_a_small_picture_in_the_signature_is_decoration_and_one_in_the_text_is_not(sqlite: Store, rooms: Rooms, page: str) -> None:
    rule = {"name": "Pictures", "when": {"attachment.count": {"above": 1}}, "case": {"tags": ["pictures"]}}
    room = rooms(sqlite, rules=[rule])
    entry = room.receive(with_pictures(page, PHOTO, ("logo.png", "l@x", SMALL)))
    assert decorated(room, entry.case) == {"photo.png": False, "logo.png": True}
    shown = room.case(entry.case)["messages"][0]["attachments"]
    assert [one.get("decoration") for one in shown] == [None, True]
    assert room.case(entry.case)["tags"] == []
    assert [one.name for one in notification(room).message.attachments] == ["photo.png"]


def test_a_picture_that_came_in_three_other_cases_of_the_domain_is_decoration(room: Room) -> None:
    page = "<p>Hello, it is broken.</p><img src='cid:l@x'>"
    found = [decorated(room, room.receive(with_pictures(page, ("logo.png", "l@x", LOGO))).case)["logo.png"] for _ in range(5)]
    assert found == [False, False, False, True, True]
    other = room.receive(with_pictures(page, ("logo.png", "l@x", LOGO), sender="Ann <ann@home.example>"))
    assert decorated(room, other.case) == {"logo.png": False}


# --- answers written in the shared mailbox itself (item 46) -----------------------------------------------------


def sent(room: Room, raw: bytes) -> SpoolEntry:
    """A mail that was found in the mailbox's folder of sent mail."""
    found = envelope(raw, ("support@example.com",), None, room.now, door=Door.IMAP)
    with room.store.write() as connection:
        wanted = arrival(dataclasses.replace(found, client=f"{SENT}imap.example.com"), room.office.addresses)
        ((spool_id, _),) = spool.accept(connection, [wanted])
    room.work()
    return room.entry(spool_id)


def by_hand(parent: str, **how: str) -> bytes:
    return mail(
        "We will send a new one.\n\nKind regards\nBob\n", sender="Example Support <support@example.com>", to="Jo Doe <jo@home.example>",
        subject="Re: It does not work", headers=[f"In-Reply-To: <{parent}>", *how.values()],
    )  # fmt: skip


def test_an_answer_sent_from_outlook_is_a_public_answer_of_its_case(room: Room) -> None:
    case = room.receive(mail(message_id="first@home.example")).case
    room.fresh()
    room.later(minutes=5)
    entry = sent(room, by_hand("first@home.example", sender="Sender: Bob Roy <bob@example.com>"))
    shown = room.case(case)
    assert (entry.disposition, entry.case, room.fresh()) == ("answer", case, [])
    assert (shown["status"], shown["assignee"], shown["first_response_at"]) == ("open", "bob", "2026-11-23T10:05:00Z")
    assert [(one["direction"], one["kind"]) for one in shown["messages"]][-1] == ("out", "answer")
    last = [one for one in shown["stream"] if one["type"] == "message"][-1]
    assert (last["actor"], last["public"], last["text"].startswith("We will send")) == ("bob", True, True)
    answer = mail("Thanks, when?\n", headers=[f"In-Reply-To: <{entry.message_id}>"])
    assert room.receive(answer).case == case


def test_who_sent_it_may_be_unknown(room: Room) -> None:
    case = room.receive(mail(message_id="second@home.example")).case
    sent(room, by_hand("second@home.example"))
    assert [one["actor"] for one in room.case(case)["stream"] if one["type"] == "message"][-1] == "unknown"


def test_what_maild_sent_and_what_answers_no_case_is_passed_over(room: Room) -> None:
    case = room.receive(mail(message_id="third@home.example")).case
    own = mail(sender="support@example.com", to=JO, message_id=room.signed_id(case or 0))
    assert sent(room, own).disposition == "ignored"
    assert sent(room, mail(sender="support@example.com", to="new@else.example")).disposition == "ignored"
    assert room.numbers() == [case]


# --- DKIM checked here ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys() -> tuple[bytes, bytes]:
    """A private key (PEM) and the record that publishes it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    private = subprocess.run(["openssl", "genrsa", "-traditional", "2048"], check=True, capture_output=True).stdout
    public = subprocess.run(
        ["openssl", "rsa", "-pubout", "-outform", "DER"], input=private, check=True, capture_output=True
    ).stdout
    return private, b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def signed(raw: bytes, private: bytes, domain: bytes, length: bool = False) -> bytes:
    import dkim

    return bytes(dkim.sign(raw, b"s1", domain, private, include_headers=[b"from", b"to", b"subject"], length=length)) + raw


@pytest.mark.parametrize(
    ("domain", "change", "length", "wanted"),
    [
        (b"home.example", None, False, (True, "pass")),
        (b"mail.home.example", None, False, (True, "pass")),
        (b"other.example", None, False, (False, "none")),
        (b"home.example", (b"work", b"burn"), False, (False, "fail")),
        (b"home.example", None, True, (False, "none")),
    ],
    ids=["aligned", "subdomain", "another domain", "changed", "s20 l="],
)
def test_dkim_is_checked_here_where_configured(
    sqlite: Store, rooms: Rooms, keys: tuple[bytes, bytes], domain: bytes, change: tuple[bytes, bytes] | None, length: bool,
    wanted: tuple[bool, str],
) -> None:  # fmt: skip
    private, record = keys
    room = rooms(sqlite, main={"agents": {"trust": {"dkim": True}}})
    raw = signed(mail(), private, domain, length)
    if change is not None:
        raw = raw.replace(*change)
    asked: list[bytes] = []

    def ask(name: bytes, timeout: int) -> bytes | None:
        asked.append(name)
        return record

    found = read(room.office, room.entry(room.put(raw)), ask).authentication
    assert (found.passed, found.dkim.value) == wanted
    assert not asked or asked[0].rstrip(b".").endswith(b"home.example")


def test_a_dns_that_does_not_answer_proves_nothing_and_breaks_nothing(
    sqlite: Store, rooms: Rooms, keys: tuple[bytes, bytes]
) -> None:
    room = rooms(sqlite, main={"agents": {"trust": {"dkim": True}}})

    def ask(name: bytes, timeout: int) -> bytes | None:
        raise TimeoutError("nobody there")

    found = read(room.office, room.entry(room.put(signed(mail(), keys[0], b"home.example"))), ask).authentication
    assert (found.passed, found.failed, "no answer from the DNS" in found.source) == (False, False, True)


# --- how fetching stands ----------------------------------------------------------------------------------------


def imap(folder: str, **more: object) -> dict[str, object]:
    return {"host": "imap.example.com", "username": "support", "password": {"env": "X"}, "folder": folder, **more}


def test_a_mailbox_is_as_well_as_the_worst_of_its_folders(sqlite: Store, rooms: Rooms) -> None:
    room = rooms(sqlite, main={"mailboxes": {"support": {"imap": [imap("INBOX", sent="Sent"), imap("Other")]}}})
    places = [one.place for one in fetching.folders(room.office.settings, "support")]
    assert [place.partition(" ")[0] for place in places] == ["INBOX", "Sent", "Other"]

    def look() -> object:
        with sqlite.read() as connection:
            return fetching.states(connection, room.office.settings)["support"]

    with sqlite.write() as connection:
        installation.folder_state(connection, "support", places[0], {"last_fetch": NOW, "fault": "wrong password"})
        installation.folder_state(connection, "support", places[1], {"last_fetch": NOW - timedelta(hours=1)})
        installation.folder_state(connection, "support", "Old of x at y", {"fault": "no longer configured"})
    assert look() == (None, "wrong password")
    with sqlite.write() as connection:
        installation.folder_state(connection, "support", places[2], {"last_fetch": NOW, "fault": None})
    assert look() == (NOW - timedelta(hours=1), "wrong password")


def test_a_sign_in_that_ends_is_told_once_a_day(sqlite: Store, rooms: Rooms) -> None:
    from maild.ingest.oauth import Grant, token_file

    oauth = {"oauth2": {"provider": "other", "client_id": "c", "token_url": "https://t.example", "device_url": "https://d.example"}}
    account = {"host": "imap.example.com", "username": "support", "auth": oauth}
    room = rooms(sqlite, main={"mailboxes": {"support": {"imap": account}}})
    state_dir: Path = room.office.settings.state_dir
    token_file(state_dir, "support", "support").save(Grant("secret", NOW, NOW + timedelta(days=8)))
    assert fetching.sign_ins(room.office.settings) == {"support": NOW + timedelta(days=8)}
    told = [fetching.tell_of_expiry(sqlite, room.office, NOW + timedelta(hours=hours)) for hours in (0, 25, 26, 50)]
    assert told == [0, 1, 0, 1]
    (first, _) = room.fresh()
    assert first.message.recipients == ("root@example.com",)
    assert "2026-12-01" in first.message.subject
    assert "maild oauth login support" in first.message.text
