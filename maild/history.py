"""This is where old mail becomes history: read from an mbox, a Maildir or a folder, and filed by the mailroom in silence.

The dates are the mails', no mail goes out, no clock starts; threads are joined by Message-ID. Identity by content makes
a second import of the same mail do nothing.
"""

from __future__ import annotations

import mmap
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from maild import clock
from maild.ingest.addresses import lenient_date
from maild.ingest.identity import know
from maild.log import get_logger
from maild.model.case import Status
from maild.model.message import SENT, Door, Envelope
from maild.model.spool import Arrival
from maild.office import Office, open_office
from maild.reading import read
from maild.settings.models import Settings
from maild.settling.way import settle
from maild.store import cases, copies, imports, installation, spool
from maild.store.unit_of_work import Store

log = get_logger(__name__)

BATCH = 50
_FROM_LINE = re.compile(rb"(?:\A|\n\r?\n)(From [^\r\n]*\r?\n)")


@dataclass(frozen=True, slots=True)
class Found:
    """One message to import: the file, and where it is in it (None: the whole file)."""

    path: Path
    start: int | None = None
    stop: int | None = None

    def raw(self) -> bytes:
        """Its bytes, without the mbox's `From ` line and its quoting."""
        with self.path.open("rb") as file:
            if self.start is None:
                data = file.read()
                return data.partition(b"\n")[2] if data.startswith(b"From ") else data
            file.seek(self.start)
            data = file.read((self.stop or 0) - self.start if self.stop is not None else -1)
        _, _, data = data.partition(b"\n")
        return data.replace(b"\n>From ", b"\nFrom ").removesuffix(b"\n\n") + b"\n"


def find(path: Path) -> list[Found]:
    """The messages in an mbox, a Maildir, or a folder of .eml files (looked through whole), in a stable order."""
    if path.is_dir():
        if (path / "cur").is_dir() and (path / "new").is_dir():
            folders = [path, *sorted(p for p in path.glob(".*") if (p / "cur").is_dir())]
            return [Found(file) for folder in folders for sub in ("cur", "new") for file in sorted((folder / sub).iterdir()) if file.is_file()]
        return [Found(file) for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith(".") and file.suffix.lower() in {".eml", ".msg", ".mail", ".txt", ""}]
    with path.open("rb") as file:
        if file.read(5) != b"From ":
            return [Found(path)]
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            starts = [match.start(1) for match in _FROM_LINE.finditer(data)]
    return [Found(path, start, stop) for start, stop in zip(starts, [*starts[1:], None], strict=True)]


def run(
    settings: Settings, store: Store, messages: Sequence[Found], to: str, *, status: Status, live: bool, by: str,
    path: Path, open_since: datetime | None = None, agent: str = "", progress: Callable[[int], None] = lambda done: None,
) -> tuple[int, dict[str, int]]:  # fmt: skip
    """Import these messages to this address; returns the import's number and the counts.

    Cases end in ``status``, those with a mail since ``open_since`` open. ``agent``: all of it is what this user sent from
    the mailbox. ``live`` puts the messages into the spool as arriving now.
    """
    now = clock.now()
    office = open_office(settings, installation.ensure_key(store, now))
    counts = dict.fromkeys(("messages", "cases", "answers", "held", "other", "repeated", "failed"), 0)
    with store.write() as connection:
        number = imports.begin(connection, by, str(path), now)
    mailboxes = office.addresses.mailboxes_of((to,))
    for batch in _batches(messages):
        arrivals = [_arrival(one.raw(), to, mailboxes, agent) for one in batch]
        counts["messages"] += len(batch)
        with store.write() as connection:
            accepted = spool.accept(connection, arrivals, None if live else number)
            fresh = [spool_id for spool_id, new in accepted if new]
            counts["repeated"] += len(accepted) - len(fresh)
            if not live:
                for spool_id in fresh:
                    counts[_filed(connection, office, spool_id, status, now)] += 1
        progress(counts["messages"])
    with store.write() as connection:
        if open_since is not None and not live:
            for case, at in imports.written_since(connection, number, open_since):
                _open(connection, case, at)
        imports.end(connection, number, counts, by, now)
    return number, counts


def foretell(
    settings: Settings, store: Store | None, messages: Sequence[Found], to: str, **how: Any
) -> dict[str, int]:
    """The counts of `run`, from a copy of the database that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="maild-import-") as folder:
        if store is not None:
            copy = copies.extract(store, Path(folder), raw=False)
        else:
            copy = Store(f"sqlite:///{folder}/copy.db", Path(folder))
            copy.create_or_upgrade()
        try:
            return run(settings, copy, messages, to, **how)[1]
        finally:
            copy.close()


def _filed(connection: Connection, office: Office, spool_id: str, status: Status, now: datetime) -> str:
    """File one stored message as history; returns under which count it goes."""
    entry = spool.find(connection, spool_id)
    assert entry is not None
    try:
        with connection.begin_nested():
            settled = settle(connection, office, entry, read(office, entry), entry.received_at, history_status=status)
        return _counted(settled.disposition)
    except Exception as error:
        log.exception("message.failed", spool_id=spool_id)
        spool.hold(connection, entry.seq, f"import: {type(error).__name__}: {error}", now)
        return "failed"


def _open(connection: Connection, number: int, at: datetime) -> None:
    """A case of an import that is still going on: it stands open since its newest mail."""
    case = cases.get(connection, number, lock=True)
    if case is not None and case.status in {Status.CLOSED, Status.RESOLVED}:
        cases.save_case(
            connection, replace(case, status=Status.OPEN, status_since=at, closed_at=None, resolved_at=None)
        )


def _batches(messages: Sequence[Found]) -> Iterator[Sequence[Found]]:
    for start in range(0, len(messages), BATCH):
        yield messages[start : start + BATCH]


def _counted(disposition: str) -> str:
    match disposition:
        case "case" | "follow_up":
            return "cases"
        case "answer" | "update" | "bounce":
            return "answers"
        case "held":
            return "held"
    return "other"


def _arrival(raw: bytes, to: str, mailboxes: tuple[str, ...], agent: str) -> Arrival:
    known = know(raw)
    seen = known.peek
    now = clock.now()
    at = lenient_date(seen.date) if seen.date else None
    if at is None or at > now + timedelta(days=1) or at.year < 1980:
        at = now
    sender = parseaddr(seen.from_)[1]
    envelope = Envelope(
        Door.IMPORT, sender or None, (to,), raw, at.astimezone(UTC), trusted=True,
        client=f"{SENT}import" if agent else "", login=agent or None,
    )  # fmt: skip
    return Arrival(
        envelope=envelope, digest=known.digest, identified=known.named, message_id=seen.message_id,
        subject=seen.subject, sender=sender, conversation=seen.conversation, mailboxes=mailboxes,
    )  # fmt: skip
