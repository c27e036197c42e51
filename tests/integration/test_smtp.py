"""The SMTP door as clients meet it: honest ones, careless ones, and those that try to break in."""

from __future__ import annotations

import asyncio
import base64
import os
import resource
import shutil
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smtp_door import Client, OpenDoor, open_door

from maild.errors import MessageError, StoreFull, StoreUnavailable
from maild.ingest.smtp import serve
from maild.model.message import Door, Envelope
from maild.plain.certificates import Unusable
from maild.settings.models import SmtpDoor

MAIL = b"From: jo@a.example\r\nSubject: broken\r\n\r\nIt broke.\r\n"
ENDINGS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r.\r",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\n.\r",
    b"\r.\n",
    b"\r.\r\n",
    b"\r\n\x00.\r\n",
    b"\r\n.\x00\r\n",
]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[OpenDoor]:
    with open_door(tmp_path) as opened:
        yield opened


# --- taking mail ------------------------------------------------------------------------------------------------


def test_a_mail_is_stored_as_it_came_before_250_is_said(door: OpenDoor) -> None:
    with door.client() as client:
        client.begin("support@example.com", "sales@example.com", "support@example.com")
        client.send(MAIL + b"..dot\r\n...\r\n.\r\n")
        assert client.reply() == "250 2.0.0 Stored as id1"
    (mail,) = door.mails
    assert mail == Envelope(
        door=Door.SMTP, mail_from="jo@a.example", rcpt_tos=("support@example.com", "sales@example.com"),
        raw=MAIL + b".dot\r\n..\r\n", received_at=mail.received_at, client="127.0.0.1", trusted=True,
    )  # fmt: skip


def test_the_greeting_names_what_is_spoken(door: OpenDoor) -> None:
    with door.client() as client:
        assert client.greeting == "220 mx.example.com ESMTP maild"
        assert client.say("EHLO client.example").splitlines() == [
            "250-mx.example.com", "250-PIPELINING", f"250-SIZE {25 * 1024**2}", "250-8BITMIME", "250-SMTPUTF8",
            "250 ENHANCEDSTATUSCODES"]  # fmt: skip
        assert client.say("HELO client.example") == "250 mx.example.com"


def test_many_mails_go_over_one_connection_whatever_the_limit_on_commands(tmp_path: Path) -> None:
    with open_door(tmp_path, limits={"commands": 5}) as door, smtplib.SMTP(*door.listener.address) as client:
        for _ in range(40):
            client.sendmail("jo@a.example", ["support@example.com"], MAIL)
            client.rset()
        assert len(door.mails) == 40


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [
        ("", "support@example.com"),
        ("jo@a.example", "postmaster"),
        ("jo@a.example", "POSTMASTER@example.com"),
        ("root", "@relay.example:support@example.com"),
        ('"jo doe"@a.example', '"support"@example.com'),
        ("jo@[192.0.2.1]", "support@example.com"),
    ],
)
def test_addresses_in_every_form(door: OpenDoor, sender: str, recipient: str) -> None:
    with door.client() as client:
        client.begin(recipient, sender=sender)
        assert client.say(MAIL, ".").startswith("250 2.0.0")
    assert door.mails[0].mail_from == sender


def test_addresses_beyond_ascii(door: OpenDoor) -> None:
    with door.client() as client:
        client.say("EHLO client.example")
        assert client.say("MAIL FROM:<jürgen@a.example>").startswith("553 5.6.7")
        assert client.say("MAIL FROM:<jürgen@a.example> SMTPUTF8").startswith("250 2.1.0")
        assert client.say("RCPT TO:<grüße@example.com>").startswith("250 2.1.5")
        client.say("DATA")
        assert client.say("Subject: Grüße", "", "hallo", ".").startswith("250 2.0.0")
    assert (door.mails[0].mail_from, door.mails[0].rcpt_tos) == ("jürgen@a.example", ("grüße@example.com",))


def test_an_empty_message_and_one_without_header_are_taken(door: OpenDoor) -> None:
    with door.client() as client:
        for content in (b".\r\n", b"\r\n.\r\n", b"no header\r\n.\r\n", b"..\r\n.\r\n"):
            client.begin()
            client.send(content)
            assert client.reply().startswith("250")
    assert [mail.raw for mail in door.mails] == [b"", b"\r\n", b"no header\r\n", b".\r\n"]


