"""Sentences of the contract, tried on a running daemon: a broken file, a closed case, history, held mail, bounces."""

from __future__ import annotations

import mailbox
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from builders import mail

if TYPE_CHECKING:
    from running import Daemon, Received

Daemons = Callable[..., "Daemon"]


def started(daemons: Daemons, **parts: Any) -> Daemon:
    daemon = daemons(**parts)
    daemon.sink.up()
    daemon.start()
    return daemon


def acknowledged(daemon: Daemon, address: str = "jo@home.example") -> Received:
    """The automatic answer that this address has got last."""

    def found() -> Received | None:
        return next((one for one in reversed(daemon.sink.to(address)) if one.mail["Auto-Submitted"] == "auto-replied"), None)

    answer: Received = daemon.until(found, f"an acknowledgement to {address}")
    return answer


# --- 3: reload is all or nothing --------------------------------------------------------------------------------


def test_a_fault_in_maild_yaml_is_shown_by_status_and_the_old_configuration_stays(daemons: Daemons) -> None:
    daemon = started(daemons)
    good = daemon.until(lambda: daemon.json("status")["configuration"]["hash"], "the first heartbeat")
    path = daemon.config / "maild.yaml"
    sound = path.read_text()
    path.write_text(sound.replace("mailboxes:", "mailboxs:"))
    told = daemon.maild("status", status=1).stdout.decode()  # also before anybody asks for a reload
    assert "mailboxs" in told
    refused = daemon.maild("reload", "--wait", status=1).stderr.decode()
    assert "mailboxs" in refused
    assert good[:12] in refused
    shown = daemon.json("status")
    assert shown["configuration"]["hash"] == good
    assert "mailboxs" in shown["configuration"]["fault"]
    assert daemon.send() == {}
    path.write_text(sound)
    daemon.settle(1)
    daemon.maild("reload", "--wait")
    assert daemon.json("status")["configuration"]["fault"] is None
    assert len(daemon.json("case", "list")) == 1


def test_directory_yaml_serves_as_last_loaded_while_it_is_broken(daemons: Daemons) -> None:
    daemon = started(daemons)
    daemon.send()
    daemon.settle(1)
    (daemon.config / "directory.yaml").write_text("users: {alice: {nme: Alice}}\n")
    listed = daemon.maild("case", "list", "--json")
    assert b"directory.yaml" in listed.stderr
    assert "alice" in {one["user"] for one in daemon.json("user", "list")}
    daemon.maild("--as", "alice", "case", "assign", "1", "alice")
    assert daemon.json("case", "show", "1")["assignee"] == "alice"


# --- 5: a closed case, and who gets nothing back ----------------------------------------------------------------


def closed(daemon: Daemon, number: int) -> None:
    daemon.maild("case", "set", str(number), "status=closed", "reason=spam")


def test_an_unknown_persons_answer_to_a_closed_case_keeps_its_contact_and_gets_nothing_back(daemons: Daemons) -> None:
    daemon = started(daemons)
    daemon.send()
    ours = acknowledged(daemon).mail["Message-ID"]
    closed(daemon, 1)
    raw = mail("Me too.\n", sender="zed@other.example", subject="Re: hello", headers=[f"In-Reply-To: {ours}"])
    daemon.send(raw, sender="zed@other.example")
    daemon.settle(2)
    case = daemon.json("case", "show", "2")
    assert case["links"] == [{"type": "follows", "number": 1}]
    assert case["contact"]["email"] == "jo@home.example"
    assert [one["email"] for one in case["contacts"]] == ["jo@home.example"]
    assert "the sender is not known in the case" in str(case["stream"])
    daemon.maild("--as", "alice", "case", "reply", "2", "We look into it.")
    daemon.until(lambda: [one for one in daemon.sink.to("jo@home.example") if "look into" in str(one.mail)], "the answer")
    assert daemon.sink.to("zed@other.example") == []


