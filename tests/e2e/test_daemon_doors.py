"""Mail through the doors of a running daemon: what gets 250 becomes a case, and the answer goes out."""

from __future__ import annotations

import re
import shutil
import smtplib
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from builders import mail
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from running import Daemon

SMTP_SOURCE = shutil.which("smtp-source", path="/usr/sbin:/usr/bin:/usr/local/bin")


def title_of(shared: Daemon, title: str) -> dict[str, object]:
    found = [one for one in shared.json("case", "list") if one["title"] == title]
    assert len(found) == 1
    return dict(found[0])


def accepted(shared: Daemon) -> int:
    return sum(shared.count().values())


def test_a_mail_by_smtp_becomes_a_case_and_is_acknowledged(shared: Daemon) -> None:
    shared.send(mail(subject="By SMTP", sender="Ann <ann@smtp.example>"), sender="ann@smtp.example")
    ack = shared.until(lambda: shared.sink.to("ann@smtp.example"), "the acknowledgement")[0]
    case = title_of(shared, "By SMTP")
    assert case["contact"] == {"name": "Ann", "email": "ann@smtp.example"}
    assert (ack.sender, str(ack.mail["Reply-To"])) == ("", "support@example.com")
    assert f"[#{case['number']}] Re: By SMTP" == str(ack.mail["Subject"])
    assert str(ack.mail["Auto-Submitted"]) == "auto-replied"
    assert ack.mail.get_content_type() == "multipart/alternative"
    shared.until(lambda: shared.sink.to("alice@example.com"), "the notification")

    shared.send(
        mail("And one more thing.\n", sender="ann@smtp.example", headers=[f"In-Reply-To: {ack.mail['Message-ID']}"]),
        sender="ann@smtp.example",
    )
    shared.settle()
    shown = shared.json("case", "show", str(case["number"]))
    assert [one["direction"] for one in shown["messages"]] == ["in", "out", "in"]


