"""The courier against servers that refuse, wait, cut off and lie: F34 to F42 of what maild must survive."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from maild.errors import ConfigError, SmarthostUnavailable
from maild.model.outbox import Deferred, Refused, Sent
from maild.outbound.courier import Courier, Timeouts
from maild.settings.models import Smarthost
from maild.settings.values import Secret

MAIL = b"From: a@example.com\r\nSubject: x\r\n\r\nHello\r\n.dot\r\n"
QUICK = Timeouts(connect=2, command=2, data=2, dot=2, idle=5)
CUT = "<cut>"
SILENT = "<silent>"

OFFERED = ["SIZE 1000000", "8BITMIME", "SMTPUTF8"]

Reply = Callable[[str, int], str | None]


@pytest.fixture(autouse=True, params=["one by one", "pipelined"])
def pipelining(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Every story is told to a server that wants each command by itself, and to one that takes them together."""
    if request.param == "pipelined":
        monkeypatch.setattr(f"{__name__}.OFFERED", [*OFFERED, "PIPELINING"])
    return bool(request.param == "pipelined")


@dataclass
class Sink:
    """An SMTP server that does as told: ``reply(command, session)`` gives an answer, CUT, SILENT, or None for 250."""

    reply: Reply = lambda command, session: None
    greeting: str = "220 sink"
    extensions: tuple[str, ...] = field(default_factory=lambda: tuple(OFFERED))
    tls: ssl.SSLContext | None = None
    commands: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    sessions: int = 0
    open_now: int = 0
    most_open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        session = self.sessions
        try:
            await self._session(reader, writer, session)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self.open_now -= 1
            writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: int) -> None:
        if self.greeting == SILENT:
            await reader.read()
            return
        if self.greeting == CUT:
            return
        writer.write(f"{self.greeting}\r\n".encode())
        while line := await reader.readline():
            command = line.decode().rstrip("\r\n")
            self.commands.append(command)
            answer = self.reply(command, session)
            if answer is None:
                answer = self._usual(command)
            if answer.startswith("354"):
                writer.write(b"354 go on\r\n")
                body = await reader.readuntil(b"\r\n.\r\n")
                answer = self.reply("<dot>", session) or "250 2.0.0 Ok 0102018f-aaaa-bbbb-000000"
                if answer.startswith("250"):
                    self.mails.append(body[:-3])
            if answer == CUT:
                return
            if answer == SILENT:
                await reader.read()
                return
            writer.write(f"{answer}\r\n".encode())
            if command == "STARTTLS" and answer.startswith("220"):
                assert self.tls is not None
                await writer.start_tls(self.tls)
            if command == "QUIT" or answer.startswith("421"):
                return

    def _usual(self, command: str) -> str:
        match command.split(":")[0].split(" ")[0].upper():
            case "EHLO":
                lines = ["sink", *self.extensions]
                return "\r\n".join([f"250-{one}" for one in lines[:-1]] + [f"250 {lines[-1]}"])
            case "DATA":
                return "354 go on"
            case "QUIT":
                return "221 bye"
            case "STARTTLS":
                return "220 go on"
            case "AUTH":
                return "235 ok"
            case _:
                return "250 ok"


@contextlib.asynccontextmanager
async def running(sink: Sink, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)


def story(sink: Sink, act: Callable[[Courier], Awaitable[None]], **settings: object) -> None:
    """Run ``act`` with a courier that is connected to the sink."""

    async def scene() -> None:
        async with running(sink) as port:
            courier = Courier(Smarthost(host="127.0.0.1", port=port, **settings), None, timeouts=QUICK)  # type: ignore[arg-type]
            try:
                await act(courier)
            finally:
                await courier.close()

    asyncio.run(scene())


def test_a_mail_is_handed_over_whole_and_the_answer_is_kept() -> None:
    sink = Sink()

    async def act(courier: Courier) -> None:
        outcome = await courier.send(MAIL, "support@example.com", ["jo@acme.example"])
        assert outcome == {"jo@acme.example": Sent("2.0.0 Ok 0102018f-aaaa-bbbb-000000")}

    story(sink, act)
    assert sink.commands[1:4] == [
        f"MAIL FROM:<support@example.com> SIZE={len(MAIL)}", "RCPT TO:<jo@acme.example>", "DATA",
    ]  # fmt: skip
    assert sink.mails == [MAIL.replace(b"\r\n.dot", b"\r\n..dot")]


def test_the_empty_sender_stays_empty() -> None:
    sink = Sink(extensions=())

    async def act(courier: Courier) -> None:
        await courier.send(MAIL, "", ["jo@acme.example"])

    story(sink, act)
    assert "MAIL FROM:<>" in sink.commands


