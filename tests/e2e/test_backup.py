"""A copy is proved, and brought back without sending anything: what was waiting in it is in doubt until a person decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from builders import mail

if TYPE_CHECKING:
    from running import Daemon


def test_a_restored_copy_sends_nothing_until_a_person_says_so(daemons: Callable[..., Daemon]) -> None:
    daemon = daemons()
    daemon.start()  # the smarthost is down
    daemon.send(mail(subject="Before the copy"))
    daemon.settle(1)
    said = daemon.maild("backup", "copy.db", "--verify").stdout.decode()
    assert "verified: 1 accepted, 3 outgoing, 1 cases" in said
    daemon.send(mail(subject="After the copy"))
    daemon.settle(2)
    daemon.maild("restore", "copy.db", status=2)  # while it runs
    daemon.stop()
    said = daemon.maild("restore", "copy.db").stdout.decode()
    assert "in doubt: 3 mails" in said
    assert "[#1] Re: Before the copy" in said
    assert said.splitlines()[-1].strip() == "maild resume outbox"
    assert [one["title"] for one in daemon.json("case")] == ["Before the copy"]
    doubtful = {one["to"][0]: str(one["id"]) for one in daemon.json("outbox")}

    daemon.process = None
    daemon.sink.up()
    daemon.start()
    daemon.send(mail(subject="After the restore"))
    daemon.settle(2)
    assert any("outbox is paused" in need for need in daemon.json("status")["needs"])
    assert daemon.sink.mails == []
    daemon.maild("outbox", "discard", doubtful["jo@home.example"])
    daemon.maild("resume", "outbox")
    daemon.until(lambda: len(daemon.sink.mails) == 5, "the mails to go out")
    assert [str(one.mail["Subject"]) for one in daemon.sink.to("jo@home.example")] == ["[#2] Re: After the restore"]
    daemon.audit()
