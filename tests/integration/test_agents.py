"""A team that works by mail alone: what its agents write, and what becomes of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from builders import TRUSTED, Room, header, mail

from maild.ingest.belief import believe
from maild.ingest.parse import parse
from maild.ingest.sender import identify
from maild.ingest.trust import authenticate
from maild.model.message import Door, Envelope
from maild.model.outbox import OutboxEntry, OutboxState
from maild.model.spool import SpoolEntry
from maild.plain.tokens import verify_id
from maild.processes.door import arrival
from maild.schedule import reminding
from maild.settings.models import Trust, User
from maild.store import outbox, people, spool
from maild.store.unit_of_work import Store

Rooms = Callable[..., Room]
ALICE, BOB, CAROL = "Alice Ng <alice@example.com>", "Bob Roy <bob@example.com>", "Carol Wu <carol@example.com>"
TRUST = {"agents": {"trust": {"authserv_id": "mx.example.com"}}}
PROVEN = TRUSTED.format("example.com")


@dataclass
class Team:
    """A room, and how its agents answer."""

    room: Room

    def customer(self, body: str = "Hello, it does not work.\n", **how: Any) -> SpoolEntry:
        return self.room.receive(mail(body, **how))

    def mail_to(self, address: str, case: int = 1, kind: str = "notification") -> OutboxEntry:
        """The newest mail of this kind to this address."""
        found = [
            one for one in self.room.outgoing()
            if one.message.recipients == (address,) and one.message.case in {case, None} and one.message.kind.value == kind
        ]  # fmt: skip
        return found[-1]

    def answer(
        self, about: OutboxEntry, body: str, sender: str = ALICE, *, to: str = "support@example.com", quote: bool = True,
        headers: Sequence[str] = (),
    ) -> SpoolEntry:  # fmt: skip
        """A reply as a mail client writes it, above the quoted mail."""
        message_id = header(about, "Message-ID")
        quoted = "".join(f"> {line}\n" for line in about.message.text.split("\n")) if quote else ""
        attribution = "\nOn Mon, 23 Nov 2026 at 11:00, Example Support wrote:\n" if quote else ""
        self.room.fresh()
        return self.room.receive(
            mail(
                f"{body}\n{attribution}{quoted}", sender=sender, to=to, subject=f"Re: {about.message.subject}",
                headers=[f"In-Reply-To: {message_id}", f"References: {header(about, 'References')} {message_id}", *headers],
            ),
            mail_from=sender.partition("<")[2].rstrip(">"),
        )  # fmt: skip

    def alice(self, body: str, case: int = 1, **how: Any) -> SpoolEntry:
        return self.answer(self.mail_to("alice@example.com", case), body, **how)

    def bob(self, body: str, case: int = 1, **how: Any) -> SpoolEntry:
        return self.answer(self.mail_to("bob@example.com", case), body, BOB, **how)

    def new(self, body: str, sender: str = ALICE, subject: str = "Hello", **how: Any) -> SpoolEntry:
        """A mail of an agent that answers nothing, proven by the trusted server."""
        self.room.fresh()
        return self.room.receive(
            mail(body, sender=sender, subject=subject, headers=[PROVEN, *how.pop("headers", [])], **how),
            mail_from=sender.partition("<")[2].rstrip(">"),
        )

    def sent(self, *kinds: str) -> list[OutboxEntry]:
        """The mails that the last one caused."""
        return [one for one in self.room.fresh() if not kinds or one.message.kind.value in kinds]

    def case(self, number: int = 1) -> dict[str, Any]:
        return self.room.case(number)

    def stream(self, kind: str, number: int = 1) -> list[str]:
        return [entry["text"] for entry in self.case(number)["stream"] if entry["type"] == kind]


@pytest.fixture
def team(sqlite: Store, rooms: Rooms) -> Team:
    """Alice and Bob in support, and a case of Jo's."""
    made = Team(rooms(sqlite))
    made.customer()
    return made


@pytest.fixture
def trusting(sqlite: Store, rooms: Rooms) -> Team:
    """The same, with a trusted server in front."""
    made = Team(rooms(sqlite, main=TRUST))
    made.customer()
    return made


def tell(entry: SpoolEntry) -> tuple[str, str, int | None]:
    return entry.state.value, entry.disposition, entry.case


# --- answers ----------------------------------------------------------------------------------------------------


def test_an_agents_reply_goes_on_to_the_customer_from_the_mailbox(team: Team) -> None:
    question = team.case()["messages"][0]["message_id"]
    entry = team.alice("Dear Jo,\n\nplease switch it off and on.\n\nAlice")
    assert tell(entry) == ("done", "answer", 1)
    (answer,) = team.sent()
    assert answer.message.recipients == ("jo@home.example",)
    assert header(answer, "From") == "Example Support <support@example.com>"
    assert header(answer, "Reply-To") == "support@example.com"
    assert f"<{question}>" in header(answer, "References")
    assert header(answer, "Auto-Submitted") == ""
    assert answer.message.subject == "[#1] Re: It does not work"
    assert answer.message.text.strip() == "Dear Jo,\n\nplease switch it off and on.\n\nAlice"
    whole = repr(answer.message)
    assert "alice@example.com" not in whole
    assert "answer above this line" not in whole
    case = team.case()
    assert (case["status"], case["assignee"]) == ("open", "alice")
    assert case["first_response_at"] is not None


def test_the_customers_answer_comes_back_into_the_case(team: Team) -> None:
    team.alice("Please try again.")
    (answer,) = team.sent("answer")
    message_id = header(answer, "Message-ID")
    entry = team.room.receive(mail("It works now, thank you very much for all this.", headers=[f"In-Reply-To: {message_id}"]))
    assert tell(entry) == ("done", "answer", 1)
    assert [one.message.recipients for one in team.sent("notification")] == [("alice@example.com",)]


def test_whatever_way_the_notification_is_quoted_nothing_of_it_goes_out(team: Team) -> None:
    about = team.mail_to("alice@example.com")
    forms = [
        "My answer.\n\n-----Original Message-----\nFrom: Jo Doe via Example Support <support@example.com>\nSent: Monday\nTo: Alice\n"
        "Subject: x\n\n" + about.message.text,
        "My answer.\n\n" + about.message.text,
        "My answer.\n" + "".join(f"| {line}\n" for line in about.message.text.split("\n")),
    ]
    for form in forms:
        team.answer(about, form, quote=False)
        (answer,) = team.sent("answer")
        assert answer.message.text.strip() == "My answer.", form


def test_an_agent_may_put_others_on_copy(team: Team) -> None:
    team.alice("Sue, please help Jo.", headers=["Cc: Sue Roe <sue@partner.example>, bob@example.com"])
    (answer,) = team.sent("answer")
    assert "sue@partner.example" in header(answer, "Cc")
    assert "bob@example.com" not in repr(answer.message.headers)
    assert answer.message.recipients == ("jo@home.example",), "Sue has Alice's mail already"
    assert {"name": "Sue Roe", "email": "sue@partner.example", "role": "cc"} in team.case()["contacts"]
    team.alice("And once more.")
    (answer,) = team.sent("answer")
    assert set(answer.message.recipients) == {"jo@home.example", "sue@partner.example"}


