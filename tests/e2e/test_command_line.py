"""The command line beside a daemon's database: what each command prints, its exit status, its JSON."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from builders import mail

if TYPE_CHECKING:
    from running import Daemon

CASE = {
    "number", "title", "summary", "status", "priority", "category", "channel", "mailbox", "contact", "organisation", "group",
    "assignee", "owner", "sla", "tags", "fields", "resolution", "billable", "rating", "feedback", "created_at", "updated_at",
    "first_response_at", "last_responded_at", "resolved_at", "closed_at",
}  # fmt: skip
MORE = {"contacts", "stream", "messages", "sla_state", "time_in_status", "followers", "time_spent", "service", "links"}
SPOOL = {"id", "state", "mailbox", "door", "mail_from", "rcpt_to", "message_id", "subject", "size", "received_at", "attempts", "reason"}
OUTBOX = {"id", "state", "case", "kind", "to", "subject", "message_id", "attempts", "next_at", "reason"}
INSPECT = {
    "file", "message_id", "kind", "automatic", "from", "reply_to", "to", "cc", "subject", "date", "text", "new_text", "language",
    "attachments", "bounce", "defects",
}  # fmt: skip
STREAM_TYPES = {
    "message", "note", "status", "priority", "assignment", "field", "contact", "merge", "link", "sla", "time", "notified",
    "suppressed", "bounced", "rated",
}  # fmt: skip
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A database with two cases, a held mail, and an outbox that nobody empties; the daemon is not running any more."""
    from running import Daemon

    one = Daemon(tmp_path_factory.mktemp("shop"), main={"outbound": {"mode": "hold"}})
    try:
        one.start()
        attached = mail(
            "--b\nContent-Type: text/plain\n\nIt broke [bold]really[/bold].\n--b\nContent-Type: image/png; name=photo.png\n"
            "Content-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--b--\n",
            sender="Ann <ann@acme.example>", subject="Broken [#7] phone", message_id="one@acme.example",
            headers=["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b"],
        )  # fmt: skip
        one.send(attached, sender="ann@acme.example")
        one.settle(1)
        one.send(mail(subject="Invoice", to="billing@example.com", message_id="two@home.example"), ["billing@example.com"])
        one.settle(2)
        one.send(mail(subject="Cron", headers=["Auto-Submitted: auto-generated"], message_id="three@home.example"))
        one.settle(3)
        one.until(lambda: {row["state"] for row in one.json("outbox", "list")} == {"held"}, "the mails to be held")
        assert one.stop() == 0
        one.process = None
        yield one
    finally:
        one.close()


# --- lists and records ------------------------------------------------------------------------------------------


def test_case_list_is_as_the_contract_has_it(shop: Daemon) -> None:
    found = shop.json("case", "list")
    assert [one["number"] for one in found] == [1, 2]
    assert all(set(one) == CASE for one in found)
    first = found[0]
    assert first["contact"] == {"name": "Ann", "email": "ann@acme.example"}
    assert (first["organisation"], first["mailbox"], first["group"], first["sla"]) == ("Acme Ltd", "support", "support", "Gold")
    assert (first["title"], first["status"], first["priority"], first["channel"]) == ("Broken phone", "new", "medium", "email")
    assert (first["tags"], first["fields"], first["billable"], first["rating"]) == ([], {}, False, None)
    assert INSTANT.fullmatch(first["created_at"])


def test_a_noun_alone_lists_and_with_a_number_shows(shop: Daemon) -> None:
    assert shop.json("case") == shop.json("case", "list") == shop.json("ticket")
    one, other = shop.json("case", "1"), shop.json("case", "show", "1")
    assert {k: v for k, v in one.items() if k not in {"time_in_status", "sla_state"}} == {
        k: v for k, v in other.items() if k not in {"time_in_status", "sla_state"}
    }
    assert b"Broken phone" in shop.maild("case").stdout
    assert b"Cron" in shop.maild("spool").stdout
    assert b"ann@acme.example" in shop.maild("outbox").stdout


