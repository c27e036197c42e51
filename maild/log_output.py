"""This is where maild's log lines take their form and go out: JSON, key=value, the journal; without ever waiting.

Used by `maild.log` alone. A record is a dict of plain values that begins with timestamp, level, event and logger.
"""

from __future__ import annotations

import json
import os
import re
import select
import socket
import stat
import struct
import threading
from collections.abc import Callable, MutableMapping
from typing import Any
from weakref import WeakSet

from maild.log_events import EVENTS

Record = MutableMapping[str, Any]
Drop = Callable[[], None]

_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # sd-daemon(3)
_JOURNAL_NAMES = {"event": "EVENT", "spool_id": "SPOOL"}
_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31;1m"}


def as_json(record: Record) -> bytes:
    """The record as a line of JSON in ASCII."""
    return json.dumps(record, default=str, ensure_ascii=True).encode() + b"\n"


def prefix(record: Record) -> bytes:
    """`<4>`: the priority as the journal reads it from a line."""
    return b"<%d>" % _PRIORITY.get(record["level"], 6)


def _escape(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _word(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = _escape(text)
    if text and not re.search(r"[\s\"=]", text):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _details(record: Record) -> str:
    skip = {"timestamp", "level", "event", "logger", "do", "exception"}
    return " ".join(f"{_escape(str(key))}={_word(value)}" for key, value in record.items() if key not in skip)


def as_text(record: Record, colour: bool) -> bytes:
    """The record for a person: time, level, event, key=value, what to do; a traceback on lines of its own."""
    level = f"{record['level']:<7}"
    if colour and record["level"] in _COLOURS:
        level = f"{_COLOURS[record['level']]}{level}\x1b[0m"
    line = f"{record['timestamp']} {level} {_escape(str(record['event']))} {_details(record)}".rstrip()
    if "do" in record:
        line += f" -- {_escape(str(record['do']))}"
    for trace_line in record.get("exception", "").splitlines():
        line += f"\n    | {_escape(trace_line)}"
    return line.encode("utf-8", "backslashreplace") + b"\n"


class Journal:
    """The journal's native protocol (systemd: JOURNAL_NATIVE_PROTOCOL): a datagram of fields.

    Where the socket is missing or refuses, ``otherwise`` gets the record.
    """

    def __init__(self, path: str, otherwise: Callable[[Record], None], drop: Drop) -> None:
        self._path = path
        self._drop = drop
        self._otherwise = otherwise
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def __call__(self, record: Record) -> None:
        fields = [("MESSAGE", self._message(record)), ("PRIORITY", str(_PRIORITY.get(record["level"], 6))),
                  ("SYSLOG_IDENTIFIER", "maild")]  # fmt: skip
        for key, value in record.items():
            if key not in ("timestamp", "level", "exception"):
                name = "MAILD_" + _JOURNAL_NAMES.get(key, re.sub(r"[^A-Z0-9]+", "_", key.upper()).strip("_"))
                for one in value if isinstance(value, list) else [value]:  # a field may stand more than once
                    fields.append((name[:64], _escape(one if isinstance(one, str) else json.dumps(one, default=str))))
        try:
            self._socket.sendto(b"".join(self._field(name, value) for name, value in fields), self._path)
        except BlockingIOError:
            self._drop()
        except OSError:
            self._otherwise(record)

    def __del__(self) -> None:
        self._socket.close()

    @staticmethod
    def _message(record: Record) -> str:
        event = str(record["event"])
        words = EVENTS[event].meaning if event in EVENTS else event
        details = _details(record)
        text = _escape(words) + (f" ({details})" if details else "")
        if "do" in record:
            text += f"; {_escape(str(record['do']))}"
        return "\n".join([text, *(f"  {_escape(line)}" for line in record.get("exception", "").splitlines())])

    @staticmethod
    def _field(name: str, value: str) -> bytes:
        data = value.encode("utf-8", "backslashreplace")
        if b"\n" in data:
            return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
        return name.encode() + b"=" + data + b"\n"


class Sink:
    """Writes lines to a file descriptor without ever waiting for its reader; what is not taken is dropped and counted.

    O_NONBLOCK belongs to the open file that other processes share (a shell's terminal), so a pipe or terminal is opened
    a second time for ourselves; where that is not allowed, it is asked by poll before each write.
    """

    def __init__(self, fd: int, drop: Drop) -> None:
        self._fd = fd
        self._drop = drop
        self._lock = threading.Lock()
        self._rest = b""
        self._poll = False
        self._own = False
        self._socket: socket.socket | None = None
        try:
            mode = os.fstat(fd).st_mode
        except OSError:  # closed: every write fails and is counted
            return
        if stat.S_ISSOCK(mode):
            self._socket = socket.socket(fileno=os.dup(fd))
        elif not stat.S_ISREG(mode):
            try:
                self._fd = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            except OSError:
                self._poll = True
            else:
                self._own = True
        _sinks.add(self)

    def write(self, line: bytes) -> None:
        with self._lock:
            # half a line that is already out is finished first, so that lines are never torn
            data = self._rest + line
            try:
                taken = self._send(data)
            except OSError:
                taken = 0
            if taken >= len(self._rest):
                begun = taken - len(self._rest)
                self._rest = data[taken:] if begun and taken < len(data) else b""
                if not begun:
                    self._drop()
            else:
                self._rest = self._rest[taken:]
                self._drop()

    def _send(self, data: bytes) -> int:
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        if self._poll:
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            if not poll.poll(0):
                return 0
            data = data[: select.PIPE_BUF]
        return os.write(self._fd, data)

    def forget(self) -> None:
        """In a forked child: leave the parent's half line and lock behind."""
        self._rest = b""
        self._lock = threading.Lock()

    def __del__(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._own:
            os.close(self._fd)


def is_journal(fd: int) -> bool:
    """Whether ``fd`` is the stream that systemd connected to the journal; a terminal may inherit the variable alone."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


_sinks: WeakSet[Sink] = WeakSet()


def _forked() -> None:
    for sink in _sinks:
        sink.forget()


os.register_at_fork(after_in_child=_forked)
