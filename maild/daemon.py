"""This is where `maild run` lives: the supervisor that puts the daemon together, starts its processes, and ends them in order.

    supervisor ── door          SMTP, LMTP, control socket, group commit
               ├─ worker 1..N   spool entry → case
               └─ post office   outbox, IMAP, sweeps, web

It forks before any thread or loop, keeps no database open, and only listens to signals, children and the door:
SIGTERM drains (door first, then workers, then the post office), SIGHUP reloads all or nothing, a dead child is replaced.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maild import clock
from maild.desk import Desk
from maild.errors import ConfigError, Fault, MaildError
from maild.ingest import pipe
from maild.log import configure, get_logger
from maild.office import Compiled, open_office, open_store, prove
from maild.outbound.mode import Mode
from maild.plain import notify
from maild.plain.domains import organisational
from maild.processes import door, post_office, worker
from maild.processes.channel import Bell, Channel
from maild.processes.effort import Effort
from maild.settings import last_loaded
from maild.settings.addresses import Addresses
from maild.settings.load import load
from maild.settings.models import Settings
from maild.settings.watching import Watch
from maild.store import installation

log = get_logger(__name__)

STOP_SECONDS = 25.0  # what is left then is killed; leases bring its work back
STUCK_SECONDS = worker.LEASE_SECONDS  # then others have its messages
LOCK_SECONDS = 10.0
PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """A process of ours. ``started`` is monotonic; ``failures`` counts quick deaths in a row. A worker that was
    killed because it waited for ever is ``stuck``: that is no fault of its messages."""

    role: str
    start: Callable[[], int]
    pid: int = 0
    started: float = 0.0
    failures: int = 0
    restart_at: float = 0.0
    leaving: bool = False
    effort: Effort | None = None
    stuck: bool = False


class Supervisor:
    """The parent of all processes of one daemon."""

    def __init__(self, folder: Path, settings: Settings, compiled: Compiled, mode: Mode | None = None) -> None:
        self.folder, self.settings, self.compiled, self.mode = folder, settings, compiled, mode
        self.new_mail, self.outgoing = Bell(), Bell()
        self.children: list[Child] = []
        self.door_channel: Channel | None = None
        self.listeners: list[str] = []
        self.living = post_office.living([], settings)
        self.stopping = self.ready = False
        self.exit_status = 0
        self.selector = selectors.DefaultSelector()
        self.signals = os.pipe()
        self.watch = Watch(folder)
        self.told_fault: str | None = None
        self.guilty: set[str] = set()  # workers that died of themselves: what they had in hand may be why

    # --- the loop --------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Start everything, look after it until SIGTERM, end it in order. Returns the exit status."""
        for end in self.signals:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.signals[1], warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda _number, _frame: None)
        self.selector.register(self.signals[0], selectors.EVENT_READ)
        self._remember(self.settings)
        organisational("maild.example")  # reads the list of public suffixes: once, for all children
        gc.freeze()
        self._start_door()
        watchdog = notify.watchdog_interval()
        next_watchdog = 0.0
        while not self.stopping:
            events = self.selector.select(timeout=min(1.0, watchdog or 1.0))
            for key, _ in events:
                if key.fd == self.signals[0]:
                    self._signalled()
                elif self.door_channel is not None and key.fileobj is self.door_channel.socket:
                    self._door_said()
            self._look_after()
            if self.settings.main.watch and self.watch.changed(time.monotonic()):
                self.reload()
            if watchdog is not None and time.monotonic() >= next_watchdog:
                notify.notify("WATCHDOG=1")
                next_watchdog = time.monotonic() + watchdog
        self._end()
        return self.exit_status

    def _signalled(self) -> None:
        with contextlib.suppress(BlockingIOError):
            numbers = set(os.read(self.signals[0], 4096))
            if {signal.SIGTERM, signal.SIGINT} & numbers:
                self.stopping = True
            elif signal.SIGHUP in numbers:
                self.reload()

    # --- children --------------------------------------------------------------------------------------------

    def _spawn(self, child: Child) -> None:
        """Fork one child; it dies with us, in our process group, and never returns from here."""
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            child.pid, child.started, child.stuck = pid, time.monotonic(), False
            self.guilty.discard(self.living.life.name(pid))  # numbers come again
            return
        status = 70
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(0)
            signal.set_wakeup_fd(-1)
            self.selector.close()
            for end in self.signals:
                os.close(end)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.environ.pop("NOTIFY_SOCKET", None)
            status = child.start()
        except ConfigError as error:
            log.error("config.refused", reason=str(error), role=child.role)
            status = 2
        except BaseException as error:
            log.exception("daemon.fault", role=child.role, reason=f"{type(error).__name__}: {error}")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _start_door(self) -> None:
        ours, theirs = Channel.pair()
        self.door_channel = ours
        self.selector.register(ours.socket, selectors.EVENT_READ)

        def start() -> int:
            ours.close()
            return door.run(self.settings, theirs, self.new_mail, self.outgoing)

        child = Child("door", start)
        self.children.append(child)
        self._spawn(child)
        theirs.close()

    def _start_workers(self) -> None:
        count = self.settings.main.workers or os.cpu_count() or 1
        for number in range(1, count + 1):
            effort = Effort()
            settings, compiled = self.settings, self.compiled
            child = Child(
                f"worker {number}",
                lambda effort=effort, settings=settings, compiled=compiled: worker.run(  # type: ignore[misc]
                    settings, compiled, self.new_mail, self.outgoing, effort, self.living.life, self.guilty
                ),
                effort=effort,
            )
            self.children.append(child)
            self._spawn(child)

    def _start_post_office(self) -> None:
        settings, compiled = self.settings, self.compiled
        child = Child(
            "post office", lambda: post_office.run(settings, compiled, self.living, self.new_mail, self.outgoing)
        )
        self.children.append(child)
        self._spawn(child)

    def _look_after(self) -> None:
        """Bury the dead, replace them (slower each time they die at once), kill a worker that is too long at a message."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            self._died(pid, os.waitstatus_to_exitcode(status))
        now = time.monotonic()
        for child in list(self.children):
            if child.pid == 0 and child.restart_at and now >= child.restart_at and not self.stopping:
                child.restart_at = 0.0
                if child.role == "door":
                    self.children.remove(child)
                    self._close_door_channel()
                    self._start_door()
                else:
                    self._spawn(child)
            self._end_overdue(child)

    def _end_overdue(self, child: Child) -> None:
        """Kill a worker whose batch takes too much work, or that has waited for something for far too long."""
        spent = child.effort.spent(child.pid) if child.effort is not None and child.pid else None
        if spent is None:
            return
        allowed = self.settings.main.limits.parse.total_seconds() * max(spent.messages, 1)
        if spent.cpu > allowed or spent.wall > allowed + STUCK_SECONDS:
            child.stuck = spent.cpu <= allowed
            log.error("daemon.worker_killed", role=child.role, seconds=round(spent.wall), cpu=round(spent.cpu))
            os.kill(child.pid, signal.SIGKILL)

    def _died(self, pid: int, status: int) -> None:
        child = next((one for one in self.children if one.pid == pid), None)
        if child is None:
            return
        child.pid = 0
        if child.effort is not None:
            child.effort.end()
            if status != 0 and not child.stuck:
                self.guilty.add(self.living.life.name(pid))
        if child.leaving:
            self.children.remove(child)
            return
        if self.stopping:
            return
        if child.role == "door" and not self.ready:
            self._door_said()
            self.stopping, self.exit_status = True, self.exit_status or 70
            return
        child.failures = child.failures + 1 if time.monotonic() - child.started < 10 else 0
        child.restart_at = time.monotonic() + min(0.2 * 2**child.failures, 30.0)
        log.error("daemon.worker_died", role=child.role, status=status)

    def _close_door_channel(self) -> None:
        if self.door_channel is not None:
            with contextlib.suppress(KeyError):
                self.selector.unregister(self.door_channel.socket)
            self.door_channel.close()
            self.door_channel = None

    def _door_said(self) -> None:
        if self.door_channel is None:
            return
        messages = self.door_channel.receive()
        if messages is None:
            with contextlib.suppress(KeyError):
                self.selector.unregister(self.door_channel.socket)
            return
        asked: list[int] = []
        for what, value in messages:
            match what:
                case "listening":
                    self.listeners = value
                    if not self.ready:
                        self.living.listeners = value
                        self._start_workers()
                        self._start_post_office()
                        self.ready = True
                        notify.notify(f"READY=1\nSTATUS=taking mail on {', '.join(value) or 'no door (deliver and IMAP only)'}")
                        log.info("daemon.ready", listeners=value, workers=len(self.children) - 2)
                        self._keep_fault(None)  # one that was killed may have left its fault behind
                case "failed":
                    log.error("daemon.failed", reason=value)
                    sys.stderr.write(f"maild: the doors cannot be opened: {value}\n")
                    self.exit_status = 2
                case "reload":
                    asked.append(value)
        if asked:  # one reload, begun after all of these were asked for, answers them
            said = self.reload()
            if self.door_channel is not None:
                self.door_channel.send(("reloaded", (asked, said)))

    # --- reload ----------------------------------------------------------------------------------------------

    def reload(self) -> dict[str, Any]:
        """Take the configuration on disk, all or nothing; returns what is live now and what waits for a restart, or why not."""
        notify.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            fresh = forced(load(self.folder), self.mode)
            compiled = prove(fresh)
            settings = fresh.model_copy(update={"main": keep_started(self.settings, fresh), "state_dir": self.settings.state_dir})
            self._remember(settings)
        except (MaildError, OSError) as error:
            faults = [str(one) for one in error.faults] if isinstance(error, ConfigError) else [str(error)]
            log.error("config.refused", reason=faults[0], faults=len(faults))
            self._keep_fault("\n".join(faults))
            said: dict[str, Any] = {"ok": False, "faults": faults, "hash": self.settings.hash}
        else:
            waits = needs_restart(self.settings, fresh)
            self.compiled, self.settings = compiled, settings
            if self.door_channel is not None:
                self.door_channel.send(("settings", self.settings))
            self._replace_workers()
            self._keep_fault(None)
            log.info("config.loaded", hash=fresh.hash, waits=waits)
            if waits:
                log.warning("config.waits_for_restart", what=", ".join(waits))
            said = {"ok": True, "hash": fresh.hash, "waits": waits}
        notify.notify("READY=1")
        return said

    @staticmethod
    def _remember(settings: Settings) -> None:
        """What is live now is kept for `deliver` and for commands that meet a broken file. Raises OSError."""
        pipe.write_addresses(settings.state_dir, Addresses(settings).known())
        last_loaded.keep(settings)

    def _replace_workers(self) -> None:
        """New ones start with the new settings while the old ones finish what they have in hand."""
        for child in self.children:
            if child.role != "door" and not child.leaving:
                child.leaving = True
                if child.pid:
                    os.kill(child.pid, signal.SIGTERM)
        self.children = [child for child in self.children if child.pid or not child.leaving]
        self._start_workers()
        self._start_post_office()

    def _keep_fault(self, fault: str | None) -> None:
        """For `maild status`. A database that does not answer does not hinder the reload."""
        try:
            store = open_store(self.settings)
            if not store.exists():
                return  # a server that was never used: nobody could have asked
            now = clock.now()
            keyring = installation.ensure_key(store, now)
            with store.write() as connection:
                installation.set_fault(connection, self.living.row(self.settings, self.living.started_at, now), fault)
                if fault and fault != self.told_fault:
                    office = open_office(self.settings, keyring, self.compiled)
                    Desk(office, connection, clock.now()).tell_admins(
                        "the configuration on disk is refused; the one before it stays live", "run: maild check", fault
                    )
                    self.outgoing.ring()
                self.told_fault = fault
            store.close()
        except MaildError as error:
            log.warning("store.unavailable", reason=str(error))

    # --- the end ---------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Stop taking mail, then processing it, then sending it; each lets go of what it has in hand."""
        notify.notify("STOPPING=1")
        log.info("daemon.stopping")
        deadline = time.monotonic() + STOP_SECONDS
        for role in ("door", "worker", "post office"):
            group = [child for child in self.children if child.pid and child.role.startswith(role)]
            for child in group:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGTERM)
            while any(child.pid for child in group) and time.monotonic() < deadline:
                self._look_after()
                self._door_said()
                time.sleep(0.01)
        for child in self.children:
            if child.pid:
                log.error("daemon.worker_killed", role=child.role, seconds=round(STOP_SECONDS))
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
        with contextlib.suppress(MaildError):
            store = open_store(self.settings)
            if store.exists():
                with store.write() as connection:
                    installation.gone(connection, self.living.node)
            store.close()
        log.info("daemon.stopped")


