"""This is where the processes of one daemon talk: pickled messages over a socket pair, and bytes that wake a sleeper."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!I")


class Channel:
    """One end of a pair; messages are whole Python values. Only ever between our own processes."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._buffer = b""

    @staticmethod
    def pair() -> tuple[Channel, Channel]:
        left, right = socket.socketpair()
        return Channel(left), Channel(right)

    def send(self, message: Any) -> bool:
        """Send one message; False when the other end is gone."""
        data = pickle.dumps(message)
        try:
            self.socket.setblocking(True)
            self.socket.sendall(_LENGTH.pack(len(data)) + data)
        except OSError:
            return False
        return True

    def receive(self) -> list[Any] | None:
        """What has come, without waiting; None when the other end is gone."""
        self.socket.setblocking(False)
        try:
            while data := self.socket.recv(1 << 20):
                self._buffer += data
            gone = True
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        messages = []
        while len(self._buffer) >= 4:
            (length,) = _LENGTH.unpack(self._buffer[:4])
            if len(self._buffer) < 4 + length:
                break
            messages.append(pickle.loads(self._buffer[4 : 4 + length]))
            self._buffer = self._buffer[4 + length :]
        return None if gone and not messages else messages

    def close(self) -> None:
        self.socket.close()


class Bell:
    """A pipe that wakes one of several processes; ringing never blocks and may be heard more often than rung."""

    def __init__(self) -> None:
        self.read_end, self._write_end = os.pipe()
        for end in (self.read_end, self._write_end):
            os.set_blocking(end, False)

    def ring(self) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._write_end, b"!")

    def wait(self, seconds: float, *also: int) -> bool:
        """Sleep until rung, one of the ``also`` descriptors has something, or the time is over; True when rung."""
        ready, _, _ = select.select([self.read_end, *also], [], [], seconds)
        return self.read_end in ready and self.quiet()

    def quiet(self) -> bool:
        """Take one ring, if there is one."""
        try:
            return bool(os.read(self.read_end, 1))
        except BlockingIOError:
            return False