def test_case_show_is_as_the_contract_has_it(shop: Daemon) -> None:
    shown = shop.json("case", "show", "1")
    assert set(shown) >= CASE | MORE
    assert [set(one) >= {"at", "type", "actor", "public", "text"} for one in shown["stream"]] == [True] * len(shown["stream"])
    assert {one["type"] for one in shown["stream"]} <= STREAM_TYPES
    assert all(INSTANT.fullmatch(one["at"]) for one in shown["stream"])
    assert [(one["direction"], one["kind"]) for one in shown["messages"]] == [("in", "customer"), ("out", "acknowledgement")]
    first = shown["messages"][0]
    assert set(first) >= {"message_id", "from", "to", "cc", "subject", "direction", "kind", "text", "attachments"}
    assert (first["message_id"], first["from"]) == ("one@acme.example", {"name": "Ann", "email": "ann@acme.example"})
    assert first["attachments"] == [{"name": "photo.png", "type": "image/png", "size": 8}]
    assert [set(one) for one in first["to"]] == [{"name", "email"}]
    state = shown["sla_state"]
    assert (state["status"], state["first_response"]["status"]) == ("running", "pending")
    assert set(state["resolution"]) >= {"status", "due_at", "elapsed"}
    assert isinstance(state["total_elapsed"], int)
    assert INSTANT.fullmatch(state["first_response"]["due_at"])
    assert (shown["time_spent"], shown["service"], shown["links"], shown["followers"]) == (0, None, [], [])
    assert isinstance(shown["time_in_status"], int)


def test_spool_list_is_as_the_details_have_it(shop: Daemon) -> None:
    (held,) = shop.json("spool", "list")
    assert set(held) == SPOOL
    assert (held["state"], held["mailbox"], held["door"], held["mail_from"]) == ("held", "support", "smtp", "jo@home.example")
    assert (held["rcpt_to"], held["message_id"], held["subject"], held["attempts"]) == (
        ["support@example.com"], "three@home.example", "Cron", 1,
    )  # fmt: skip
    assert held["size"] > 100
    assert held["reason"]
    assert INSTANT.fullmatch(held["received_at"])
    assert shop.json("spool", "show", held["id"][:6])["id"] == held["id"]


def test_outbox_list_is_as_the_details_have_it(shop: Daemon) -> None:
    found = shop.json("outbox", "list")
    assert all(set(one) == OUTBOX for one in found)
    assert {one["state"] for one in found} == {"held"}
    assert sorted({(one["case"], one["kind"]) for one in found}) == [
        (1, "acknowledgement"), (1, "notification"), (2, "acknowledgement"), (2, "notification"),
    ]  # fmt: skip
    assert {tuple(one["to"]) for one in found if one["kind"] == "acknowledgement"} == {("ann@acme.example",), ("jo@home.example",)}
    assert all(INSTANT.fullmatch(one["next_at"]) for one in found)
    assert shop.json("outbox", "show", str(found[0]["id"]))["text"]


def test_status_is_as_the_contract_has_it(shop: Daemon) -> None:
    status = shop.json("status")
    assert set(status["spool"]) >= {"pending", "processing", "held", "oldest_seconds"}
    assert set(status["outbox"]) >= {"pending", "deferred", "failed", "oldest_seconds"}
    assert status["cases"]["new"] == 2
    assert status["spool"]["held"] == 1
    assert set(status["configuration"]) >= {"loaded_at", "hash", "fault"}
    assert isinstance(status["paused"], list)
    assert isinstance(status["listeners"], list)
    assert isinstance(status["needs"], list)
    assert status["needs"]
    assert re.match(r"\d+\.\d+", status["version"])
    assert isinstance(status["mailboxes"], dict)  # those that are fetched: none here
    done = shop.maild("status", status=1)
    assert b"need" in done.stdout.splitlines()[0]


