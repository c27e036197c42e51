"""The running daemon with a mailbox that takes no password: a real Dovecot with XOAUTH2, and a provider on loopback."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from builders import mail

sys.path.append(str(Path(__file__).parents[1] / "integration"))

from dovecot import PROGRAM, Dovecot, dovecot
from oauth_provider import SECRET, Provider, provider

if TYPE_CHECKING:
    from running import Daemon

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(PROGRAM is None, reason="needs Dovecot: make test-services"),
]
USER = "jo"


@pytest.fixture
def giver() -> Iterator[Provider]:
    with provider(USER) as server:
        yield server


@pytest.fixture
def server(giver: Provider) -> Iterator[Dovecot]:
    with dovecot(oauth_url=f"{giver.url}/introspect") as running:
        yield running


@pytest.fixture
def fetching(daemons: Callable[..., Daemon], server: Dovecot, giver: Provider, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Daemon]:
    """Makes a daemon that fetches USER's account with these settings of oauth2; it is not started yet."""
    monkeypatch.setenv("OAUTH_SECRET", SECRET)

    def make(imap: dict[str, Any] | None = None, **oauth2: Any) -> Daemon:
        known = {"client_id": "app", "token_url": f"{giver.url}/token", "device_url": f"{giver.url}/device", "scope": "mail"}
        account = {
            "host": "127.0.0.1", "port": server.tls_port, "ca_file": server.ca_file, "username": USER, "after": {"move": "Processed"},
            "auth": {"oauth2": {**known, **oauth2}}, **(imap or {}),
        }  # fmt: skip
        daemon = daemons(main={"mailboxes": {"support": {"imap": account}}})
        daemon.sink.up()
        return daemon

    return make


def titles(daemon: Daemon) -> list[str]:
    return sorted(case["title"] for case in daemon.json("case", "list"))


def kept(daemon: Daemon) -> dict[str, Any]:
    """The sign-in as it stands on disk."""
    found: dict[str, Any] = json.loads((daemon.config / "var" / "oauth" / f"support--{USER}.json").read_text())
    return found


def test_client_credentials_need_nobody_to_sign_in(fetching: Callable[..., Daemon], server: Dovecot, giver: Provider) -> None:
    daemon = fetching(flow="client_credentials", client_secret={"env": "OAUTH_SECRET"})
    daemon.start()
    server.append(USER, mail(subject="By the application", message_id="one@home.example"))
    daemon.until(lambda: titles(daemon) == ["By the application"], "the case")
    assert {form["grant_type"] for form in giver.asked} == {"client_credentials"}
    assert {(form["client_id"], form["scope"]) for form in giver.asked} == {("app", "mail")}
    assert daemon.json("oauth", "list")[0]["state"] == "needs no sign-in"
    assert daemon.json("status")["mailboxes"]["support"]["fault"] is None
    assert SECRET not in (daemon.folder / "log").read_text()


def test_a_wrong_client_secret_is_said_and_asked_for_slowly(fetching: Callable[..., Daemon], giver: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTH_SECRET", "an old one")
    daemon = fetching(flow="client_credentials", client_secret={"env": "OAUTH_SECRET"})
    daemon.start()
    fault = daemon.until(lambda: daemon.json("status")["mailboxes"]["support"]["fault"], "the fault")
    assert "invalid_client" in fault
    checked = daemon.maild("check", "--connect", status=1)
    shown = checked.stdout.decode()
    assert "FAULT imap support" in shown
    assert "1 connection fault" in shown
    assert "no faults" not in shown
    assert len(giver.asked) == 2  # once by the daemon, once by the check
    assert "an old one" not in (daemon.folder / "log").read_text()


def test_a_person_signs_the_mailbox_in_and_a_rotated_token_is_on_disk_before_it_is_used(
    fetching: Callable[..., Daemon], server: Dovecot, giver: Provider
) -> None:
    giver.pending, giver.lives = 1, 301  # a token is renewed five minutes before its end: at once
    daemon = fetching()
    stored: list[tuple[str, str]] = []
    giver.looked = lambda: stored.append((kept(daemon)["refresh_token"], giver.refresh))
    said = daemon.program("oauth", "login", "support").stdout.decode()
    assert f"Open {giver.url}/enter" in said
    assert "enter the code WXYZ-1234" in said
    assert "folder INBOX: 0 messages" in said
    assert [form["grant_type"] for form in giver.asked][:2] == ["urn:ietf:params:oauth:grant-type:device_code"] * 2
    assert kept(daemon)["refresh_token"] == giver.refresh
    assert (daemon.config / "var" / "oauth" / f"support--{USER}.json").stat().st_mode & 0o077 == 0

    daemon.start()
    server.append(USER, mail(subject="First", message_id="one@home.example"))
    daemon.until(lambda: titles(daemon) == ["First"], "the first case")
    before = giver.refresh
    giver.withdraw()  # the connection is open still; only after it is cut is a token needed again
    server.stop()
    server.start()
    server.append(USER, mail(subject="Second", message_id="two@home.example"))
    daemon.until(lambda: titles(daemon) == ["First", "Second"], "the second case", within=60)
    assert giver.refresh != before
    assert [on_disk for on_disk, newest in stored if on_disk != newest] == []
    assert daemon.stop() == 0
    assert kept(daemon)["refresh_token"] == giver.refresh
    assert giver.refresh not in (daemon.folder / "log").read_text()


def test_the_end_of_a_sign_in_is_announced_days_before_by_mail_log_and_status(
    fetching: Callable[..., Daemon], server: Dovecot, giver: Provider
) -> None:
    giver.refresh_lives = 3 * 86_400
    daemon = fetching()
    daemon.program("oauth", "login", "support")
    ends = (datetime.now(UTC) + timedelta(days=3)).date()
    daemon.start()
    fault = daemon.until(lambda: daemon.json("status")["mailboxes"]["support"]["fault"], "the word in status")
    assert fault == f"the sign-in ends on {ends}: run `maild oauth login support` before"
    told = daemon.until(lambda: daemon.sink.to("root@example.com"), "the mail to the admins")[0].mail
    assert str(ends) in told["Subject"]
    assert "maild oauth login support" in told.get_body().get_content()
    assert [line["mailbox"] for line in daemon.log() if line.get("event") == "oauth.expiring"] == ["support"]
    server.append(USER, mail(subject="Still fetched", message_id="one@home.example"))
    daemon.until(lambda: titles(daemon) == ["Still fetched"], "the case")

    giver.refresh_lives = 90 * 86_400
    daemon.program("oauth", "login", "support")
    server.stop()
    server.start()
    daemon.until(lambda: daemon.json("status")["mailboxes"]["support"]["fault"] is None, "all to be well again", within=60)


def test_what_is_sent_is_copied_by_token_too(fetching: Callable[..., Daemon], server: Dovecot, giver: Provider) -> None:
    giver.lives = 301
    with server.client(USER) as client:
        client.create("Sent")
    daemon = fetching({"sent": "Sent", "copy_sent": True})
    daemon.program("oauth", "login", "support")
    daemon.start()
    server.append(USER, mail(subject="Broken", message_id="broken@home.example"))
    daemon.until(lambda: daemon.sink.to("jo@home.example"), "the acknowledgement")
    daemon.until(lambda: [one for one in server.subjects(USER, "Sent") if "[#1]" in one], "its copy")
    daemon.settle()
    assert daemon.json("status")["mailboxes"]["support"]["fault"] is None  # fetching and copying share one rotated token