def test_all_that_was_sent_at_once_is_done_even_if_the_client_says_no_more(door: OpenDoor) -> None:
    with door.client() as client:
        one = b"MAIL FROM:<jo@a.example>\r\nRCPT TO:<support@example.com>\r\nDATA\r\n"
        client.send(b"EHLO c\r\n" + (one + MAIL + b".\r\n") * 3 + b"QUIT\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        replies = client.replies(14)
    assert [reply[:3] for reply in replies] == ["250", *["250", "250", "354", "250"] * 3, "221"]
    assert [mail.raw for mail in door.mails] == [MAIL] * 3


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.lists(
        st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a", b"\x00", b"\xff", b"..", b".\r\n", b"x" * 70000])
    ),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_bytes_of_any_kind_come_through_unchanged(door: OpenDoor, content: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(content)
    raw += b"" if raw.endswith(b"\r\n") or not raw else b"\r\n"
    wire = raw.replace(b"\r\n.", b"\r\n..")
    wire = (b"." + wire if wire.startswith(b".") else wire) + b".\r\n"
    with door.client() as client:
        client.begin()
        for cut in sorted(cuts, reverse=True):
            client.send(wire[: len(wire) - cut][:50000])
            wire = wire[len(wire[: len(wire) - cut][:50000]) :]
        client.send(wire)
        assert client.say("NOOP").startswith("250 2.0.0 Stored")
        assert client.reply() == "250 2.0.0 OK"
    assert door.mails[-1].raw == raw


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_but_crlf_dot_crlf_ends_a_message(door: OpenDoor, ending: bytes) -> None:
    smuggled = (
        b"MAIL FROM:<boss@example.com>\r\nRCPT TO:<support@example.com>\r\nDATA\r\nFrom: boss@example.com\r\n\r\npay"
    )
    with door.client() as client:
        client.begin()
        client.send(MAIL + b"x" + ending + smuggled + b"\r\n.\r\nNOOP\r\n")
        assert [reply[:9] for reply in client.replies(2)] == ["250 2.0.0", "250 2.0.0"]
        client.say("QUIT")
    # a dot at the beginning of a line (which only CRLF makes) was stuffing, all else is as it came
    kept = (MAIL + b"x" + ending + smuggled + b"\r\n").replace(b"\r\n.", b"\r\n")
    assert [mail.raw for mail in door.mails] == [kept]


def test_header_and_body_lines_of_any_length_are_taken(door: OpenDoor) -> None:
    raw = b"X-Long: " + b"a" * 300_000 + b"\r\n" * 2 + b"b." * 1_000_000 + b"\r\n"
    with door.client() as client:
        client.begin()
        client.send(raw + b".\r\n")
        assert client.reply().startswith("250")
    assert door.mails[0].raw == raw


# --- refusing ---------------------------------------------------------------------------------------------------


def test_an_unknown_recipient_is_refused_at_once_and_written_down(door: OpenDoor) -> None:
    with door.client() as client:
        client.say("EHLO c")
        client.say("MAIL FROM:<jo@a.example>")
        reply = client.say("RCPT TO:<nobody@example.com>")
        assert reply.startswith("550 5.1.1 There is no such mailbox here")
        assert client.say("DATA").startswith("503 5.5.1")
        client.say("QUIT")
    (refusal,) = door.refusals
    assert (refusal.client, refusal.mail_from, refusal.rcpt, refusal.reply) == (
        "127.0.0.1", "jo@a.example", "nobody@example.com", reply)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("VRFY support@example.com", "252 2."), ("EXPN all", "502 5.5.1"), ("ETRN example.com", "502 5.5.1"),
        ("TURN", "500 5.5.2"), ("\xff\xfe", "500 5.5.2"), ("", "500 5.5.2"), ("DATA now", "501 5.5.4"),
        ("DATA", "503 5.5.1"), ("RCPT TO:<support@example.com>", "503 5.5.1"), ("NOOP x", "250 2.0.0"),
        ("RSET", "250 2.0.0"), ("HELP", "214 2.0.0"), ("EHLO", "501 5.5.4"), ("MAIL", "501 5.5.4"),
        ("STARTTLS", "502 5.5.1"), ("AUTH PLAIN", "502 5.5.1"), ("NOOP " + "x" * 100_000, "500 5.5.2"),
        ("MAIL FROM:<a@b.c> SIZE=99999999999", "552 5.3.4"), ("BDAT 5 LAST", "500 5.5.2"),
    ],
)  # fmt: skip
def test_every_answer_has_an_enhanced_code(door: OpenDoor, said: str, code: str) -> None:
    with door.client() as client:
        client.say("EHLO c")
        assert client.say(said.encode("latin-1")).startswith(code)
        assert client.say("QUIT") == "221 2.0.0 Bye"


