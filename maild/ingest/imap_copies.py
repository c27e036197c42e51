"""This is where maild puts what it has sent into a mailbox's own folder of sent mail (`imap.copy_sent`).

People who still work in that mailbox see there what was answered. A copy is a courtesy: one that cannot be made after a
few tries is logged and given up, the mail itself has gone out.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from maild.errors import MailboxUnavailable
from maild.ingest.imap_session import Session
from maild.ingest.imap_wire import Stopping, Timing
from maild.log import get_logger
from maild.settings.models import Imap

log = get_logger("imap")

WAITING = 1000  # copies that wait at most; beyond that the newest are given up
TRIES = 3


class SentCopies:
    """Copies mail into ``config.sent`` of one account; `run` is the body of a thread, `put` may be called from others.

    ``secret`` gives the password or access token at each login.
    """

    def __init__(self, mailbox: str, config: Imap, secret: Callable[[], str], timing: Timing = Timing()) -> None:
        self.mailbox, self._config, self._secret, self._timing = mailbox, config, secret, timing
        self._waiting: queue.Queue[Callable[[], bytes]] = queue.Queue(WAITING)

    def put(self, make: Callable[[], bytes]) -> None:
        """Copy this mail soon; ``make`` gives its bytes."""
        try:
            self._waiting.put_nowait(make)
        except queue.Full:
            self._failed(f"{WAITING} copies wait already")

    def run(self, stop: threading.Event) -> None:
        """Copy until ``stop`` is set."""
        while not stop.is_set():
            try:
                first = self._waiting.get(timeout=0.5)
            except queue.Empty:
                continue
            batch = [first]
            while len(batch) < 50 and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            self._copy(batch, stop)

    def _copy(self, batch: list[Callable[[], bytes]], stop: threading.Event) -> None:
        folder = self._config.sent or ""
        why = ""
        for attempt in range(TRIES):
            try:
                with Session.open(self._config, self._secret, timing=self._timing, stopping=stop.is_set) as session:
                    while batch:
                        session.append(folder, batch[0]())
                        batch.pop(0)
                return
            except Stopping:
                return
            except MailboxUnavailable as error:
                why = str(error)
            except Exception as error:  # one copy: the cause is logged, the others go on
                log.error("daemon.fault", mailbox=self.mailbox, folder=folder, exc_info=True)
                why = f"{type(error).__name__}: {error}"
            if stop.wait(self._timing.retry_first * 4**attempt):
                return
        self._failed(why, len(batch))

    def _failed(self, why: str, count: int = 1) -> None:
        reason = f"{count} sent mails were not copied: {why}"
        log.warning("imap.failed", mailbox=self.mailbox, folder=self._config.sent, reason=reason)
