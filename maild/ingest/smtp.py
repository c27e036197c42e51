"""This is where maild opens its SMTP and LMTP doors, lets clients in, and closes the doors in order.

Connections are accepted one by one here rather than by asyncio's server: so TCP_NODELAY is set on each (asyncio sets it
only on sockets that it made itself), and when file descriptors run out accepting pauses for a second.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import socket
import ssl
from pathlib import Path

from maild.ingest.doors import Desk, DoorHooks
from maild.ingest.limits import Load, client_address, networks
from maild.ingest.lmtp import LmtpSession
from maild.ingest.session import SmtpSession
from maild.log import get_logger
from maild.plain import certificates, control
from maild.settings.models import SmtpDoor, Tls

__all__ = ["DoorHooks", "Listener", "serve"]

log = get_logger("door")

BACKLOG = 512
PAUSE = 1.0  # seconds without accepting when file descriptors or memory run out
_OUT_OF = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listener:
    """An open door. ``address`` is (host, port), or the path of a Unix socket."""

    def __init__(
        self, desk: Desk, session: type[SmtpSession], sockets: list[socket.socket], own_path: Path | None
    ) -> None:
        self._desk = desk
        self._session = session
        self._own_path = own_path
        first = sockets[0]
        name = first.getsockname()
        self.address: tuple[str, int] | str = str(own_path or name) if isinstance(name, str) else (name[0], name[1])
        self._tasks = [asyncio.create_task(self._accept(sock)) for sock in sockets]
        for task, sock in zip(self._tasks, sockets, strict=True):
            task.add_done_callback(functools.partial(_shut, sock))  # not before the loop has let go of it

    @property
    def sessions(self) -> int:
        """How many clients are connected now."""
        return len(self._desk.sessions)

    async def drain(self, seconds: float) -> None:
        """Let nobody in any more, tell idle clients to come again (421), let messages that are coming in be finished
        and stored; then end. What is not finished after ``seconds`` is cut off: the client sends it again."""
        self._stop_accepting()
        await asyncio.wait(self._tasks)
        self._desk.draining = True
        for session in list(self._desk.sessions):
            session.retire()
        self._desk.all_gone.clear()
        self._desk.look()
        try:
            async with asyncio.timeout(seconds):
                await self._desk.all_gone.wait()
        except TimeoutError:
            pass
        self.close()

    def close(self) -> None:
        """End at once: no more connections, those that are open are cut."""
        self._stop_accepting()
        for session in list(self._desk.sessions):
            session.abort()

    def renew_tls(self) -> None:
        """Read certificate and key again; sessions that begin from now on use them. Raises
        certificates.Unusable, OSError."""
        if self._desk.tls is not None and self._desk.config.tls is not None:
            _load_certificate(self._desk.tls, self._desk.config.tls, self._desk.hooks)

    def _stop_accepting(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._own_path is not None:
            self._own_path.unlink(missing_ok=True)
            self._own_path = None

    async def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(sock)
            except OSError as error:
                if error.errno in _OUT_OF:
                    log.warning("door.limited", client="", reason=f"accepting pauses: {error.strerror}")
                    await asyncio.sleep(PAUSE)
                else:  # the client was gone before it was accepted (accept(2) names a dozen such errors)
                    await asyncio.sleep(0)
                continue
            client = client_address(peer[0]) if connection.family != socket.AF_UNIX else ""
            refusal = self._desk.load.enter(client)
            if refusal is not None:
                log.warning("door.limited", client=client, reason=refusal[10:])
                _send_off(connection, refusal)
                continue
            try:
                await self._begin(loop, connection, client)
            except Exception as error:
                # whatever is wrong with this one, the door stays open for the next
                self._desk.load.leave(client)
                connection.close()
                log.error("door.session_failed", client=client, exc_info=error)

    async def _begin(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, client: str) -> None:
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await loop.connect_accepted_socket(lambda: self._session(self._desk, client), connection)


async def serve(
    door_config: SmtpDoor,
    *,
    lmtp: bool,
    hooks: DoorHooks,
    runtime_dir: Path,
    sock: socket.socket | None = None,
) -> Listener:
    """Open a door: SMTP, or LMTP. ``sock`` is a listening socket that systemd opened, in place of ``listen``.

    Raises ValueError where ``listen`` or a network cannot be read, OSError where it cannot be opened,
    certificates.Unusable where certificate and key cannot be used.
    """
    tls = None
    if door_config.tls is not None:
        tls = certificates.serving()
        _load_certificate(tls, door_config.tls, hooks)
    trusted = networks(door_config.trusted)
    own_path = None
    if sock is not None:
        sockets = [sock]
    elif door_config.listen.startswith("unix:"):
        own_path = runtime_dir / door_config.listen.removeprefix("unix:")
        sockets = [_unix_socket(own_path)]
    else:
        sockets = _tcp_sockets(*host_and_port(door_config.listen))
    for one in sockets:
        one.setblocking(False)
    desk = Desk(
        config=door_config,
        hooks=hooks,
        load=Load(door_config.limits, trusted),
        trusted=trusted,
        hostname=door_config.hostname or socket.gethostname(),
        tls=tls,
    )
    listener = Listener(desk, LmtpSession if lmtp else SmtpSession, sockets, own_path)
    log.info("door.listening", door="lmtp" if lmtp else "smtp", address=door_config.listen)
    return listener


def host_and_port(listen: str) -> tuple[str, int]:
    """Read `HOST:PORT`, `[::1]:PORT`, `:PORT` or `*:PORT` (every address). Raises ValueError."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{listen!r} is not an address to listen on: write HOST:PORT or unix:PATH")
    return ("" if host == "*" else host.removeprefix("[").removesuffix("]")), int(port)


def _tcp_sockets(host: str, port: int) -> list[socket.socket]:
    """A listening socket for each address of the host; without a host one for both families, where there are both."""
    if not host and socket.has_dualstack_ipv6():
        return [socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)]
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            if port == 0 and sockets:
                break  # any free port: one address is enough
            sockets.append(socket.create_server(address[:2], family=family, backlog=BACKLOG))
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _unix_socket(path: Path) -> socket.socket:
    """A listening Unix socket for owner and group; one that a dead process left behind is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with control.short_path(path) as name:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(name)
            except FileNotFoundError:
                pass
            except ConnectionRefusedError:
                if path.is_socket():
                    path.unlink()
            else:
                raise OSError(errno.EADDRINUSE, "another process listens here", str(path))
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(name)
            path.chmod(0o660)
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
    return sock


def _load_certificate(context: ssl.SSLContext, tls: Tls, hooks: DoorHooks) -> None:
    if isinstance(tls.key, str):
        certificates.load_chain(context, tls.certificate, tls.key)
    else:
        certificates.load_chain(context, tls.certificate, "", key_in=hooks.secret(tls.key))


def _shut(sock: socket.socket, task: asyncio.Task[None]) -> None:
    sock.close()
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("door.closed", reason="a fault of our own", exc_info=error)


def _send_off(connection: socket.socket, reply: str) -> None:
    """Tell a client that is not let in why, as far as it takes it at once, and close."""
    try:
        connection.setblocking(False)
        connection.send(reply.encode() + b"\r\n")
    except OSError:
        pass
    finally:
        connection.close()
