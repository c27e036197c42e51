"""This is where maild's commands speak with the running daemon: a line of JSON each way over a Unix socket.

The daemon greets with ``{"maild": VERSION, "mark": MARK}``; the mark is that of its state directory, so that of two
installations on one machine neither takes the other's mail. The client sends ``{"do": …, "size": N, …}`` and N bytes,
the daemon answers ``{"ok": …, "code": …, "text": …}`` and closes. `ingest.pipe.serve_control` is the other side.

Imports next to nothing: `maild deliver` starts for each message.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAME = "control.sock"
LINE_LIMIT = 65536
_PATH_LIMIT = 100  # sun_path has 108 bytes (unix(7))


class NotReached(OSError):
    """No daemon of this installation answers here; ``str(error)`` says why."""


def places(state_dir: Path) -> list[Path]:
    """Where the daemon's socket may be, the likeliest first."""
    folders = [os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0], str(state_dir), "/run/maild"]
    return [Path(folder) / NAME for folder in dict.fromkeys(folders) if folder]


def place(state_dir: Path) -> Path:
    """Where the daemon opens its socket: in $RUNTIME_DIRECTORY, else in the state directory."""
    return places(state_dir)[0]


def read_mark(state_dir: Path) -> str | None:
    """The state directory's mark, or None where there is none or it may not be read."""
    try:
        return (state_dir / "mark").read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def call(
    path: Path, request: Mapping[str, Any], payload: bytes = b"", timeout: float = 10.0, *, mark: str | None = None
) -> dict[str, Any]:
    """Ask the daemon for something and wait for its answer, for ``timeout`` seconds in all.

    With ``mark`` nothing is sent to a daemon that greets with another one. Raises NotReached.
    """
    until = time.monotonic() + timeout
    try:
        with short_path(path) as name, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(name)
            with connection.makefile("rb") as answers:
                greeting = _read(answers.readline(LINE_LIMIT))
                if mark is not None and greeting.get("mark") != mark:
                    raise NotReached(f"{path} belongs to another installation of maild")
                head = json.dumps({**request, "size": len(payload)}).encode() + b"\n"
                connection.settimeout(max(0.1, until - time.monotonic()))
                connection.sendall(head + payload)
                connection.settimeout(max(0.1, until - time.monotonic()))
                return _read(answers.readline(LINE_LIMIT * 16))
    except NotReached:
        raise
    except OSError as error:
        raise NotReached(f"the daemon does not answer on {path}: {error.strerror or error}") from error


def ask(state_dir: Path, request: Mapping[str, Any], payload: bytes = b"", timeout: float = 10.0) -> dict[str, Any]:
    """Ask the daemon of this state directory, wherever its socket is. Raises NotReached."""
    mark = read_mark(state_dir)
    last: NotReached | None = None
    for path in places(state_dir):
        try:
            return call(path, request, payload, timeout, mark=mark)
        except NotReached as error:
            last = last or error
    raise last or NotReached("no daemon answers")


def _read(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not line.endswith(b"\n") or not isinstance(value, dict):
        raise NotReached("the daemon's answer was cut off")
    return value


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """The path of a Unix socket in a form that fits the 108 bytes that the kernel has for it."""
    if len(os.fsencode(path)) <= _PATH_LIMIT:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
