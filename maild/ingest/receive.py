"""This is where maild reads a message from an SMTP client, in pieces, up to the dot that ends it.

RFC 5321, 4.1.1.4 and 4.5.2. Nothing but CRLF.CRLF ends a message: no bare LF or CR, whatever stands beside the dot (what
others take for an end is the door through which a second mail is smuggled). What is pipelined behind it stays unread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from maild.ingest.limits import Load

_STUFFING = 65536  # octets over the limit that may be doubled dots, before anything is thrown away
_BEYOND = 2**20


class FarTooBig(Exception):
    """The client sends on and on, more than twice what is taken here: no end is waited for."""


async def receive(
    reader: asyncio.StreamReader,
    limit: int,
    load: Load,
    going_on: Callable[[int], None],
    *,
    too_big: str,
    no_room: str,
) -> bytes | str:
    """Read one message; returns its bytes as they came, doubled dots undone, or the reply that refuses it.

    Never more than ``limit`` octets (and some) are kept, and together with all other sessions what ``load`` has room
    for; of a message that is refused nothing is kept. ``going_on`` is called with the octets read so far at each piece.
    Raises FarTooBig, and asyncio.IncompleteReadError when the client leaves before the end.
    """
    content = bytearray()
    refusal = ""
    received = held = 0
    tail = b"\r\n"  # as if the line of DATA were the first of the message: so a dot at once is an empty message
    try:
        while tail != b"\r\n.\r\n":
            try:
                piece = await reader.readuntil(b".\r\n")
            except asyncio.LimitOverrunError as overrun:
                piece = await reader.readexactly(overrun.consumed)
            received += len(piece)
            tail = (tail + piece[-5:])[-5:]
            if not refusal:
                if received > limit + _STUFFING:
                    refusal = too_big
                elif not load.take(len(piece)):
                    refusal = no_room
                else:
                    held += len(piece)
                    content += piece
                if refusal:
                    content = bytearray()
                    load.give(held)
                    held = 0
            if received > 2 * limit + _BEYOND:
                raise FarTooBig
            going_on(received)
        if refusal:
            return refusal
        del content[-3:]
        if content.startswith(b"."):
            del content[0]
        message = bytes(content).replace(b"\r\n.", b"\r\n")
        return message if len(message) <= limit else too_big
    finally:
        load.give(held)