def test_a_client_greets_first(door: OpenDoor) -> None:
    with door.client() as client:
        assert client.say("MAIL FROM:<a@b.c>").startswith("503 5.5.1 Say EHLO first")


def test_rset_and_a_second_mail_command(door: OpenDoor) -> None:
    with door.client() as client:
        client.say("EHLO c")
        client.say("MAIL FROM:<>")
        assert client.say("MAIL FROM:<b@a.example>").startswith("503 5.5.1")
        client.say("RSET")
        assert client.say("RCPT TO:<support@example.com>").startswith("503 5.5.1")


def test_too_many_recipients_are_sent_in_another_mail(tmp_path: Path) -> None:
    with open_door(tmp_path, limits={"recipients": 100, "commands": 5}) as door, door.client() as client:
        client.say("EHLO c")
        client.say("MAIL FROM:<jo@a.example>")
        replies = [client.say("RCPT TO:<support@example.com>")[:9] for _ in range(120)]
        assert replies == ["250 2.1.5"] * 100 + ["452 4.5.3"] * 20
        client.say("DATA")
        assert client.say(MAIL, ".").startswith("250 2.0.0")


def test_a_mail_over_the_size_is_refused_with_the_size_and_the_session_goes_on(tmp_path: Path) -> None:
    with open_door(tmp_path, max_size="100KiB") as door, door.client() as client:
        client.say("EHLO c")
        reply = "552 5.3.4 This mail is too big: at most 100 KiB are taken here"
        assert client.say("MAIL FROM:<jo@a.example> SIZE=102401") == reply
        client.begin()
        assert client.say(b"x" * 102_399, ".") == reply
        client.begin()
        assert client.say(b"x" * 200_000, ".") == reply
        client.begin()
        assert client.say(b"x" * 102_398, ".").startswith("250 2.0.0")
        assert [(one.mail_from, one.rcpt) for one in door.refusals] == [
            ("jo@a.example", ""), *[("jo@a.example", "support@example.com")] * 2]  # fmt: skip


def test_no_room_is_said_before_the_message_is_sent(door: OpenDoor) -> None:
    door.room = False
    with door.client() as client:
        client.say("EHLO c")
        assert client.say("MAIL FROM:<jo@a.example> SIZE=5000").startswith("452 4.3.1")
        door.room = True
        client.begin()
        assert client.say(MAIL, ".").startswith("250")


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (StoreFull("the disk is full"), "452 4.3.1 There is no room for mail just now; please try again later"),
        (
            StoreUnavailable("db:5432 refuses"),
            "451 4.3.0 This mail could not be stored just now; please try again later",
        ),
        (RuntimeError("secret"), "451 4.3.0 This mail could not be stored just now; please try again later"),
        (MessageError("odd"), "451 4.3.0 This mail could not be stored just now; please try again later"),
    ],
)
def test_a_fault_of_ours_is_temporary_and_tells_nothing(tmp_path: Path, error: Exception, reply: str) -> None:
    async def fail(_: Envelope) -> str:
        raise error

    with open_door(tmp_path, accept=fail) as door, door.client() as client:
        client.begin()
        assert client.say(MAIL, ".") == reply
        assert client.say("NOOP").startswith("250")
    assert door.mails == []


