"""This is where maild serves its web pages: uvicorn inside the loop that runs already, without signal handlers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from maild.log import get_logger

_log = get_logger("web")
_GRACE = 5  # seconds that open requests have at close


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the daemon."""
        yield


class WebServer:
    """A running listener. ``address`` is where it listens: `127.0.0.1:8025`, with the port that was given out, or
    `unix:/path`."""

    def __init__(self, server: _Server, task: asyncio.Task[None], address: str, path: Path | None) -> None:
        self.address = address
        self._server = server
        self._task = task
        self._path = path

    async def close(self) -> None:
        """Stop listening, let open requests end, and return when all is closed."""
        self._server.should_exit = True
        await self._task
        if self._path is not None:
            self._path.unlink(missing_ok=True)


async def serve(app: ASGIApp, listen: str) -> WebServer:
    """Serve ``app`` on ``listen``: `HOST:PORT` (`[::1]:8025` too, port 0 for any free one) or `unix:/absolute/path`.

    OSError where it cannot listen there.
    """
    listener, address, path = _listener(listen)
    config = uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", interface="asgi3", log_config=None, access_log=False,
        proxy_headers=False, server_header=False, date_header=True, limit_concurrency=64, backlog=128,
        timeout_keep_alive=5, timeout_graceful_shutdown=_GRACE, h11_max_incomplete_event_size=16384,
    )  # fmt: skip
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="web")
    while not server.started and not task.done():
        await asyncio.sleep(0.005)
    if task.done():
        listener.close()
        await task  # raises what stopped it
        raise OSError(f"the web listener on {listen} did not start")
    _log.info("web.listening", listen=address)
    return WebServer(server, task, address, path)


def _listener(listen: str) -> tuple[socket.socket, str, Path | None]:
    if listen.startswith("unix:"):
        path = Path(listen.removeprefix("unix:"))
        if path.is_socket():
            path.unlink()  # left by a daemon that was killed
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            local.bind(str(path))
            path.chmod(0o660)
            local.listen(128)
        except OSError:
            local.close()
            raise
        return local, f"unix:{path}", path
    host, _, port = listen.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    family, kind, protocol, _, where = socket.getaddrinfo(
        host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    # with the protocol named, asyncio sets TCP_NODELAY on what it accepts
    inet = socket.socket(family, kind, protocol or socket.IPPROTO_TCP)
    try:
        inet.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        inet.bind(where)
        inet.listen(128)
    except OSError:
        inet.close()
        raise
    name, number = inet.getsockname()[:2]
    return inet, f"[{name}]:{number}" if family == socket.AF_INET6 else f"{name}:{number}", None
