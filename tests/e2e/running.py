"""This is where the tests run maild as people do: `maild run` as a process of its own, and the command line beside it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from builders import configuration, mail, merged

from maild.office import open_store
from maild.settings.load import load
from maild.store.unit_of_work import Store

PATIENCE = 30.0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass(frozen=True)
class Received:
    """One mail as the smarthost got it."""

    sender: str
    to: tuple[str, ...]
    mail: EmailMessage


class Sink:
    """The smarthost: takes every mail and keeps it, unless ``answer`` says otherwise; can go away and come back."""

    def __init__(self) -> None:
        self.port = free_port()
        self.mails: list[Received] = []
        self.answer: Callable[[Received], str] = lambda _one: "250 2.0.0 taken"
        self.lock = threading.Lock()
        self._controller: Controller | None = None

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        one = Received((envelope.mail_from or "").strip("<>"), tuple(envelope.rcpt_tos), parsed)
        said = self.answer(one)
        if said.startswith("2"):
            with self.lock:
                self.mails.append(one)
        return said

    def up(self) -> None:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def down(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def to(self, address: str) -> list[Received]:
        with self.lock:
            return [one for one in self.mails if address in one.to]


class Commands:
    """The process of `commands.py`: one for all tests."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: bytes
    ) -> subprocess.CompletedProcess[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("commands.py"))], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory(prefix="maild-command-") as folder:
            place = {name: str(Path(folder) / name) for name in ("stdin", "stdout", "stderr")}
            Path(place["stdin"]).write_bytes(stdin)
            self._process.stdin.write(json.dumps({"argv": list(argv), "env": dict(env), "cwd": str(cwd), **place}) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            out, err = Path(place["stdout"]).read_bytes(), Path(place["stderr"]).read_bytes()
        return subprocess.CompletedProcess(["maild", *argv], status, out, err)

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=20)
            self._process = None


class Daemon:
    """One installation: its configuration, its smarthost, and `maild run` when it is started."""

    commands = Commands()

    def __init__(self, folder: Path, **parts: Any) -> None:
        self.folder, self.config = folder, folder / "config"
        self.sink = Sink()
        self.port = free_port()
        self.lmtp = folder / "run" / "lmtp.sock"
        self.parts = parts
        self.process: subprocess.Popen[bytes] | None = None
        self.launcher = ["-m", "maild"]
        self.configure()

    # --- the configuration -----------------------------------------------------------------------------------

    def configure(self, **parts: Any) -> None:
        """Write the configuration, with these parts in place of those it had."""
        self.parts = {**self.parts, **parts}
        base = {
            "ingest": {"smtp": {"listen": f"127.0.0.1:{self.port}"}, "lmtp": {"listen": "unix:lmtp.sock"}},
            "outbound": {"smtp": {"host": "127.0.0.1", "port": self.sink.port, "security": "none"}},
            "log": {"format": "json"}, "workers": 2,
        }  # fmt: skip
        rest = {name: part for name, part in self.parts.items() if name != "main"}
        configuration(self.config, main=merged(base, self.parts.get("main") or {}), **rest)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAILD_", "NOTIFY_", "LISTEN_"))}
        return {**kept, "RUNTIME_DIRECTORY": str(self.folder / "run"), "NO_COLOR": "1", "USER": "tester", "SUDO_USER": ""}

    # --- the process -----------------------------------------------------------------------------------------

    def start(self, *options: str, wait: bool = True) -> None:
        """Run it, with these options of `maild run`."""
        (self.folder / "run").mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.launcher, "--config", str(self.config), "run", *options], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=self.environment, start_new_session=True,
            )  # fmt: skip
        if wait:
            self.until(self.listening, "the SMTP door")

    def listening(self) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=5):
                return True
        except (OSError, smtplib.SMTPException):
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM, within: float = 35.0) -> int:
        """End it in order; returns the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(within)

    def kill(self) -> None:
        """End the whole process group at once, as a power cut of the machine's processes would."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        self.kill()
        self.sink.down()

    def log(self) -> list[dict[str, Any]]:
        """The log's lines; what is no JSON is {"line": …}."""
        found = []
        for line in (self.folder / "log").read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append({"line": line})
        return found

    def until(self, condition: Callable[[], Any], what: str, within: float = PATIENCE) -> Any:
        deadline = time.monotonic() + within
        while True:
            if found := condition():
                return found
            if time.monotonic() > deadline or (self.process is not None and self.process.poll() is not None):
                raise AssertionError(f"waited in vain for {what}:\n" + "\n".join(map(str, self.log()[-15:])))
            time.sleep(0.03)

    # --- mail ------------------------------------------------------------------------------------------------

    def send(
        self, raw: bytes | None = None, to: Sequence[str] = ("support@example.com",), sender: str = "jo@home.example"
    ) -> dict[str, tuple[int, bytes]]:
        """One mail through SMTP; returns the recipients refused."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
            return client.sendmail(sender, list(to), mail() if raw is None else raw)

    # --- the command line ------------------------------------------------------------------------------------

    def maild(self, *words: str, stdin: bytes = b"", status: int | None = 0) -> subprocess.CompletedProcess[bytes]:
        """A command beside the daemon; ``status`` is the exit status that it must have (None: any)."""
        argv = ["--config", str(self.config), *words]
        done = self.commands.run(argv, self.environment, self.folder, stdin)
        self.check(done, words, status)
        return done

    def program(self, *words: str, stdin: bytes = b"", status: int | None = 0) -> subprocess.CompletedProcess[bytes]:
        """The same as a program of its own, from its first import on."""
        done = subprocess.run(
            [sys.executable, "-m", "maild", "--config", str(self.config), *words], input=stdin, capture_output=True,
            env=self.environment, timeout=60, check=False, cwd=self.folder,
        )  # fmt: skip
        self.check(done, words, status)
        return done

    def check(self, done: subprocess.CompletedProcess[bytes], words: Sequence[str], status: int | None) -> None:
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        if status is not None:
            assert done.returncode == status, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])

    def json(self, *words: str, status: int = 0) -> Any:
        """What a command prints with --json."""
        return json.loads(self.maild(*words, "--json", status=status).stdout)

    # --- looking into the database ---------------------------------------------------------------------------

    def store(self) -> Store:
        return open_store(load(self.config, files="main"))

    def count(self, states: Mapping[str, str] | None = None) -> dict[str, int]:
        """How many spool entries there are in each state."""
        from sqlalchemy import func, select

        from maild.store import schema

        store = self.store()
        try:
            if not store.exists():
                return {}
            with store.read() as connection:
                query = select(schema.spool.c.state, func.count()).group_by(schema.spool.c.state)
                return {row[0]: row[1] for row in connection.execute(query)}
        finally:
            store.close()

    def settled(self, accepted: int | None = None) -> bool:
        """Whether everything accepted (at least so many) is processed."""
        counts = self.count()
        waiting = counts.get("pending", 0) + counts.get("processing", 0)
        return waiting == 0 and (accepted is None or sum(counts.values()) >= accepted)

    def settle(self, accepted: int | None = None, within: float = PATIENCE) -> None:
        self.until(lambda: self.settled(accepted), f"{accepted} mails to be processed", within)

    def audit(self) -> None:
        """`maild audit` must find nothing."""
        found = self.json("audit")
        assert found["faults"] == []