def test_inspect_needs_no_configuration(shop: Daemon, tmp_path: Path) -> None:
    folder = tmp_path / "mails"
    (folder / "deeper").mkdir(parents=True)
    (folder / "a.eml").write_bytes(b"From jo@x.example Mon Nov 23 10:00:00 2026\r\n" + mail("Grüße\n", subject="=?utf-8?q?=C3=A4?="))
    (folder / "deeper" / "b.eml").write_bytes(b"\xff\x00nothing")
    (folder / ".hidden").write_bytes(b"x")
    (folder / "notes.jsonl").write_bytes(b"{}")
    done = shop.maild("--config", "/nowhere", "inspect", str(folder), "--json")
    assert done.stdout.isascii()
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(row["file"]).name for row in rows] == ["a.eml", "b.eml"]
    assert all(set(row) == INSPECT for row in rows)
    first = rows[0]
    assert (first["subject"], first["text"].strip(), first["kind"], first["automatic"]) == ("ä", "Grüße", "customer", "no")
    assert first["from"] == {"name": "Jo Doe", "email": "jo@home.example"}
    assert first["to"] == [{"name": "", "email": "support@example.com"}]
    assert (first["reply_to"], first["cc"], first["attachments"], first["bounce"]) == ([], [], [], None)


def test_filters_of_case_list(shop: Daemon) -> None:
    def numbers(*words: str) -> list[int]:
        return [one["number"] for one in shop.json("case", "list", *words)]

    assert numbers("--status", "new") == [1, 2]
    assert numbers("--status", "closed,resolved") == []
    assert numbers("--mailbox", "billing") == [2]
    assert numbers("--organisation", "Acme Ltd") == [1]
    assert numbers("--contact", "JO@home.example") == [2]
    assert numbers("--since", "1h", "--limit", "1") in ([1], [2])
    assert numbers("--overdue") == []
    assert [one["number"] for one in shop.json("case", "search", "really")] == [1]
    rows = list(csv.reader(io.StringIO(shop.maild("case", "list", "--csv").stdout.decode())))
    assert rows[0][0] in {"number", "#"}
    assert len(rows) == 3


def test_words_from_outside_are_never_markup(shop: Daemon) -> None:
    assert b"[bold]really[/bold]" in shop.maild("case", "show", "1").stdout


def test_message_show_gives_the_bytes_back(shop: Daemon) -> None:
    raw = shop.maild("message", "show", "one@acme.example", "--raw").stdout
    assert raw.startswith(b"MIME-Version: 1.0\r\n")
    assert raw.endswith(b"--b--\r\n")
    assert shop.maild("message", "show", "one@acme.example", "--attachment", "1").stdout == b"\x89PNG\r\n\x1a\n"
    shop.maild("message", "show", "one@acme.example", "--attachment", "2", status=1)
    assert shop.json("message", "show", "one@acme.example")["subject"] == "Broken [#7] phone"


def test_trace_takes_what_one_has_in_hand(shop: Daemon) -> None:
    for what in ("1", "one@acme.example", "<one@acme.example>", "ann@acme.example"):
        found = shop.json("trace", what)
        assert [one["message_id"] for one in found["messages"]] == ["one@acme.example"], what
    assert b"Acme" in shop.maild("trace", "1").stdout or b"acme" in shop.maild("trace", "1").stdout
    shop.maild("trace", "nobody@nowhere.example", status=1)


