"""A real SMTP or LMTP door in a thread of its own, with a store that only remembers; and a client that says exactly what
it is told. Run as a program it opens a door and prints its port, for tests that limit a whole process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from maild import clock
from maild.ingest.smtp import DoorHooks, Listener, serve
from maild.model.message import Envelope
from maild.model.refusal import Refusal
from maild.settings.models import SmtpDoor

KNOWN = {"support@example.com", "sales@example.com", "postmaster", "postmaster@example.com", "grüße@example.com"}
PATIENCE = 10.0


class OpenDoor:
    """What a test sees of a door: its mails, its refusals, and its listener."""

    def __init__(self, accept: Callable[[Envelope], Awaitable[str]] | None = None) -> None:
        self.mails: list[Envelope] = []
        self.refusals: list[Refusal] = []
        self.room = True
        self.loop: asyncio.AbstractEventLoop
        self.listener: Listener
        self._accept = accept

    async def accept(self, envelope: Envelope) -> str:
        if self._accept is not None:
            await self._accept(envelope)
        self.mails.append(envelope)
        return f"id{len(self.mails)}"

    def hooks(self) -> DoorHooks:
        return DoorHooks(
            accept=self.accept,
            mailbox_of=lambda address: "support" if address.lower() in KNOWN else None,
            has_room=lambda octets: self.room,
            refused=self.refusals.append,
            now=clock.now,
            login=lambda user, password: (user, password) == ("alice", b"pa55"),
        )

    def run(self, work: Coroutine[Any, Any, Any], wait: bool = True) -> Any:
        """Do this in the door's loop; gives back what it returns."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(PATIENCE) if wait else future

    def client(self) -> Client:
        """A new connection, its greeting read."""
        client = Client(self.listener.address)
        client.greeting = client.reply()
        return client


@contextlib.contextmanager
def open_door(
    tmp_path: Path,
    *,
    lmtp: bool = False,
    accept: Callable[[Envelope], Awaitable[str]] | None = None,
    sock: socket.socket | None = None,
    **config: Any,
) -> Iterator[OpenDoor]:
    """A door that is open inside the block, configured as in maild.yaml (`listen`, `max_size`, `limits` …)."""
    door = OpenDoor(accept)
    settings = SmtpDoor.model_validate({"listen": "127.0.0.1:0", "hostname": "mx.example.com", **config})
    door.loop = asyncio.new_event_loop()
    thread = threading.Thread(target=door.loop.run_forever, daemon=True)
    thread.start()
    try:
        door.listener = door.run(serve(settings, lmtp=lmtp, hooks=door.hooks(), runtime_dir=tmp_path, sock=sock))
        yield door
        door.run(door.listener.drain(0.5))
    finally:
        door.loop.call_soon_threadsafe(door.loop.stop)
        thread.join(PATIENCE)
        _finish(door.loop)


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
    loop.close()


class Client:
    """A raw connection: bytes out, replies in."""

    def __init__(self, address: tuple[str, int] | str) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout=PATIENCE)
        self.answers = self.socket.makefile("rb")
        self.greeting = ""

    def say(self, *lines: str | bytes) -> str:
        """Send lines in one write, each with CRLF; gives the next reply."""
        self.send(b"".join((line.encode() if isinstance(line, str) else line) + b"\r\n" for line in lines))
        return self.reply()

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def reply(self) -> str:
        """The next reply, its lines joined with newline; '' when the connection has ended."""
        lines: list[str] = []
        with contextlib.suppress(ConnectionError):
            while True:
                line = self.answers.readline().decode()
                if not line:
                    break
                lines.append(line.rstrip("\r\n"))
                if line[3:4] != "-":
                    break
        return "\n".join(lines)

    def replies(self, count: int) -> list[str]:
        return [self.reply() for _ in range(count)]

    def begin(self, *recipients: str, hello: str = "EHLO", sender: str = "jo@a.example") -> None:
        """Up to and with the 354 of DATA."""
        assert self.say(f"{hello} client.example").startswith("250"), "the greeting was refused"
        assert self.say(f"MAIL FROM:<{sender}>").startswith("250"), "the sender was refused"
        for recipient in recipients or ("support@example.com",):
            assert self.say(f"RCPT TO:<{recipient}>").startswith("250"), "a recipient was refused"
        assert self.say("DATA").startswith("354")

    def close(self) -> None:
        self.answers.close()
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


if __name__ == "__main__":
    with open_door(Path(), limits={"connections": 500}) as opened:
        print(opened.listener.address[1], flush=True)
        sys.stdin.read()
