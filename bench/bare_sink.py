"""What maild is compared with: aiosmtpd as it comes, with a handler that throws every mail away.

A process of its own: ``python -m bench.bare_sink [--door]``; prints its port, ends with its standard input. With ``--door``
it is maild's own SMTP door in front of the same nothing.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from pathlib import Path

from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP

from maild import clock
from maild.ingest.smtp import DoorHooks, serve
from maild.model.message import Envelope
from maild.settings.models import SmtpDoor


async def bare(sock: socket.socket) -> None:
    """aiosmtpd's own session on every connection."""
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: SMTP(Sink(), data_size_limit=25 * 2**20, hostname="sink.example"), sock=sock)


async def door(sock: socket.socket) -> None:
    """maild's door; every mail is accepted and forgotten."""

    async def forget(_: Envelope) -> str:
        return "nowhere"

    hooks = DoorHooks(
        accept=forget,
        mailbox_of=lambda address: "support",
        has_room=lambda octets: True,
        refused=lambda refusal: None,
        now=clock.now,
    )
    await serve(SmtpDoor(listen="127.0.0.1:0"), lmtp=False, hooks=hooks, runtime_dir=Path(), sock=sock)


async def main() -> None:
    """Listen until standard input ends."""
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    sock = socket.create_server(("127.0.0.1", 0))
    # as aiosmtpd's controller has it: without this every answer waits 40 ms for the client's acknowledgement
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await (door if "--door" in sys.argv else bare)(sock)
    print(sock.getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
