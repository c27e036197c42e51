"""This is where maild fetches mail by IMAP: one folder of one account, in a thread of its own.

The way of a message: fetched (nothing is changed there) → accepted, durable here → moved, deleted or kept → cursor.
The cursor is UIDVALIDITY and UID, so other clients' reading changes nothing; a step that fails is done again, and a
message met twice is recognised by its content behind ``accept``. The door knows functions, not the store.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from maild import clock
from maild.errors import ConfigError, MailboxUnavailable, StoreUnavailable, TransientError
from maild.ingest.imap_faults import ServerRefuses
from maild.ingest.imap_folder import FolderWork
from maild.ingest.imap_plan import pause_after, resume
from maild.ingest.imap_session import PIECE, Session, probe
from maild.ingest.imap_wire import Stopping, Timing
from maild.ingest.oauth import LoginRefused, TokenSource
from maild.log import get_logger
from maild.model.message import Envelope
from maild.model.spool import Cursor
from maild.settings.models import Imap

__all__ = ["Cursor", "ImapDoor", "ImapHooks", "Timing", "located", "place_of", "probe"]

log = get_logger("imap")


@dataclass(frozen=True, slots=True)
class ImapHooks:
    """What the door may ask of the rest of maild; each may raise StoreUnavailable, then it is tried again later.

    ``accept`` returns the spool id once the message is durable. The cursor is kept by mailbox and *place* (`place_of`:
    folder and account), for a UIDVALIDITY says nothing of another account; so are the others. ``lease`` says whether this
    daemon may fetch the folder now, and is asked every ``Timing.lease`` seconds, between messages too (a lease should
    hold a few times as long). ``report`` tells the fault of a folder, or None when all is well; ``fetched`` that a
    folder was looked through.
    """

    accept: Callable[[Envelope], str]
    load_cursor: Callable[[str, str], Cursor | None]
    save_cursor: Callable[[str, str, Cursor], None]
    lease: Callable[[str, str], bool]
    report: Callable[[str, str, str | None], None]
    fetched: Callable[[str, str, datetime], None]


def place_of(config: Imap) -> str:
    """The folder with its account: what a cursor belongs to."""
    return config.place


def located(config: Imap, folder: Path) -> Imap:
    """The account with ``ca_file`` made a path below ``folder``, the configuration directory, if it is relative."""
    return config.model_copy(update={"ca_file": str(folder / config.ca_file)}) if config.ca_file else config


class ImapDoor:
    """Fetches one folder until told to stop; `run` is the body of a thread.

    ``config.ca_file`` must be a path that can be opened from here. ``secrets`` is the password or a function that gives
    it, asked at each login; with ``auth: {oauth2: …}`` it gives the access token (a `TokenSource` then also learns of
    refusals). ``address`` is the mailbox's own, the recipient of what is fetched. A folder of sent mail
    (``config.sent`` is this folder) is read from now on, never its past.
    """

    def __init__(
        self,
        mailbox: str,
        config: Imap,
        secrets: str | Callable[[], str],
        hooks: ImapHooks,
        *,
        address: str,
        now: Callable[[], datetime] = clock.now,
        monotonic: Callable[[], float] = time.monotonic,
        rand: Callable[[], float] = random.random,
        timing: Timing = Timing(),
    ) -> None:
        self.mailbox, self.folder, self.place = mailbox, config.folder, place_of(config)
        self._config, self._hooks = config, hooks
        self._given = secrets
        self._tokens = secrets if isinstance(secrets, TokenSource) else None
        self._now, self._monotonic, self._rand, self._timing = now, monotonic, rand, timing
        self._work = FolderWork(
            mailbox,
            config,
            address,
            accept=hooks.accept,
            save=lambda cursor: hooks.save_cursor(mailbox, self.place, cursor),
            go_on=self._may_go_on,
            now=now,
            shuffled=lambda uids: sorted(uids, key=lambda _: rand()),
        )
        self._stop = threading.Event()
        self._failures = 0
        self._leased_at: float | None = None
        self._lost_lease = False
        self._tried_again_at: float | None = None
        self._uidvalidity = 0
        self._warned: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Fetch until ``stop`` is set. Faults are reported and tried again; none ends the thread."""
        self._stop = stop
        while not stop.is_set():
            started, taken = self._monotonic(), self._work.taken
            refused = False
            try:
                if not self._has_lease():
                    stop.wait(self._timing.lease * (0.5 + self._rand() / 2))
                    continue
                self._visit()
                continue
            except Stopping:
                return
            except LoginRefused as error:
                refused = True
                if self._tokens is not None:
                    self._tokens.refused()
                self._tell("imap.refused", str(error))
            except StoreUnavailable as error:
                self._work.stopped_by_store()
                log.warning("store.unavailable", mailbox=self.mailbox, folder=self.folder, reason=str(error))
            except MailboxUnavailable as error:
                self._work.cut()
                self._tell("imap.failed", str(error))
            except Exception as error:  # one session: the cause is logged, and the work is still on the server
                self._work.cut()
                log.error("daemon.fault", mailbox=self.mailbox, folder=self.folder, exc_info=True)
                self._tell("imap.failed", f"fault in maild, see the log: {type(error).__name__}: {error}")
            if self._work.taken > taken or self._monotonic() - started >= self._timing.healthy:
                self._failures = 0
            self._failures += 1
            stop.wait(pause_after(self._failures, refused=refused, chance=self._rand(), timing=self._timing))

    def _visit(self) -> None:
        """One connection: fetch what is there, wait for more, until stopped, unleased, or something breaks."""
        config = self._config
        with Session.open(
            config,
            self._secret,
            timing=self._timing,
            stopping=self._stop.is_set,
            largest=config.max_size + 2 * PIECE,
        ) as session:
            self._lost_lease = False
            cursor = self._begin(session)
            fruitless = 0
            while not self._stop.is_set():
                before = cursor
                if self._tried_again_at is None or self._monotonic() - self._tried_again_at >= self._timing.again:
                    self._tried_again_at = self._monotonic()
                    cursor = self._work.again(session, cursor)
                cursor = self._work.round(session, cursor)
                if self._lost_lease:  # another daemon may have moved the cursor since
                    return
                self._conclude(cursor)
                fruitless = 0 if cursor != before else fruitless + 1
                # What came during the round was announced then, and would not be announced again in IDLE.
                if session.news() and fruitless < 3:
                    continue
                self._wait(session)
                if self._lost_lease:
                    return

    def _secret(self) -> str:
        try:
            return self._given() if callable(self._given) else self._given
        except ConfigError as error:  # it is not where the configuration says
            raise LoginRefused(str(error)) from error

    def _begin(self, session: Session) -> Cursor:
        """Open the folder, and find where to go on."""
        selected = session.select(readonly=self._config.after == "keep")
        known = self._hooks.load_cursor(self.mailbox, self.place)
        past = self._config.sent == self.folder
        cursor = resume(known, selected, skip=session.highest() if past else 0)
        anew = known is not None and cursor != known
        if anew or cursor.uidvalidity != self._uidvalidity:
            self._work.forget()
        self._uidvalidity = cursor.uidvalidity
        log.info("imap.connected", mailbox=self.mailbox, folder=self.folder, messages=selected.messages)
        if anew:
            why = "the server numbered the folder anew: it is read from the start, known mail is passed over"
            log.warning("imap.failed", mailbox=self.mailbox, folder=self.folder, reason=why)
        return cursor

    def _wait(self, session: Session) -> None:
        """Wait for mail: in IDLE where the server has it, else by looking every `poll`."""
        if session.can_idle:
            try:
                session.idle(self._timing.renew, self._may_go_on)
                return
            except ServerRefuses:  # announced, but not done
                if session.can_idle:
                    raise
        end = self._monotonic() + min(self._config.poll.total_seconds(), self._timing.renew)
        while (left := end - self._monotonic()) > 0 and self._may_go_on():
            self._stop.wait(min(left, self._timing.lease))
        session.noop()

    def _may_go_on(self) -> bool:
        return not self._stop.is_set() and self._has_lease()

    def _has_lease(self) -> bool:
        """Whether this daemon may fetch; asks again when the last answer is `Timing.lease` seconds old."""
        at = self._monotonic()
        if self._leased_at is None or at - self._leased_at >= self._timing.lease:
            self._leased_at = at if self._hooks.lease(self.mailbox, self.place) else None
            self._lost_lease = self._lost_lease or self._leased_at is None
        return self._leased_at is not None

    # -- what is told to the others -----------------------------------------------------------------------------------

    def _conclude(self, cursor: Cursor) -> None:
        """Tell what holds after a round that came to its end."""
        self._hooks.fetched(self.mailbox, self.place, self._now())
        faults = [self._work.fault(cursor), self._expiry()]
        self._hooks.report(self.mailbox, self.place, "; ".join(fault for fault in faults if fault) or None)

    def _expiry(self) -> str | None:
        """What a person should know of the sign-in; logged once."""
        warning = self._tokens.warning(self._now()) if self._tokens is not None else None
        if warning and warning != self._warned:
            log.warning("oauth.expiring", mailbox=self.mailbox, reason=warning)
        self._warned = warning
        return warning

    def _tell(self, event: str, fault: str) -> None:
        """Log a fault and report it; a store that is away must not hide the cause or end the thread."""
        log.warning(event, mailbox=self.mailbox, folder=self.folder, reason=fault, failures=self._failures + 1)
        try:
            self._hooks.report(self.mailbox, self.place, fault)
        except TransientError as error:
            log.warning("store.unavailable", mailbox=self.mailbox, reason=str(error))
        except Exception:
            log.error("daemon.fault", mailbox=self.mailbox, folder=self.folder, exc_info=True)