def test_the_notification_of_a_follow_up_names_the_closed_case(daemons: Daemons) -> None:
    daemon = started(daemons)
    daemon.send()
    ours = acknowledged(daemon).mail["Message-ID"]
    closed(daemon, 1)
    daemon.send(mail("Again.\n", subject="Re: hello", headers=[f"In-Reply-To: {ours}"]))

    def told() -> list[str]:
        bodies = [one.mail.get_body(("plain",)) for one in daemon.sink.to("alice@example.com")]
        return [text for body in bodies if body is not None and "answered closed case" in (text := body.get_content())]

    assert "answered closed case 1;" in daemon.until(told, "the notification")[0]


# --- 4: bounces meet only rules that name their kind -------------------------------------------------------------

BOUNCE = """\
From: MAILER-DAEMON@mx.example
Subject: Undelivered
Message-ID: <bounce@mx.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; jo@home.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b
Content-Type: message/rfc822

Message-ID: {ours}
Subject: x

x
--b--
"""


def test_a_rule_that_names_the_kind_bounce_applies_to_bounces(daemons: Daemons) -> None:
    rules = [
        {"name": "every mail", "applies_to": "all", "case": {"tags": ["any"]}, "continue": True},
        {"name": "returned", "applies_to": "all", "when": {"kind": "bounce"}, "case": {"tags": ["returned"], "priority": "high"}},
    ]
    daemon = started(daemons, rules=rules)
    daemon.send()
    ours = acknowledged(daemon).mail["Message-ID"]
    daemon.send(BOUNCE.format(ours=ours).replace("\n", "\r\n").encode(), sender="")
    daemon.settle(2)
    (case,) = daemon.json("case", "list")
    assert case["tags"] == ["any", "returned"]
    assert case["priority"] == "high"
    assert daemon.json("contact", "list")[0]["undeliverable"]


# --- 2: history, and what was given up ---------------------------------------------------------------------------


def test_history_joins_its_threads_though_each_case_ends_closed(daemons: Daemons, tmp_path: Path) -> None:
    daemon = started(daemons)
    box = mailbox.mbox(str(tmp_path / "old.mbox"))
    for number, parent in ((1, ""), (2, "old1@home.example"), (3, "old2@home.example")):
        headers = [f"In-Reply-To: <{parent}>"] if parent else []
        box.add(mail(f"Part {number}.\n", subject="Old matter", message_id=f"old{number}@home.example", headers=headers))
    box.close()
    daemon.maild("import", str(tmp_path / "old.mbox"), "--to", "support@example.com")
    (case,) = daemon.json("case", "list")
    assert case["status"] == "closed"
    assert [one["text"].strip() for one in daemon.json("case", "show", "1")["messages"]] == ["Part 1.", "Part 2.", "Part 3."]
    daemon.maild("import", str(tmp_path / "old.mbox"), "--to", "support@example.com")
    assert len(daemon.json("case", "list")) == 1
    assert daemon.sink.mails == []
    daemon.audit()


def test_what_was_given_up_is_no_longer_listed_as_waiting(daemons: Daemons) -> None:
    daemon = started(daemons, rules=[{"name": "odd", "when": {"subject": "odd"}, "hold": {"reason": "odd"}}])
    daemon.send(mail(subject="odd"))
    daemon.settle(1)
    (held,) = daemon.json("spool", "list")
    assert (held["state"], held["reason"]) == ("held", "odd")
    daemon.maild("spool", "discard", held["id"])
    assert daemon.json("spool", "list") == []
    assert [one["id"] for one in daemon.json("spool", "list", "--all")] == [held["id"]]
    assert not [one for one in daemon.json("status")["needs"] if "held" in one]


@pytest.mark.parametrize("words", [("--status", "nosuch"), ("--priority", "nosuch"), ("--nosuch", "x")])
def test_wrong_usage_is_exit_2(daemons: Daemons, words: tuple[str, ...]) -> None:
    daemons().maild("case", "list", *words, status=2)
