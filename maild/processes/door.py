"""This is where the door process takes mail in: SMTP and LMTP listeners, the control socket, and the group commit.

It knows the spool and the addresses, and nothing of cases. It never waits for the mailroom.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maild import clock
from maild.errors import ConfigError, StoreUnavailable, TransientError
from maild.ingest import pipe, smtp
from maild.ingest.addresses import read as addresses_in
from maild.ingest.identity import know
from maild.log import get_logger
from maild.model.message import Door, Envelope
from maild.model.refusal import Refusal
from maild.model.spool import Arrival
from maild.office import open_store
from maild.plain import control
from maild.processes.channel import Bell, Channel
from maild.settings.addresses import Addresses
from maild.settings.models import Settings, SmtpDoor
from maild.settings.secrets import read as read_secret
from maild.store import installation
from maild.store.group_commit import GroupCommit
from maild.store.unit_of_work import Store

log = get_logger(__name__)

DRAIN_SECONDS = 20.0
TICK_SECONDS = 2.0


def arrival(envelope: Envelope, addresses: Addresses) -> Arrival:
    """What is stored of an envelope: its identity and what its header says of itself."""
    known = know(envelope.raw)
    seen = known.peek
    senders = addresses_in(seen.from_)
    return Arrival(
        envelope=envelope, digest=known.digest, identified=known.named,
        message_id=seen.message_id, subject=seen.subject, sender=senders[0].email if senders else "",
        conversation=seen.conversation, mailboxes=addresses.mailboxes_of(envelope.rcpt_tos),
    )  # fmt: skip


class DoorProcess:
    """Everything that one door process holds."""

    def __init__(self, settings: Settings, supervisor: Channel, new_mail: Bell, outgoing: Bell) -> None:
        self.settings, self.addresses = settings, Addresses(settings)
        self.supervisor, self.new_mail, self.outgoing = supervisor, new_mail, outgoing
        self.store: Store = open_store(settings)
        self.ready = False
        self.commit = GroupCommit(self.store, self._stored)
        self.listeners: list[smtp.Listener] = []
        self.refusals: list[Refusal] = []
        self._too_large = 0  # bytes of the largest mail that there was no room for; 0 while there is room
        self.reloads: dict[int, asyncio.Future[dict[str, Any]]] = {}  # by the number that the supervisor answers to
        self.asked = 0
        self.stopping = asyncio.Event()

    async def run(self) -> int:
        """Open the doors, serve until told to stop, drain. Returns the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
        loop.add_reader(self.supervisor.socket.fileno(), self._heard)
        try:
            await self._open()
        except (OSError, ValueError, ConfigError) as error:
            self.supervisor.send(("failed", str(error)))
            return 1
        self.supervisor.send(("listening", [_shown(listener.address) for listener in self.listeners]))
        ticking = asyncio.create_task(self._tick())
        await self.stopping.wait()
        ticking.cancel()
        self.control.close()
        await asyncio.gather(*(listener.drain(DRAIN_SECONDS) for listener in self.listeners))
        self.commit.close()
        await asyncio.to_thread(self._keep_refusals)
        self.store.close()
        return 0

    async def _open(self) -> None:
        runtime = runtime_dir(self.settings)
        inherited = _systemd_sockets()
        for lmtp, configs in ((False, self.settings.main.ingest.smtp), (True, self.settings.main.ingest.lmtp)):
            for config in configs:
                self.listeners.append(
                    await smtp.serve(config, lmtp=lmtp, hooks=self._hooks(config.auth), runtime_dir=runtime)
                )
            kind = "lmtp" if lmtp else "smtp"
            for sock in inherited.get(kind, []):
                base = configs[0] if configs else SmtpDoor(listen="systemd")
                self.listeners.append(
                    await smtp.serve(base, lmtp=lmtp, hooks=self._hooks(base.auth), runtime_dir=runtime, sock=sock)
                )
        mark = self.store.mark()
        handlers = {"deliver": self._deliver, "reload": self._reload, "status": self._status, "wake": self._wake}
        self.control = await pipe.serve_control(control.place(self.settings.state_dir), mark, handlers)

    def _hooks(self, auth: Mapping[str, Any]) -> smtp.DoorHooks:
        passwords = {user: read_secret(secret, self.settings.folder).encode() for user, secret in auth.items()}

        def login(user: str, password: bytes) -> bool:
            expected = passwords.get(user)
            return hmac.compare_digest(expected or b"\0", password) and expected is not None

        return smtp.DoorHooks(
            accept=self.accept,
            mailbox_of=lambda address: self.addresses.mailbox_of(address)
            or ("postmaster" if self.addresses.is_postmaster(address) else None),
            has_room=self._has_room, refused=self._refused, now=clock.now, login=login,
            secret=lambda secret: read_secret(secret, self.settings.folder),
        )  # fmt: skip

    # --- taking mail -----------------------------------------------------------------------------------------

    async def accept(self, envelope: Envelope) -> str:
        """Make a message durable; returns its spool id. Raises StoreUnavailable, StoreFull."""
        if not self.ready:
            await asyncio.to_thread(self._prove_schema)
        wanted = arrival(envelope, self.addresses)
        spool_id, new = await self.commit.accept(wanted)
        event = "message.accepted" if new else "message.repeated"
        log.info(event, spool_id=spool_id, message_id=wanted.message_id, door=envelope.door.value,
                 mail_from=envelope.mail_from, mailbox=",".join(wanted.mailboxes), size=len(envelope.raw), client=envelope.client)  # fmt: skip
        return spool_id

    def _stored(self, count: int) -> None:
        for _ in range(min(count, 4)):
            self.new_mail.ring()

    def _prove_schema(self) -> None:
        try:
            self.store.create_or_upgrade(upgrade=self.settings.main.database.upgrade == "auto")
        except ConfigError as error:
            raise StoreUnavailable(str(error)) from error
        self.ready = True

    def _has_room(self, size: int) -> bool:
        """Whether the disk has room for one and a half times the message (as Postfix wants it), and something to spare."""
        room = self.store.size_and_room()[1]
        enough = room > size * 3 // 2 + (1 << 20)
        if not enough:
            log.error("disk.low", room=room)
            self._too_large = max(self._too_large, size, 1)
        elif 0 < self._too_large <= size:
            log.info("disk.back", room=room)
            self._too_large = 0
        return enough

    def _refused(self, refusal: Refusal) -> None:
        log.info("door.refused", client=refusal.client or None, mail_from=refusal.mail_from, rcpt=refusal.rcpt or None, reply=refusal.reply)
        if len(self.refusals) < 1000:
            self.refusals.append(refusal)

    # --- the control socket ----------------------------------------------------------------------------------

    async def _deliver(self, request: dict[str, Any], payload: bytes) -> dict[str, Any]:
        recipients = tuple(str(one) for one in request.get("to", ()))
        known = tuple(one for one in recipients if self.addresses.accepts(one))
        if not known:
            return {"ok": False, "code": 67, "text": f"{', '.join(recipients) or 'nobody'}: no such address here"}
        envelope = Envelope(
            door=Door.PIPE, mail_from=request.get("from"), rcpt_tos=known, raw=payload,
            received_at=clock.now(), trusted=True,
        )  # fmt: skip
        try:
            return {"ok": True, "code": 0, "text": await self.accept(envelope)}
        except TransientError as error:
            return {"ok": False, "code": 75, "text": str(error)}

    async def _reload(self, _request: dict[str, Any], _payload: bytes) -> dict[str, Any]:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.asked += 1
        self.reloads[self.asked] = answer
        self.supervisor.send(("reload", self.asked))
        return await answer

    async def _status(self, _request: dict[str, Any], _payload: bytes) -> dict[str, Any]:
        return {
            "ok": True, "hash": self.settings.hash, "sessions": sum(one.sessions for one in self.listeners),
            "listeners": [_shown(one.address) for one in self.listeners],
        }  # fmt: skip

    async def _wake(self, _request: dict[str, Any], _payload: bytes) -> dict[str, Any]:
        self.new_mail.ring()
        self.outgoing.ring()
        return {"ok": True}

    def _heard(self) -> None:
        messages = self.supervisor.receive()
        if messages is None:
            self.stopping.set()
            return
        for what, value in messages:
            if what == "settings":
                self.settings, self.addresses = value, Addresses(value)
                for listener in self.listeners:
                    try:
                        listener.renew_tls()
                    except (OSError, ValueError, ConfigError) as error:  # proved a moment ago, and changed since
                        log.error("config.refused", reason=f"the certificate before it stays: {error}")
            elif what == "reloaded":
                numbers, said = value
                for number in numbers:
                    answer = self.reloads.pop(number, None)
                    if answer is not None and not answer.done():
                        answer.set_result(said)

    # --- from time to time -----------------------------------------------------------------------------------

    async def _tick(self) -> None:
        away = False
        while True:
            try:
                await self._take_incoming()
                await asyncio.to_thread(self._keep_refusals)
                if away:
                    await asyncio.to_thread(self._prove_schema)
                    log.info("store.back")
                    away = False
            except TransientError as error:
                log.warning("store.unavailable", reason=str(error))
                away = True
            except Exception:
                log.exception("sweep.failed", sweep="door")
            await asyncio.sleep(TICK_SECONDS)

    async def _take_incoming(self) -> None:
        """Take in what `maild deliver` left while nobody listened."""
        folder = self.settings.state_dir / "incoming"
        if not folder.is_dir():
            return
        waiting = pipe.read_incoming(folder, clock.now())
        while (found := await asyncio.to_thread(next, waiting, None)) is not None:
            path, envelope = found
            await self.accept(envelope)
            path.unlink(missing_ok=True)

    def _keep_refusals(self) -> None:
        rows, self.refusals = self.refusals, []
        if not rows or not self.ready:
            return
        with self.store.write() as connection:
            installation.note_refusals(
                connection,
                [
                    {"at": one.at, "client": one.client, "mail_from": one.mail_from.lower(), "rcpt": one.rcpt.lower(),
                     "reply": one.reply}
                    for one in rows
                ],
                clock.now(),
            )  # fmt: skip


def _shown(address: tuple[str, int] | str) -> str:
    return f"unix:{address}" if isinstance(address, str) else f"{address[0]}:{address[1]}"


def runtime_dir(settings: Settings) -> Path:
    """Where Unix sockets are: $RUNTIME_DIRECTORY, else the state directory."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(given) if given else settings.state_dir


def _systemd_sockets() -> dict[str, list[Any]]:
    import socket

    from maild.plain.notify import listen_fds

    found: dict[str, list[Any]] = {}
    for name, descriptors in listen_fds().items():
        kind = "lmtp" if "lmtp" in name else "smtp"
        found.setdefault(kind, []).extend(socket.socket(fileno=one) for one in descriptors)
    return found


def run(settings: Settings, supervisor: Channel, new_mail: Bell, outgoing: Bell) -> int:
    """The life of the door process; returns its exit status."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def live() -> int:
        return await DoorProcess(settings, supervisor, new_mail, outgoing).run()

    return asyncio.run(live())
