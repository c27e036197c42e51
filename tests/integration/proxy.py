"""This is where the tests disturb a connection: a TCP proxy that cuts, delays, or falls silent without closing."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator


class Proxy:
    """Listens on ``port`` of loopback and passes bytes on to ``target``.

    ``cut_after`` is asked at each new connection for the number of bytes from the server after which both ends are
    cut (None: never). While ``silent`` is set nothing is passed on, and nothing is closed. ``connections`` counts.
    """

    def __init__(self, target: tuple[str, int], cut_after: Callable[[], int | None] = lambda: None) -> None:
        self._target, self._cut_after = target, cut_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.silent = threading.Event()
        self.connections = self.cuts = 0
        self.sent = bytearray()  # what clients sent, all connections
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(self._target, timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._sockets += [client, server]
            for source, sink, budget in ((client, server, None), (server, client, self._cut_after())):
                thread = threading.Thread(target=self._pass, args=(source, sink, budget), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, sink: socket.socket, budget: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                if self.silent.is_set():
                    continue
                if source.getpeername() != self._target:
                    self.sent += data
                if budget is not None and len(data) >= budget:
                    sink.sendall(data[:budget])
                    self.cuts += 1
                    break
                if budget is not None:
                    budget -= len(data)
                sink.sendall(data)
        if not self.silent.is_set():
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for sock in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)


@contextlib.contextmanager
def proxy(port: int, cut_after: Callable[[], int | None] = lambda: None) -> Iterator[Proxy]:
    """A proxy to ``port`` of loopback for the length of the block."""
    made = Proxy(("127.0.0.1", port), cut_after)
    try:
        yield made
    finally:
        made.close()
