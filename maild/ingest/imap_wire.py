"""This is where maild's IMAP connections carry their bytes: imaplib's protocol machine over a socket of our own.

It adds what imaplib leaves open: a deadline for each read, a stop at any time, a bound on literals, keepalive, and a
STARTTLS that takes nothing said before TLS (RFC 3501, 6.2.1; RFC 9051, 11.1).
"""

from __future__ import annotations

import contextlib
import imaplib
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_LINE = 1_000_000  # the longest answer line taken, as in imaplib
_CHUNK = 65536


class Stopping(Exception):
    """The daemon is ending: the connection is given up wherever it stands."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the door waits, in seconds. A dead connection is noticed within ``renew`` + ``read`` seconds."""

    connect: float = 30.0
    read: float = 60.0  # for each next byte of an answer
    renew: float = 210.0  # IDLE is ended and begun again (RFC 2177 asks for it before 29 minutes)
    slice: float = 0.5  # how soon a stop is noticed
    lease: float = 20.0  # how often the lease is renewed
    retry_first: float = 1.0
    retry_longest: float = 60.0
    refused_first: float = 30.0
    refused_longest: float = 900.0
    healthy: float = 300.0  # a connection that held this long was no failure
    again: float = 900.0  # messages that could not be fetched or moved are tried again


class Wire(imaplib.IMAP4):
    """imaplib's protocol machine over our own buffered socket.

    ``stopping`` is asked every ``timing.slice`` seconds of waiting; once True, `Stopping` is raised. ``largest`` is
    the longest literal taken, in bytes; twice that is the longest answer.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        timing: Timing,
        stopping: Callable[[], bool],
        largest: int,
    ) -> None:
        self._context, self._timing, self._stopping, self._largest = tls, timing, stopping, largest
        self._received = bytearray()
        self._answered = 0  # bytes since we last said something
        super().__init__(host, port)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """Connect, with TCP keepalive, and begin TLS at once where it is implicit."""
        self.host, self.port = host, port
        raw = socket.create_connection((host, port), timeout=self._timing.connect)
        try:
            _keep_alive(raw)
            self.sock = raw
            if self._context is not None:
                self.sock = self._context.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> Any:
        """Begin TLS inside the connection; anything the server sent behind its OK is refused, not believed."""
        assert ssl_context is not None
        kind, data = self._simple_command("STARTTLS")
        if kind != "OK":
            raise self.error(f"STARTTLS refused: {data!r}")
        if self._received:
            raise self.abort("the server sent data before TLS began; somebody may sit in between")
        self.untagged_responses.clear()  # capabilities said in plain text are worth nothing
        self.sock.settimeout(self._timing.read)
        self.sock = ssl_context.wrap_socket(self.sock, server_hostname=self.host)
        self._get_capabilities()
        return kind, data

    def readline(self) -> bytes:
        """The next line with its end; waits at most ``timing.read`` seconds for each next bytes."""
        start = 0
        while (end := self._received.find(b"\n", start)) < 0:
            start = len(self._received)
            if start > _LINE:
                raise self.abort(f"the server sent a line of more than {_LINE} bytes")
            self._fill()
        return self._take(end + 1)

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes (a literal)."""
        if size > self._largest:
            raise self.abort(f"the server announced {size} bytes, more than were asked for")
        while len(self._received) < size:
            self._fill()
        return self._take(size)

    def send(self, data: Any) -> None:
        self._answered = 0
        self.sock.settimeout(self._timing.read)
        self.sock.sendall(data)

    def shutdown(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def line_waits(self, seconds: float) -> bool:
        """Whether a whole line is here, or comes within ``seconds``; nothing is taken from it."""
        if b"\n" in self._received:
            return True
        pending = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0
        if not pending:
            poller = select.poll()
            poller.register(self.sock, select.POLLIN)
            if not poller.poll(seconds * 1000):
                return False
        self.sock.settimeout(0)
        try:
            data = self.sock.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False  # TLS's own records, no data
        self._add(data)
        return b"\n" in self._received

    def _take(self, size: int) -> bytes:
        taken = bytes(memoryview(self._received)[:size])
        del self._received[:size]
        return taken

    def _fill(self) -> None:
        self.sock.settimeout(min(self._timing.slice, self._timing.read))
        end = time.monotonic() + self._timing.read
        while True:
            try:
                data = self.sock.recv(_CHUNK)
                break
            except TimeoutError:
                if self._stopping():
                    raise Stopping from None
                if time.monotonic() >= end:
                    raise TimeoutError(f"the server said nothing for {self._timing.read:g} s") from None
        self._add(data)

    def _add(self, data: bytes) -> None:
        if not data:
            raise self.abort("the server closed the connection")
        self._answered += len(data)
        if self._answered > 2 * self._largest:  # imaplib keeps what it reads until the command is done
            raise self.abort("the server does not stop answering")
        self._received += data


def _keep_alive(sock: socket.socket) -> None:
    """Let the kernel find a dead peer too: probes after a minute of silence, unacknowledged bytes for two at most."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    options = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 120_000}
    for name, value in options.items():
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
