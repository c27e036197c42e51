"""What the IMAP session makes of servers that are hostile, broken or merely odd: each a few scripted lines."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pydantic import ValidationError

from maild.errors import MailboxUnavailable
from maild.ingest.imap_faults import FolderUnavailable, ServerRefuses
from maild.ingest.imap_session import Session, probe
from maild.ingest.imap_wire import Stopping, Timing
from maild.ingest.oauth import LoginRefused
from maild.settings.models import Imap

QUICK = Timing(connect=2, read=0.5, slice=0.02)
Answer = Callable[[str, str], str]  # tag and the rest of the line -> what is sent back, lines ended by \n


class Server:
    """One connection: a greeting, then an answer to each line. ``heard`` is what the client said."""

    def __init__(self, greeting: str, answer: Answer) -> None:
        self.heard: list[str] = []
        self._greeting, self._answer = greeting, answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection, connection.makefile("rb") as lines:
                connection.sendall(wire(self._greeting))
                for line in lines:
                    text = line.decode("utf-8", "replace").rstrip("\r\n")
                    self.heard.append(text)
                    tag, _, rest = text.partition(" ")
                    connection.sendall(wire(self._answer(tag, rest)))

    def close(self) -> None:
        self._listener.close()
        self._thread.join(2)


def wire(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace")


@contextlib.contextmanager
def serving(greeting: str, answer: Answer) -> Iterator[Server]:
    server = Server(greeting, answer)
    try:
        yield server
    finally:
        server.close()


def usual(tag: str, rest: str, capabilities: str = "IMAP4rev1 IDLE") -> str:
    """A server that does what it should, with an empty INBOX."""
    match rest.split(" ")[0]:
        case "CAPABILITY":
            return f"* CAPABILITY {capabilities}\n{tag} OK done\n"
        case "SELECT" | "EXAMINE":
            return f"* 0 EXISTS\n* OK [UIDVALIDITY 9] ok\n* OK [UIDNEXT 1] ok\n{tag} OK [READ-WRITE] open\n"
        case "LOGOUT":
            return f"* BYE\n{tag} OK bye\n"
        case _:
            return f"{tag} OK done\n"


def account(server: Server, **changes: object) -> Imap:
    values: dict[str, object] = {"host": "127.0.0.1", "port": server.port, "security": "none", "username": "jo",
                                 "password": {"env": "X"}}  # fmt: skip
    return Imap.model_validate(values | changes)


def opened(server: Server, secret: str = "pass", **changes: object) -> Session:
    return Session.open(account(server, **changes), lambda: secret, timing=QUICK)


def test_logs_in_and_looks_without_changing() -> None:
    with serving("* OK hi\n", usual) as server:
        assert "folder INBOX: 0 messages" in probe(account(server), "pass", timing=QUICK)
    assert 'LOGIN "jo" "pass"' in server.heard[1]
    assert "EXAMINE" in " ".join(server.heard) and "SELECT" not in " ".join(server.heard)


def test_preauth_is_refused() -> None:
    with serving("* PREAUTH welcome\n", usual) as server, pytest.raises(MailboxUnavailable, match="PREAUTH"):
        opened(server, security="starttls")


def test_no_password_goes_out_where_starttls_is_not_offered() -> None:
    with serving("* OK hi\n", usual) as server, pytest.raises(MailboxUnavailable, match="no STARTTLS"):
        opened(server, security="starttls")
    assert not any("LOGIN" in line or "AUTH" in line for line in server.heard)


def test_what_is_said_before_tls_begins_is_refused() -> None:
    def inject(tag: str, rest: str) -> str:
        if rest == "STARTTLS":
            return f"{tag} OK begin\n* CAPABILITY IMAP4rev1\n* OK injected\n"
        return usual(tag, rest, "IMAP4rev1 STARTTLS")

    with serving("* OK hi\n", inject) as server, pytest.raises(MailboxUnavailable, match=r"before TLS|TLS failed"):
        opened(server, security="starttls")
    assert not any("LOGIN" in line for line in server.heard)


def test_a_server_without_tls_on_the_tls_port_is_an_error() -> None:
    with serving("* OK hi\n", usual) as server, pytest.raises(MailboxUnavailable, match="TLS failed"):
        opened(server, security="tls")
    assert server.heard == [] or "LOGIN" not in " ".join(server.heard)


def test_a_server_that_says_goodbye_at_once() -> None:
    with serving("* BYE too many connections\n", usual) as server, pytest.raises(MailboxUnavailable, match="too many"):
        opened(server)


@pytest.mark.parametrize("answer", ["NO [UNAVAILABLE] later", "NO [LIMIT] too many", "NO THROTTLED"])
def test_a_throttled_login_is_no_wrong_password(answer: str) -> None:
    def throttle(tag: str, rest: str) -> str:
        return f"{tag} {answer}\n" if rest.startswith("LOGIN") else usual(tag, rest)

    with serving("* OK hi\n", throttle) as server, pytest.raises(MailboxUnavailable) as caught:
        opened(server)
    assert not isinstance(caught.value, LoginRefused)


def test_a_refused_login_says_so_without_the_password() -> None:
    def refuse(tag: str, rest: str) -> str:
        return f"{tag} NO [AUTHENTICATIONFAILED] no\n" if rest.startswith("LOGIN") else usual(tag, rest)

    with serving("* OK hi\n", refuse) as server, pytest.raises(LoginRefused) as caught:
        opened(server, secret="geheim")
    assert "login of jo refused: [AUTHENTICATIONFAILED] no" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_plain_is_used_where_it_is_offered_also_beyond_ascii() -> None:
    def plain(tag: str, rest: str) -> str:
        return "+ \n" if rest.startswith("AUTHENTICATE") else usual(tag, rest, "IMAP4rev1 AUTH=PLAIN")

    def sasl(tag: str, rest: str) -> str:
        if tag and not rest:  # the answer to the challenge
            return f"{sasl.tag} OK in\n"  # type: ignore[attr-defined]
        sasl.tag = tag  # type: ignore[attr-defined]
        return plain(tag, rest)

    with serving("* OK hi\n", sasl) as server, opened(server, secret="pässwörd"):
        pass
    assert base64.b64decode(server.heard[2]) == "\0jo\0pässwörd".encode()


def test_an_xoauth2_refusal_is_answered_and_told() -> None:
    seen: list[str] = []

    def refuse(tag: str, rest: str) -> str:
        if rest.startswith("AUTHENTICATE XOAUTH2"):
            seen.append(tag)
            return "+ \n"
        if rest:
            return usual(tag, rest)
        seen.append(tag)
        if len(seen) == 2:
            return "+ " + base64.b64encode(b'{"status":"401","schemes":"bearer"}').decode() + "\n"
        return f"{seen[0]} NO AUTHENTICATE failed\n"

    auth = {"oauth2": {"client_id": "x", "provider": "google"}}
    with serving("* OK hi\n", refuse) as server, pytest.raises(LoginRefused, match=r"status 401.*maild oauth login"):
        opened(server, secret="token", auth=auth)
    assert base64.b64decode(seen[1]) == b"user=jo\x01auth=Bearer token\x01\x01"
    assert seen[2] == ""


@pytest.mark.parametrize("field", ["host", "username", "folder", "sent"])
def test_s7_line_breaks_never_reach_a_command(field: str) -> None:
    with serving("* OK hi\n", usual) as server, pytest.raises(ValidationError, match="has a line end or a control character"):
        opened(server, **{field: "a\r\nb DELETE INBOX"})
    with serving("* OK hi\n", usual) as server, pytest.raises(MailboxUnavailable, match="the password"):
        opened(server, secret="a\nb")
    assert not any("DELETE" in line for line in server.heard)


def test_a_folder_without_uidvalidity_is_not_followed() -> None:
    def none(tag: str, rest: str) -> str:
        return f"* 0 EXISTS\n{tag} OK [READ-WRITE] open\n" if rest.startswith("SELECT") else usual(tag, rest)

    with (
        serving("* OK hi\n", none) as server,
        opened(server) as session,
        pytest.raises(FolderUnavailable, match="UIDVALIDITY"),
    ):
        session.select(readonly=False)


def test_a_search_may_be_answered_in_several_lines() -> None:
    def several(tag: str, rest: str) -> str:
        return f"* SEARCH 3 1\n* SEARCH\n* SEARCH 2 99\n{tag} OK done\n" if "SEARCH" in rest else usual(tag, rest)

    with serving("* OK hi\n", several) as server, opened(server) as session:
        session.select(readonly=True)
        assert session.uids(1, 10) == [1, 2, 3]
        assert session.highest() == 99


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("* 1 FETCH (UID 1 BODY[]<0> {{99999999999}}\n", "more than were asked for"),
        ("* 1 FETCH (UID 1 BODY[]<0> {{50}}\nshort", "said nothing"),
        ("* 1 FETCH (UID x BODY[]<0> {{2}}\nab)\n{tag} OK done\n", "FETCH"),
        ("* 1 FETCH ((((\n{tag} OK done\n", "FETCH"),
        ("garbage\n{tag} OK done\n", "unexpected response"),
        ("* BYE going down\n", "going down"),
        ("* 1 FETCH " + "x" * 1_100_000 + "\n", "line of more than"),
        ("{tag} NO [SERVERBUG] internal\n", "SERVERBUG"),
    ],
)
def test_rubbish_is_a_fault_in_words_and_bounded(answer: str, why: str) -> None:
    def rubbish(tag: str, rest: str) -> str:
        return answer.format(tag=tag) if "FETCH" in rest else usual(tag, rest)

    with serving("* OK hi\n", rubbish) as server, opened(server) as session:
        session.select(readonly=True)
        with pytest.raises(MailboxUnavailable, match=why):
            session.pieces([1], 0)


def test_bodies_come_as_literals_as_text_or_not_at_all() -> None:
    def bodies(tag: str, rest: str) -> str:
        if "FETCH" not in rest:
            return usual(tag, rest)
        return (
            "* 1 FETCH (UID 1 BODY[]<0> {3}\na\nb)\n* 2 FETCH (UID 2 BODY[]<0> \"quoted \\\"x\\\"\")\n"
            f"* 3 FETCH (UID 3 BODY[]<0> NIL)\n* 9 FETCH (UID 9 BODY[]<0> {{1}}\nz)\n"
            f"* 1 FETCH (FLAGS (\\Seen))\n{tag} OK done\n"
        ).replace("a\nb)", "a-b)")

    with serving("* OK hi\n", bodies) as server, opened(server) as session:
        session.select(readonly=True)
        assert session.pieces([1, 2, 3, 4], 0) == {1: b"a-b", 2: b'quoted "x"', 3: b""}


def idling(first: str, then: str = "") -> Answer:
    tags: list[str] = []

    def answer(tag: str, rest: str) -> str:
        if rest == "IDLE":
            tags.append(tag)
            return first.format(tag=tag)
        if tag == "DONE":
            return f"{then}{tags[-1]} OK done\n"
        return usual(tag, rest)

    return answer


@pytest.mark.parametrize(
    "first", ["* 1 EXISTS\n+ idling\n", "+ idling\n* 1 EXISTS\n", "+ idling\n* OK still here\n* 1 EXISTS\n"],
    ids=["before", "with", "after"],
)  # fmt: skip
def test_news_around_the_start_of_idle_are_not_missed(first: str) -> None:
    with serving("* OK hi\n", idling(first)) as server, opened(server) as session:
        session.select(readonly=True)
        session.idle(60, lambda: True)  # comes back by itself
        assert "DONE" in server.heard


def test_idle_ends_when_told_and_when_its_time_is_over() -> None:
    quiet = idling("+ idling\n* 1 EXPUNGE\n* 1 FETCH (FLAGS (\\Seen))\n")
    with serving("* OK hi\n", quiet) as server, opened(server) as session:
        session.select(readonly=True)
        session.idle(60, lambda: False)
        session.idle(0.05, lambda: True)


def test_an_idle_that_is_refused_means_polling() -> None:
    with serving("* OK hi\n", idling("{tag} BAD what?\n")) as server, opened(server) as session:
        session.select(readonly=True)
        assert session.can_idle
        with pytest.raises(ServerRefuses):
            session.idle(60, lambda: True)
        assert not session.can_idle


@pytest.mark.parametrize("first", ["+ idling\n* BYE autologout\n", "+ idling\nrubbish\n"])
def test_an_idle_that_breaks_is_a_fault(first: str) -> None:
    with serving("* OK hi\n", idling(first)) as server, opened(server) as session:
        session.select(readonly=True)
        with pytest.raises(MailboxUnavailable, match=r"autologout|rubbish"):
            session.idle(60, lambda: True)


def test_a_stop_ends_a_wait_for_an_answer() -> None:
    stop = threading.Event()

    def silent(tag: str, rest: str) -> str:
        if rest != "NOOP":
            return usual(tag, rest)
        stop.set()
        return ""

    patient = replace(QUICK, read=30)
    with (
        serving("* OK hi\n", silent) as server,
        Session.open(account(server), lambda: "pass", timing=patient, stopping=stop.is_set) as session,
        pytest.raises(Stopping),
    ):
        session.noop()


def test_a_server_that_never_stops_answering_is_left() -> None:
    def flood(tag: str, rest: str) -> str:
        return "* 1 FETCH (FLAGS ())\n" * 20_000 if "FETCH" in rest else usual(tag, rest)

    with (
        serving("* OK hi\n", flood) as server,
        Session.open(account(server), lambda: "pass", timing=QUICK, largest=100_000) as session,
    ):
        session.select(readonly=True)
        with pytest.raises(MailboxUnavailable, match="does not stop"):
            session.sizes([1])


@pytest.mark.parametrize("refusal", ["NO [ALREADYEXISTS] there", "NO it is there"])
def test_a_folder_that_somebody_else_makes_first_is_taken(refusal: str) -> None:
    created: list[str] = []

    def race(tag: str, rest: str) -> str:
        if rest.startswith("CREATE"):
            created.append(rest)
            return f"{tag} {refusal}\n"
        if rest.startswith("LIST") and created and "ALREADY" not in refusal:
            return f'* LIST () "/" Processed\n{tag} OK done\n'
        return usual(tag, rest, "IMAP4rev1 MOVE")

    with serving("* OK hi\n", race) as server, opened(server) as session:
        session.select(readonly=False)
        session.move([1], "Processed")
    assert any('UID MOVE 1 "Processed"' in line for line in server.heard)
