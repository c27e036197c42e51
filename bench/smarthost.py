"""This is where maild's own mail goes while it is measured: a smarthost that takes everything at once and keeps nothing.

A process of its own: ``python -m bench.smarthost``; prints its port, ends with its standard input. It does as little as
SMTP allows, since it runs on the cores that are measured.
"""

from __future__ import annotations

import asyncio
import sys


class Session(asyncio.Protocol):
    """One connection; answers line by line, and skips what stands between DATA and the dot."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer, self.in_data = transport, b"", False
        transport.write(b"220 smarthost.example\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            mark = b"\r\n.\r\n" if self.in_data else b"\r\n"
            line, found, rest = self.buffer.partition(mark)
            if not found:
                return
            self.buffer = rest
            word = b"" if self.in_data else line[:4].upper()
            self.in_data = word == b"DATA"
            if word == b"EHLO":
                self.transport.write(b"250-smarthost.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
            elif word == b"DATA":
                self.buffer = b"\r\n" + self.buffer  # a mail may be empty: then the dot comes first
                self.transport.write(b"354 go on\r\n")
            elif word == b"QUIT":
                self.transport.write(b"221 bye\r\n")
                self.transport.close()
                return
            else:
                self.transport.write(b"250 ok\r\n")


async def main() -> None:
    """Listen until standard input ends."""
    server = await asyncio.get_running_loop().create_server(Session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
