from __future__ import annotations

import ast
import json
import logging
import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from maild import log

ROOT = Path(__file__).parents[2]


class Pipe:
    """A pipe in place of stderr; `lines` are what was written so far."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def text(self) -> str:
        try:
            return os.read(self.reader, 1 << 20).decode()
        except BlockingIOError:
            return ""

    def lines(self) -> list[str]:
        return self.text().splitlines()

    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.lines()]


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    pipe = Pipe()
    yield pipe
    log.configure("json", "warning", fd=2)
    os.close(pipe.reader)
    os.close(pipe.writer)


LOG = log.get_logger("mailroom")


def test_json_lines_have_time_level_event_logger_and_fields(pipe: Pipe) -> None:
    log.configure("json", "info", fd=pipe.writer, strict=True)
    LOG.info("message.accepted", door="smtp", mailbox="support", received_at=datetime(2026, 11, 22, tzinfo=UTC))

    (record,) = pipe.records()
    assert datetime.fromisoformat(str(record.pop("timestamp"))).tzinfo is not None
    assert record == {"level": "info", "event": "message.accepted", "logger": "mailroom", "door": "smtp",
                      "mailbox": "support", "received_at": "2026-11-22T00:00:00.000Z"}  # fmt: skip


def test_a_warning_ends_with_what_to_do(pipe: Pipe) -> None:
    log.configure("text", "info", fd=pipe.writer, strict=True)
    LOG.warning("message.held", spool_id="8f2c", reason="no rule")
    LOG.warning("message.held", reason="no rule")

    first, second = pipe.lines()
    assert first.endswith(' message.held spool_id=8f2c reason="no rule" -- run: maild spool show 8f2c')
    assert second.endswith(" -- run: maild spool show SPOOL_ID")


def test_what_is_below_the_level_is_not_written(pipe: Pipe) -> None:
    log.configure("json", "warning", fd=pipe.writer)
    LOG.info("message.accepted")
    assert pipe.text() == ""


def test_off_a_terminal_auto_is_json_without_priority(pipe: Pipe) -> None:
    log.configure("auto", "info", fd=pipe.writer)
    LOG.info("daemon.ready")
    assert pipe.records()[0]["event"] == "daemon.ready"


def test_on_a_terminal_auto_is_key_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    master, terminal = os.openpty()
    try:
        log.configure("auto", "info", fd=terminal)
        LOG.info("case.created", rule="Damaged goods")
        assert b' info    case.created rule="Damaged goods"' in os.read(master, 4096)
    finally:
        log.configure("json", "warning", fd=2)
        os.close(master)
        os.close(terminal)


@pytest.mark.parametrize("format", ["json", "text"])
def test_control_characters_never_come_out(pipe: Pipe, format: log.Format) -> None:
    log.configure(format, "info", fd=pipe.writer)
    LOG.info("case.updated", **{"ti\ntle": "a\x1b[31m\r\nforged line\x00\x9b\u202e\ud800"})
    text = pipe.text()
    assert text.count("\n") == 1
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text) is None


def test_bodies_and_secrets_are_hidden_wherever_they_stand(pipe: Pipe) -> None:
    log.configure("json", "info", fd=pipe.writer)
    LOG.info("case.updated", body="hunter2", text="hunter2", new_text="hunter2", smtp_password="hunter2",
             api={"token": "hunter2", "list": [{"Secret": "hunter2"}]}, raw=b"hunter2", data=b"hunter2",
             message_id="a@b")  # fmt: skip
    text = pipe.text()
    assert "hunter2" not in text
    assert '"message_id": "a@b"' in text
    assert '"data": "7 bytes"' in text


def test_what_databases_quote_of_a_row_is_hidden(pipe: Pipe) -> None:
    log.configure("json", "info", fd=pipe.writer)
    fault = RuntimeError(
        'null value in column "x"\nDETAIL:  Failing row contains (1, hunter2\nhunter2).\n[SQL: INSERT INTO spool]\n'
        "[parameters: {'raw': 'hunter2'}]\n(Background on this error at: https://sqlalche.me/e/20/gkpj)"
    )
    try:
        raise fault
    except RuntimeError:
        LOG.exception("store.unavailable", reason=fault, again=str(fault))
    text = pipe.text()
    assert "hunter2" not in text
    assert "INSERT INTO spool" in text
    assert "RuntimeError" in text


def test_long_values_are_cut_and_strange_ones_written(pipe: Pipe) -> None:
    log.configure("json", "info", fd=pipe.writer)
    LOG.info("case.updated", subject="x" * 5000, many=list(range(50)), odd=float("nan"), path=Path("/a"))
    (record,) = pipe.records()
    assert len(str(record["subject"])) == 500
    assert record["many"] == [*range(20), "and 30 more"]
    assert (record["odd"], record["path"]) == ("nan", "/a")


def test_a_value_that_cannot_be_shown_drops_the_line_and_nothing_else(pipe: Pipe) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    log.configure("json", "info", fd=pipe.writer)
    before = log.dropped_total()
    LOG.info("case.updated", odd=Broken())
    assert log.dropped_total() == before + 1


def test_fields_bound_for_a_message_stand_on_every_line(pipe: Pipe) -> None:
    log.configure("json", "info", fd=pipe.writer)
    with log.bound(message_id="a@b", spool_id="1"):
        LOG.info("case.created", rule="VIP")
        LOG.info("case.created", case=1)
    LOG.info("sweep.ran")
    assert [record.get("message_id") for record in pipe.records()] == ["a@b", "a@b", None]


def test_the_same_warning_within_a_minute_is_counted(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    monkeypatch.setattr("maild.clock.now", lambda: now)
    log.configure("json", "info", fd=pipe.writer)
    for _ in range(3):
        LOG.warning("imap.failed", mailbox="support", reason="timeout")
    LOG.warning("imap.failed", mailbox="sales", reason="timeout")
    now = now.replace(minute=2)
    LOG.warning("imap.failed", mailbox="support", reason="timeout")
    assert [(r["mailbox"], r.get("repeated")) for r in pipe.records()] == [
        ("support", None), ("sales", None), ("support", 2)]  # fmt: skip


def test_a_full_pipe_never_stops_the_work(pipe: Pipe) -> None:
    log.configure("json", "info", fd=pipe.writer)
    before = log.dropped_total()
    done = threading.Event()

    def work() -> None:
        for number in range(5000):
            LOG.info("message.accepted", spool_id=number, subject="x" * 200)
        done.set()

    threading.Thread(target=work, daemon=True).start()
    assert done.wait(20), "logging waits for its reader"
    dropped = log.dropped_total() - before
    assert dropped > 0
    assert os.get_blocking(pipe.writer), "the flag is shared with other processes and stays as it was"

    written = pipe.text()
    LOG.info("daemon.stopped")
    lines = (written + pipe.text()).splitlines()
    assert [json.loads(line)["event"] for line in lines[-1:]] == ["daemon.stopped"]
    assert len(lines) - 1 + dropped == 5000


def test_a_pipe_that_cannot_be_opened_again_is_polled(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr("maild.log_output.os.open", refuse)
        log.configure("json", "info", fd=pipe.writer)
    before = log.dropped_total()
    for number in range(2000):
        LOG.info("message.accepted", spool_id=number, subject="x" * 200)
    assert log.dropped_total() > before
    assert all(json.loads(line) for line in pipe.lines())


def test_closed_and_broken_outputs_are_counted(pipe: Pipe) -> None:
    reader, writer = os.pipe()
    log.configure("json", "info", fd=writer)
    os.close(reader)
    before = log.dropped_total()
    LOG.info("daemon.ready")
    os.close(writer)
    log.configure("json", "info", fd=writer)
    LOG.info("daemon.ready")
    assert log.dropped_total() == before + 2


def test_a_full_disk_is_counted() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        log.configure("json", "info", fd=fd)
        before = log.dropped_total()
        LOG.info("daemon.ready")
        assert log.dropped_total() == before + 1
    finally:
        log.configure("json", "warning", fd=2)
        os.close(fd)


def fields_of(datagram: bytes) -> dict[str, str]:
    """The fields of a message in the journal's native protocol."""
    found: dict[str, str] = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        found[name.decode()] = value.decode()
        datagram = rest
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[tuple[str, Callable[[], dict[str, str]]]]:
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(5)
        yield path, lambda: fields_of(server.recv(65536))