def test_the_program_itself(shop: Daemon) -> None:
    assert shop.program("case", "list", "--json").stdout == shop.maild("case", "list", "--json").stdout
    assert b"Broken phone" in shop.program("case").stdout
    assert b"no case 999" in shop.program("case", "show", "999", status=1).stderr


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["case", "show", "999"], 1), (["case", "999"], 1), (["spool", "show", "zzzzzz"], 1), (["outbox", "show", "999"], 1),
        (["message", "show", "nothing@x"], 1), (["case", "show", "x"], 2), (["case", "list", "--status", "done"], 3),
        (["nonsense"], 2), (["case", "list", "--nonsense"], 2), (["case", "set", "1", "status=resolved"], 3),
        (["case", "set", "1", "status=closed"], 3), (["case", "set", "1", "nonsense=1"], 3), (["case", "assign", "1", "nobody"], 3),
        (["case", "set", "1", "order"], 2), (["case", "set", "999", "status=open"], 1), (["case", "merge", "1", "1"], 3),
        (["spool", "discard", "zzzzzz"], 1), (["outbox", "retry", "999"], 1), (["resume", "outbox"], 1),
        (["--config", "/nowhere", "case", "list"], 2), (["--version"], 0), (["--help"], 0), (["case", "--help"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)  # fmt: skip
def test_exit_statuses(shop: Daemon, words: list[str], status: int) -> None:
    done = shop.maild(*words, status=None)
    if words == ["case", "list", "--status", "done"]:
        assert done.returncode in {2, 3}
    else:
        assert done.returncode == status, done.stderr
    assert bool(done.stderr.strip()) == (status != 0)
    if status:
        assert len(done.stderr.splitlines()) <= 2


# --- a database that is not there yet ---------------------------------------------------------------------------


def test_commands_on_a_database_that_is_not_there_print_nothing_and_do_not_make_it(daemons: Callable[..., Daemon]) -> None:
    daemon = daemons()
    for words in (["case", "list"], ["spool", "list"], ["outbox", "list"], ["case", "search", "x"], ["contact", "list"]):
        assert daemon.json(*words) == []
        assert daemon.maild(*words).stdout.strip() == b""
    assert daemon.json("audit")["faults"] == []
    status = daemon.json("status")
    assert status["cases"] == {} or set(status["cases"].values()) == {0}
    daemon.maild("case", "show", "1", status=1)
    daemon.maild("trace", "1", status=1)
    daemon.maild("spool", "discard", "abcdef", status=1)
    assert not (daemon.config / "var" / "maild.db").exists()


def test_only_some_commands_read_every_file(daemons: Callable[..., Daemon]) -> None:
    daemon = daemons(rules=[{"name": "x", "whn": {}}])
    assert daemon.json("case", "list") == []
    daemon.json("status")
    daemon.maild("check", status=1)
    daemon.maild("rules", "list", status=2)
    daemon.maild("config", "show", status=2)
    assert b"10-tests.yaml:" in daemon.maild("check", status=1).stderr + daemon.maild("check", status=1).stdout


# --- changing cases ---------------------------------------------------------------------------------------------


def test_a_case_from_beginning_to_end_by_the_command_line(daemons: Callable[..., Daemon]) -> None:
    daemon = daemons(main={"outbound": {"mode": "hold"}})
    made = daemon.json("--as", "bob", "case", "new", "--title", "Phone call", "--contact", "jo@home.example", "--channel", "phone",
                       "--priority", "high", "--text", "They rang.", "--field", "order=7")  # fmt: skip
    number = str(made["number"] if isinstance(made, dict) else made[0]["number"])
    shown = daemon.json("case", "show", number)
    wanted = {"channel": "phone", "priority": "high", "fields": {"order": "7"}, "status": "new", "owner": "bob"}
    assert {name: shown[name] for name in wanted} == wanted
    daemon.maild("--as", "alice", "case", "assign", number, "bob")
    assert daemon.json("case", "show", number)["status"] == "assigned"
    daemon.maild("--as", "bob", "case", "note", number, "Ask @alice about it")
    daemon.maild("--as", "bob", "case", "reply", number, "--file", "-", stdin=b"We look into it.\n")
    shown = daemon.json("case", "show", number)
    assert shown["first_response_at"]
    assert (shown["messages"][-1]["direction"], shown["messages"][-1]["kind"]) == ("out", "answer")
    assert "We look into it." in shown["messages"][-1]["text"]
    assert b"resolved" not in daemon.maild("case", "set", number, "status=wait_for_customer").stdout
    assert daemon.maild("case", "set", number, "status=?").stdout.split() == [
        b"new", b"assigned", b"open", b"wait_for_third_party", b"closed", b"(spam", b"|", b"duplicate", b"|", b"no_answer_needed)",
    ]  # fmt: skip
    daemon.maild("case", "set", number, "status=open")
    daemon.maild("--as", "bob", "case", "set", number, "status=resolved", "resolution=It was the plug", "tags=plug,easy")
    daemon.maild("case", "set", number, "status=closed")
    shown = daemon.json("case", "show", number)
    assert (shown["status"], shown["resolution"], shown["tags"]) == ("closed", "It was the plug", ["plug", "easy"])
    daemon.maild("case", "set", number, "title=x", status=3)
    printed = daemon.maild("case", "show", number).stdout.decode().splitlines()
    closing = next(line.split(".")[0].strip() for line, told in itertools.pairwise(printed) if "resolved → closed" in told)
    assert daemon.maild("case", "undo", number, closing).stdout.decode() == f"case {number}: event {closing} is taken back\n"
    assert daemon.json("case", "show", number)["status"] == "resolved"
    assert b"changed again since" in daemon.maild("case", "undo", number, closing, status=3).stderr
    daemon.maild("case", "set", number, "status=closed")
    actors = [one["actor"] for one in shown["stream"] if one["type"] in {"status", "note", "assignment"}]
    assert {"alice", "bob", "tester"} <= set(actors)
    notes = [one for one in shown["stream"] if one["type"] == "note" and "Ask @alice" in one["text"]]
    assert [one["public"] for one in notes] == [False]
    mails = daemon.json("outbox", "list", "--all")
    assert ["jo@home.example"] in [one["to"] for one in mails if one["kind"] == "answer"]
    assert ["alice@example.com"] in [one["to"] for one in mails if one["kind"] == "notification"]
    daemon.audit()


def test_make_case_out_of_a_held_mail_and_merge(daemons: Callable[..., Daemon]) -> None:
    daemon = daemons(main={"outbound": {"mode": "hold"}})
    daemon.start()
    daemon.send(mail(subject="Cron", headers=["Auto-Submitted: auto-generated"]))
    daemon.settle(1)
    (held,) = daemon.json("spool", "list")
    daemon.maild("message", "make-case", held["id"])
    assert [one["title"] for one in daemon.json("case", "list")] == ["Cron"]
    assert daemon.json("spool", "list") == []
    daemon.maild("message", "make-case", held["id"], status=3)
    daemon.send(mail(subject="Other"))
    daemon.settle(2)
    daemon.maild("case", "merge", "1", "2")
    assert daemon.json("case", "show", "1")["links"] == [{"type": "merged_into", "number": 2}]
    daemon.send(mail(subject="Held again", headers=["Auto-Submitted: auto-generated"]))
    daemon.settle(3)
    (held,) = daemon.json("spool", "list")
    daemon.maild("spool", "discard", held["id"])
    daemon.maild("spool", "approve", held["id"])
    daemon.settle(3)
    daemon.until(lambda: len(daemon.json("case", "list")) == 3, "the approved mail's case")
    daemon.audit()


def test_rules_try_tells_why_and_writes_nothing(shop: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "x.eml"
    path.write_bytes(mail(subject="Trial"))
    before = shop.json("case", "list")
    done = shop.maild("rules", "try", str(path), "--to", "support@example.com")
    assert b"case" in done.stdout
    assert shop.json("case", "list") == before


# --- quick ------------------------------------------------------------------------------------------------------


def test_help_and_deliver_start_fast(shop: Daemon) -> None:
    """In processor time, which the machine's other work hardly changes: well under half a second, and a delivery far less."""

    def least(*words: str, status: int = 0, stdin: bytes = b"") -> float:
        took = []
        for _ in range(4):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            shop.program(*words, status=status, stdin=stdin)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(took)

    assert least("--help") < 0.45
    assert least("deliver", "--to", "unknown@example.com", status=67, stdin=b"x") < 0.15


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        ("--help", {"sqlalchemy", "pydantic", "jinja2", "alembic", "structlog"}),
        ("deliver --help", {"typer", "sqlalchemy", "pydantic", "yaml", "structlog", "asyncio"}),
    ],
)
def test_nothing_heavy_is_imported_to_begin_with(shop: Daemon, words: str, heavy: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "maild", *words.split()], capture_output=True, text=True, check=True,
        env=shop.environment,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert imported & heavy == set()