def test_attachments_are_passed_on_but_not_the_mails_own_signature(team: Team) -> None:
    about = team.mail_to("alice@example.com")
    body = (
        "--b\nContent-Type: text/plain\n\nSee the guide.\n--b\nContent-Type: application/pdf\n"
        'Content-Disposition: attachment; filename="guide.pdf"\nContent-Transfer-Encoding: base64\n\nJVBERi0xLjQK\n'
        '--b\nContent-Type: application/pkcs7-signature; name="smime.p7s"\nContent-Disposition: attachment; filename="smime.p7s"\n'
        "Content-Transfer-Encoding: base64\n\nAAAA\n--b--\n"
    )
    team.answer(about, body, quote=False, headers=["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"'])
    (answer,) = team.sent("answer")
    assert [part.name for part in answer.message.attachments] == ["guide.pdf"]


def test_the_agents_formatting_goes_along_where_it_says_the_same(team: Team) -> None:
    about = team.mail_to("alice@example.com")
    html = (
        '<html><body><p class="MsoNormal">#wait</p><p>Dear Jo,</p><p>press the <b>red</b> button:</p><ul><li>once</li>'
        "<li>twice</li></ul>"
        '<div style="border:none;border-top:solid #E1E1E1 1.0pt"><p>From: Example Support</p></div>'
        f"<p>{about.message.text}</p></body></html>"
    )
    text = "#wait\n\nDear Jo,\n\npress the red button:\n\n* once\n* twice\n\n________________________________\nFrom: Example Support\n" + about.message.text
    body = (
        f"--b\nContent-Type: text/plain; charset=utf-8\n\n{text}\n--b\nContent-Type: text/html; charset=utf-8\n\n{html}\n--b--\n"
    )
    team.answer(about, body, quote=False, headers=["MIME-Version: 1.0", 'Content-Type: multipart/alternative; boundary="b"'])
    answer, _receipt = team.sent()
    assert "<b>red</b>" in answer.message.html
    assert "<li>once</li>" in answer.message.html
    assert "#wait" not in answer.message.html
    assert "answer above" not in answer.message.html
    assert "#wait" not in answer.message.text
    assert team.case()["status"] == "wait_for_customer"


def test_nothing_of_the_agents_own_address_reaches_the_customer(team: Team) -> None:
    about = team.mail_to("alice@example.com")
    html = "<p>#take</p><p>&nbsp;</p><p>Write to <a href='mailto:Alice@example.com'>ALICE@example.com</a>, not malice@example.com.de.</p>"
    html += f"<div><br><blockquote type='cite'><div>{about.message.html}</div></blockquote></div>"
    text = "#take\n\nWrite to ALICE@example.com, not malice@example.com.de."
    card = "BEGIN:VCARD\nEMAIL;type=work:alice@example.com\nEND:VCARD"
    body = (
        "--m\nContent-Type: multipart/alternative; boundary=b\n\n"
        f"--b\nContent-Type: text/plain; charset=utf-8\n\n{text}\n--b\nContent-Type: text/html; charset=utf-8\n\n{html}\n--b--\n"
        f'--m\nContent-Type: text/x-vcard; name="alice.vcf"\nContent-Disposition: attachment; filename="alice.vcf"\n\n{card}\n'
        '--m\nContent-Type: text/vcard\nContent-Disposition: attachment; filename="supplier.vcf"\n\n'
        "BEGIN:VCARD\nEMAIL:sales@supplier.example\nEND:VCARD\n--m--\n"
    )
    team.answer(
        about, body, quote=False,
        headers=["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="m"', "Received: from alice-laptop by mx.example.com",
                 "Sender: alice@example.com", "Disposition-Notification-To: alice@example.com"],
    )  # fmt: skip
    answer, receipt = team.sent("answer", "receipt")
    assert answer.message.text.strip() == "Write to support@example.com, not malice@example.com.de."
    assert "mailto:support@example.com" in answer.message.html
    assert answer.message.html.count("<p>") == 1, "what the commands leave empty is not sent"
    assert "<blockquote" not in answer.message.html
    assert [part.name for part in answer.message.attachments] == ["supplier.vcf"]
    shown = repr(answer.message).replace("malice@", "").lower()
    assert "alice@example.com" not in shown
    assert "your own address in it is support@example.com now" in receipt.message.text


def test_after_reply_sets_the_status_unless_the_mail_says_one(sqlite: Store, rooms: Rooms) -> None:
    team = Team(rooms(sqlite, main={"agents": {"after_reply": "wait_for_customer"}}))
    team.customer()
    team.alice("Which model is it?")
    assert team.case()["status"] == "wait_for_customer"
    team.alice("#status open\nWe look into it.")
    assert team.case()["status"] == "open"


def test_a_reply_by_number_alone_is_an_answer_when_the_agent_is_proven(trusting: Team) -> None:
    entry = trusting.new("We are on it.", subject="[#1] something")
    assert tell(entry) == ("done", "answer", 1)
    assert [one.message.recipients for one in trusting.sent("answer")] == [("jo@home.example",)]


# --- notes ------------------------------------------------------------------------------------------------------


def test_a_note_stays_inside_and_tells_those_mentioned(team: Team) -> None:
    team.alice("#note\n\nHe is angry, @bob: careful.\n")
    sent = team.sent()
    assert [(one.message.kind.value, one.message.recipients) for one in sent] == [
        ("notification", ("bob@example.com",)), ("receipt", ("alice@example.com",)),
    ]  # fmt: skip
    assert sent[0].message.text.startswith("Your reply stays internal")
    assert team.stream("note") == ["He is angry, @bob: careful."]


def test_a_reply_to_a_note_is_a_note_unless_it_begins_with_reply(team: Team) -> None:
    team.alice("#note\n@bob do you know this?")
    team.bob("Yes, it is the fuse; he has broken it himself.")
    assert team.sent("answer") == []
    assert team.stream("note")[-1] == "Yes, it is the fuse; he has broken it himself."
    team.bob("#reply\nPlease change the fuse.")
    assert [one.message.text.strip() for one in team.sent("answer")] == ["Please change the fuse."]


def test_note_wins_over_all_else_in_the_block(team: Team) -> None:
    team.alice("#take\n#note\n#resolve\nHe has found it himself.")
    assert team.sent("answer") == []
    assert (team.case()["status"], team.case()["assignee"]) == ("resolved", "alice")


# --- commands ---------------------------------------------------------------------------------------------------


def test_commands_alone_are_not_sent_on_and_get_a_receipt(team: Team) -> None:
    entry = team.alice("#take\n#priority high\n#set order=77\n#tag returns, vip\n#channel phone")
    assert tell(entry) == ("done", "commands", 1)
    (receipt,) = team.sent("receipt")
    assert receipt.message.recipients == ("alice@example.com",)
    assert "- the case is yours\n- priority high\n- order: 77\n- tags: returns vip\n- channel phone" in receipt.message.text
    case = team.case()
    assert (case["assignee"], case["status"], case["priority"], case["fields"], case["tags"], case["channel"]) == (
        "alice", "assigned", "high", {"order": "77"}, ["returns", "vip"], "phone",
    )  # fmt: skip


@pytest.mark.parametrize("body", ["#with 1", "#send", "#reply", "#note\n#now"])
def test_what_does_nothing_by_itself_comes_back_and_is_no_empty_receipt(team: Team, body: str) -> None:
    assert team.alice(body).disposition == "returned"
    (back,) = team.sent()
    assert "there is nothing in it" in back.message.text


def test_an_attachment_without_words_is_a_note_or_is_said_not_to_have_gone(team: Team) -> None:
    for order, disposition in (("#note", "answer"), ("#wait", "commands")):
        body = f'--b\nContent-Type: text/plain\n\n{order}\n--b\nContent-Type: application/pdf; name=a.pdf\nContent-Disposition: attachment; filename="a.pdf"\n\nx\n--b--\n'
        entry = team.answer(
            team.mail_to("alice@example.com"), body, quote=False, headers=["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"']
        )
        assert entry.disposition == disposition
        assert team.sent("answer") == []
    assert team.stream("note") == ["a.pdf"]
    assert "a.pdf was not sent on: no words stand beside it" in team.mail_to("alice@example.com", kind="receipt").message.text


def test_a_signature_below_commands_is_no_answer(team: Team) -> None:
    team.alice("#take\n\nAlice Ng")
    assert team.sent("answer") == []
    team.alice("#wait\n\nKind regards\nAlice\nExample Ltd, 12 High Street")
    assert team.sent("answer") == []
    assert team.case()["status"] == "wait_for_customer"


@pytest.mark.parametrize(
    ("body", "reason", "nearest"),
    [
        ("#cc sue@b.example\n#asign bob\nHello", "#asign is no command", "#assign"),
        ("#cc sue@b.example\n#assign bobb\nHello", "there is no user 'bobb'", "bob"),
        ("#cc sue@b.example\n#group suport\nHello", "there is no group 'suport'", "support"),
        ("#cc sue@b.example\n#sla Golden\nHello", "there is no sla 'Golden'", "Gold"),
        ("#cc sue@b.example\n#set oder=7\nHello", "there is no field 'oder'", "order"),
        ("#cc sue@b.example\n#status resolved\nHello", "cannot go from assigned to resolved", ""),
        ("#cc sue@b.example\n#merge 99\nHello", "there is no case 99", ""),
        ("#cc sue@b.example\n#cc bob@example.com\nHello", "bob@example.com is bob", ""),
        ("#cc sue@b.example\n#use refundd\nHello", "there is no template 'refundd'", ""),
        ("#cc sue@b.example\n#get 3", "there is no attachment 3", ""),
        ("#cc sue@b.example\n#close\nHello", "closing it needs a reason", ""),
        ("#cc sue@b.example\n#show 99\nHello", "there is no case 99", ""),
        ("#cc sue@b.example\n#timer stop\nHello", "you have no timer", ""),
        ("#cc sue@b.example\n#ask jo@home.example Hm?\nHello", "takes part in the case", ""),
    ],
)
def test_one_wrong_command_and_nothing_is_applied_or_sent_on(team: Team, body: str, reason: str, nearest: str) -> None:
    before = team.case()
    entry = team.alice(body)
    assert tell(entry) == ("done", "returned", 1)
    (back,) = team.sent()
    assert (back.message.kind.value, back.message.recipients) == ("refused", ("alice@example.com",))
    assert reason in back.message.text
    assert nearest in back.message.text
    assert "> " + body.split("\n")[0] in back.message.text
    assert team.case() == before


def test_resolve_goes_through_open_as_two_events(team: Team) -> None:
    team.alice("#assign alice")
    team.alice("#resolve The fuse was blown\n\nWe have sent you a fuse.")
    assert team.stream("status")[-2:] == ["assigned → open", "open → resolved"]
    assert team.case()["resolution"] == "The fuse was blown"
    assert [one.message.text.strip() for one in team.sent("answer")] == ["We have sent you a fuse."]


def test_resolve_without_a_text_takes_the_answer(team: Team) -> None:
    team.alice("#resolve\nWe have sent you a fuse.")
    assert team.case()["resolution"] == "We have sent you a fuse."
    assert (team.case()["status"], team.case()["assignee"]) == ("resolved", "alice")


@pytest.mark.parametrize(
    ("body", "status", "event"),
    [
        ("#wait", "wait_for_customer", "new → wait_for_customer"),
        ("#wait 3rd", "wait_for_third_party", "new → wait_for_third_party"),
        ("#status open", "open", "new → open"),
        ("#spam", "closed", "new → closed: spam"),
        ("#close duplicate", "closed", "new → closed: duplicate"),
        ("#close no answer needed", "closed", "new → closed: no_answer_needed"),
    ],
)
def test_commands_on_the_status(team: Team, body: str, status: str, event: str) -> None:
    team.alice(body)
    assert team.case()["status"] == status
    assert team.stream("status")[-1] == event


def test_reopen_and_close_of_a_resolved_case(team: Team) -> None:
    team.alice("#resolve done")
    team.alice("#reopen")
    assert team.case()["status"] == "open"
    team.alice("#resolve done again")
    team.alice("#close")
    assert team.case()["status"] == "closed"
    assert team.alice("#reopen").disposition == "returned"


def test_who_has_it(team: Team) -> None:
    team.alice("#assign Bob Roy")
    assert team.case()["assignee"] == "bob"
    assert ("bob@example.com",) in [one.message.recipients for one in team.sent("notification")]
    team.alice("#drop")
    assert (team.case()["assignee"], team.case()["status"]) == (None, "new")
    team.alice("#group Billing")
    assert team.case()["group"] == "billing"
    assert ("carol@example.com",) in [one.message.recipients for one in team.sent("notification")]
    team.alice("#mailbox billing\nFrom another address now.")
    (answer,) = team.sent("answer")
    assert header(answer, "From") == "Example Billing <billing@example.com>"


def test_time_timer_and_service(team: Team) -> None:
    team.alice("#time 25m called him\n#service Repair rate=90 location=remote\n#billable yes")
    team.alice("#timer start")
    team.room.later(minutes=10)
    team.alice("#timer pause")
    team.room.later(minutes=10)
    team.alice("#timer resume")
    team.room.later(minutes=5)
    team.alice("#timer stop")
    case = team.case()
    assert case["time_spent"] == (25 + 15) * 60
    assert case["service"] == {"name": "Repair", "rate": "90", "per": "hour", "type": None, "location": "remote"}
    assert case["billable"] is True


def test_one_timer_runs_at_a_time(team: Team) -> None:
    team.customer("Another thing.", sender="sue@b.example")
    team.alice("#timer start")
    team.room.later(minutes=3)
    team.alice("#timer start", case=2)
    team.room.later(minutes=7)
    assert (team.case(1)["time_spent"], team.case(2)["time_spent"]) == (180, 420)


def test_merge_link_and_split(team: Team) -> None:
    team.customer("The same again, please.", subject="Again")
    team.alice("#link 1", case=2)
    assert {"type": "linked", "number": 1} in team.case(2)["links"]
    team.alice("#merge 1", case=2)
    assert team.case(2)["status"] == "closed"
    assert {"type": "merged_from", "number": 2} in team.case(1)["links"]
    first = team.case(1)["messages"][0]["message_id"]
    team.room.receive(mail("And something else: I need an invoice.", subject="Invoice", headers=[f"In-Reply-To: <{first}>"]))
    team.alice("#split\nThe invoice is on its way.")
    assert team.case(3)["title"] == "Invoice"
    assert next(one["text"] for one in team.case(3)["messages"] if one["direction"] == "in").startswith("And something else")
    (answer,) = team.sent("answer")
    assert answer.message.subject.startswith("[#3]")


def test_follow_and_contact(team: Team) -> None:
    team.alice("#follow\n#contact add jo@work.example")
    assert team.case()["followers"] == ["alice"]
    team.alice("#unfollow")
    assert team.case()["followers"] == []
    entry = team.room.receive(mail("It is me, from work.", sender="jo@work.example", subject="[#1] x"))
    assert entry.case == 1


def test_looking_by_mail(team: Team) -> None:
    team.customer("A printer is on fire.", sender="sue@b.example", subject="Printer")
    team.alice("#show 2\n#list group\n#search printer fire\n#help\n#why")
    (receipt,) = team.sent()
    text = receipt.message.text
    assert "Case 2: Printer" in text
    assert "     1  new" in text
    assert "     2  new" in text
    assert "#undo" in text
    assert "no rule matched" in text


def test_get_brings_an_attachment(team: Team) -> None:
    body = (
        "--b\nContent-Type: text/plain\n\nA picture.\n--b\nContent-Type: image/png\n"
        'Content-Disposition: attachment; filename="a.png"\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--b--\n'
    )
    team.room.receive(mail(body, headers=["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"']))
    team.alice("#get 1", case=2)
    (receipt,) = team.sent()
    assert [part.name for part in receipt.message.attachments] == ["a.png"]


def test_a_canned_answer(team: Team, tmp_path: Any) -> None:
    folder = tmp_path / "config" / "templates"
    folder.mkdir()
    (folder / "refund.txt.j2").write_text("Your money for case {{ case.number }} comes back, {{ contact.name }}.\n")
    from maild.office import open_office
    from maild.settings.load import load

    team.room.office = open_office(load(tmp_path / "config"), team.room.office.keyring)
    team.alice("#use refund\nDear Jo,")
    (answer,) = team.sent("answer")
    assert answer.message.text.strip() == "Dear Jo,\n\nYour money for case 1 comes back, Jo Doe."


def test_faq_drafts_mark_names_and_only_published_ones_go_out(team: Team) -> None:
    from maild.store import faq

    team.alice("#resolve Jo Doe has to press the red button, see order 471199")
    team.alice("#faq How do I switch it on?")
    with team.room.store.write() as connection:
        (entry,) = faq.listed(connection)
        assert (entry.status, entry.question) == ("draft", "How do I switch it on?")
        assert "⟦Jo Doe⟧ has to press" in entry.answer
        assert "⟦471199⟧" in entry.answer
    assert team.alice("#faq 1\nSee here:").disposition == "returned"
    with team.room.store.write() as connection:
        faq.change(connection, 1, {"status": "published", "answer": "Press the red button."}, team.room.now)
    team.alice("#faq 1\nSee here:")
    assert [one.message.text.strip() for one in team.sent("answer")] == ["See here:\n\nPress the red button."]


def test_a_reminder_comes_once(team: Team) -> None:
    team.alice("#remind 3d call him back")
    team.room.later(days=2)
    assert reminding.sweep(team.room.store, team.room.office, team.room.now) == []
    team.room.later(days=1, minutes=1)
    team.sent()
    assert len(reminding.sweep(team.room.store, team.room.office, team.room.now)) == 1
    (reminder,) = team.sent()
    assert (reminder.message.recipients, "call him back" in reminder.message.text) == (("alice@example.com",), True)
    assert reminding.sweep(team.room.store, team.room.office, team.room.now) == []


def test_away(trusting: Team) -> None:
    assert trusting.new("#away until 2026-12-01", subject="x").disposition == "commands"
    with trusting.room.store.read() as connection:
        assert people.away(connection, trusting.room.now) == {"alice"}
        assert people.away(connection, trusting.room.now + timedelta(days=9)) == set()
    trusting.new("#away back", subject="y")
    with trusting.room.store.read() as connection:
        assert people.away(connection, trusting.room.now) == set()


# --- third parties ----------------------------------------------------------------------------------------------


def test_a_question_to_a_third_party_has_a_thread_of_its_own_and_stays_internal(team: Team) -> None:
    team.alice("#take\n#ask parts@supplier.example When can you deliver a display?")
    (asked,) = team.sent("third_party")
    assert asked.message.recipients == ("parts@supplier.example",)
    assert asked.message.text.strip() == "When can you deliver a display?"
    assert team.case()["status"] == "wait_for_third_party"
    entry = team.room.receive(
        mail("On Thursday, at our dealer's price of 20.", sender="parts@supplier.example",
             headers=[f"In-Reply-To: {header(asked, 'Message-ID')}"]),
        mail_from="parts@supplier.example",
    )  # fmt: skip
    assert tell(entry) == ("done", "answer", 1)
    (told,) = team.sent()
    assert (told.message.kind.value, told.message.recipients) == ("notification", ("alice@example.com",))
    assert told.message.text.startswith("Your reply stays internal")
    case = team.case()
    assert case["status"] == "open"
    assert "parts@supplier.example" not in [one["email"] for one in case["contacts"]]
    assert not next(entry for entry in case["stream"] if "dealer's price" in entry["text"])["public"]
    assert case["threads"][0]["to"] == "parts@supplier.example"
    # and an answer to that is a note
    team.alice("Fine, they are cheap.")
    assert team.sent("answer") == []


def test_with_sends_attachments_of_the_case_to_the_third_party_and_not_to_the_customer(sqlite: Store, rooms: Rooms) -> None:
    team = Team(rooms(sqlite))
    parts = "".join(
        f'--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename="{name}.pdf"\n\n%PDF-{name}\n'
        for name in ("order", "photo", "invoice")
    )
    team.room.receive(
        mail(f"--b\nContent-Type: text/plain\n\nIt is broken.\n{parts}--b--\n",
             headers=["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"'])
    )  # fmt: skip
    team.alice("#ask parts@supplier.example When can you deliver?\n#with 1,3\n\nDear Jo, we have asked.")
    (asked,) = team.sent("third_party")
    assert [part.name for part in asked.message.attachments] == ["order.pdf", "invoice.pdf"]
    (answer,) = [one for one in team.room.outgoing() if one.message.kind.value == "answer"]
    assert answer.message.attachments == ()
    team.alice("#ask parts@supplier.example And?\n#with 4")
    (back,) = team.sent()
    assert "there is no attachment 4; there are 3" in back.message.text


def test_ask_without_a_text_asks_what_the_mail_says(team: Team) -> None:
    team.alice("#ask parts@supplier.example\n\nWhen can you deliver?\n")
    sent = team.sent()
    assert [one.message.kind.value for one in sent] == ["third_party", "receipt"]
    assert sent[0].message.text.strip() == "When can you deliver?"


def test_a_stranger_with_the_suppliers_thread_is_internal_and_said_so(team: Team) -> None:
    team.alice("#ask parts@supplier.example When?")
    (asked,) = team.sent("third_party")
    team.room.receive(mail("Me too.", sender="x@other.example", headers=[f"In-Reply-To: {header(asked, 'Message-ID')}"]))
    (told,) = team.sent("notification")
    assert "from x@other.example, not parts@supplier.example" in told.message.text


# --- held back --------------------------------------------------------------------------------------------------


def test_a_second_agents_answer_comes_back_and_send_sends_it(team: Team) -> None:
    team.room.later(minutes=1)
    team.alice("Please change the fuse.")
    team.room.later(minutes=1)
    before = team.case()
    entry = team.bob("Please buy a new one.")
    assert tell(entry) == ("done", "returned", 1)
    (back,) = team.sent()
    assert (back.message.kind.value, back.message.recipients) == ("refused", ("bob@example.com",))
    assert "Alice Ng answered" in back.message.text
    assert "| Please change the fuse." in back.message.text
    assert "Answer #send to send it all the same." in back.message.text
    assert team.case() == before
    team.answer(back, "#send", BOB)
    assert [one.message.text.strip() for one in team.sent("answer")] == ["Please buy a new one."]
    team.answer(back, "#send", BOB)
    assert team.sent("answer") == [], "only once"


def test_a_note_is_never_held_and_send_in_the_first_line_overrides(team: Team) -> None:
    team.alice("Please change the fuse.")
    team.bob("#note\nI would have said something else.")
    assert team.stream("note") == ["I would have said something else."]
    team.bob("#send\nOr buy a new one.")
    assert [one.message.text.strip() for one in team.sent("answer")] == ["Or buy a new one."]


def test_words_that_only_the_notification_had_do_not_go_out(team: Team) -> None:
    team.alice("#note\n@bob between us: the customer never pays his bills in time")
    about = team.mail_to("bob@example.com")
    entry = team.answer(about, "#reply\nHello Jo, see below.\n\nbetween us: the customer never\npays his bills in time", BOB)
    assert entry.disposition == "returned"
    (back,) = team.sent()
    assert "this would have shown the customer what is internal" in back.message.text
    team.answer(back, "#send", BOB)
    assert len(team.sent("answer")) == 1


def test_the_fact_line_of_a_notification_is_internal_and_the_customers_words_are_not(team: Team) -> None:
    about = team.mail_to("alice@example.com")
    facts = next(line for line in about.message.text.split("\n") if line.startswith("new · "))
    entry = team.answer(about, f"My answer is here.\n{facts}", quote=False)
    assert entry.disposition == "returned"
    entry = team.answer(about, "You wrote: Hello, it does not work. Since when, and is it plugged in?", quote=False)
    assert entry.disposition == "answer"


# --- grace and undo ---------------------------------------------------------------------------------------------


@pytest.fixture
def graceful(sqlite: Store, rooms: Rooms) -> Team:
    made = Team(rooms(sqlite, main={"agents": {"grace": "60s"}}))
    made.customer()
    return made


def test_an_answer_waits_for_undo(graceful: Team) -> None:
    team = graceful
    before = team.case()
    team.alice("#resolve\n#tag done\nChange the fuse.")
    answer, receipt = team.sent()
    assert answer.next_at == team.room.now + timedelta(seconds=60)
    assert "it goes out at 11:01:00; answer #undo to stop it" in receipt.message.text
    team.room.later(seconds=30)
    team.answer(receipt, "#undo")
    (told,) = team.sent()
    assert "the answer was not sent" in told.message.text
    with team.room.store.read() as connection:
        assert outbox.entries(connection, [answer.id])[0].state is OutboxState.DISCARDED
    after = team.case()
    for name in ("status", "resolution", "tags", "assignee", "first_response_at", "resolved_at"):
        assert after[name] == before[name], name
    assert after["sla_state"]["status"] == "running"
    assert after["sla_state"]["first_response"]["status"] == "pending"
    assert [one["direction"] for one in after["messages"]] == ["in", "out", "in"], "the acknowledgement and Alice's own mail"


def test_undo_leaves_what_came_after(graceful: Team) -> None:
    team = graceful
    team.alice("#priority high\n#tag one")
    team.bob("#priority urgent")
    team.alice("#undo")
    case = team.case()
    assert (case["priority"], case["tags"]) == ("urgent", [])


def test_undo_comes_too_late(graceful: Team) -> None:
    graceful.alice("#priority high")
    graceful.room.later(minutes=16)
    assert graceful.alice("#undo").disposition == "returned"
    assert graceful.case()["priority"] == "high"


def test_what_has_left_cannot_be_taken_back(graceful: Team) -> None:
    team = graceful
    team.alice("#wait\nWhich model?")
    answer, receipt = team.sent()
    with team.room.store.write() as connection:
        from maild.model.outbox import Result, Sent

        outbox.record(connection, [Result(answer, {"jo@home.example": Sent()}, team.room.now)])
    team.answer(receipt, "#undo")
    (told,) = team.sent()
    assert "has left already" in told.message.text
    assert team.case()["status"] == "new"


def test_undo_of_a_merge(team: Team) -> None:
    team.customer("The same again.", subject="Again")
    team.alice("#merge 1", case=2)
    team.alice("#undo", case=2)
    assert team.case(2)["status"] == "new"
    assert team.case(2)["links"] == []


# --- new cases --------------------------------------------------------------------------------------------------


def test_a_case_on_a_customers_behalf(trusting: Team) -> None:
    entry = trusting.new("#new Sue Roe <sue@acme.example>\n#priority high\n\nDear Sue,\n\nas discussed.", subject="Your order")
    assert tell(entry) == ("done", "case", 2)
    (answer,) = trusting.sent("answer")
    assert answer.message.recipients == ("sue@acme.example",)
    assert answer.message.subject == "[#2] Your order"
    case = trusting.case(2)
    assert (case["title"], case["contact"]["email"], case["organisation"], case["sla"], case["priority"], case["assignee"]) == (
        "Your order", "sue@acme.example", "Acme Ltd", "Gold", "high", "alice",
    )  # fmt: skip
    assert case["first_response_at"] is not None
    message_id = header(answer, "Message-ID")
    reply = trusting.room.receive(mail("Thank you.", sender="sue@acme.example", headers=[f"In-Reply-To: {message_id}"]))
    assert reply.case == 2


def test_seed_002_add_case_and_send_email_fulfils_the_first_response(trusting: Team) -> None:
    trusting.new("#new sue@home.example\n\nDear Sue,\n\nas discussed.", subject="Your order")
    (answer,) = trusting.sent("answer")
    assert trusting.case(2)["sla_state"]["first_response"] == {
        "status": "fulfilled", "due_at": "2026-11-23T14:00:00Z", "elapsed": 0,
    }  # fmt: skip
    trusting.room.later(hours=1)
    reply = mail("When?", sender="sue@home.example", headers=[f"In-Reply-To: {header(answer, 'Message-ID')}"])
    assert trusting.room.receive(reply, mail_from="sue@home.example").case == 2
    assert trusting.case(2)["sla_state"]["first_response"]["status"] == "fulfilled"


def test_silent_mails_nobody_outside(trusting: Team) -> None:
    trusting.new("#new sue@acme.example\n#silent\n#channel phone\nShe has called about her order.", subject="Call")
    assert {one.message.kind.value for one in trusting.sent()} <= {"receipt", "notification"}
    case = trusting.case(2)
    assert (case["summary"], case["channel"], case["first_response_at"]) == ("She has called about her order.", "phone", None)


FORWARD = """{above}
---------- Forwarded message ---------
From: Sue Roe <sue@acme.example>
Date: Mon, 23 Nov 2026 at 09:00
Subject: Printer
To: Alice Ng <alice@example.com>

The printer is on fire.
"""


def test_a_forwarded_mail_becomes_the_customers_case(trusting: Team) -> None:
    entry = trusting.new(FORWARD.format(above="#assign bob\nShe is a good customer."), subject="Fwd: Printer")
    assert tell(entry) == ("done", "case", 2)
    case = trusting.case(2)
    assert (case["contact"]["email"], case["assignee"], case["title"]) == ("sue@acme.example", "bob", "Printer")
    assert trusting.stream("note", 2) == ["She is a good customer."]
    assert "The printer is on fire." in trusting.stream("message", 2)[0]
    sent = trusting.sent()
    assert {one.message.kind.value for one in sent} == {"notification", "receipt"}


def test_who_hears_of_a_forwarded_mail_reads_whose_it_is_and_who_passed_it_on(trusting: Team) -> None:
    trusting.new(FORWARD.format(above="She is a good customer."), subject="Fwd: Printer")
    told = [one.message.text for one in trusting.sent("notification") if "New case from" in one.message.text]
    assert told and all("New case from Sue Roe, passed on by Alice Ng." in text for text in told)


def test_a_forward_of_nobody_known_is_asked_about(trusting: Team) -> None:
    entry = trusting.new("See below.\n\nThe printer is on fire.", subject="Fwd: Printer")
    assert entry.disposition == "returned"
    (back,) = trusting.sent()
    assert "#new" in back.message.text
    assert trusting.room.numbers() == [1]


def test_an_agents_own_matter_is_an_internal_case(trusting: Team) -> None:
    entry = trusting.new("#priority high\nThe coffee machine is broken.", subject="Coffee")
    assert tell(entry) == ("done", "case", 2)
    case = trusting.case(2)
    assert (case["contact"], case["owner"], case["priority"]) == (None, "alice", "high")


def test_commands_without_a_case_are_refused_and_questions_are_answered(trusting: Team) -> None:
    assert trusting.new("#take", subject="x").disposition == "returned"
    assert trusting.new("#list group", subject="y").disposition == "commands"
    (receipt,) = trusting.sent()
    assert "It does not work" in receipt.message.text
    assert trusting.room.numbers() == [1]


def test_bcc_lets_somebody_take_part_whom_nobody_sees_until_they_are_taken_out(trusting: Team) -> None:
    trusting.alice("#bcc boss@acme.example\n\nWe are looking into it.", headers=[PROVEN])
    (answer,) = trusting.sent("answer")
    assert set(answer.message.recipients) == {"jo@home.example", "boss@acme.example"}
    assert not any("boss@" in value for _, value in answer.message.headers) and "boss@" not in answer.message.text
    assert {"name": None, "email": "boss@acme.example", "role": "bcc"} in trusting.case()["contacts"]
    trusting.alice("#bcc -boss@acme.example\n\nIt works again.", headers=[PROVEN])
    assert trusting.sent("answer")[0].message.recipients == ("jo@home.example",)
    trusting.alice("#undo", headers=[PROVEN])
    assert {"name": None, "email": "boss@acme.example", "role": "bcc"} in trusting.case()["contacts"]


def test_organisation_says_whose_matter_a_case_is(trusting: Team) -> None:
    trusting.alice("#organisation acme ltd", headers=[PROVEN])
    assert trusting.case()["organisation"] == "Acme Ltd"
    assert trusting.alice("#organisation Nobody Inc", headers=[PROVEN]).disposition == "returned"
    assert "there is no organisation 'Nobody Inc'" in trusting.sent()[0].message.text


def test_history_lists_every_case_of_a_person_newest_first(trusting: Team) -> None:
    trusting.room.receive(mail("The phone is dead.", sender="jo@home.example", subject="The phone"))
    trusting.sent()
    assert trusting.new("#history jo@home.example", subject="x").disposition == "commands"
    (answer,) = trusting.sent()
    text = answer.message.text
    assert text.index("The phone") < text.index("It does not work")
    trusting.new("#history nobody@acme.example", subject="x")
    assert "no cases" in trusting.sent()[0].message.text


def test_list_waiting_shows_what_waits_for_somebody(trusting: Team) -> None:
    trusting.new("#list waiting", subject="x")
    assert "no cases" in trusting.sent()[0].message.text
    assert trusting.alice("#wait", headers=[PROVEN]).disposition == "commands"
    assert trusting.case()["status"] == "wait_for_customer"
    trusting.sent()
    trusting.new("#list waiting", subject="x")
    assert "wait_for_customer" in trusting.sent()[0].message.text


def test_an_answer_already_given_is_kept_and_sent_to_nobody(trusting: Team) -> None:
    """EspoCRM's and Vtiger's Bcc: the agent wrote to the customer directly, with the group address on Cc."""
    entry = trusting.new("Dear Sue,\n\nas discussed.", to="Sue Roe <sue@acme.example>", headers=["Cc: support@example.com"], subject="Offer")
    assert tell(entry) == ("done", "case", 2)
    assert trusting.sent("answer") == []
    case = trusting.case(2)
    assert (case["assignee"], case["contact"]["email"]) == ("alice", "sue@acme.example")
    assert case["first_response_at"] is not None
    assert [m["direction"] for m in case["messages"]] == ["in"]
    receipt = trusting.mail_to("alice@example.com", 2, "receipt")
    assert "put support@example.com into Reply-To" in receipt.message.text


# --- automatic mail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("I am out of office until Monday.", ["Auto-Submitted: auto-replied"]),
        ("I am out of office until Monday.", ["X-Autoreply: yes"]),
        ("#resolve\nDone.", ["Auto-Submitted: auto-generated"]),
    ],
)
def test_automatic_mail_of_an_agent_is_never_an_answer_nor_a_command(team: Team, body: str, headers: list[str]) -> None:
    before = team.case()["status"]
    entry = team.alice(body, headers=headers)
    assert tell(entry) == ("done", "answer", 1)
    assert team.sent() == []
    assert team.stream("message")[-1].startswith("automatic mail of Alice Ng")
    assert team.case()["status"] == before
    assert team.case()["first_response_at"] is None


def test_an_absence_note_without_headers_is_known_by_its_words(team: Team) -> None:
    about = team.mail_to("alice@example.com")
    team.room.fresh()
    entry = team.room.receive(
        mail(
            "I am out of the office until Monday. In urgent cases please contact my colleagues.", sender=ALICE,
            subject=f"Automatic reply: {about.message.subject}", headers=[f"In-Reply-To: {header(about, 'Message-ID')}"],
        ),
        mail_from="alice@example.com",
    )
    assert entry.disposition == "answer"
    assert team.sent() == []


def test_what_exchange_puts_on_peoples_mail_counts_for_nothing(team: Team) -> None:
    team.alice("Please change the fuse.", headers=["X-Auto-Response-Suppress: All", "Precedence: bulk"])
    assert len(team.sent("answer")) == 1


# --- who may ----------------------------------------------------------------------------------------------------


def test_cases_of_other_groups_are_not_an_agents(sqlite: Store, rooms: Rooms) -> None:
    team = Team(rooms(sqlite, main=TRUST, directory={"users": {"dave": {"name": "Dave", "email": "dave@example.com"}}}))
    team.customer()
    dave = "Dave <dave@example.com>"
    assert team.new("#take", dave, "[#1] x").disposition == "returned"
    (back,) = team.sent()
    assert "belongs to support" in back.message.text
    assert team.new("#show 1", dave, "x").disposition == "returned"
    team.new("#search work", dave, "x2")
    assert "no cases" in team.sent()[0].message.text
    assert team.new("#take", CAROL, "[#1] x").disposition == "commands", "the group's manager"


def test_a_manager_sees_other_groups_but_not_private_mailboxes(sqlite: Store, rooms: Rooms) -> None:
    users = {"dave": {"name": "Dave", "email": "dave@example.com", "role": "manager"},
             "erin": {"name": "Erin", "email": "erin@example.com", "role": "admin"}}  # fmt: skip
    team = Team(rooms(sqlite, main={**TRUST, "mailboxes": {"billing": {"private": True}}}, directory={"users": users}))
    team.customer()
    team.room.receive(mail(to="billing@example.com"), ["billing@example.com"])
    assert team.new("#tag x", "Dave <dave@example.com>", "[#1] x").disposition == "commands"
    assert team.new("#tag x", "Dave <dave@example.com>", "[#2] x").disposition == "returned"
    assert team.new("#tag x", "Erin <erin@example.com>", "[#2] x").disposition == "commands"


# --- was this you? ----------------------------------------------------------------------------------------------


def test_an_agent_who_is_not_believed_is_asked_and_their_yes_releases_the_mail(trusting: Team) -> None:
    team = trusting
    team.room.fresh()
    entry = team.alice("#take\nDear Jo, change the fuse.")
    assert entry.state.value == "held"
    assert entry.reason.startswith("not proven to be alice")
    (question,) = team.sent()
    assert question.message.recipients == ("alice@example.com",)
    assert question.message.subject == "Was this you? Re: [#1] It does not work"
    assert "It orders: #take" in question.message.text
    assert team.case()["assignee"] is None
    said = team.answer(question, "yes")
    assert said.disposition == "commands"
    team.room.work()
    assert tell(team.room.entry(entry.id)) == ("done", "answer", 1)
    assert team.case()["assignee"] == "alice"
    assert [one.message.recipients for one in team.sent("answer")] == [("jo@home.example",)]
    assert team.answer(question, "yes").disposition == "ignored", "once"


@pytest.mark.parametrize(
    ("body", "sender", "headers", "released"),
    [
        ("yes", ALICE, [], True),
        ("Ja, das war ich.", ALICE, [], True),
        ("no", ALICE, [], False),
        ("That was not me!", ALICE, [], False),
        ("yes", BOB, [], False),
        ("yes", "Mallory <m@evil.example>", [], False),
        ("yes", ALICE, ["Auto-Submitted: auto-replied"], False),
        ("I am out of the office until Monday. In urgent cases please contact my colleagues, who will help you.", ALICE, [], False),
    ],
)
def test_only_the_agents_own_answer_to_the_one_time_mail_releases(
    trusting: Team, body: str, sender: str, headers: list[str], released: bool
) -> None:
    entry = trusting.alice("#take")
    question = trusting.mail_to("alice@example.com", kind="refused")
    trusting.answer(question, body, sender, headers=headers)
    trusting.room.work()
    assert (trusting.room.entry(entry.id).state.value == "done") is released
    assert (trusting.case()["assignee"] == "alice") is released


def test_a_guessed_confirmation_releases_nothing(trusting: Team) -> None:
    entry = trusting.alice("#take")
    question = trusting.mail_to("alice@example.com", kind="refused")
    token = header(question, "References").split()[0]
    forged = token.replace(".1.", ".2.")
    assert forged != token
    trusting.room.receive(mail("yes", sender=ALICE, headers=[f"In-Reply-To: {forged}"]), mail_from="alice@example.com")
    trusting.room.work()
    assert trusting.room.entry(entry.id).state.value == "held"


def test_three_unproven_mails_in_an_hour_are_told_to_the_admins(trusting: Team) -> None:
    for _ in range(4):
        trusting.alice("#take")
    told = [one for one in trusting.room.outgoing() if one.message.recipients == ("root@example.com",)]
    assert len(told) == 1
    assert "in the name of alice" in told[0].message.subject


def test_the_links_in_a_notification_work_for_a_day_where_no_server_proves_anybody(team: Team) -> None:
    about = team.mail_to("alice@example.com")
    links = re.findall(r'href="(mailto:[^"]+)"', about.message.html)
    take = next(link for link in links if "%23take" in link)
    asked = parse_qs(urlsplit(unescape(take)).query)
    (subject,), (body,) = asked["subject"], asked["body"]

    def click(sender: str, body: str) -> str:
        return team.room.receive(mail(body, sender=sender, subject=subject), mail_from="x@example.com").disposition

    assert click(BOB, body) == "held", "it is Alice's"
    assert click(ALICE, "#take") == "held", "without the word"
    assert click(ALICE, body.replace("#take", "#spam").replace(".1.", ".2.", 1)) == "held", "changed"
    assert click(ALICE, body) == "commands"
    assert team.case()["assignee"] == "alice"
    team.room.later(days=1, seconds=1)
    assert click(ALICE, body) == "held", "too old"


# --- the identity matrix ----------------------------------------------------------------------------------------

FROMS = {
    "alice": ("Alice Ng <alice@example.com>",),
    "bob": ("Bob Roy <bob@example.com>",),
    "two in one": ("Alice Ng <alice@example.com>, Mallory <m@evil.example>",),
    "two fields": ("Alice Ng <alice@example.com>", "Mallory <m@evil.example>"),
    "look-alike": ('"alice@example.com" <m@evil.example>',),
    "stranger": ("Mallory <m@evil.example>",),
}
RESULTS = {
    "none": (),
    "pass": (PROVEN,),
    "fail": (PROVEN.replace("pass", "fail"),),
    "auth": ("Authentication-Results: mx.example.com; auth=pass smtp.auth=alice@example.com",),
    "auth of bob": ("Authentication-Results: mx.example.com; auth=pass smtp.auth=bob@example.com",),
    "of another server": (TRUSTED.replace("mx.example.com", "mx.evil.example").format("example.com"),),
    "of another domain": (TRUSTED.format("evil.example"),),
    "unaligned dkim": ("Authentication-Results: mx.example.com; dkim=pass header.d=evil.example",),
    "aligned dkim": ("Authentication-Results: mx.example.com; dkim=pass header.d=example.com",),
}
TOKENS = ("alice's", "bob's", "outside", "none", "broken")
LOGINS = (None, "alice", "bob")


def may_be_believed(who: str, result: str, token: str, login: str | None, trust: bool, trusted_door: bool) -> bool:
    """The contract's sentence, written down a second time: whether `who` may act in this mail at all."""
    if who not in {"alice", "bob"}:
        return False
    if login == who:
        return True
    if login is not None:
        return False
    if not trust:
        return token == f"{who}'s"
    if not trusted_door:
        return False
    if result == "auth":
        return who == "alice"
    if result == "auth of bob":
        return who == "bob"
    return result in {"pass", "aligned dkim"}


def combinations(trust: bool) -> list[tuple[str, str, str, str | None, bool]]:
    """(From, Authentication-Results, token, SMTP AUTH, whether the door's results may be believed), all that differ."""
    return [
        (who, result, token, login, door)
        for who, result, token, login, door in itertools.product(FROMS, RESULTS, TOKENS, LOGINS, (True, False))
        if (trust or result in {"none", "pass"}) and (token != "broken" or login is None)
    ]


@pytest.mark.parametrize("trust", [True, False])
def test_no_command_is_believed_that_should_not_be(sqlite: Store, rooms: Rooms, trust: bool) -> None:
    """A part of the combinations through the whole mailroom: each mail's `#tag` is on the case, or it is not."""
    room = rooms(sqlite, main=TRUST if trust else {})
    room.receive(mail())
    with sqlite.write() as connection:
        readers = {"alice's": people.reader_number(connection, "alice"), "bob's": people.reader_number(connection, "bob")}
    tried = combinations(trust)[:: 6 if trust else 3]  # 5 and 13 would meet the same tokens again and again
    for number, (who, result, token, login, door) in enumerate(tried):
        headers = [*RESULTS[result], *(f"From: {one}" for one in FROMS[who])]
        if token != "none":
            message_id = room.signed_id(1, readers.get(token, 0))
            if token == "broken":
                message_id = message_id.replace(".1.", ".2.", 1)
                assert verify_id(room.office.keyring, message_id) is None
            headers.append(f"References: <{message_id}>")
        raw = mail(f"#tag seen{number}", sender=None, subject="Re: [#1] It does not work", headers=headers)
        envelope = Envelope(Door.SMTP, "x@example.com", ("support@example.com",), raw, room.now, login=login, trusted=door)
        with sqlite.write() as connection:
            spool.accept(connection, [arrival(envelope, room.office.addresses)])
    room.work()
    tags = set(room.case(1)["tags"])
    faults = [one for number, one in enumerate(tried) if (f"seen{number}" in tags) is not may_be_believed(*one[:4], trust, one[4])]
    assert len(tried) > 100
    assert not faults


@pytest.mark.parametrize("trust", [None, Trust(authserv_id="mx.example.com")])
def test_nor_in_any_other_combination(trust: Trust | None) -> None:
    """All of them, without a database: who is believed is decided from the mail alone."""
    users = {
        "alice": User(name="Alice Ng", email=("alice@example.com",)), "bob": User(name="Bob Roy", email=("bob@example.com",)),
    }  # fmt: skip
    tried = combinations(trust is not None)
    faults = []
    for who, result, token, login, door in tried:
        headers = [*RESULTS[result], *(f"From: {one}" for one in FROMS[who])]
        message = parse(mail("#take", sender=None, headers=headers))
        identity = identify(message, "x@example.com", frozenset({"support@example.com"}))
        results = authenticate(message, trust.authserv_id if trust else None, door, identity.address)
        believed = {
            key for key, user in users.items()
            if believe(
                message, identity, results, key=key, user=user, trust=trust, login=login, door=Door.SMTP,
                others=frozenset({"alice", "bob", "alice@example.com", "bob@example.com"} - {key, user.email[0]}),
                token_is_theirs=token == f"{key}'s",
            ).by
        }  # fmt: skip
        if believed != ({who} if may_be_believed(who, result, token, login, trust is not None, door) else set()):
            faults.append((who, result, token, login, door, believed))
    assert len(tried) >= (1000 if trust else 200)
    assert not faults


# --- the lone status --------------------------------------------------------------------------------------------


def ask_status(room: Room, body: str = "status\n", subject: str = "Question", **how: Any) -> SpoolEntry:
    room.fresh()
    headers = how.pop("headers", [TRUSTED.format("home.example")])
    return room.receive(mail(body, subject=subject, headers=headers, **how))


def test_a_lone_status_is_answered_with_the_customers_own_open_cases(trusting: Team) -> None:
    team = trusting
    team.customer("Somebody else's.", sender="sue@b.example", subject="Secret")
    team.customer("A bill.", subject="Bill", to="billing@example.com")
    entry = ask_status(team.room)
    assert entry.disposition == "ignored"
    (answer,) = team.sent()
    assert (answer.message.kind.value, answer.message.recipients) == ("status", ("jo@home.example",))
    assert "It does not work" in answer.message.text
    assert "Secret" not in answer.message.text
    before = team.room.numbers()
    assert ask_status(team.room, "Status?", "Status").disposition == "case", "once an hour; then it is a mail like any"
    team.room.later(minutes=61)
    assert ask_status(team.room, "", "Status").disposition == "ignored"
    assert len(team.room.numbers()) == len(before) + 1


@pytest.mark.parametrize(
    ("body", "subject", "headers"),
    [
        ("status", "Question", []),  # not authenticated
        ("What is the status of my order?", "Question", [TRUSTED.format("home.example")]),
        ("status", "Question", [TRUSTED.format("home.example").replace("pass", "fail")]),
        ("The printer is on fire, please come at once.", "Status", [TRUSTED.format("home.example")]),
    ],
)
def test_any_other_mail_is_a_mail_like_any(trusting: Team, body: str, subject: str, headers: list[str]) -> None:
    assert ask_status(trusting.room, body, subject, headers=headers).disposition == "case"
    assert "status" not in {one.message.kind.value for one in trusting.sent()}


def test_in_an_answer_the_word_is_a_message_like_any_other(trusting: Team) -> None:
    first = trusting.case()["messages"][0]["message_id"]
    entry = ask_status(trusting.room, headers=[TRUSTED.format("home.example"), f"In-Reply-To: <{first}>"])
    assert tell(entry) == ("done", "answer", 1)


# --- forwards -----------------------------------------------------------------------------------------------------

GMAIL = "---------- Forwarded message ---------\nFrom: Kim Lee <kim@cust.example>\nDate: Mon, 23 Nov 2026 at 10:00\nSubject: Chair\nTo: alice@example.com\n\nMy chair broke.\n"
OUTLOOK = "From: Kim Lee <kim@cust.example>\nSent: Monday, 23 November 2026 10:00\nTo: Alice Ng\nSubject: Chair\n\nMy chair broke.\n"
APPLE = "Anfang der weitergeleiteten Nachricht:\n\nVon: Kim Lee <kim@cust.example>\nBetreff: Stuhl\nDatum: heute\nAn: alice@example.com\n\nMy chair broke.\n"
INNER = (
    "--b\nContent-Type: text/plain\n\n{}\n--b\nContent-Type: message/rfc822\n\nFrom: Kim Lee <kim@cust.example>\nSubject: Chair\n"
    "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nMy chair broke.=20\n--b--\n"
)


@pytest.mark.parametrize("form", [GMAIL, OUTLOOK, APPLE, INNER], ids=["gmail", "outlook", "apple", "attached"])
def test_what_an_agent_writes_above_a_forward_is_never_the_customers_words(trusting: Team, form: str) -> None:
    above = "#priority high\n\nHe never pays, be careful."
    body = form.format(above) if form is INNER else f"{above}\n\n{form}"
    headers = ["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"'] if form is INNER else []
    entry = trusting.new(body, subject="Fwd: Chair", headers=headers)
    case = trusting.case(entry.case or 0)
    assert (case["contact"], case["priority"]) == ({"name": "Kim Lee", "email": "kim@cust.example"}, "high")
    (message,) = case["messages"]
    assert (message["from"]["email"], message["kind"]) == ("kim@cust.example", "customer")
    public = [one["text"] for one in case["stream"] if one["public"]] + [message["text"]]
    assert all("My chair broke." in one for one in public)
    assert "never pays" not in str(public)
    assert "#priority" not in str(public)
    assert [one["text"] for one in case["stream"] if one["type"] == "note"] == ["He never pays, be careful."]


def test_an_answer_on_behalf_leaves_the_status_that_answers_leave(sqlite: Store, rooms: Rooms) -> None:
    team = Team(rooms(sqlite, main={"agents": {"trust": {"authserv_id": "mx.example.com"}, "after_reply": "wait_for_customer"}}))
    assert team.new("#new sue@acme.example\n\nWhich colour?").case == 1
    assert team.case()["status"] == "wait_for_customer"
    assert team.new("#new sue@acme.example\n#silent\n\nShe called.").case == 2
    assert team.case(2)["status"] == "new"
    told = [one for one in team.sent("notification") if one.message.case == 2]
    assert "New case from Alice Ng.\n" in told[0].message.text, "Alice is not of Acme"


# --- who has it -------------------------------------------------------------------------------------------------


def test_take_tells_the_others_in_the_group_by_one_line(team: Team) -> None:
    team.alice("#take")
    (told,) = team.sent("notification")
    assert told.message.recipients == ("bob@example.com",)
    assert "Alice Ng has taken this case." in told.message.text
    assert told.message.text.startswith("Your reply stays internal")
    assert "it does not work" not in told.message.text
    team.bob("#assign bob")  # once told is enough: now it is between the two
    (told,) = team.sent("notification")
    assert (told.message.recipients, "Bob Roy has taken this case." in told.message.text) == (("alice@example.com",), True)


def test_assigning_it_to_somebody_tells_them_and_in_one_line_the_rest_of_the_group(team: Team) -> None:
    team.alice("#assign carol")
    told = {one.message.recipients[0]: one.message.text for one in team.sent("notification")}
    assert sorted(told) == ["bob@example.com", "carol@example.com"]
    assert "Alice Ng has given this case to you." in told["carol@example.com"]
    assert "Alice Ng has given this case to Carol Wu." in told["bob@example.com"]


def test_answering_takes_a_new_case_without_mail_to_the_group(team: Team) -> None:
    team.alice("Please try again.")
    assert team.sent("notification") == []


def test_a_case_that_is_given_back_or_to_another_group_is_told_to_the_group(team: Team) -> None:
    team.alice("#take")
    team.alice("#drop")
    (told,) = team.sent("notification")
    assert (told.message.recipients, "Alice Ng has given this case to support." in told.message.text) == (("bob@example.com",), True)
    team.alice("#group billing")
    (told,) = team.sent("notification")
    assert (told.message.recipients, "Alice Ng has given this case to billing." in told.message.text) == (("carol@example.com",), True)


def test_the_first_line_names_those_on_cc_too(team: Team) -> None:
    team.alice("#cc sue@acme.example\n#cc max@acme.example\nPlease try again.")
    team.room.receive(
        mail("It works.", subject="Re: [#1] It does not work", headers=[f"In-Reply-To: <{team.room.signed_id(1)}>"])
    )
    (told,) = team.sent("notification")
    assert told.message.text.startswith("Your reply goes to Jo Doe, Cc max@acme.example, sue@acme.example\n")


def test_s24_whom_a_customer_brings_in_is_named_and_can_be_left_out(team: Team) -> None:
    """S24: whoever forges the customer's answer and puts themselves on Cc would read what the agent answers."""
    team.room.receive(
        mail("Please send it again.", subject="Re: [#1] It does not work",
             headers=[f"In-Reply-To: <{team.room.signed_id(1)}>", "Cc: Mal <mal@evil.example>"])
    )  # fmt: skip
    told = next(one for one in team.sent("notification") if "Jo Doe has answered." in one.message.text)
    assert "! new on Cc, and your answer goes to them too: mal@evil.example; #cc -mal@evil.example leaves them out\n" in told.message.text
    team.alice("#cc -mal@evil.example\nHere it is.")
    sent = team.sent()
    assert [one.message.recipients for one in sent if one.message.kind.value == "answer"] == [("jo@home.example",)]
    assert "mal@evil.example takes no part any more" in next(one.message.text for one in sent if one.message.kind.value == "receipt")
    team.alice("#undo")
    assert "mal@evil.example" in [one["email"] for one in team.case()["contacts"]]


@pytest.mark.parametrize(("who", "why"), [("jo@home.example", "the case is jo@home.example's"), ("sue@b.example", "takes no part in case 1")])
def test_only_who_is_on_cc_can_be_left_out(team: Team, who: str, why: str) -> None:
    team.alice(f"#cc -{who}\nHello")
    (back,) = team.sent("refused")
    assert why in back.message.text


def test_show_and_reminders_go_by_the_agents_own_clock(sqlite: Store, rooms: Rooms) -> None:
    team = Team(rooms(sqlite, directory={"users": {"alice": {"timezone": "Asia/Tokyo"}}}))
    team.customer()
    team.alice("#remind tomorrow 14:30 call Jo\n#show")
    (receipt,) = team.sent("receipt")
    assert "you will be reminded on 2026-11-24 at 14:30: call Jo" in receipt.message.text
    assert "2026-11-23 19:00  message by" in receipt.message.text


@pytest.mark.parametrize(
    ("written", "due"),
    [
        ("today", "2026-11-23 at 17:00"), ("heute", "2026-11-23 at 17:00"), ("tomorrow", "2026-11-24 at 09:00"),
        ("Friday", "2026-11-27 at 09:00"), ("next monday", "2026-11-30 at 09:00"), ("+2d", "2026-11-25 at 11:00"),
        ("in 2 days", "2026-11-25 at 11:00"), ("the day after tomorrow at 8:15", "2026-11-25 at 08:15"),
        ("next week", "2026-11-30 at 09:00"), ("1.12.2026 um 14:00", "2026-12-01 at 14:00"),
    ],
)  # fmt: skip
def test_remind_understands_days_as_people_say_them(team: Team, written: str, due: str) -> None:
    team.alice(f"#remind {written}: call Jo")
    (receipt,) = team.sent("receipt", "refused")
    assert f"you will be reminded on {due}: call Jo" in receipt.message.text


@pytest.mark.parametrize("line", ["Bob wrote:", "Bob Roy wrote:", "Jo Doe schrieb:", "Jo Doe via Example Support wrote:"])
def test_what_stands_below_a_line_that_says_who_wrote_is_cut_from_an_answer(team: Team, line: str) -> None:
    team.alice(f"Please try again.\n\n{line}\n\nThe customer is a nuisance, I think.\n", quote=False)
    (answer,) = team.sent("answer")
    assert answer.message.text.strip() == "Please try again."


@pytest.mark.parametrize("line", ["The manual wrote this in 2019:", "As I wrote to Bob:", "You wrote:"])
def test_what_the_agent_says_of_others_is_not_cut(team: Team, line: str) -> None:
    team.alice(f"Dear Jo,\n\n{line}\n\nswitch it off and on.\n", quote=False)
    (answer,) = team.sent("answer")
    assert "switch it off and on." in answer.message.text