def test_a_fault_in_looking_up_a_recipient_is_temporary_too(door: OpenDoor) -> None:
    with door.client() as client:
        client.say("EHLO c")
        client.say("MAIL FROM:<jo@a.example>")
        door.listener._desk.hooks = replace(door.hooks(), mailbox_of=lambda address: str(1 / 0))
        assert client.say("RCPT TO:<support@example.com>") == "451 4.3.0 A fault on our side; please try again later"


# --- clients that go away ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rudely", [False, True])
def test_a_client_that_leaves_after_the_dot_has_its_mail_stored_once(tmp_path: Path, rudely: bool) -> None:
    arrived, go_on = threading.Event(), asyncio.Event()

    async def slow(_: Envelope) -> str:
        arrived.set()
        await go_on.wait()
        return ""

    with open_door(tmp_path, accept=slow) as door:
        client = door.client()
        client.begin()
        client.send(MAIL + b".\r\n")
        assert arrived.wait(10)
        if rudely:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        with door.client() as other:  # by now the door has seen that the first one left
            assert other.say("NOOP").startswith("250")
        door.loop.call_soon_threadsafe(go_on.set)
        door.run(door.listener.drain(5))
        assert [mail.raw for mail in door.mails] == [MAIL]


@pytest.mark.parametrize("sent", [b"EHLO c\r\nMAI", b"EHLO c\r\n", MAIL, MAIL + b".\r", b""])
def test_a_client_that_leaves_before_the_end_leaves_nothing(door: OpenDoor, sent: bytes) -> None:
    client = door.client()
    if sent.startswith(b"From"):
        client.begin()
    client.send(sent)
    client.close()
    door.run(door.listener.drain(5))
    assert (door.mails, door.listener.sessions) == ([], 0)


# --- limits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", ["NOOP", "RSET", "VRFY x", "HELP", "EHLO c", "RCPT TO:<nobody@example.com>", "MAIL"]
)
def test_commands_that_lead_to_no_mail_are_counted(tmp_path: Path, command: str) -> None:
    with open_door(tmp_path, limits={"commands": 20}) as door, door.client() as client:
        client.say("EHLO c")
        if command.startswith("RCPT"):
            client.say("MAIL FROM:<jo@a.example>")
        replies = []
        while (reply := client.say(command)) and len(replies) < 100:
            replies.append(reply[:9])
        assert replies[-1] == "421 4.7.0"
        assert len(replies) in {20, 21}


def test_nonsense_ends_soon(door: OpenDoor) -> None:
    with door.client() as client:
        replies = [client.say("GET / HTTP/1.1")[:3] for _ in range(6)]
    assert replies == ["500", "500", "500", "500", "502", ""]


def test_there_are_only_so_many_connections_and_each_that_ends_makes_room(tmp_path: Path) -> None:
    with open_door(tmp_path, limits={"connections": 3}) as door:
        three = [door.client() for _ in range(3)]
        with door.client() as fourth:
            assert fourth.greeting.startswith("421 4.3.2")
        with three.pop() as leaving:
            leaving.say("QUIT")
        while (last := door.client()).greeting.startswith("421"):
            last.close()
        last.begin()
        assert last.say(MAIL, ".").startswith("250")
        for client in [*three, last]:
            client.close()


def test_an_idle_client_is_told_and_cut_off(tmp_path: Path) -> None:
    with open_door(tmp_path, limits={"idle": "0.1s"}) as door, door.client() as client:
        assert client.reply() == "421 4.4.2 Nothing came for too long; please connect again"
        assert client.reply() == ""


def test_a_message_that_trickles_in_is_cut_off(tmp_path: Path) -> None:
    with open_door(tmp_path, limits={"idle": "0.1s", "total": "0.3s"}) as door, door.client() as client:
        client.begin()
        client.send(b"Subject: slo")
        assert client.reply().startswith("421 4.4.2 This mail took too long")
        assert door.mails == []


def test_a_client_that_keeps_the_timer_alive_still_ends_with_the_time_for_one_mail(tmp_path: Path) -> None:
    with (
        open_door(tmp_path, limits={"idle": "5s", "total": "0.3s", "commands": 100000}) as door,
        door.client() as client,
    ):
        while (reply := client.say("NOOP")).startswith("250"):
            pass
        assert reply.startswith("421 4.4.2") or reply == ""


