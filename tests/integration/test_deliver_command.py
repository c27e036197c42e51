"""`maild deliver`: nothing it is given is lost, and it never exits with anything but 0, 67 and 75."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maild.cli.deliver import main
from maild.ingest.pipe import envelope, read_incoming, serve_control, write_addresses
from maild.model.message import Door, Envelope
from maild.plain import control, incoming

MAIL = b"From: jo@a.example\nSubject: broken\n\nIt broke.\n"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder whose state directory is tmp_path/state."""
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "MAILD_CONFIG", "ORIGINAL_RECIPIENT", "SENDER"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "maild.yaml").write_text("database: sqlite:///maild.db\nstate_dir: ../state\n")
    return folder


Run = Callable[..., int]


@pytest.fixture
def deliver(config: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command with these arguments and this message on standard input; returns its exit status."""

    def run(*arguments: str, message: bytes = MAIL) -> int:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(message)))
        return main(["--config", str(config), "deliver", *arguments])

    return run


def taken(state: Path) -> list[Envelope]:
    return [found for _, found in read_incoming(state / incoming.FOLDER)]


# --- without a daemon -------------------------------------------------------------------------------------------


def test_without_a_daemon_the_message_waits_in_a_file(deliver: Run, tmp_path: Path) -> None:
    assert deliver("--to", "support@example.com", "--to=<Sales@example.com>", "--from", "jo@a.example") == 0
    (found,) = taken(tmp_path / "state")
    assert found == Envelope(
        door=Door.PIPE, mail_from="jo@a.example", rcpt_tos=("support@example.com", "Sales@example.com"), raw=MAIL,
        received_at=found.received_at, trusted=True,
    )  # fmt: skip
    assert abs(found.received_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_messages_come_out_in_the_order_in_which_they_came(deliver: Run, tmp_path: Path) -> None:
    for number in range(5):
        assert deliver("--to", "support@example.com", message=b"Subject: %d\n\n" % number) == 0
    assert [found.raw for found in taken(tmp_path / "state")] == [b"Subject: %d\n\n" % number for number in range(5)]


@pytest.mark.parametrize(
    ("arguments", "environment", "message", "sender"),
    [
        (["--from", ""], {}, MAIL, ""),
        (["--from="], {}, MAIL, ""),
        (["--from", "<>"], {}, MAIL, ""),
        (["--from", "MAILER-DAEMON"], {}, MAIL, ""),
        (["--from", "jo@a.example"], {"SENDER": "al@a.example"}, MAIL, "jo@a.example"),
        ([], {"SENDER": "al@a.example"}, MAIL, "al@a.example"),
        ([], {"SENDER": ""}, MAIL, ""),
        ([], {}, b"From jo@a.example  Sun Nov 22 03:00:00 2026\n" + MAIL, "jo@a.example"),
        ([], {}, MAIL, None),
    ],
)
def test_the_envelope_sender(
    deliver: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], environment: dict[str, str],
    message: bytes, sender: str | None,
) -> None:  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert deliver("--to", "support@example.com", *arguments, message=message) == 0
    (found,) = taken(tmp_path / "state")
    assert (found.mail_from, found.raw) == (sender, MAIL)


def test_the_recipient_comes_from_postfix_where_none_is_named(
    deliver: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORIGINAL_RECIPIENT", "help@example.com")
    assert deliver() == 0
    assert taken(tmp_path / "state")[0].rcpt_tos == ("help@example.com",)


def test_an_address_that_the_configuration_did_not_know_is_67(
    deliver: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_addresses(tmp_path / "state", ["Support@example.com", "postmaster"])
    assert deliver("--to", "nobody@example.com") == 67
    assert "nobody@example.com" in capsys.readouterr().err
    assert deliver("--to", "SUPPORT@example.com") == 0
    assert deliver("--to", "nobody@example.com", "--to", "Postmaster") == 0, "for one of them it is ours"
    assert len(taken(tmp_path / "state")) == 2


@pytest.mark.parametrize("content", ["", "[]", "{}", "nonsense"])
def test_without_a_good_list_of_addresses_everything_is_taken(deliver: Run, tmp_path: Path, content: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "addresses.json").write_text(content)
    assert deliver("--to", "nobody@example.com") == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--to ADDRESS"),
        (["--to"], "needs a value"),
        (["--to", " "], "--to ADDRESS"),
        (["--two", "a@b.c"], "not known"),
        (["--to", "a@b.c", "one.eml", "two.eml"], "one message at a time"),
        (["--to", "a@b.c", "/nowhere/one.eml"], "cannot be read"),
        (["--to", "a@b.c", "--config", "/nowhere"], "/nowhere/maild.yaml"),
    ],
)
def test_wrong_use_is_tried_again_later(
    deliver: Run, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deliver(*arguments) == 75
    assert says in capsys.readouterr().err


def test_an_empty_message_and_a_directory_that_cannot_be_written(
    deliver: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deliver("--to", "support@example.com", message=b"") == 75
    (tmp_path / "state").write_text("a file")
    assert deliver("--to", "support@example.com") == 75
    assert "cannot be written" in capsys.readouterr().err


def test_a_disk_that_is_full_leaves_nothing_behind(
    deliver: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert deliver("--to", "support@example.com") == 75
    assert list((tmp_path / "state" / "incoming").iterdir()) == []


def test_a_fault_of_our_own_is_75(
    deliver: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(incoming, "write", lambda *_: 1 / 0)
    assert deliver("--to", "support@example.com") == 75
    assert "please report" in capsys.readouterr().err


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(["--to", "--from", "--", "-x", "deliver", "a@b.c", "", "--to=", "-", "\udcff", "--from=é"])
    )
)
def test_whatever_the_arguments_the_status_is_one_of_three(deliver: Run, arguments: list[str]) -> None:
    assert deliver(*arguments) in {0, 75}


@pytest.mark.parametrize(
    ("yaml", "state"),
    [
        ("state_dir: ../state\n", "state"),
        ("state_dir:   '../state'   # here\n", "state"),
        ('state_dir: "../state"\n', "state"),
        ("# state_dir: ../wrong\nstate_dir: ../state # and why\n", "state"),
        ("mailboxes:\n  state_dir: {x: [unclosed\nstate_dir: ../state\n", "state"),
        ("{database: x, state_dir: ../state}\n", "state"),
        ("state_dir: >-\n  ../state\n", "state"),
        ("database: sqlite:///maild.db\n", "etc/var"),
        ("mailboxes: [\n# state_dir: ../wrong\n", "etc/var"),
    ],
)
def test_where_the_state_directory_is(deliver: Run, config: Path, tmp_path: Path, yaml: str, state: str) -> None:
    (config / "maild.yaml").write_text(yaml)
    assert deliver("--to", "support@example.com") == 0
    assert len(taken(tmp_path / state)) == 1


def test_the_units_state_directory_counts_where_the_file_names_none(
    deliver: Run, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "lib"))
    (config / "maild.yaml").write_text("database: sqlite:///maild.db\n")
    assert deliver("--to", "support@example.com") == 0
    assert len(taken(tmp_path / "lib")) == 1


def test_a_state_directory_that_cannot_be_told_is_not_guessed(deliver: Run, config: Path, tmp_path: Path) -> None:
    (config / "maild.yaml").write_text("a: [state_dir: x\n")
    assert deliver("--to", "support@example.com") == 75


# --- with a daemon ----------------------------------------------------------------------------------------------

Handler = Callable[[dict[str, Any], bytes], Awaitable[dict[str, Any]]]


@contextlib.contextmanager
def daemon(path: Path, handler: Handler, mark: str = "m1") -> Iterator[None]:
    """A control socket that is served inside the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def do(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    async def finish() -> None:
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait([task], timeout=5)

    try:
        server = do(serve_control(path, mark, {"deliver": handler}))
        yield
        do(finish())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "mark").write_text("m1\n")
    return folder


def test_the_daemon_gets_the_bytes_and_its_answer_is_the_exit_status(deliver: Run, state: Path) -> None:
    heard: list[Envelope] = []

    async def take(request: dict[str, Any], payload: bytes) -> dict[str, Any]:
        heard.append(envelope(request, payload, NOW))
        return {"ok": True, "code": 0, "text": "id1"}

    big = MAIL + b"x" * 3_000_000
    with daemon(state / "control.sock", take):
        assert deliver("--to", "support@example.com", "--from", "", message=big) == 0
    assert heard == [
        Envelope(
            door=Door.PIPE, mail_from="", rcpt_tos=("support@example.com",), raw=big, received_at=NOW, trusted=True
        )
    ]
    assert taken(state) == []


def test_the_socket_is_for_owner_and_group_and_goes_with_the_daemon(state: Path) -> None:
    async def never(request: dict[str, Any], payload: bytes) -> dict[str, Any]:
        return {}

    path = state / "control.sock"
    with daemon(path, never):
        assert path.stat().st_mode & 0o777 == 0o660
        assert control.call(path, {"do": "dance"}, timeout=5)["ok"] is False
    assert not path.exists()
    with pytest.raises(control.NotReached, match="does not answer"):
        control.call(path, {"do": "status"}, timeout=5)


@pytest.mark.parametrize(
    ("answer", "status", "files"),
    [
        ({"ok": False, "code": 67, "text": "no such address"}, 67, 0),
        ({"ok": False, "code": 75, "text": "the database does not answer"}, 0, 1),
        ({"ok": False}, 0, 1),
        ({"ok": True, "code": 1}, 0, 1),
        (RuntimeError("a bug"), 0, 1),
    ],
)
def test_what_the_daemon_does_not_take_waits_in_a_file(
    deliver: Run, state: Path, answer: dict[str, Any] | Exception, status: int, files: int
) -> None:
    async def say(request: dict[str, Any], payload: bytes) -> dict[str, Any]:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with daemon(state / "control.sock", say):
        assert deliver("--to", "support@example.com") == status
    assert len(taken(state)) == files


def test_another_installations_daemon_does_not_get_our_mail(
    deliver: Run, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take(request: dict[str, Any], payload: bytes) -> dict[str, Any]:
        raise AssertionError("this mail is not for us")

    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    with daemon(tmp_path / "run" / "control.sock", take, mark="other"):
        assert deliver("--to", "support@example.com") == 0
        (state / "mark").unlink()
        assert deliver("--to", "support@example.com") == 0
    assert len(taken(state)) == 2


@pytest.mark.parametrize(
    "request_line", [b"nonsense\n", b"[]\n", b'{"size": -1}\n', b'{"size": "x"}\n', b'{"do": "deliver"']
)
def test_nonsense_on_the_control_socket_harms_nobody(state: Path, request_line: bytes) -> None:
    import socket

    async def take(request: dict[str, Any], payload: bytes) -> dict[str, Any]:
        return {"ok": True}

    path = state / "control.sock"
    with daemon(path, take):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(request_line)
            client.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as answers:
                assert json.loads(answers.readline())["mark"] == "m1"
                assert b'"ok": false' in answers.read() or not request_line.endswith(b"\n")
        assert control.call(path, {"do": "deliver"}, b"bytes", 5, mark="m1") == {"ok": True}


# --- what waits in files ----------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_understood_is_set_aside_and_the_others_are_taken(tmp_path: Path) -> None:
    header = {"from": None, "to": ["support@example.com"], "received_at": NOW.isoformat()}
    good = incoming.write(tmp_path, header, MAIL)
    for name, content in {
        "1": b"no json\n", "2": b"", "3": b'{"from": null}\nx', "4": json.dumps(header).encode(),
        "5": json.dumps({**header, "received_at": "2026-11-22T03:00:00"}).encode() + b"\nx",
        "6": json.dumps({**header, "to": "support@example.com"}).encode() + b"\nx", "7": b"\xff\n",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
    assert [path for path, _ in read_incoming(tmp_path)] == [good]
    assert sorted(path.name for path in (tmp_path / "bad").iterdir()) == list("1234567")
    assert list(read_incoming(tmp_path / "nowhere")) == []


def test_drafts_are_not_taken_and_go_after_a_day(tmp_path: Path) -> None:
    draft = tmp_path / ".half"
    draft.write_bytes(b"{")
    assert list(read_incoming(tmp_path, datetime.now(UTC))) == []
    assert draft.exists()
    assert list(read_incoming(tmp_path, datetime.now(UTC) + timedelta(days=2))) == []
    assert not draft.exists()


# --- as a program -----------------------------------------------------------------------------------------------


def program(config: Path, *arguments: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in {"SENDER", "ORIGINAL_RECIPIENT"}}
    return subprocess.run(
        [sys.executable, *python, "-m", "maild", "--config", str(config), "deliver", *arguments],
        input=MAIL.decode(), capture_output=True, text=True, timeout=30, env=environment,
    )  # fmt: skip


def test_it_starts_quickly_and_without_the_rest_of_maild(config: Path) -> None:
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert program(config, "--to", "support@example.com").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.15, f"{min(times):.3f} s of CPU time"
    lines = program(config, "--to", "support@example.com", python=("-X", "importtime")).stderr.splitlines()
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert "maild.cli.deliver" in imported
    assert not imported & {"typer", "sqlalchemy", "pydantic", "structlog", "asyncio", "yaml", "email"}


def test_help_and_wrong_use_as_a_program(config: Path) -> None:
    assert "--to ADDRESS" in program(config, "--help").stdout
    assert program(config, "--nonsense").returncode == 75


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_as_root_it_writes_as_the_owner_of_the_state_directory(config: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    for folder in [*tmp_path.parents, tmp_path]:
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    done = program(config, "--to", "support@example.com")
    assert (done.returncode, done.stderr) == (0, "")
    (file,) = (state / "incoming").iterdir()
    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65534)
