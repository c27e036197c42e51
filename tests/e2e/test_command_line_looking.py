"""Looking at what happened: `maild log`, `why`, `message`, `trace --since`, `pause everything`, and the status in red."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from builders import mail

if TYPE_CHECKING:
    from running import Daemon

RULES = [{"name": "Broken things", "when": {"subject": {"words": ["broken"]}}, "case": {"raise": {"priority": "high"}, "set": {"tags": ["x", "y"]}}}]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Two mails: one becomes a case by a rule, one is held. The daemon is stopped."""
    from running import Daemon

    one = Daemon(tmp_path_factory.mktemp("looking"), main={"outbound": {"mode": "hold"}}, rules=RULES)
    try:
        one.start()
        one.send(mail(subject="Broken [/b] cup", sender="ann@acme.example", message_id="cup@acme.example"), sender="ann@acme.example")
        one.settle(1)
        one.send(mail(subject="Cron", headers=["Auto-Submitted: auto-generated"], message_id="cron@home.example"))
        one.settle(2)
        one.stop()
        one.process = None
        yield one
    finally:
        one.close()


def logged(shop: Daemon, *words: str) -> list[str]:
    return shop.maild("log", str(shop.folder / "log"), *words).stdout.decode().splitlines()


def test_the_log_is_shown_by_case_mailbox_sender_and_level(shop: Daemon) -> None:
    def events(*words: str) -> list[str]:
        return [line.split()[2] for line in logged(shop, *words)]

    assert events("--case", "1") == ["case.created", *["outbox.held"] * 3]
    assert events("--from", "ann@acme.example") == ["message.accepted", "case.created"]
    assert events("--mailbox", "support", "--warnings") == ["message.held"]
    assert events("--message", "<cron@home.example>") == ["message.accepted", "message.held"]
    assert events("--since", "1h") == events()
    (held,) = logged(shop, "--warnings", "--message", "cron@home.example")
    assert " -- run: maild spool show " in held
    assert 'rule="[\\"Broken things\\"]"' in logged(shop, "--case", "1")[0]
    from_pipe = shop.maild("log", "-", stdin=b'<6>{"timestamp": "2026-11-23T10:00:00Z", "level": "info", "event": "x.y"}\nnoise\n')
    assert from_pipe.stdout == b"2026-11-23T10:00:00Z info    x.y\n"
    old = b'<6>{"timestamp": "2020-11-23T10:00:00Z", "level": "info", "event": "x.y"}\n'
    assert shop.maild("log", "-", "--since", "1h", stdin=old).stdout == b""


def test_a_very_long_subject_widens_no_other_line_of_a_list(shop: Daemon) -> None:
    shop.maild("case", "new", "--mailbox", "support", "--title", "x" * 900)
    lines = shop.maild("case", "list").stdout.decode().splitlines()
    assert sum("x" * 900 in one for one in lines) == 1
    assert max(len(one) for one in lines if "xxx" not in one) < 200


def test_why_says_in_a_few_lines_what_became_of_a_case(shop: Daemon) -> None:
    said = shop.maild("why", "1").stdout.decode().splitlines()
    assert said[0] == "Broken [/b] cup, from ann@acme.example: a new case, case 1"
    assert "rule      Broken things, by broken" in said
    assert any(line.startswith("wrote     ") and "tags x y" in line for line in said)
    assert "told      alice@example.com, bob@example.com" in said
    assert "answered  ann@acme.example: [#1] Re: Broken [/b] cup" in said
    assert len(said) <= 6
    assert "nobody" in shop.maild("why", "cron@home.example").stdout.decode()
    shop.maild("why", "999", status=1)


def test_stored_mails_are_listed_with_what_became_of_them(shop: Daemon) -> None:
    rows = shop.json("message")
    assert [(one["message_id"], one["disposition"], one["case"]) for one in rows] == [
        ("cup@acme.example", "case", 1), ("cron@home.example", "held", None),
    ]  # fmt: skip
    assert [one["message_id"] for one in shop.json("message", "list", "--limit", "1")] == ["cron@home.example"]


def test_a_trace_goes_back_as_far_as_asked(shop: Daemon) -> None:
    assert len(shop.json("trace", "ann@acme.example", "--since", "1d")["messages"]) == 1
    shop.maild("trace", "ann@acme.example", "--since", "2999-01-01", status=1)


def test_everything_is_paused_and_goes_on_at_once(shop: Daemon) -> None:
    shop.maild("pause", "everything", "--for", "2h", "--reason", "moving [/b] house")
    needs = "\n".join(shop.json("status")["needs"])
    assert [part for part in ("automatic", "outbox", "workflows") if f"{part} is paused by tester until 20" not in needs] == []
    assert "(moving [/b] house)" in needs
    shop.maild("resume", "everything")
    assert shop.json("status")["paused"] == []
    shop.maild("resume", "everything", status=1)


def on_a_terminal(shop: Daemon, *words: str, columns: int = 80) -> tuple[int, str]:
    main, other = pty.openpty()
    env = {name: value for name, value in shop.environment.items() if name != "NO_COLOR"} | {"TERM": "xterm", "COLUMNS": str(columns)}
    done = subprocess.run(
        [sys.executable, "-m", "maild", "--config", str(shop.config), *words], stdout=other, stderr=other, env=env, check=False
    )
    os.close(other)
    said = os.read(main, 65536).decode()
    os.close(main)
    return done.returncode, said


def test_what_needs_a_person_is_red_on_a_terminal(shop: Daemon) -> None:
    status, said = on_a_terminal(shop, "status")
    assert status == 1
    assert "\x1b[31m  ! 1 held" in said
    assert "outgoing mail is not live (outbound.mode hold)" in said.splitlines()[0]


def test_an_empty_list_says_so_on_a_terminal_and_nothing_to_a_program(shop: Daemon) -> None:
    for command in (("case", "list", "--status", "closed"), ("workflow",), ("faq",)):
        assert on_a_terminal(shop, *command) == (0, "nothing to list\r\n"), command
        assert shop.maild(*command).stdout == b""


@pytest.mark.parametrize("columns", [40, 60, 100, 200])
def test_a_list_breaks_no_words_however_narrow_the_terminal_is(shop: Daemon, columns: int) -> None:
    rows = shop.json("case", "list")
    status, said = on_a_terminal(shop, "case", "list", columns=columns)
    assert (status, bool(rows)) == (0, True)
    for row in rows:
        for name in ("number", "status", "priority", "group", "assignee"):
            assert row[name] is None or str(row[name]) in said, name


def test_every_command_is_listed_by_help(shop: Daemon) -> None:
    listed = shop.maild("--help").stdout.decode()
    for command in ("deliver", "log", "why", "trace", "import", "version"):
        assert f"\n  {command} " in listed
    assert shop.maild("version").stdout == shop.maild("--version").stdout
    json.loads(shop.maild("case", "--json").stdout)


def test_user_permissions_says_what_a_user_may_see(shop: Daemon) -> None:
    said = shop.maild("user", "permissions", "alice").stdout.decode()
    assert said.startswith("alice: agent, of support\n")
    assert "cases of other groups" in said
    made = json.loads(shop.maild("user", "permissions", "alice", "--json").stdout)
    assert made["may"] == {"own_groups": "yes", "involved": "yes", "others": "no"}
    unknown = shop.maild("user", "permissions", "nobody", status=1)
    assert unknown.stdout == b""
    assert b"there is no user 'nobody'" in unknown.stderr
