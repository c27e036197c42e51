"""This is where a worker process turns spool entries into cases: lease a few, settle them, look for more.

It sleeps until the door rings, and looks by itself every second. SIGTERM lets the batch at hand be finished.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Callable, Collection
from types import FrameType

from maild import clock
from maild.errors import TransientError
from maild.log import get_logger
from maild.mailroom import Mailroom
from maild.office import Compiled, Office, open_office, open_store
from maild.processes import memory
from maild.processes.channel import Bell
from maild.processes.effort import Effort
from maild.processes.lives import Life
from maild.settings.models import Settings
from maild.store import installation, spool
from maild.store.unit_of_work import Store

log = get_logger(__name__)

FIRST_BATCH, BATCH = 7, 20  # messages leased at once: few while others can take their share, many where much waits
BATCH_BYTES = 4 * 1024**2
LEASE_SECONDS = 120.0
TICK_SECONDS = 1.0
NICE = 10


def run(
    settings: Settings, compiled: Compiled, new_mail: Bell, outgoing: Bell, effort: Effort, life: Life,
    guilty: Collection[str],
) -> int:  # fmt: skip
    """The life of one worker; returns its exit status. ``guilty`` are the workers before it that died of themselves."""
    name = life.name()
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    woken, wake = os.pipe()  # so that a signal ends the sleep
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    with contextlib.suppress(OSError):
        os.nice(NICE)
    limit = settings.main.limits.memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    store = open_store(settings)
    mailroom: Mailroom | None = None
    untidy = True
    delay, size = 0.5, FIRST_BATCH
    while not stopping:
        try:
            if mailroom is None:
                mailroom = Mailroom(store, _office(store, settings, compiled))
                with store.write() as connection:
                    spool.release_dead(connection, life.node, life.is_over, guilty)
            taken = _turn(store, mailroom, effort, outgoing, name, lambda: stopping, size)
            delay, size = 0.5, min(2 * size, BATCH) if taken == size else FIRST_BATCH
        except TransientError as error:
            log.warning("store.unavailable", reason=str(error))
            delay = min(delay * 2, 15.0)
            new_mail.wait(delay, woken)
            continue
        if taken:
            untidy = True
        elif not stopping and not new_mail.wait(TICK_SECONDS, woken) and untidy:
            memory.give_back()  # nothing came for a while
            untidy = False
    store.close()
    return 0


def _office(store: Store, settings: Settings, compiled: Compiled) -> Office:
    store.create_or_upgrade(upgrade=settings.main.database.upgrade == "auto")
    return open_office(settings, installation.ensure_key(store, clock.now()), compiled)


def _turn(
    store: Store, mailroom: Mailroom, effort: Effort, outgoing: Bell, name: str, stopping: Callable[[], bool],
    size: int,
) -> int:  # fmt: skip
    """Lease and settle up to ``size`` messages; returns how many there were."""
    now = clock.now()
    with store.read() as connection:
        paused = [
            row.what.removeprefix("mailbox ") for row in installation.paused(connection, now)
            if row.what.startswith("mailbox ")
        ]  # fmt: skip
    entries = spool.lease(
        store, name, limit=size, max_bytes=BATCH_BYTES, seconds=LEASE_SECONDS, skip_mailboxes=paused,
        also=mailroom.reserve,
    )
    if not entries:
        return 0
    if stopping():  # told while waiting for the lease: by now other rules may be live
        spool.give_back(store, entries)
        return 0
    overdue = [entry for entry in entries if entry.attempts > spool.TRIES]
    for entry in overdue:  # it killed its worker each time
        with store.write() as connection:
            reason = f"the mailroom died over it {entry.attempts - 1} times" + (f": {entry.reason}" if entry.reason else "")
            spool.hold(connection, entry.seq, reason, now)
        log.error("message.held", spool_id=entry.id, message_id=entry.message_id, reason=reason)
    taken = len(entries)
    entries = [entry for entry in entries if entry not in overdue]
    effort.begin(len(entries))
    try:
        mailroom.process(entries, now)
    except TransientError:
        spool.give_back(store, entries)
        raise
    finally:
        effort.end()
    outgoing.ring()
    return taken