# --- what a reload may change -----------------------------------------------------------------------------------

_AT_START = ("database", "state_dir", "ingest", "workers", "web")


def needs_restart(old: Settings, new: Settings) -> list[str]:
    """The keys of maild.yaml that differ and go live only at the next start."""
    return [key for key in _AT_START if getattr(old.main, key) != getattr(new.main, key)]


def keep_started(old: Settings, new: Settings) -> Any:
    """The new maild.yaml with the parts that need a restart as they are running now."""
    return new.main.model_copy(update={key: getattr(old.main, key) for key in _AT_START})


def lock(state_dir: Path) -> int:
    """Only one daemon in a state directory; waits for one that is just ending. Raises ConfigError."""
    state_dir.mkdir(parents=True, exist_ok=True)
    handle = os.open(state_dir / "maild.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ConfigError(
                    [Fault(str(state_dir), 0, 0, "another maild runs on this state_dir", "stop it first: systemctl stop maild")]
                ) from None
            time.sleep(0.1)


def forced(settings: Settings, mode: Mode | None) -> Settings:
    """The configuration with this mode of outgoing mail in place of its own; None changes nothing."""
    if mode is None:
        return settings
    outbound = settings.main.outbound.model_copy(update={"mode": mode})
    return settings.model_copy(update={"main": settings.main.model_copy(update={"outbound": outbound}), "forced": True})


def run(folder: Path, mode: Mode | None = None) -> int:
    """`maild run`: everything is proved before the first listener opens. Returns the exit status.

    ``mode`` wins over `outbound.mode`, after each reload, too.
    """
    settings = forced(load(folder), mode)
    configure(settings.main.log.format, settings.main.log.level)
    compiled = prove(settings)
    handle = lock(settings.state_dir)
    log.info("daemon.started", hash=settings.hash, at=clock.now().isoformat())
    store = open_store(settings)
    if store.path is not None:  # a lost or newer database stops the start; one that does not answer does not
        store.create_or_upgrade(upgrade=settings.main.database.upgrade == "auto")
    store.close()
    try:
        return Supervisor(folder, settings, compiled, mode).run()
    finally:
        os.close(handle)
