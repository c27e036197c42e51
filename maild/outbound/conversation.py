"""This is where SMTP is spoken on an open connection: commands go out, together where the server lets us (RFC 2920), and
their answers come back one by one.

aiosmtplib connects, starts TLS and logs in; after that it waits for each answer before the next command, which for small
mails is most of the time that they take. So its connection is taken over here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LINE_LIMIT = 64 * 1024  # bytes of a line of an answer
LINES_LIMIT = 100  # of one answer


class Closed(Exception):
    """The server closed the connection."""


class Silent(Exception):
    """The server gave no answer in time."""


class NoAnswer(Exception):
    """What came is no answer of SMTP; the text is what came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply code and the words after it, lines joined by line feeds."""

    code: int
    text: str


class Conversation:
    """One connection to a server that has greeted and let us in. ``extensions`` are what it offers, in lower case."""

    def __init__(self, transport: asyncio.Transport, extensions: Mapping[str, str]) -> None:
        self.extensions = extensions
        self._transport = transport
        self._reader = asyncio.StreamReader(limit=LINE_LIMIT)
        protocol = asyncio.StreamReaderProtocol(self._reader)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    @property
    def open(self) -> bool:
        """Whether it can still be used, as far as is known."""
        return not (self._transport.is_closing() or self._reader.at_eof() or self._reader.exception())

    def close(self) -> None:
        """Cut the connection."""
        self._transport.close()

    def say(self, data: bytes) -> None:
        """Send bytes as they are. Raises Closed."""
        if not self.open:
            raise Closed
        self._transport.write(data)

    async def ask(self, command: str, timeout: float) -> Answer:
        """Say a command and hear its answer, within ``timeout`` seconds. Raises Closed, Silent, NoAnswer."""
        self.say(f"{command}\r\n".encode())
        return await self.hear(timeout)

    async def hear(self, timeout: float) -> Answer:
        """The next answer, within ``timeout`` seconds. Raises Closed, Silent, NoAnswer."""
        try:
            async with asyncio.timeout(timeout):
                return await self._answer()
        except TimeoutError:
            raise Silent from None
        except OSError as error:
            raise Closed from error

    async def _answer(self) -> Answer:
        said: list[str] = []
        while len(said) < LINES_LIMIT:
            try:
                line = await self._reader.readline()
            except ValueError:
                raise NoAnswer(f"a line of more than {LINE_LIMIT // 1024} KiB") from None
            if not line.endswith(b"\n"):
                raise Closed
            words = line[4:].strip(b" \t\r\n").decode("utf-8", "surrogateescape")
            if not (line[:3].isdigit() and b"2" <= line[:1] <= b"5" and line[3:4] in (b" ", b"-", b"\r", b"\n")):
                raise NoAnswer(line.decode("utf-8", "replace").strip())
            said.append(words)
            if line[3:4] != b"-":
                return Answer(int(line[:3]), "\n".join(said))
        raise NoAnswer(f"more than {LINES_LIMIT} lines")


class Talk:
    """The commands of one mail up to DATA, in order: all at once to a server that offers PIPELINING, else one by one."""

    def __init__(self, conversation: Conversation, commands: Sequence[str]) -> None:
        self._conversation = conversation
        self._waiting = list(commands)
        self._unheard = 0
        self._together = "pipelining" in conversation.extensions

    async def next(self, timeout: float) -> Answer:
        """The answer to the next command. Raises Closed, Silent, NoAnswer."""
        if not self._unheard:
            now = self._waiting if self._together else self._waiting[:1]
            self._conversation.say("".join(f"{command}\r\n" for command in now).encode())
            self._waiting = self._waiting[len(now) :]
            self._unheard = len(now)
        self._unheard -= 1
        return await self._conversation.hear(timeout)

    async def end(self, timeout: float) -> None:
        """Hear what is still to come, for there is nobody to send the mail to; the connection is then as before it, or cut.

        A server may say 354 although it took no recipient (RFC 2920, 3.1). An empty mail is no way out of that.
        """
        code = 0
        while self._unheard:
            code = (await self.next(timeout)).code
        if code == 354:
            self._conversation.close()
        elif self._conversation.open:
            await self._conversation.ask("RSET", timeout)

    def cut(self) -> None:
        """Cut the connection: what it would say next is not known."""
        self._conversation.close()
