"""Debian's Postfix in front of maild and behind it, as docs/howto/postfix.md has it: LMTP, SMTP, pipe, and the smarthost."""

from __future__ import annotations

import shutil
import smtplib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from builders import mail
from postfix import Postfix, missing

if TYPE_CHECKING:
    from running import Daemon

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = [pytest.mark.service, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]


class Office:
    """A maild with a Postfix before and behind it; what Postfix sends on ends in the daemon's sink."""

    def __init__(self, folder: Path) -> None:
        from running import Daemon

        deliver = folder / "maild-deliver"
        self.daemon: Daemon = Daemon(folder)
        self.postfix = Postfix(
            folder / "p",
            {
                "support@example.com": "lmtp:unix:private/maild", "nobody@example.com": "lmtp:unix:private/maild",
                "billing@example.com": f"smtp:[127.0.0.1]:{self.daemon.port}",
                "quiet@example.com": "maild-pipe:", "stranger@example.com": "maild-pipe:",
            },
            self.daemon.sink.port, deliver,
        )  # fmt: skip
        self.socket = folder / "p" / "queue" / "private" / "maild"
        self.daemon.configure(
            main={
                "ingest": {"lmtp": {"listen": f"unix:{self.socket}"}},
                "outbound": {"smtp": {"port": self.postfix.port}},
            }
        )
        deliver.write_text(
            f"#!/bin/sh\nexport PYTHONPATH={ROOT} RUNTIME_DIRECTORY={folder}/run\n"
            f'exec {interpreter()} -m maild --config {self.daemon.config} "$@"\n'
        )
        deliver.chmod(0o755)

    def start(self) -> None:
        self.daemon.start()
        shutil.chown(self.socket, "postfix", "postfix")  # as systemd/maild-lmtp.socket gives it to Postfix
        for path in (self.daemon.config / "var", *(self.daemon.config / "var").iterdir(), *(self.daemon.folder / "run").iterdir()):
            path.chmod(0o777)  # Postfix's pipe runs programs of anybody but root and its own user

    def send(self, *to: str, sender: str = "jo@home.example", **how: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30) as client:
            client.sendmail(sender, list(to), mail(to=to[0], sender=f"<{sender or 'jo@home.example'}>", **how))

    def until_sent(self, address: str, count: int = 1) -> None:
        """Until so many mails to this address have come out at the far end."""
        self.daemon.until(
            lambda: len(self.daemon.sink.to(address)) >= count,
            f"{count} mails to {address}; Postfix says:\n{self.postfix.log()[-3000:]}",
        )