def test_the_journal_gets_fields_and_plain_words(
    pipe: Pipe, journal: tuple[str, Callable[[], dict[str, str]]]
) -> None:
    path, receive = journal
    log.configure("journal", "info", fd=pipe.writer, journal=path)
    LOG.warning("message.held", spool_id="8f2c", message_id="a@b", case=123, mailbox="support", rule="VIP")
    assert receive() == {
        "MESSAGE": "a message waits for a person (spool_id=8f2c message_id=a@b case=123 mailbox=support rule=VIP); "
        "run: maild spool show 8f2c",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "maild",
        "MAILD_EVENT": "message.held",
        "MAILD_LOGGER": "mailroom",
        "MAILD_SPOOL": "8f2c",
        "MAILD_MESSAGE_ID": "a@b",
        "MAILD_CASE": "123",
        "MAILD_MAILBOX": "support",
        "MAILD_RULE": "VIP",
        "MAILD_DO": "run: maild spool show 8f2c",
    }
    assert pipe.text() == ""


def test_each_rule_is_a_journal_field_of_its_own(
    pipe: Pipe, journal: tuple[str, Callable[[], dict[str, str]]]
) -> None:
    path, receive = journal
    log.configure("journal", "info", fd=pipe.writer, journal=path)
    LOG.info("case.created", rule=["VIP", "Damaged goods"])
    assert receive()["MAILD_RULE"] in {"VIP", "Damaged goods"}
    LOG.info("case.created", rule=[])
    assert "MAILD_RULE" not in receive()


