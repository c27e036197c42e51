"""The running daemon with a mailbox on a real Dovecot: one message through two doors, and people who still work there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from builders import mail

sys.path.append(str(Path(__file__).parents[1] / "integration"))

from dovecot import PASSWORD, PROGRAM, Dovecot, dovecot

if TYPE_CHECKING:
    from running import Daemon

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(PROGRAM is None, reason="needs Dovecot: make test-services"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot() as running:
        yield running


def imap(daemon_folder: str, server: Dovecot, user: str, **more: Any) -> dict[str, Any]:
    account = {"host": "127.0.0.1", "port": server.port, "security": "none", "username": user, "password": {"env": "IMAP_PASSWORD"}}
    return {"mailboxes": {"support": {"imap": {**account, "after": {"move": "Processed"}, **more}}}}


@pytest.fixture
def fetching(
    daemons: Callable[..., Daemon], server: Dovecot, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[..., tuple[Daemon, str]]:
    """Starts a daemon that fetches an account of this test's own."""
    monkeypatch.setenv("IMAP_PASSWORD", PASSWORD)
    user = request.node.name[:40].replace("[", "").replace("]", "")

    def start(**more: Any) -> tuple[Daemon, str]:
        daemon = daemons(main=imap("", server, user, **more))
        daemon.sink.up()
        daemon.start()
        return daemon, user

    return start


def test_the_same_message_by_smtp_and_imap_is_one(fetching: Callable[..., tuple[Daemon, str]], server: Dovecot) -> None:
    daemon, user = fetching()
    raw = mail("Twice.\n", subject="One message", message_id="twice@home.example")
    other_way = b"Return-Path: <jo@home.example>\r\nReceived: from mx by imap; Mon, 23 Nov 2026 10:00:00 +0000\r\nX-Spam-Flag: NO\r\n" + raw
    daemon.send(raw)
    server.append(user, other_way)
    server.append(user, mail(subject="Another", message_id="another@home.example"))

    def fetched() -> bool:
        with server.client(user) as client:
            return client.select("Processed", readonly=True)[1] == [b"2"]

    daemon.until(fetched, "both to be moved away")
    daemon.settle(2)
    assert daemon.count() == {"done": 2}
    assert sorted(case["title"] for case in daemon.json("case", "list")) == ["Another", "One message"]
    daemon.audit()
    assert daemon.json("status")["mailboxes"]["support"]["fault"] is None
    checked = daemon.maild("check", "--connect", status=None).stdout.decode()
    assert "IDLE: yes" in checked


def test_people_who_answer_in_the_shared_mailbox(fetching: Callable[..., tuple[Daemon, str]], server: Dovecot) -> None:
    with server.client("test_people_who_answer_in_the_shared_mai") as client:
        client.create("Sent")
        client.append("Sent", "", "", mail("Long ago.\n", sender="support@example.com", to="jo@home.example", subject="Old"))
    daemon, user = fetching(sent="Sent", copy_sent=True)
    server.append(user, mail(subject="Broken", message_id="broken@home.example"))
    daemon.until(lambda: daemon.sink.to("jo@home.example"), "the acknowledgement")
    server.append(
        user,
        mail("We come on Friday.\n", sender="support@example.com", to="jo@home.example", subject="Re: Broken",
             headers=["Sender: Alice Ng <alice@example.com>", "In-Reply-To: <broken@home.example>"]),
        folder="Sent",
    )  # fmt: skip
    case = daemon.until(lambda: (found := daemon.json("case", "show", "1"))["first_response_at"] and found, "the answer")
    assert (case["status"], case["assignee"]) == ("open", "alice")
    assert [(one["direction"], one["kind"]) for one in case["messages"]] == [("in", "customer"), ("out", "acknowledgement"), ("out", "answer")]

    def copied() -> bool:
        with server.client(user) as client:
            client.select("Sent", readonly=True)
            return len(client.search(None, "SUBJECT", '"[#1]"')[1][0].split()) == 1

    daemon.until(copied, "the acknowledgement in the folder of sent mail")
    daemon.settle()
    assert len(daemon.json("case", "list")) == 1
    assert daemon.maild("audit").returncode == 0