def test_connections_are_used_again_and_never_more_than_configured() -> None:
    sink = Sink()

    async def act(courier: Courier) -> None:
        await asyncio.gather(*(courier.send(MAIL, "", [f"jo{n}@acme.example"]) for n in range(20)))
        await courier.send(MAIL, "", ["last@acme.example"])

    story(sink, act, connections=3)
    assert len(sink.mails) == 21
    assert sink.sessions == 3
    assert sink.most_open == 3


def test_f38_one_of_three_recipients_is_deferred_alone() -> None:
    def reply(command: str, session: int) -> str | None:
        return "451 4.2.1 greylisted" if "b@acme" in command else "550 5.1.1 nobody" if "c@acme" in command else None

    sink = Sink(reply)

    async def act(courier: Courier) -> None:
        outcome = await courier.send(MAIL, "", ["a@acme.example", "b@acme.example", "c@acme.example"])
        assert isinstance(outcome["a@acme.example"], Sent)
        assert outcome["b@acme.example"] == Deferred(451, "4.2.1 greylisted")
        assert outcome["c@acme.example"] == Refused(550, "5.1.1 nobody")

    story(sink, act)
    assert len(sink.mails) == 1


@pytest.mark.parametrize(
    ("stage", "answer", "expected"),
    [
        ("MAIL", "451 4.3.0 later", Deferred(451, "4.3.0 later")),
        ("MAIL", "553 5.1.8 no such sender", Refused(553, "5.1.8 no such sender")),
        ("RCPT", "450 4.2.0 greylisted", Deferred(450, "4.2.0 greylisted")),
        ("RCPT", "550 5.1.1 nobody", Refused(550, "5.1.1 nobody")),
        ("DATA", "452 4.3.1 full", Deferred(452, "4.3.1 full")),
        ("DATA", "554 5.5.1 no", Refused(554, "5.5.1 no")),
        ("<dot>", "451 4.7.1 later", Deferred(451, "4.7.1 later")),
        ("<dot>", "552 5.3.4 too large", Refused(552, "5.3.4 too large")),
        ("<dot>", "421 4.3.2 leaving", Deferred(421, "4.3.2 leaving")),
        ("RCPT", "421 4.3.2 leaving", Deferred(421, "4.3.2 leaving")),
    ],
)
def test_what_the_smarthost_says_is_a_value_and_the_next_mail_goes_on(
    stage: str, answer: str, expected: Deferred | Refused
) -> None:
    done = []

    def reply(command: str, session: int) -> str | None:
        if command.startswith(stage) and not done:
            done.append(command)
            return answer
        return None

    sink = Sink(reply)

    async def act(courier: Courier) -> None:
        assert await courier.send(MAIL, "", ["jo@acme.example"]) == {"jo@acme.example": expected}
        assert isinstance((await courier.send(MAIL, "", ["jo@acme.example"]))["jo@acme.example"], Sent)

    story(sink, act)


def test_what_goes_together_is_answered_in_order_and_an_answer_too_many_spoils_no_other_mail(pipelining: bool) -> None:
    """RFC 2920, 3.1: DATA may be answered with 354 although nobody was taken; then the connection is of no more use."""
    sink = Sink(lambda command, session: "550 5.1.1 nobody" if command.startswith("RCPT TO:<nobody") else None)

    async def act(courier: Courier) -> None:
        outcomes = await courier.send(MAIL, "a@example.com", ["nobody1@x.example", "jo@x.example", "nobody2@x.example"])
        assert [type(one) for one in outcomes.values()] == [Refused, Sent, Refused]
        assert await courier.send(MAIL, "a@example.com", ["nobody@x.example"]) == {"nobody@x.example": Refused(550, "5.1.1 nobody")}
        assert await courier.send(MAIL, "a@example.com", ["jo@x.example"]) == {"jo@x.example": Sent("2.0.0 Ok 0102018f-aaaa-bbbb-000000")}

    story(sink, act)
    assert len(sink.mails) == 2
    assert (sink.sessions, sink.commands.count("RSET")) == ((2, 0) if pipelining else (1, 1))


def test_f41_a_connection_cut_after_the_dot_defers() -> None:
    sink = Sink(lambda command, session: CUT if command == "<dot>" else None)

    async def act(courier: Courier) -> None:
        outcome = (await courier.send(MAIL, "", ["jo@acme.example"]))["jo@acme.example"]
        assert isinstance(outcome, Deferred)
        assert outcome.code == 0
        assert "may be there already" in outcome.reason

    story(sink, act)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "<dot>"])
