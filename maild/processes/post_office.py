"""This is where the post office process does what nobody waits for: it sends the outbox, fetches from IMAP, runs the
sweeps, and serves the few web pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from functools import partial
from typing import Any

from sqlalchemy import Connection

from maild import __version__, clock, fetching, parts
from maild.errors import ConfigError, StoreUnavailable, TransientError
from maild.ingest.imap import ImapDoor, ImapHooks, located
from maild.ingest.imap_copies import SentCopies
from maild.ingest.oauth import TokenSource, token_file
from maild.log import get_logger
from maild.model.message import SENT, Envelope
from maild.model.outbox import Deferred, OutboxEntry, OutboxState, Outcome, PartRef, Refused, Result, Sent
from maild.model.spool import Cursor
from maild.office import Compiled, Office, open_office, open_store
from maild.outbound.bytes import serialise
from maild.outbound.courier import Courier
from maild.outbound.deliver import Deliverer, other_id
from maild.outbound.dkim import Key, Signer
from maild.outbound.mode import in_words
from maild.processes import memory
from maild.processes.channel import Bell
from maild.processes.door import arrival, runtime_dir
from maild.processes.lives import Life
from maild.schedule import beats, deadlines, held, nodes, retention, surveys, sweeps, webhooks
from maild.schedule.jumps import JumpWatch
from maild.schedule.ticker import Tick, Ticker
from maild.settings.models import Imap, Settings
from maild.settings.secrets import read as read_secret
from maild.settling import later
from maild.store import announce, cases, installation, outbox, spool, versions
from maild.store.unit_of_work import Store
from maild.web.app import Health, make_app
from maild.web.server import WebServer, serve
from maild.workbench.canary import Canary

log = get_logger(__name__)

HEARTBEAT = timedelta(seconds=10)
BEAT = timedelta(seconds=1)  # how often it is asked whether an event, a deadline or a schedule is due
IMAP_LEASE_SECONDS = 120.0
NICE = 15  # behind the workers: nobody waits for what it does
PAUSE_HEEDED = 0.05  # seconds: one look for what goes out within them
BACKLOG = 100  # waiting messages from which on what no person wrote goes out one at a time


class StoredOutbox:
    """The outbox as the delivery loop sees it: a lease at a time, each result in its own transaction."""

    def __init__(
        self, store: Store, office: Office, who: str, copies: Mapping[str, SentCopies] | None = None
    ) -> None:
        self._store, self._office, self._who, self._copies = store, office, who, copies or {}

    def lease(self, limit: int, now: datetime) -> list[OutboxEntry]:
        """Nothing while the outbox is paused."""
        if self.paused():
            return []
        return outbox.lease(self._store, self._who, limit, now)

    def paused(self) -> bool:
        """Whether `maild pause outbox` is in force."""
        with self._store.read() as connection:
            return any(row.what == "outbox" for row in installation.paused(connection, clock.now()))

    def read_part(self, ref: PartRef) -> bytes:
        """The decoded bytes of an attachment."""
        return parts.read(self._store, ref)

    def finish(self, results: Sequence[Result]) -> None:
        """Record each recipient's result; a final no is an event on the case, and its assignee is told.

        The smarthost's answer is a fact: whatever fails in what follows from it, the record stands, or the mail would
        go out a second time when its lease ends.
        """
        with self._store.write() as connection:
            outbox.record(connection, results)
            for result in results:
                try:
                    self._follow(connection, result)
                except TransientError:
                    raise
                except Exception:
                    log.exception("daemon.fault", outbox_id=result.entry.id, case=result.entry.message.case)
        for result in results:
            try:
                self._copy(result.entry, result.outcomes)
            except Exception:
                log.exception("daemon.fault", outbox_id=result.entry.id, case=result.entry.message.case)

    def _follow(self, connection: Connection, result: Result) -> None:
        """What a result means for the case: another name of the mail, or the event that it could not be delivered."""
        shape = self._office.settings.main.outbound.rewritten_message_id
        others = [
            other for one in result.outcomes.values() if isinstance(one, Sent) and (other := other_id(one.reply, shape))
        ]
        final = Refused if result.next_at is not None else (Refused, Deferred)
        failed = {who: one for who, one in result.outcomes.items() if isinstance(one, final)}
        number = result.entry.message.case
        if number is None or not (others or failed):
            return
        with connection.begin_nested():
            case = cases.get_final(connection, number)
            if case is None:
                return
            cases.remember_ids(connection, case.number, others)
            if failed:
                sweeps.delivery_failed(self._office, connection, case, result.entry, failed, result.at)

    def _copy(self, entry: OutboxEntry, outcomes: Mapping[str, Outcome]) -> None:
        """Put a copy of what went to people outside into the shared mailbox, where it is configured; once a mail."""
        first = set(entry.waiting) == set(entry.message.recipients)
        if not first or entry.message.kind.to_users or not any(isinstance(one, Sent) for one in outcomes.values()):
            return
        sender = parseaddr(dict(entry.message.headers).get("From", ""))[1]
        copies = self._copies.get(self._office.addresses.mailbox_of(sender) or "")
        if copies is not None:
            copies.put(lambda: serialise(entry.message, self.read_part))

    def release(self, entries: Sequence[OutboxEntry], now: datetime) -> None:
        """Give leases back, no try counted."""
        with self._store.write() as connection:
            outbox.release(connection, [entry.id for entry in entries])

    def hold(self, entries: Sequence[OutboxEntry], reason: str, now: datetime) -> None:
        """Keep these until somebody approves them."""
        with self._store.write() as connection:
            outbox.release(connection, [entry.id for entry in entries])
            for entry in entries:
                outbox.set_state(connection, entry.id, OutboxState.HELD, now, reason)

    def smarthost_down(self, reason: str, now: datetime) -> None:
        """Shown by `maild status` until the smarthost takes mail again."""
        with self._store.write() as connection:
            installation.set_meta(connection, "smarthost_fault", f"{now.isoformat()} {reason}")

    def smarthost_up(self) -> None:
        """The smarthost takes mail again."""
        with self._store.write() as connection:
            installation.set_meta(connection, "smarthost_fault", "")


@dataclass
class Living:
    """What this daemon says of itself in every heartbeat."""

    life: Life
    pid: int
    listeners: list[str]
    started_at: datetime

    @property
    def node(self) -> str:
        return self.life.node

    def row(self, settings: Settings, loaded_at: datetime, now: datetime) -> dict[str, Any]:
        """The heartbeat, as it is stored."""
        return {
            "node": self.node, "pid": self.pid, "version": __version__, "config_hash": settings.hash,
            "shared_hash": settings.shared_hash,
            "config_loaded_at": loaded_at, "listeners": self.listeners, "started_at": self.started_at, "seen_at": now,
        }  # fmt: skip


class PostOffice:
    """Everything that one post office process holds."""

    def __init__(
        self, settings: Settings, compiled: Compiled, living: Living, new_mail: Bell, outgoing: Bell
    ) -> None:
        self.settings, self.compiled, self.living = settings, compiled, living
        self.new_mail, self.outgoing = new_mail, outgoing
        self.store = open_store(settings)
        self.office: Office | None = None
        self.stop, self.wake = asyncio.Event(), asyncio.Event()
        self.imap_stop = threading.Event()
        self.threads: list[threading.Thread] = []
        self.web: WebServer | None = None
        self.loaded_at = clock.now()
        self.jumps, self.watching = JumpWatch(), threading.Lock()
        self.backlog = False

    async def run(self) -> int:
        """Send, fetch, sweep and serve until told to stop; finish what is on its way. Returns the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        loop.add_reader(self.outgoing.read_end, self._rung)
        await self._serve_web()
        office = await self._prepared()
        if office is None:
            return 0
        self.office = office
        smarthost = self.settings.main.outbound.smtp
        password = read_secret(smarthost.password, self.settings.folder) if smarthost.password else None
        deliverer = Deliverer(
            StoredOutbox(self.store, office, self.living.life.name(), self._copy_sent()), Courier(smarthost, password),
            connections=smarthost.connections, expire_after=self.settings.main.outbound.expire_after,
            mode=lambda: self.settings.main.outbound.mode,
            sign=self._signer(), backlog=lambda: self.backlog, pause_heeded=PAUSE_HEEDED,
        )  # fmt: skip
        self._fetch()
        self._listen()
        ticker = Ticker(self._ticks(office), [], clock.now)
        ticker.start()
        await deliverer.run(self.wake, self.stop)
        await ticker.stop()
        self.imap_stop.set()
        for thread in self.threads:
            await asyncio.to_thread(thread.join, 10)
        if self.web is not None:
            await self.web.close()
        self.store.close()
        return 0

    def _signer(self) -> Any:
        keys = [
            Key(one.domain, one.selector, read_secret(one.key, self.settings.folder).encode())
            for one in self.settings.main.outbound.dkim
        ]
        return Signer(keys).sign if keys else None

    def _stop(self) -> None:
        self.stop.set()
        self.imap_stop.set()

    def _rung(self) -> None:
        while self.outgoing.quiet():
            pass
        self.wake.set()

    async def _prepared(self) -> Office | None:
        """Wait for the database, prove its schema, and open the office; None when told to stop before."""
        delay = 0.5
        while not self.stop.is_set():
            try:
                return await asyncio.to_thread(self._open)
            except TransientError as error:
                log.warning("store.unavailable", reason=str(error))
                delay = min(delay * 2, 15.0)
                try:
                    await asyncio.wait_for(self.stop.wait(), delay)
                except TimeoutError:
                    continue
        return None

    def _open(self) -> Office:
        self.store.create_or_upgrade(upgrade=self.settings.main.database.upgrade == "auto")
        keyring = installation.ensure_key(self.store, clock.now())
        with self.store.write() as connection:
            outbox.release_dead(connection, self.living.node, self.living.life.is_over)
            versions.note_live(connection, self.living.node, self.settings, clock.now())
        self._heartbeat(clock.now())
        office = open_office(self.settings, keyring, self.compiled)
        deadlines.renew(self.store, office, clock.now())
        return office

    # --- sweeps ----------------------------------------------------------------------------------------------

    def _ticks(self, office: Office) -> list[Tick]:
        def in_thread(sweep: Any) -> Any:
            async def run(now: datetime) -> None:
                if await asyncio.to_thread(sweep, now):
                    self.wake.set()
                    self.new_mail.ring()

            return run

        return [
            Tick("heartbeat", HEARTBEAT, in_thread(self._heartbeat)),
            Tick("beat", BEAT, in_thread(self._beat)),
            Tick("log", timedelta(milliseconds=500), in_thread(lambda _now: self.store.empty_log())),
            Tick("webhooks", timedelta(seconds=2), in_thread(lambda now: webhooks.deliver(self.store, now))),
            Tick("canary", timedelta(seconds=5), in_thread(Canary(self.store, self.settings).look)),
            Tick("backlog", timedelta(seconds=1), in_thread(self._look_at_backlog)),
            Tick("held mail", timedelta(minutes=1), in_thread(lambda now: held.sweep(self.store, office, now))),
            Tick("later mailboxes", timedelta(seconds=2), in_thread(lambda now: later.sweep(self.store, office, now))),
            Tick("nodes", HEARTBEAT, in_thread(lambda now: nodes.compare(self.store, office, now))),
            Tick("sign-ins", timedelta(hours=1), in_thread(lambda now: fetching.tell_of_expiry(self.store, office, now))),
            Tick("retention", timedelta(hours=1), in_thread(lambda now: retention.keep_to(self.store, self.settings.main.retention, now))),
            Tick("compress", timedelta(minutes=5), in_thread(lambda now: sweeps.compress(self.store, now))),
            Tick("metrics", timedelta(seconds=30), in_thread(self._metrics_file)),
        ]

    def _look_at_backlog(self, now: datetime) -> None:
        with self.store.read() as connection:
            self.backlog = spool.figures(connection, now)["pending"] > BACKLOG

    def _beat(self, now: datetime) -> bool:
        """Events, deadlines and schedules that are due; whether there was anything."""
        self._watch(now)
        assert self.office is not None
        return bool(beats.beat(self.store, self.office, now))

    def _watch(self, now: datetime) -> None:
        """See whether the clock was set since the last look; who looks meanwhile waits until that is written down, or
        the heartbeat would take the jump for a time without a daemon."""
        with self.watching:
            jump = self.jumps.look(now, time.monotonic())
            if jump is not None and self.office is not None:
                beats.clock_jumped(self.store, self.office, now, jump)

    def _heartbeat(self, now: datetime) -> None:
        self._watch(now)
        memory.give_back()
        beats.heard(self.store, now)
        outbox.renew(self.store, self.living.life.name())
        with self.store.write() as connection:
            installation.heartbeat(connection, self.living.row(self.settings, self.loaded_at, now))
            mode = in_words(self.settings.main.outbound.mode) if self.settings.forced else ""
            if (installation.get_meta(connection, installation.FORCED_MODE) or "") != mode:
                installation.set_meta(connection, installation.FORCED_MODE, mode)

    # --- the web ---------------------------------------------------------------------------------------------

    async def _serve_web(self) -> None:
        if self.settings.main.web is None:
            return
        app = make_app(
            health=lambda: Health(ok=True, detail={"version": __version__}),
            ready=self._ready,
            metrics=self._metrics,
            survey=surveys.pages(self.store, self._ready_office, clock.now),
        )
        try:
            self.web = await serve(app, self._web_place(self.settings.main.web.listen))
        except OSError as error:
            log.error("web.failed", listen=self.settings.main.web.listen, reason=str(error))

    def _ready_office(self) -> Office:
        """The office, for pages that need it. Raises StoreUnavailable while it is not open yet."""
        if self.office is None:
            raise StoreUnavailable("maild has not opened its database yet")
        return self.office

    def _web_place(self, listen: str) -> str:
        """A Unix socket's path is relative to $RUNTIME_DIRECTORY, like the doors'."""
        path = listen.removeprefix("unix:")
        return f"unix:{runtime_dir(self.settings) / path}" if path != listen else listen

    def _ready(self) -> tuple[bool, str]:
        try:
            with self.store.write() as connection:
                installation.set_meta(connection, "ready", clock.now().isoformat())
        except (TransientError, ConfigError) as error:
            return False, str(error)
        return True, "mail can be stored"

    def _metrics(self) -> str:
        from maild.web.metrics import render

        return render(sweeps.figures(self.store, self.settings, clock.now()))

    def _metrics_file(self, now: datetime) -> None:
        if self.settings.main.metrics is None:
            return
        from maild.web.metrics import write_textfile

        path = self.settings.state_dir / self.settings.main.metrics.textfile
        write_textfile(sweeps.figures(self.store, self.settings, now), path)

    # --- IMAP ------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """PostgreSQL: wake our workers for mail that another machine took in."""
        if self.store.sqlite:
            return
        what = (self.store, self.new_mail.ring, self.imap_stop)
        thread = threading.Thread(target=announce.listen, args=what, name="listen", daemon=True)
        thread.start()
        self.threads.append(thread)

    def _fetch(self) -> None:
        hooks = ImapHooks(
            accept=self._accept, load_cursor=self._load_cursor, save_cursor=self._save_cursor,
            lease=lambda mailbox, folder: installation.lease_folder(
                self.store, mailbox, folder, self.living.node, IMAP_LEASE_SECONDS
            ),
            report=self._report, fetched=self._fetched,
        )  # fmt: skip
        for key, mailbox in self.settings.main.mailboxes.items():
            for config in fetching.folders(self.settings, key):
                try:
                    secret = self._imap_secret(key, config)
                except ConfigError as error:
                    log.error("imap.failed", mailbox=key, reason=str(error))
                    continue
                door = ImapDoor(key, located(config, self.settings.folder), secret, hooks, address=mailbox.address)
                thread = threading.Thread(target=door.run, args=(self.imap_stop,), name=f"imap {key}", daemon=True)
                thread.start()
                self.threads.append(thread)

    def _copy_sent(self) -> dict[str, SentCopies]:
        """Begin to copy what is sent, for each mailbox that wants it."""
        found: dict[str, SentCopies] = {}
        for key, mailbox in self.settings.main.mailboxes.items():
            config = next((one for one in mailbox.imap if one.copy_sent and one.sent), None)
            if config is None:
                continue
            try:
                secret = self._imap_secret(key, config)
            except ConfigError as error:
                log.error("imap.failed", mailbox=key, reason=str(error))
                continue
            give = secret if callable(secret) else partial(str, secret)
            found[key] = SentCopies(key, located(config, self.settings.folder), give)
            thread = threading.Thread(target=found[key].run, args=(self.imap_stop,), name=f"copies {key}", daemon=True)
            thread.start()
            self.threads.append(thread)
        return found

    def _imap_secret(self, key: str, config: Imap) -> Any:
        if config.auth is not None:
            oauth = config.auth.oauth2
            secret = oauth.client_secret
            return TokenSource(
                key, oauth, lambda: read_secret(secret, self.settings.folder) if secret else None,
                token_file(self.settings.state_dir, key, config.username),
            )  # fmt: skip
        return read_secret(config.password, self.settings.folder) if config.password else ""

    def _accept(self, envelope: Envelope) -> str:
        assert self.office is not None
        wanted = arrival(envelope, self.office.addresses)
        if envelope.client.startswith(SENT) and self.office.is_our_id(wanted.message_id):
            return "our own"  # a copy of what maild has sent; nothing to learn from it
        with self.store.write() as connection:
            ((spool_id, new),) = spool.accept(connection, [wanted])
        if new:
            log.info("message.accepted", spool_id=spool_id, message_id=wanted.message_id, door="imap",
                     mailbox=",".join(wanted.mailboxes), size=len(envelope.raw))  # fmt: skip
            self.new_mail.ring()
        return spool_id

    def _load_cursor(self, mailbox: str, folder: str) -> Cursor | None:
        with self.store.read() as connection:
            return installation.load_cursor(connection, mailbox, folder)

    def _save_cursor(self, mailbox: str, folder: str, cursor: Cursor) -> None:
        with self.store.write() as connection:
            installation.save_cursor(connection, mailbox, folder, cursor)

    def _report(self, mailbox: str, folder: str, fault: str | None) -> None:
        with self.store.write() as connection:
            installation.folder_state(connection, mailbox, folder, {"fault": fault})

    def _fetched(self, mailbox: str, folder: str, at: datetime) -> None:
        with self.store.write() as connection:
            installation.folder_state(connection, mailbox, folder, {"last_fetch": at})


def run(settings: Settings, compiled: Compiled, living: Living, new_mail: Bell, outgoing: Bell) -> int:
    """The life of the post office process; returns its exit status."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(NICE)

    async def live() -> int:
        return await PostOffice(settings, compiled, living, new_mail, outgoing).run()

    return asyncio.run(live())


def living(listeners: list[str], settings: Settings) -> Living:
    """This daemon, named by its machine and state directory (two may run on one machine)."""
    node = f"{socket.gethostname()}:{settings.state_dir}"[-90:]  # with the word and number of a process, 120 at most
    return Living(Life(node), os.getppid() if os.getpid() != os.getpgrp() else os.getpid(), listeners, clock.now())