def test_a_traceback_goes_to_the_journal_with_its_lines(
    pipe: Pipe, journal: tuple[str, Callable[[], dict[str, str]]]
) -> None:
    path, receive = journal
    log.configure("journal", "info", fd=pipe.writer, journal=path)
    LOG.error("sweep.failed", sweep="sla", exc_info=ValueError("a\nMAILD_CASE=1"))
    fields = receive()
    assert "MAILD_CASE" not in fields
    assert "\n  ValueError: a\n" in fields["MESSAGE"]


def test_without_the_journal_socket_json_lines_with_priority_come(pipe: Pipe, tmp_path: Path) -> None:
    log.configure("journal", "info", fd=pipe.writer, journal=str(tmp_path / "missing"))
    LOG.warning("message.held", spool_id="1")
    (line,) = pipe.lines()
    assert line.startswith('<4>{"timestamp"')


def test_under_systemd_auto_is_the_journal(
    pipe: Pipe, journal: tuple[str, Callable[[], dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, receive = journal
    found = os.fstat(pipe.writer)
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
    log.configure("auto", "info", fd=pipe.writer, journal=path)
    LOG.info("daemon.ready")
    assert receive()["MAILD_EVENT"] == "daemon.ready"
    log.configure("json", "info", fd=pipe.writer, journal=path)
    LOG.info("daemon.ready")
    assert pipe.text().startswith('<6>{"')


def test_libraries_are_heard_from_warning_up(pipe: Pipe) -> None:
    log.configure("json", "info", fd=pipe.writer, strict=True)
    for name in ("mail.log", "apscheduler.scheduler", "imapclient", "uvicorn.error", "other"):
        library = logging.getLogger(name)
        library.debug("DATA line")
        library.info("chatter")
        library.warning("watch %s", "out")
    records = pipe.records()
    assert [r["says"] for r in records] == ["watch out"] * 5
    assert records[0]["logger"] == "mail.log"

    log.configure("json", "info", fd=pipe.writer)
    (ours,) = [h for h in logging.getLogger().handlers if type(h).__module__ == "maild.log"]
    ours.handle(logging.LogRecord("x", logging.ERROR, "x.py", 1, "wrong %d", ("format",), None))
    assert [(r["says"], r["level"]) for r in pipe.records()] == [("wrong %d", "error")]


def test_an_event_outside_the_list_is_an_assertion_in_tests_and_a_line_in_production(pipe: Pipe) -> None:
    log.configure("json", "info", fd=pipe.writer, strict=True)
    with pytest.raises(AssertionError, match="log_events"):
        LOG.info("message.eaten")
    log.configure("json", "info", fd=pipe.writer)
    LOG.info("message.eaten")
    assert pipe.records()[0]["event"] == "message.eaten"


def logged_events() -> Iterator[tuple[str, str]]:
    """Every event named in the code: (name, place)."""
    for path in sorted((ROOT / "maild").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            called, first = node.func, node.args[0]
            owner = called.value.id if isinstance(called.value, ast.Name) else getattr(called.value, "attr", "")
            if called.attr not in ("debug", "info", "warning", "error", "critical", "exception"):
                continue
            words = str(first.value) if isinstance(first, ast.Constant) else " "
            if owner.strip("_").lower() in ("log", "logger") and " " not in words:
                yield words, f"{path.relative_to(ROOT)}:{node.lineno}"


def test_every_event_in_the_code_is_in_the_list() -> None:
    missing = [f"{place}: {name}" for name, place in logged_events() if name not in log.EVENTS]
    assert not missing, "add to maild/log_events.py: " + ", ".join(missing)


def test_every_event_in_the_list_is_logged_somewhere() -> None:
    """Who waits for a line of docs/howto/operations.md must not wait in vain."""
    listed = ROOT / "maild" / "log_events.py"
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "maild").rglob("*.py") if path != listed)
    assert [name for name in log.EVENTS if f'"{name}"' not in code] == []


def test_every_event_says_what_it_means_and_warnings_what_to_do() -> None:
    for name, event in log.EVENTS.items():
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", name), name
        assert event.meaning and event.level in log.LEVELS, name
        assert event.action or event.level in ("info", "debug"), f"{name}: what is to be done?"


def test_the_reference_lists_the_events() -> None:
    assert log.markdown() in (ROOT / "docs/reference/events.md").read_text(encoding="utf-8")


def test_operations_has_a_row_for_every_warning_and_error() -> None:
    page = (ROOT / "docs/howto/operations.md").read_text(encoding="utf-8")
    wanted = [name for name, event in log.EVENTS.items() if event.level in ("warning", "error")]
    assert [name for name in wanted if f"| `{name}` |" not in page] == []
