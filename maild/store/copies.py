"""This is where a SQLite database is copied while it is in use, and a copy is brought back."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, func, insert, select, update

from maild.errors import ConfigError, Fault
from maild.model.outbox import OutboxState
from maild.model.spool import SpoolState
from maild.store.numbers import continue_after
from maild.store.schema import metadata, outbox, outbox_recipients, raw_messages, spool
from maild.store.unit_of_work import Store


def backup(store: Store, file: Path) -> int:
    """Copy the database to a new file, as of one moment, without stopping anybody; returns its size. Raises OSError."""
    assert store.path is not None
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(store.path)) as source, contextlib.closing(sqlite3.connect(part)) as target:
        source.backup(target, pages=1000)
        target.execute("PRAGMA journal_mode=DELETE")
    with part.open("rb") as copied:
        os.fsync(copied.fileno())
    part.replace(file)
    return file.stat().st_size


def restore(store: Store, file: Path) -> Path | None:
    """Put a copy in the database's place; what was there is kept beside it (returned). Nobody has anything in hand then.

    Raises ConfigError.
    """
    assert store.path is not None
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as copy:
            sound = copy.execute("PRAGMA integrity_check").fetchone()[0]
            copy.execute("SELECT 1 FROM spool LIMIT 1")
    except sqlite3.Error as error:
        raise ConfigError([Fault(str(file), 0, 0, f"this is no backup of maild: {error}")]) from error
    if sound != "ok":
        raise ConfigError([Fault(str(file), 0, 0, f"this backup is damaged: {sound}")])
    kept = None
    if store.path.exists():
        kept = store.path.with_name(f"{store.path.name}.before-restore")
        backup(store, kept)
    store.path.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal", "-shm"):
        store.path.with_name(store.path.name + suffix).unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(file)) as source, contextlib.closing(sqlite3.connect(store.path)) as target:
        source.backup(target)
    store.create_or_upgrade()
    with store.write() as connection:
        _nobodys(connection)
    return kept


def _nobodys(connection: Connection) -> None:
    """What a daemon had in hand when the copy was made: given back at once, no try counted, whichever machine it was."""
    free = {"lease_until": None, "leased_by": None}
    connection.execute(
        update(spool).where(spool.c.state == SpoolState.PROCESSING.value)
        .values(state=SpoolState.PENDING.value, attempts=spool.c.attempts - 1, **free)
    )  # fmt: skip
    connection.execute(
        update(outbox).where(outbox.c.state == OutboxState.SENDING.value).values(state=OutboxState.PENDING.value, **free)
    )


def extract(store: Store, folder: Path, *, raw: bool) -> Store:
    """A SQLite copy of the database (of either engine) in this folder, as of one moment, for trying things out.

    Sent mail, and without ``raw`` the raw messages, are left out.
    """
    copy = Store(f"sqlite:///{folder}/copy.db", folder)
    copy.create_or_upgrade()
    unsent = outbox.c.state.not_in(["sent", "discarded"])
    with store.read() as source, copy.engine.connect() as target:
        target.exec_driver_sql("ROLLBACK")
        target.exec_driver_sql("PRAGMA foreign_keys=OFF")
        target.exec_driver_sql("PRAGMA synchronous=OFF")
        target.exec_driver_sql("BEGIN")
        for table in metadata.sorted_tables:
            if table is raw_messages and not raw:
                continue
            query = select(table)
            if table is outbox:
                query = query.where(unsent)
            elif table is outbox_recipients:
                query = query.where(outbox_recipients.c.outbox_id.in_(select(outbox.c.id).where(unsent)))
            target.execute(table.delete())
            for rows in source.execution_options(yield_per=500).execute(query).partitions(500):
                target.execute(insert(table), [dict(row._mapping) for row in rows])
        continue_after(target, outbox, source.execute(select(func.max(outbox.c.id))).scalar() or 0)
        target.commit()
    copy.close()
    return copy