def interpreter() -> str:
    """A Python that a user other than root may run; `deliver` needs nothing but the standard library."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        tried = subprocess.run(
            ["/usr/sbin/runuser", "-u", "nobody", "--", "env", f"PYTHONPATH={ROOT}", candidate, "-m", "maild", "deliver", "--help"],
            capture_output=True, check=False, cwd="/",
        )  # fmt: skip
        if tried.returncode == 0:
            return candidate
    return "/bin/false"


@pytest.fixture(scope="module")
def office() -> Iterator[Office]:
    folder = Path(tempfile.mkdtemp(prefix="maild-pf-"))  # short, for socket paths, and open to Postfix's users
    folder.chmod(0o755)
    one = Office(folder)
    try:
        one.daemon.sink.up()
        one.postfix.start()
        one.start()
        yield one
    finally:
        one.postfix.stop()
        one.daemon.close()
        shutil.rmtree(folder, ignore_errors=True)


def doors(office: Office, subject: str) -> list[tuple[str, str, list[str]]]:
    found = office.daemon.json("trace", subject)["messages"]
    return [(one["door"], one["mail_from"], one["rcpt_to"]) for one in found]


@pytest.mark.parametrize(
    ("to", "door"), [("support@example.com", "lmtp"), ("billing@example.com", "smtp"), ("quiet@example.com", "pipe")]
)
def test_mail_comes_in_by_each_way_with_its_envelope(office: Office, to: str, door: str) -> None:
    if door == "pipe" and interpreter() == "/bin/false":
        pytest.skip("no Python here that Postfix's pipe may run")
    subject = f"By way of {door}"
    office.send(to, subject=subject)
    office.daemon.until(lambda: any(subject == one["title"] for one in office.daemon.json("case")), f"{subject}\n{office.postfix.log()[-2000:]}")
    assert doors(office, subject) == [(door, "jo@home.example", [to])]


def test_the_answer_leaves_through_postfix_as_the_smarthost(office: Office) -> None:
    office.send("support@example.com", sender="ann@acme.example", subject="Through and back")
    office.until_sent("ann@acme.example")
    (answer,) = office.daemon.sink.to("ann@acme.example")
    assert answer.sender == ""
    assert (answer.mail["Reply-To"], answer.mail["Auto-Submitted"]) == ("support@example.com", "auto-replied")
    assert "mx.example.net" in str(answer.mail["Received"])
    office.until_sent("alice@example.com")


def test_the_null_sender_comes_through_the_pipe_as_the_null_sender(office: Office) -> None:
    if interpreter() == "/bin/false":
        pytest.skip("no Python here that Postfix's pipe may run")
    office.send("quiet@example.com", sender="", subject="From nobody at all")
    office.daemon.until(lambda: doors(office, "From nobody at all"), f"the mail\n{office.postfix.log()[-2000:]}")
    assert doors(office, "From nobody at all") == [("pipe", "", ["quiet@example.com"])]


@pytest.mark.parametrize("to", ["nobody@example.com", "stranger@example.com"])
def test_an_address_that_maild_does_not_know_is_bounced_by_postfix_at_once(office: Office, to: str) -> None:
    if to == "stranger@example.com" and interpreter() == "/bin/false":
        pytest.skip("no Python here that Postfix's pipe may run")
    writer = f"{to.partition('@')[0]}-asks@home.example"
    office.send(to, sender=writer, subject="Is anybody there?")
    office.until_sent(writer)
    (bounce,) = office.daemon.sink.to(writer)
    assert bounce.mail.get_content_type() == "multipart/report"
    assert to in str(bounce.mail)


def test_mail_waits_in_postfix_while_maild_is_stopped_and_nothing_bounces(office: Office) -> None:
    office.daemon.stop()
    ways = ["support@example.com", "billing@example.com"]
    for to in ways:
        office.send(to, sender="late@home.example", subject=f"Late for {to}")
    office.daemon.process = None
    office.daemon.until(lambda: office.postfix.log().count("status=deferred") >= 2, f"Postfix to wait\n{office.postfix.log()[-2000:]}")
    office.start()
    office.postfix.flush()
    for to in ways:
        office.daemon.until(
            lambda to=to: any(one["title"] == f"Late for {to}" for one in office.daemon.json("case")),  # type: ignore[misc]
            f"{to}\n{office.postfix.log()[-2000:]}",
        )
    told = [one.mail.get_content_type() for one in office.daemon.sink.to("late@home.example")]
    assert "multipart/report" not in told
    office.daemon.audit()


def test_a_broken_configuration_bounces_nothing_that_comes_by_the_pipe(office: Office) -> None:
    if interpreter() == "/bin/false":
        pytest.skip("no Python here that Postfix's pipe may run")
    path = office.daemon.config / "maild.yaml"
    sound = path.read_text()
    office.daemon.stop()
    office.daemon.process = None
    try:
        path.write_text("mailboxes: [\nstate_dir: {")
        office.send("quiet@example.com", sender="hurt@home.example", subject="While it is broken")
        office.daemon.until(lambda: "status=deferred" in office.postfix.log().rpartition("While")[2] or office.postfix.waiting(), "Postfix to wait")
    finally:
        path.write_text(sound)
    office.start()
    office.postfix.flush()
    office.daemon.until(lambda: doors(office, "While it is broken"), f"the mail\n{office.postfix.log()[-2000:]}")
    assert office.daemon.sink.to("hurt@home.example") == []
