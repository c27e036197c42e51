"""This is where maild takes what `maild deliver` hands over: on the control socket, or from files in ``incoming/``.

Also here: the list of known addresses by which `deliver` can say no (67) when no daemon runs.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from maild import __version__
from maild.log import get_logger
from maild.model.message import Door, Envelope
from maild.plain import control, incoming

log = get_logger("pipe")

Handler = Callable[[dict[str, Any], bytes], Awaitable[dict[str, Any]]]

ADDRESSES = "addresses.json"
PAYLOAD_LIMIT = 256 * 1024**2
_DRAFT_AGE = 86400.0  # seconds
REQUEST_WITHIN = 60.0  # seconds for a request and its bytes to arrive


def write_addresses(state_dir: Path, addresses: Iterable[str]) -> None:
    """Keep the addresses that the configuration knows, postmaster's included, for `deliver`. Raises OSError."""
    state_dir.mkdir(parents=True, exist_ok=True)
    content = json.dumps(sorted({address.lower() for address in addresses}), indent=0)
    incoming.replace_file(state_dir / ADDRESSES, content.encode() + b"\n", 0o644)


def envelope(header: Mapping[str, Any], raw: bytes, received_at: datetime) -> Envelope:
    """The envelope of a `deliver` request or file: keys ``from`` (or null) and ``to``, a list. Raises ValueError."""
    sender, recipients = header.get("from"), header.get("to")
    if not (sender is None or isinstance(sender, str)):
        raise ValueError("from is not an address")
    if not isinstance(recipients, list) or not recipients or not all(isinstance(one, str) for one in recipients):
        raise ValueError("to is not a list of addresses")
    return Envelope(
        door=Door.PIPE,
        mail_from=sender,
        rcpt_tos=tuple(recipients),
        raw=raw,
        received_at=received_at,
        trusted=True,
    )


def read_incoming(folder: Path, now: datetime | None = None) -> Iterator[tuple[Path, Envelope]]:
    """The messages in ``incoming/``, oldest first; the caller deletes each file once its message is durable.

    A file that cannot be understood is moved to ``incoming/bad``, and said so in the log; one that cannot be read now
    stays for the next time. With ``now`` drafts are removed that a `deliver` left which died a day ago or earlier: it
    never said that it had stored anything.
    """
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    for path in paths:
        if path.is_dir():
            continue
        if path.name.startswith("."):
            if now is not None and now.timestamp() - path.stat().st_mtime > _DRAFT_AGE:
                path.unlink(missing_ok=True)
            continue
        try:
            header, raw = incoming.read(path)
            found = envelope(header, raw, _instant(header.get("received_at")))
        except ValueError as error:
            bad = folder / "bad"
            bad.mkdir(exist_ok=True)
            path.rename(bad / path.name)
            log.error("incoming.bad", path=str(bad / path.name), reason=str(error))
        except OSError as error:
            log.warning("incoming.bad", path=str(path), reason=str(error), do="it is tried again; check its owner")
        else:
            yield path, found


def _instant(text: object) -> datetime:
    at = datetime.fromisoformat(str(text))
    if at.tzinfo is None:
        raise ValueError("received_at has no time zone")
    return at


class ControlServer:
    """The open control socket."""

    def __init__(self, server: asyncio.Server, path: Path) -> None:
        self._server = server
        self.path = path

    def close(self) -> None:
        """Take no more requests; those that are being answered are finished."""
        self._server.close()
        self.path.unlink(missing_ok=True)


async def serve_control(path: Path, mark: str, handlers: Mapping[str, Handler]) -> ControlServer:
    """Open the control socket for owner and group. ``handlers`` are by what a request wants done (`deliver`, `reload`,
    `status`): each gets the request and its bytes and returns the answer. Raises OSError."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(_line({"maild": __version__, "mark": mark}))
            try:
                async with asyncio.timeout(REQUEST_WITHIN):
                    request, payload = await _request(reader)
            except (ValueError, TimeoutError) as error:
                log.warning("control.refused", reason=str(error) or "the request did not come")
                answer: dict[str, Any] = {"ok": False, "code": 75, "text": str(error) or "the request did not come"}
            else:
                answer = await _answer(handlers, request, payload)
            writer.write(_line(answer))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # a client that went away needs no answer
        finally:
            writer.close()

    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with control.short_path(path) as name:
            sock.bind(name)
        path.chmod(0o660)
        server = await asyncio.start_unix_server(serve_one, sock=sock, limit=control.LINE_LIMIT)
    except BaseException:
        sock.close()
        raise
    return ControlServer(server, path)


async def _request(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    line = await reader.readline()
    if not line:
        raise ConnectionResetError
    request = json.loads(line)
    if not isinstance(request, dict):
        raise ValueError("a request is a JSON object")
    size = request.pop("size", 0)
    if not isinstance(size, int) or not 0 <= size <= PAYLOAD_LIMIT:
        raise ValueError(f"at most {PAYLOAD_LIMIT} bytes go with a request")
    return request, await reader.readexactly(size)


async def _answer(handlers: Mapping[str, Handler], request: dict[str, Any], payload: bytes) -> dict[str, Any]:
    handler = handlers.get(str(request.get("do")))
    if handler is None:
        return {"ok": False, "code": 75, "text": f"this daemon ({__version__}) does not know the request"}
    try:
        return await handler(request, payload)
    except Exception as error:
        # the daemon goes on; the caller tries again or keeps the message in a file
        log.error("control.refused", reason="a fault of our own", exc_info=error)
        return {"ok": False, "code": 75, "text": "a fault in the daemon; its log says more"}


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, default=str).encode() + b"\n"