def test_all_mails_that_are_coming_in_are_bounded_together(tmp_path: Path) -> None:
    with open_door(tmp_path, limits={"memory": "300KB"}) as door, door.client() as one, door.client() as two:
        one.begin()
        one.send(b"x" * 250_000)
        two.begin()
        while door.listener._desk.load.octets < 180_000:
            two.send(b"")
        two.send(b"y" * 200_000 + b"\r\n.\r\n")
        assert two.reply().startswith("452 4.3.1")
        one.send(b"\r\n.\r\n")
        assert one.reply().startswith("250")
        two.begin()
        assert two.say(b"y" * 200_000, ".").startswith("250")
        assert door.listener._desk.load.octets == 0


def memory() -> int:
    """The resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_line_without_end_does_not_fill_the_memory_and_is_cut_off(tmp_path: Path) -> None:
    with open_door(tmp_path, max_size="10MiB") as door, door.client() as client:
        client.begin()
        before, block = memory(), b"x" * 2**20
        with pytest.raises(ConnectionError):
            for _ in range(200):
                client.send(block)
        assert memory() - before < 60 * 2**20
    assert door.refusals[-1].reply.startswith("552 5.3.4")


def test_millions_of_empty_lines_do_not_fill_the_memory(tmp_path: Path) -> None:
    with open_door(tmp_path, max_size="32MiB") as door, door.client() as client:
        client.begin()
        before = memory()
        for _ in range(31):
            client.send(b"\r\n" * 2**19)
        client.send(b".\r\n")
        assert client.reply().startswith("250")
        assert memory() - before < 150 * 2**20
        assert len(door.mails[0].raw) == 31 * 2**20


def test_without_file_descriptors_accepting_pauses_and_goes_on(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("smtp_door.py"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        cwd=tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)),
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert process.stdout is not None
    with process:
        try:
            address = ("127.0.0.1", int(process.stdout.readline()))
            clients = [Client(address) for _ in range(60)]
            served = [client for client in clients[:20] if client.reply().startswith("220")]
            assert len(served) > 10
            cpu = (Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2]).split()[11:13]
            assert sum(map(int, cpu)) / os.sysconf("SC_CLK_TCK") < 5, "it spins"
            for client in clients:
                client.close()
            with Client(address) as good:
                assert good.reply().startswith("220")
        finally:
            process.terminate()
            process.stdin.close()  # type: ignore[union-attr]


# --- stopping ---------------------------------------------------------------------------------------------------


def test_stopping_tells_idle_clients_and_lets_a_message_be_finished(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        idle, between, busy = door.client(), door.client(), door.client()
        between.say("EHLO c")
        between.say("MAIL FROM:<jo@a.example>")
        busy.begin()
        busy.send(MAIL)
        drained = door.run(door.listener.drain(10), wait=False)
        assert idle.reply().startswith("421 4.3.2")
        assert between.reply().startswith("421 4.3.2")
        busy.send(b"more\r\n.\r\n")
        assert busy.reply() == "250 2.0.0 Stored as id1"
        assert busy.reply().startswith("421 4.3.2")
        drained.result(10)
        assert (len(door.mails), door.listener.sessions) == (1, 0)
        with pytest.raises(ConnectionError):
            Client(door.listener.address)
        for client in (idle, between, busy):
            client.close()


def test_stopping_does_not_wait_for_ever(tmp_path: Path) -> None:
    with open_door(tmp_path) as door, door.client() as busy:
        busy.begin()
        door.run(door.listener.drain(0.1))
        assert busy.reply() == ""
        assert door.listener.sessions == 0


# --- encryption and logging in ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A `tls` block with a new certificate for localhost."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    block = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", block["key"], "-out", block["certificate"]],
        check=True, capture_output=True,
    )  # fmt: skip
    return block


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def encrypted(client: Client) -> Client:
    """The same connection after STARTTLS was answered."""
    client.answers.close()
    client.socket = unverified().wrap_socket(client.socket)
    client.answers = client.socket.makefile("rb")
    return client


def test_starttls_forgets_what_was_said_and_drops_what_was_injected(
    tmp_path: Path, certificate: dict[str, str]
) -> None:
    with open_door(tmp_path, tls=certificate) as door, door.client() as client:
        assert "250 STARTTLS" in client.say("EHLO c")
        client.say("MAIL FROM:<jo@a.example>")
        assert client.say("STARTTLS").startswith("220 2.0.0")
        encrypted(client)
        assert client.say("RCPT TO:<support@example.com>").startswith("503 5.5.1 Say EHLO first")
        assert "STARTTLS" not in client.say("EHLO c")
        assert client.say("STARTTLS").startswith("503 5.5.1")
        client.begin()
        assert client.say(MAIL, ".").startswith("250")
        assert client.say("QUIT").startswith("221")


def test_commands_injected_before_tls_are_not_obeyed(tmp_path: Path, certificate: dict[str, str]) -> None:
    with open_door(tmp_path, tls=certificate) as door, door.client() as client:
        client.say("EHLO c")
        client.send(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@a.example>\r\n")
        assert client.reply().startswith("220")
        try:
            encrypted(client)
        except (ssl.SSLError, ConnectionError):
            return  # the injected bytes broke the handshake: as good
        assert client.say("RCPT TO:<support@example.com>").startswith("503 5.5.1 Say EHLO first")


def test_a_handshake_that_fails_ends_only_that_session(
    tmp_path: Path, certificate: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with open_door(tmp_path, tls=certificate) as door:
        for what in (b"this is no TLS\r\n" * 10, b""):
            with door.client() as client:
                client.say("EHLO c")
                client.say("STARTTLS")
                client.send(what)
                client.socket.shutdown(socket.SHUT_WR)
                client.reply()
        with smtplib.SMTP(*door.listener.address) as good:
            good.starttls(context=unverified())
            good.sendmail("jo@a.example", ["support@example.com"], MAIL)
        assert len(door.mails) == 1
        assert door.listener._desk.load.connections <= 1
    assert "Traceback" not in capsys.readouterr().err  # every scanner would fill the log


def test_a_key_may_be_a_secret_and_renewing_takes_the_new_certificate(
    tmp_path: Path, certificate: dict[str, str]
) -> None:
    key = Path(certificate["key"]).read_text()
    cert = tmp_path / "cert.pem"
    shutil.copy(certificate["certificate"], cert)
    hooks = replace(OpenDoor().hooks(), secret=lambda secret: key)

    async def story() -> None:
        config = SmtpDoor.model_validate(
            {"listen": "127.0.0.1:0", "tls": {"certificate": str(cert), "key": {"credential": "tls-key"}}}
        )
        listener = await serve(config, lmtp=False, hooks=hooks, runtime_dir=tmp_path)
        listener.renew_tls()
        cert.write_text("no certificate")
        with pytest.raises(Unusable, match=r"cert\.pem"):
            listener.renew_tls()
        listener.close()

    asyncio.run(story())


AUTH = {"alice": {"env": "ALICE"}}
PLAIN = base64.b64encode(b"\0alice\0pa55").decode()


def test_logging_in_on_this_machine_and_who_it_was(tmp_path: Path) -> None:
    with open_door(tmp_path, auth=AUTH) as door:
        for way in ("plain", "login"):
            with smtplib.SMTP(*door.listener.address) as client:
                client.ehlo()
                assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
                client.user, client.password = "alice", "pa55"
                client.auth(way, getattr(client, f"auth_{way}"))
                client.sendmail("jo@a.example", ["support@example.com"], MAIL)
        assert [mail.login for mail in door.mails] == ["alice", "alice"]


def test_wrong_passwords_end_the_session_and_a_right_one_counts_once(tmp_path: Path) -> None:
    wrong = base64.b64encode(b"\0alice\0guess").decode()
    with open_door(tmp_path, auth=AUTH) as door:
        with door.client() as client:
            client.say("EHLO c")
            assert client.say("AUTH CRAM-MD5").startswith("504 5.5.4")
            assert client.say("AUTH").startswith("501 5.5.4")
            assert client.say("AUTH PLAIN %%%").startswith("501 5.5.2")
            assert client.say("AUTH LOGIN", "*").startswith("334")
            assert client.reply().startswith("501 5.7.0")
            assert client.say(f"AUTH plain {PLAIN}").startswith("235 2.7.0")
            assert client.say(f"AUTH PLAIN {PLAIN}").startswith("503 5.5.1")
        with door.client() as client:
            client.say("EHLO c")
            replies = [client.say(f"AUTH PLAIN {wrong}")[:9] for _ in range(5)]
            assert replies == ["535 5.7.8"] * 5
            assert client.reply().startswith("421 4.7.0")


def test_passwords_are_not_asked_for_in_the_clear_from_elsewhere(
    tmp_path: Path, certificate: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maild.ingest.session.is_loopback", lambda client: False)
    with open_door(tmp_path, auth=AUTH, tls=certificate) as door, door.client() as client:
        assert "AUTH" not in client.say("EHLO c")
        assert client.say(f"AUTH PLAIN {PLAIN}").startswith("538 5.7.11")
        client.say("STARTTLS")
        encrypted(client)
        assert "250 AUTH PLAIN LOGIN" in client.say("EHLO c")
        assert client.say(f"AUTH PLAIN {PLAIN}").startswith("235")


# --- where it listens -------------------------------------------------------------------------------------------


def test_a_socket_that_systemd_opened(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as sock,
        open_door(tmp_path, sock=sock) as door,
        door.client() as client,
    ):
        client.begin()
        assert client.say(MAIL, ".").startswith("250")
        assert door.listener.address == sock.getsockname()


@pytest.mark.parametrize(
    ("listen", "connect"), [("*:0", "127.0.0.1"), ("[::1]:0", "::1"), ("localhost:0", "localhost")]
)
def test_addresses_to_listen_on(tmp_path: Path, listen: str, connect: str) -> None:
    if ":" in connect and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with open_door(tmp_path, listen=listen) as door, Client((connect, door.listener.address[1])) as client:
        assert client.reply().startswith("220")


@pytest.mark.parametrize("listen", ["2525", "localhost", "127.0.0.1:port", "127.0.0.1:70000"])
def test_what_is_no_address_to_listen_on(tmp_path: Path, listen: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"), open_door(tmp_path, listen=listen):
        pass


def test_mail_from_elsewhere_is_not_trusted(tmp_path: Path) -> None:
    with open_door(tmp_path, trusted=["192.0.2.0/24"]) as door, door.client() as client:
        client.begin()
        client.say(MAIL, ".")
        assert door.mails[0].trusted is False


# --- other people's clients -------------------------------------------------------------------------------------


@pytest.mark.service
def test_smtp_source_sends_over_many_sessions(door: OpenDoor) -> None:
    program = shutil.which("smtp-source") or shutil.which("/usr/sbin/smtp-source")
    if program is None:
        pytest.skip("smtp-source is not installed (make test-services)")
    host, port = door.listener.address
    subprocess.run(
        [program, "-s", "10", "-m", "200", "-l", "4000", "-f", "jo@a.example", "-t", "support@example.com",
         f"inet:{host}:{port}"],
        check=True, timeout=60,
    )  # fmt: skip
    assert len(door.mails) == 200


@pytest.mark.service
def test_swaks_logs_in_over_tls_and_pipelines(tmp_path: Path, certificate: dict[str, str]) -> None:
    if shutil.which("swaks") is None:
        pytest.skip("swaks is not installed (make test-services)")
    with open_door(tmp_path, tls=certificate, auth=AUTH) as door:
        host, port = door.listener.address
        done = subprocess.run(
            ["swaks", "--server", host, "--port", str(port), "--to", "support@example.com", "--from", "jo@a.example",
             "--auth-user", "alice", "--auth-password", "pa55", "--tls", "--pipeline", "--helo", "client.example"],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        if "not be loaded" in done.stdout + done.stderr or "Net::SSLeay" in done.stdout + done.stderr:
            pytest.skip("swaks has no TLS here")
        assert done.returncode == 0, done.stdout
        assert [mail.login for mail in door.mails] == ["alice"]
