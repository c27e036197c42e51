"""This is where maild takes the mail of one IMAP folder: which messages, in which order, and what if one is bad.

`FolderWork` lives as long as its door and outlives connections: it knows which messages are durable here but not yet
moved away, and which could not be had, so that a lost connection costs no message and no repeated one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from maild.errors import MailboxUnavailable, MessageError
from maild.ingest.imap_faults import ServerRefuses
from maild.ingest.imap_plan import first_batch, return_path, windows
from maild.ingest.imap_session import PIECE, Session
from maild.log import get_logger
from maild.model.message import SENT, Door, Envelope
from maild.model.spool import Cursor
from maild.settings.models import AfterMove, Imap

log = get_logger("imap")

_SIZES = 200  # UIDs whose sizes are asked for at once
_BATCH = 50  # messages fetched at once, at most
_SKIPPED = 1000  # that many messages that cannot be fetched are no longer single bad messages
_CUTS = 5  # a message during which the connection was lost so often in a row is left for later


class FolderWork:
    """The work on one folder. ``go_on`` is asked between messages; ``shuffled`` orders what is tried once more."""

    def __init__(
        self,
        mailbox: str,
        config: Imap,
        address: str,
        *,
        accept: Callable[[Envelope], str],
        save: Callable[[Cursor], None],
        go_on: Callable[[], bool],
        now: Callable[[], datetime],
        shuffled: Callable[[Sequence[int]], Sequence[int]],
    ) -> None:
        self._mailbox, self._config, self._address = mailbox, config, address
        self._accept, self._save_hook, self._go_on, self._now, self._shuffled = accept, save, go_on, now, shuffled
        self.taken = 0  # messages made durable so far
        self._batch = 1  # doubles while all goes well, so that after a fault even the worst line gets one message on
        self._durable: set[int] = set()  # not yet moved away or passed by the cursor
        self._bad: dict[int, str] = {}  # could not be had, and why
        self._in_flight: int | None = None
        self._cuts = (0, 0)  # a UID, and how often in a row the connection was lost at it
        self._after_fault: str | None = None

    def forget(self) -> None:
        """The folder's UIDs mean other messages now."""
        self._durable, self._bad, self._cuts = set(), {}, (0, 0)

    def cut(self) -> None:
        """The connection was lost. Where that happens again and again at one message, the message is left for later."""
        self._batch = 1
        uid, self._in_flight = self._in_flight, None
        if uid is None:
            return
        times = self._cuts[1] + 1 if self._cuts[0] == uid else 1
        self._cuts = (uid, times)
        if times >= _CUTS:
            self._cuts = (0, 0)
            self._skip(uid, f"the connection was lost {times} times while it was fetched")

    def stopped_by_store(self) -> None:
        """The store did not answer: that is no fault of the message that was being taken."""
        self._in_flight = None

    def fault(self, cursor: Cursor) -> str | None:
        """What a person should know though the folder is being fetched."""
        faults = [self._after_fault] if self._after_fault else []
        if cursor.skipped:
            first = cursor.skipped[0]
            why = self._bad.get(first, "not tried again yet")
            faults.append(f"{len(cursor.skipped)} not fetched, the first is UID {first}: {why}")
        return "; ".join(faults) or None

    # -- a round ----------------------------------------------------------------------------------------------------

    def round(self, session: Session, cursor: Cursor) -> Cursor:
        """Take all that the cursor has not passed, oldest first; gives the cursor then, which is saved on the way."""
        last = session.highest()
        for first, end in windows(cursor.uid + 1, last):
            uids = session.uids(first, end)
            while uids:
                few = uids[: _SIZES if self._batch > 1 else 1]
                uids = uids[len(few) :]
                sizes = self._sizes(session, few)
                while few:
                    if not self._go_on():
                        return cursor
                    batch = first_batch(few, sizes, self._batch)
                    few = few[len(batch) :]
                    cursor = self._take(session, cursor, batch, sizes)
        if last > cursor.uid:  # the newest ones were deleted by somebody before we came
            cursor = self._save(replace(cursor, uid=last))
        return cursor

    def again(self, session: Session, cursor: Cursor) -> Cursor:
        """Try once more what could not be fetched, and to move away what was only marked."""
        for uid in self._shuffled(cursor.skipped):
            if not self._go_on():
                return cursor
            if session.uids(uid, uid):
                cursor = self._take(session, cursor, [uid], self._sizes(session, [uid]))
            else:
                self._bad.pop(uid, None)
                cursor = self._save(replace(cursor, skipped=tuple(left for left in cursor.skipped if left != uid)))
        if self._config.after != "keep":
            marked = session.flagged()
            for start in range(0, len(marked), _BATCH):
                self._after(session, marked[start : start + _BATCH])
        return cursor

    def _take(self, session: Session, cursor: Cursor, batch: Sequence[int], sizes: Mapping[int, int]) -> Cursor:
        """Fetch a batch, make it durable, do what `after` says, and move the cursor over it: in this order."""
        wanted = [uid for uid in batch if uid not in self._durable and (uid <= cursor.uid or uid not in self._bad)]
        bodies = self._fetch(session, [uid for uid in wanted if sizes.get(uid, 0) <= self._config.max_size])
        passed = cursor.uid
        for uid in batch:
            if not self._go_on():
                break
            if uid in wanted:
                self._settle(uid, bodies.pop(uid, None), sizes.get(uid, 0))
            passed = uid
        done = [uid for uid in batch if uid <= passed and uid in self._durable]
        self._after(session, done)
        skipped = tuple(sorted({*cursor.skipped, *(uid for uid in self._bad if uid <= passed)} - self._durable))
        if len(skipped) > _SKIPPED:
            raise MailboxUnavailable(f"{len(skipped)} messages of folder {self._config.folder} cannot be fetched")
        cursor = self._save(Cursor(cursor.uidvalidity, max(passed, cursor.uid), skipped))
        self._durable.difference_update(done)
        self._batch = min(self._batch * 2, _BATCH)
        if done:
            log.info("imap.fetched", mailbox=self._mailbox, folder=self._config.folder, messages=len(done), uid=passed)
        return cursor

    # -- a message --------------------------------------------------------------------------------------------------

    def _sizes(self, session: Session, uids: Sequence[int]) -> dict[int, int]:
        """UID -> size; empty where the server fails at one of them, which then shows when it is fetched."""
        sizes = dict.fromkeys((uid for uid in uids if uid in self._durable), 0)
        asked = [uid for uid in uids if uid not in self._durable]
        if not asked:
            return sizes
        self._in_flight = asked[0]
        try:
            return sizes | session.sizes(asked)
        except ServerRefuses:
            return {}
        finally:
            if sys.exception() is None:
                self._in_flight = None

    def _fetch(self, session: Session, uids: Sequence[int]) -> dict[int, bytes]:
        """UID -> raw message. Those that are gone are missing; those that cannot be had are in `_bad`."""
        if not uids:
            return {}
        self._in_flight = uids[0]
        found: dict[int, bytes] = {}
        try:
            for uid, piece in session.pieces(uids, 0).items():
                self._in_flight = uid
                if (raw := self._whole(session, uid, piece)) is not None:
                    found[uid] = raw
        except ServerRefuses as error:
            if len(uids) > 1:
                found.clear()
                for uid in uids:
                    found |= self._fetch(session, [uid])
            elif session.uids(uids[0], uids[0]):
                self._skip(uids[0], str(error))
            return found
        for uid in uids:
            if uid not in found and session.uids(uid, uid):
                self._skip(uid, "the server lists it, but does not hand it out")
        return found

    def _whole(self, session: Session, uid: int, piece: bytes) -> bytes | None:
        """The message from its first piece on, None if it vanishes meanwhile.

        The end is where a piece comes short, since servers err in RFC822.SIZE. What is over `max_size` is cut where
        that shows, and refused by `_settle`.
        """
        if len(piece) != PIECE:
            return piece
        raw = bytearray(piece)
        while len(piece) == PIECE and len(raw) <= self._config.max_size:
            self._go_on()  # renews the lease
            pieces = session.pieces([uid], len(raw))
            if uid not in pieces:
                return None
            piece = pieces[uid]
            raw += piece
        return bytes(raw)

    def _settle(self, uid: int, raw: bytes | None, size: int) -> None:
        """Make one fetched message durable, or note why not; ``raw`` is None where it is gone or was not fetched."""
        largest = self._config.max_size
        seen = max(size, len(raw or b""))
        if seen > largest:
            self._skip(uid, f"larger than max_size ({seen} of {largest} bytes)")
        elif raw == b"" and size:
            self._skip(uid, "the server gives it without content")
        elif raw is not None:
            self._in_flight = uid
            envelope = Envelope(
                door=Door.IMAP,
                mail_from=return_path(raw),
                rcpt_tos=(self._address,),
                raw=raw,
                received_at=self._now(),
                client=f"{SENT if self._config.sent == self._config.folder else ''}{self._config.host}"[:120],
                trusted=True,
            )
            try:
                self._accept(envelope)
            except MessageError as error:
                self._skip(uid, str(error))
                return
            self._durable.add(uid)
            self._bad.pop(uid, None)
            self.taken += 1
        self._in_flight = None

    def _skip(self, uid: int, why: str) -> None:
        self._in_flight = None
        if self._bad.get(uid) != why:
            log.warning("imap.message_failed", mailbox=self._mailbox, folder=self._config.folder, uid=uid, reason=why)
        self._bad[uid] = why

    def _after(self, session: Session, uids: Sequence[int]) -> None:
        """Do there what `after` says, with messages that are durable here; never let it stop the fetching."""
        after = self._config.after
        if not uids or after == "keep":
            return
        if isinstance(after, AfterMove) and after.move == self._config.folder:
            self._after_fault = f"after: {{move: {after.move}}} names the folder itself: its messages stay"
            return
        try:
            match after:
                case AfterMove(move=folder):
                    session.move(uids, folder)
                case "delete":
                    session.delete(uids)
            self._after_fault = None
        except ServerRefuses as error:
            self._after_fault = f"fetched, but not moved away: {error} (quota, or rights of {self._config.username}?)"
            try:
                session.flag(uids)
            except ServerRefuses as second:
                self._after_fault += f"; not marked either: {second}"
            log.warning("imap.failed", mailbox=self._mailbox, folder=self._config.folder, reason=self._after_fault)

    def _save(self, cursor: Cursor) -> Cursor:
        self._save_hook(cursor)
        return cursor