def test_f35_a_silent_smarthost_defers_after_its_time(stage: str) -> None:
    sink = Sink(lambda command, session: SILENT if command.startswith(stage) else None)

    async def act(courier: Courier) -> None:
        courier.timeouts = Timeouts(connect=2, command=0.1, data=0.1, dot=0.1)
        outcome = (await courier.send(MAIL, "", ["jo@acme.example"]))["jo@acme.example"]
        assert isinstance(outcome, Deferred)
        assert "no answer" in outcome.reason

    story(sink, act)


def test_a_connection_that_was_closed_meanwhile_is_opened_anew_without_a_word() -> None:
    told = {(1, "MAIL FROM:<second@example.com>"): "421 4.4.2 idle", (2, "MAIL FROM:<third@example.com>"): CUT}
    sink = Sink(lambda command, session: told.get((session, command.split(" SIZE")[0])))

    async def act(courier: Courier) -> None:
        for sender in ("first@example.com", "second@example.com", "third@example.com"):
            outcome = await courier.send(MAIL, sender, ["jo@acme.example"])
            assert isinstance(outcome["jo@acme.example"], Sent), (sender, outcome)

    story(sink, act)
    assert len(sink.mails) == 3
    assert sink.sessions == 3


def test_a_mail_over_the_announced_size_is_refused_before_it_is_sent() -> None:
    sink = Sink(extensions=("SIZE 20",))

    async def act(courier: Courier) -> None:
        outcome = (await courier.send(MAIL, "", ["jo@acme.example"]))["jo@acme.example"]
        assert outcome == Refused(552, f"the mail has {len(MAIL)} bytes, {courier.where} takes 20 bytes at most")

    story(sink, act)
    assert not any(command.startswith("MAIL") for command in sink.commands)


def test_an_address_that_is_not_ascii_needs_smtputf8() -> None:
    without, offering = Sink(extensions=("8BITMIME",)), Sink()

    async def refused(courier: Courier) -> None:
        outcome = await courier.send(MAIL, "", ["jö@acme.example", "jo@bücher.example"])
        assert isinstance(outcome["jö@acme.example"], Refused)
        assert "SMTPUTF8" in outcome["jö@acme.example"].reason
        assert isinstance(outcome["jo@bücher.example"], Sent)

    async def sent(courier: Courier) -> None:
        assert isinstance((await courier.send(MAIL, "", ["jö@acme.example"]))["jö@acme.example"], Sent)

    story(without, refused)
    story(offering, sent)
    assert "RCPT TO:<jo@xn--bcher-kva.example>" in without.commands
    assert f"MAIL FROM:<> SIZE={len(MAIL)} SMTPUTF8" in offering.commands


@pytest.mark.parametrize(
    "bad",
    ["jo@acme.example\r\nRCPT TO:<x@evil.example>", "jo@acme.example>", "a b@c", "@", "jo", "<jo@acme.example>", ""],
)
def test_s4_what_is_no_address_is_refused_before_the_socket(bad: str) -> None:
    sink = Sink()

    async def act(courier: Courier) -> None:
        assert isinstance((await courier.send(MAIL, "", [bad]))[bad], Refused)
        assert isinstance((await courier.send(MAIL, bad or "x", ["jo@acme.example"]))["jo@acme.example"], Refused)

    story(sink, act)
    assert sink.commands == []


@pytest.mark.parametrize("greeting", ["421 4.3.2 not now", "554 5.7.1 you are blocked", CUT, SILENT])
def test_a_smarthost_that_greets_badly_is_unavailable(greeting: str) -> None:
    async def act(courier: Courier) -> None:
        courier.timeouts = Timeouts(connect=0.2, command=0.2)
        with pytest.raises(SmarthostUnavailable):
            await courier.send(MAIL, "", ["jo@acme.example"])
        assert await courier.check() != ""

    story(Sink(greeting=greeting), act)


def test_f34_nobody_listens() -> None:
    async def scene() -> None:
        async with running(Sink()) as port:
            pass
        courier = Courier(Smarthost(host="127.0.0.1", port=port), None, timeouts=QUICK)
        with pytest.raises(SmarthostUnavailable, match=r"outbound\.smtp"):
            await courier.send(MAIL, "", ["jo@acme.example"])

    asyncio.run(scene())


def test_f42_a_refused_login_is_the_smarthosts_fault_not_the_mails() -> None:
    sink = Sink(
        lambda command, session: "535 5.7.8 wrong" if command.startswith("AUTH") else None, extensions=("AUTH PLAIN",)
    )

    async def scene() -> None:
        async with running(sink) as port:
            settings = Smarthost(host="127.0.0.1", port=port, username="support", password=Secret(env="SMTP"))
            courier = Courier(settings, "secret", timeouts=QUICK)
            with pytest.raises(SmarthostUnavailable, match=r"outbound\.smtp\.username") as caught:
                await courier.send(MAIL, "", ["jo@acme.example"])
            assert "secret" not in str(caught.value)

    asyncio.run(scene())