def test_a_mail_by_lmtp_has_an_answer_for_each_recipient(shared: Daemon) -> None:
    to = ["support@example.com", "nobody@example.com", "billing@example.com", "help@example.com"]
    with smtplib.LMTP(str(shared.lmtp), timeout=20) as client:
        client.ehlo_or_helo_if_needed()
        client.mail("jo@home.example")
        answers = [client.rcpt(one)[0] for one in to]
        assert answers == [250, 550, 250, 250]
        client.putcmd("data")
        assert client.getreply()[0] == 354
        client.send(mail(subject="By LMTP").replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")
        assert [client.getreply()[0] for _ in range(3)] == [250, 250, 250]
    shared.settle()
    assert title_of(shared, "By LMTP")["mailbox"] == "support"


def test_deliver_stores_and_says_67_or_75(shared: Daemon) -> None:
    before = accepted(shared)
    assert shared.maild("deliver", "--to", "support@example.com", "--from", "", stdin=mail(subject="By pipe")).stderr == b""
    shared.maild("deliver", "--to", "stranger@example.com", stdin=mail(), status=67)
    shared.maild("deliver", stdin=mail(), status=75)
    shared.maild("deliver", "--to", stdin=mail(), status=75)
    shared.maild("deliver", "--to", "support@example.com", "/nowhere", status=75)
    shared.settle(before + 1)
    assert accepted(shared) == before + 1
    held = [one for one in shared.json("spool", "list") if one["subject"] == "By pipe"]
    assert [(one["door"], one["mail_from"], one["state"]) for one in held] == [("pipe", "", "held")]


def test_s29_an_unknown_recipient_is_refused_at_once_and_found_by_trace(shared: Daemon) -> None:
    with smtplib.SMTP("127.0.0.1", shared.port, timeout=20) as client:
        client.ehlo()
        client.mail("eve@evil.example")
        code, text = client.rcpt("nobody-here@example.com")
        assert (code, text[:5]) == (550, b"5.1.1")
        assert client.docmd("DATA")[0] == 503
    shared.until(
        lambda: b"550" in shared.maild("trace", "nobody-here@example.com", status=None).stdout, "the refusal in the trace", 15
    )


def test_f2_the_same_mail_sent_again_is_one_entry(shared: Daemon) -> None:
    raw, before = mail(subject="Twice"), accepted(shared)
    for _ in range(3):
        shared.send(raw)
    shared.maild("deliver", "--to", "help@example.com", stdin=raw)
    shared.settle()
    assert accepted(shared) == before + 1
    title_of(shared, "Twice")


def test_f56_a_client_that_hangs_up_before_the_answer_is_stored_once(shared: Daemon) -> None:
    raw, before = mail(subject="Hung up"), accepted(shared)
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", shared.port), timeout=20) as one:
            stream = one.makefile("rb")
            stream.readline()
            for line in (b"HELO x", b"MAIL FROM:<jo@home.example>", b"RCPT TO:<support@example.com>", b"DATA"):
                one.sendall(line + b"\r\n")
                stream.readline()
            one.sendall(raw + b"\r\n.\r\n")
            stream.close()
    shared.settle(before + 1)
    assert accepted(shared) == before + 1


@pytest.mark.service
@pytest.mark.skipif(shutil.which("swaks") is None, reason="needs swaks: make test-services")
@pytest.mark.parametrize("how", ["smtp", "lmtp"])
def test_swaks_is_served(shared: Daemon, how: str) -> None:
    place = ["--server", "127.0.0.1", "--port", str(shared.port)] if how == "smtp" else ["--socket", str(shared.lmtp)]
    done = subprocess.run(
        ["swaks", *place, "--protocol", "ESMTP" if how == "smtp" else "LMTP", "--from", "swaks@home.example",
         "--to", "support@example.com,help@example.com", "--header", f"Subject: By swaks {how}", "--body", "hello",
         "--attach-type", "text/csv", "--attach", "@-", "--pipeline"],
        input=b"a;b\r\n", capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode()
    shared.settle()
    case = title_of(shared, f"By swaks {how}")
    shown = shared.json("case", "show", str(case["number"]))
    assert shown["messages"][0]["attachments"][0]["type"] == "text/csv"


@pytest.mark.service
@pytest.mark.skipif(SMTP_SOURCE is None, reason="needs Postfix's smtp-source: make test-services")
@pytest.mark.parametrize("how", ["smtp", "lmtp"])
def test_smtp_source_with_many_sessions_is_served(shared: Daemon, how: str) -> None:
    """All of its mails have one content, so they are one message: what counts is that each gets its 250."""
    before = accepted(shared)
    place = ["-4", f"127.0.0.1:{shared.port}"] if how == "smtp" else ["-L", f"unix:{shared.lmtp}"]
    done = subprocess.run(
        [str(SMTP_SOURCE), "-s", "10", "-m", "200", "-l", "3000", "-f", "source@home.example", "-t", "support@example.com",
         "-S", f"By smtp-source {how}", *place],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    shared.settle()
    assert accepted(shared) > before


def test_what_is_no_mail_is_refused_and_the_door_goes_on(shared: Daemon) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=20) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\x16\x03\x01\x00\xff" + b"\xff" * 2000 + b"\r\n")
        one.settimeout(5)
        said = b""
        while chunk := one.recv(4096):
            said += chunk
            if said.count(b"\r\n") > 3:
                break
    assert re.search(rb"\r\n5\d\d ", said)
    shared.send(mail(subject="After nonsense"))


def test_postmaster_is_always_taken(shared: Daemon) -> None:
    assert shared.send(mail(subject="To postmaster"), ["postmaster"]) == {}
    assert shared.send(mail(subject="To Postmaster"), ["PostMaster@Example.COM"]) == {}
    shared.until(lambda: len(shared.sink.to("root@example.com")) >= 2, "the mail to the admins")


TRACED = st.sampled_from(["From", "To", "Subject", "Message-ID", "Date", "Content-Type", "References", "Content-Transfer-Encoding"])
HEADER = st.tuples(TRACED, st.binary(max_size=60)).map(lambda pair: pair[0].encode() + b": " + pair[1])


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.binary(max_size=800), st.tuples(st.lists(HEADER, max_size=6), st.binary(max_size=200)).map(
    lambda pair: b"\r\n".join(pair[0]) + b"\r\n\r\n" + pair[1])))  # fmt: skip
def test_any_bytes_at_all_end_in_a_case_held_or_clearly_refused(shared: Daemon, raw: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", shared.port, timeout=20) as client:
        client.ehlo()
        assert client.mail("jo@home.example")[0] == 250
        assert client.rcpt("quiet@example.com")[0] == 250
        client.putcmd("data")
        assert client.getreply()[0] == 354
        stuffed = re.sub(rb"(?m)^\.", b"..", raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        client.send(stuffed + b"\r\n.\r\n")
        code, _ = client.getreply()
    assert code == 250 or 500 <= code < 560


def test_after_all_that_everything_ended_and_adds_up(shared: Daemon) -> None:
    shared.settle(within=60)
    counts = shared.count()
    assert set(counts) <= {"done", "held"}
    shared.audit()
    tried = [one for one in shared.json("spool", "list") if one["attempts"] != 1]
    assert tried == []
    noted = [one for one in shared.log() if one.get("event") in {"message.failed", "daemon.worker_died", "daemon.fault"} or "line" in one]
    assert noted == []


def test_no_words_of_a_mail_are_in_the_log(shared: Daemon) -> None:
    shared.send(mail("xylophone-in-the-body\n", subject="Logged"))
    shared.settle()
    assert "xylophone" not in Path(shared.folder / "log").read_text(errors="replace")
