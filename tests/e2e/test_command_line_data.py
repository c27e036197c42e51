"""Cases and addresses as data: exported, deleted, blocked; a configuration compared with the live one; a copy put elsewhere."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING

from builders import mail

if TYPE_CHECKING:
    from running import Daemon

SECRET = "the serial number is 4711-secret"


def test_case_export_holds_the_case_and_all_its_mails_and_case_delete_removes_them(daemons: Callable[..., Daemon]) -> None:
    daemon = daemons()
    daemon.sink.up()
    daemon.start()
    raw = mail(SECRET, subject="Broken", sender="jo@home.example")
    daemon.send(raw)
    daemon.settle(1)
    daemon.maild("case", "reply", "1", "We look into it")
    daemon.until(lambda: len(daemon.sink.to("jo@home.example")) == 2, "the answer to go out")

    said = daemon.maild("case", "export", "1", "one.zip").stdout.decode()
    assert said == "one.zip: case 1 with 3 mails\n"
    with zipfile.ZipFile(daemon.folder / "one.zip") as archive:
        assert archive.namelist() == ["case.json", "mails/001-in.eml", "mails/002-out.eml", "mails/003-out.eml"]
        assert archive.read("mails/001-in.eml").rstrip() == raw.rstrip()
        assert b"We look into it" in archive.read("mails/003-out.eml")
        assert json.loads(archive.read("case.json"))["messages"][0]["text"].strip() == SECRET
    daemon.maild("case", "export", "7", status=1)

    assert b"no admin" in daemon.maild("--as", "alice", "case", "delete", "1", "--yes", status=3).stderr
    assert b"3 messages" in daemon.maild("case", "delete", "1", "--dry-run").stdout
    daemon.maild("case", "delete", "1", stdin=b"n\n", status=1)
    assert daemon.json("case", "show", "1")["number"] == 1
    daemon.maild("case", "delete", "1", "--yes")
    daemon.maild("case", "show", "1", status=1)
    assert daemon.json("case", "list") == []
    assert [one["emails"] for one in daemon.json("contact", "list")] == [["jo@home.example"]]
    daemon.audit()

    token = str(daemon.sink.to("jo@home.example")[0].mail["Message-ID"])
    daemon.send(mail("more", subject="Re: [#1] Broken", sender="jo@home.example", headers=[f"In-Reply-To: {token}"]))
    daemon.settle(2)
    assert [(one["number"], one["title"]) for one in daemon.json("case", "list")] == [(2, "Broken")]


def test_contact_block_discards_what_an_address_sends_and_trace_says_so_until_unblock(daemons: Callable[..., Daemon]) -> None:
    daemon = daemons()
    daemon.start()
    daemon.maild("contact", "block", "Pest@Else.example")
    assert [one["address"] for one in daemon.json("contact", "block")] == ["pest@else.example"]
    daemon.send(mail(subject="Buy", sender="pest@else.example", message_id="buy@else.example"), sender="pest@else.example")
    daemon.settle(1)
    assert daemon.json("case", "list") == []
    assert b"discarded" in daemon.maild("trace", "buy@else.example").stdout
    daemon.maild("contact", "block", "support@example.com", status=2)
    daemon.maild("contact", "unblock", "pest@else.example")
    daemon.maild("contact", "unblock", "pest@else.example", status=1)
    daemon.send(mail(subject="Sorry", sender="pest@else.example", message_id="sorry@else.example"), sender="pest@else.example")
    daemon.settle(2)
    assert [one["title"] for one in daemon.json("case", "list")] == ["Sorry"]


def test_config_diff_says_what_a_reload_would_change(daemons: Callable[..., Daemon]) -> None:
    daemon = daemons()
    daemon.maild("config", "diff", status=1)
    daemon.start()
    daemon.until(lambda: b"nothing differs" in daemon.maild("config", "diff", status=None).stdout, "it to be noted as live")
    path = daemon.folder / "config" / "directory.yaml"
    path.write_text(path.read_text() + "# a remark\n")
    said = daemon.maild("config", "diff", status=1).stdout.decode()
    assert said.startswith("changed: directory.yaml\n")
    assert "+# a remark" in said
    assert daemon.json("config", "diff", status=1) == [{"file": "directory.yaml", "change": "changed"}]
    daemon.maild("reload", "--wait")
    daemon.until(lambda: b"nothing differs" in daemon.maild("config", "diff", status=None).stdout, "the new one to be noted")


def test_restore_to_another_directory_leaves_the_one_in_use_alone(daemons: Callable[..., Daemon]) -> None:
    daemon = daemons()
    daemon.start()
    daemon.send(mail(subject="Before the copy"))
    daemon.settle(1)
    daemon.maild("backup", "copy.db")
    daemon.send(mail(subject="After the copy"))
    daemon.settle(2)
    said = daemon.maild("restore", "copy.db", "--to", "other").stdout.decode()
    assert f"state_dir: {daemon.folder / 'other'}" in said
    assert len(daemon.json("case", "list")) == 2
    daemon.maild("restore", "copy.db", "--to", "other", status=2)  # no longer empty
    daemon.audit()


def test_a_base_and_a_site_are_one_configuration_for_the_daemon_and_every_command(daemons: Callable[..., Daemon]) -> None:
    daemon = daemons()
    base, site = daemon.config, daemon.folder / "site"
    site.mkdir()
    (site / "maild.yaml").write_text(f"state_dir: {base / 'var'}\nmailboxes: {{support: {{name: Of the site}}}}\n")
    daemon.config = type(base)(f"{base}:{site}")
    daemon.start()
    assert daemon.json("mailbox", "show", "support")["name"] == "Of the site"
    daemon.maild("deliver", "--to", "support@example.com", stdin=mail(subject="Piped"))
    daemon.settle(1)
    (site / "rules").mkdir()
    (site / "rules" / "5-site.yaml").write_text("rules: [{name: Late, when: {subject: late}, case: {tags: [site]}}]\n")
    assert daemon.json("config", "diff", status=1) == [{"file": "rules/5-site.yaml", "change": "added"}]
    daemon.maild("reload", "--wait")
    daemon.send(mail(subject="late"))
    daemon.settle(2)
    assert daemon.json("case", "show", "2")["tags"] == ["site"]
    daemon.until(lambda: daemon.maild("config", "diff", status=None).returncode == 0, "the new one to be noted")
    daemon.maild("rules", "rollback", daemon.json("rules", "history")[1]["hash"])
    assert not (site / "rules" / "5-site.yaml").exists()
    (site / "maild.yaml").write_text("mailboxes: {support: {nam: X}}\n")
    assert f"{site}/maild.yaml:1:" in daemon.maild("check", status=1).stdout.decode() + daemon.maild("check", status=1).stderr.decode()