@pytest.mark.parametrize("stage", ["MAIL", "RCPT"])
def test_f42_a_smarthost_that_wants_a_login_bounces_no_mail(stage: str) -> None:
    async def act(courier: Courier) -> None:
        with pytest.raises(SmarthostUnavailable, match=r"outbound\.smtp"):
            await courier.send(MAIL, "", ["jo@acme.example"])

    story(Sink(lambda command, session: "530 5.7.0 log in first" if command.startswith(stage) else None), act)


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (b".\r\n..a\r\n", b"..\r\n...a\r\n"),
        (b"a\n.\nb\rc", b"a\r\n..\r\nb\r\nc\r\n"),
        (b"a\r\n.\r\nMAIL FROM:<x@y.example>\r\n", b"a\r\n..\r\nMAIL FROM:<x@y.example>\r\n"),
    ],
)
def test_no_body_can_end_the_mail_before_its_end(data: bytes, wire: bytes) -> None:
    sink = Sink()

    async def act(courier: Courier) -> None:
        assert isinstance((await courier.send(data, "", ["jo@acme.example"]))["jo@acme.example"], Sent)

    story(sink, act)
    assert sink.mails == [wire]


def test_f42_without_starttls_nothing_is_sent_in_clear() -> None:
    sink = Sink()

    async def act(courier: Courier) -> None:
        with pytest.raises(SmarthostUnavailable, match="STARTTLS"):
            await courier.send(MAIL, "", ["jo@acme.example"])

    story(sink, act, security="starttls", username="support", password=Secret(env="SMTP"))
    assert all(command.startswith(("EHLO", "QUIT")) for command in sink.commands)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_tls_works_with_the_named_authority_and_fails_without(security: str, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    sink = Sink(extensions=("STARTTLS", "SIZE 0"), tls=context)

    async def scene() -> None:
        async with running(sink, context if security == "tls" else None) as port:
            good = Smarthost(host="localhost", port=port, security=security, ca_file=str(cert))  # type: ignore[arg-type]
            courier = Courier(good, None, timeouts=QUICK)
            assert isinstance((await courier.send(MAIL, "", ["jo@acme.example"]))["jo@acme.example"], Sent)
            await courier.close()
            other = Courier(good.model_copy(update={"ca_file": None}), None, timeouts=QUICK)
            with pytest.raises(SmarthostUnavailable, match="ca_file"):
                await other.send(MAIL, "", ["jo@acme.example"])

    asyncio.run(scene())
    assert len(sink.mails) == 1


def test_tls_against_a_server_that_speaks_none_is_said_so() -> None:
    async def act(courier: Courier) -> None:
        with pytest.raises(SmarthostUnavailable, match="TLS"):
            await courier.send(MAIL, "", ["jo@acme.example"])

    story(Sink(), act, security="tls")


def test_a_ca_file_that_is_not_there_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="ca_file"):
        Courier(Smarthost(host="localhost", security="tls", ca_file="/nowhere/ca.pem"), None)


@pytest.mark.service
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], Sent),
        (["-r", "RCPT"], Deferred),  # 4xx
        (["-f", "."], Refused),  # 5xx at the end of the data
        (["-q", "."], Deferred),  # cut off
        (["-Q", "MAIL"], Deferred),  # 421
        (["-W", ".:1"], Sent),  # slow to say yes
    ],
)
def test_with_postfix_smtp_sink(options: list[str], expected: type) -> None:
    program = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin")
    if program is None:
        pytest.skip("smtp-sink (Postfix) is not installed")

    async def scene() -> None:
        for port in range(20000, 20050):  # smtp-sink cannot choose a free port itself
            process = await asyncio.create_subprocess_exec(
                program, "-u", "root", *options, f"127.0.0.1:{port}", "10", stderr=asyncio.subprocess.DEVNULL
            )
            courier = Courier(Smarthost(host="127.0.0.1", port=port), None, timeouts=QUICK)
            try:
                for _ in range(50):
                    if process.returncode is not None or not await courier.check():
                        break
                    await asyncio.sleep(0.02)
                if process.returncode is not None:
                    continue
                outcome = await courier.send(MAIL, "support@example.com", ["jo@acme.example"])
                assert isinstance(outcome["jo@acme.example"], expected), outcome
                await courier.close()
                return
            finally:
                if process.returncode is None:
                    process.terminate()
                    await process.wait()
        raise AssertionError("no free port for smtp-sink")

    asyncio.run(scene())
