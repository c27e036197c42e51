"""This is where a message is settled before the database is locked: what it reads is remembered, what it writes waits.

SQLite has one writer, and a commit has to reach the disk; whatever is computed while the lock is held makes everybody wait,
above all the door. So a worker settles its messages on a connection that only reads. Under the lock each one is *replayed*:
everything that it read is read again, and only if all of it is still the same, its writes are carried out. That is as if it
had been settled under the lock. If anything differs, or cannot be known before (a look at what was written a moment ago, a
statement of another kind), it is settled again in the ordinary way.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from maild.store.schema import metadata

AHEAD = "maild_ahead"  # the execution option of its connection


class NeedsLock(Exception):
    """This message cannot be settled ahead, because of this statement; no fault."""


class Recording:
    """What one message read and wants to write, in order."""

    def __init__(self) -> None:
        self.reads: list[tuple[str, Any, list[Any]]] = []
        self.writes: list[tuple[str, Any, bool]] = []  # statement, values, whether there are many rows of them
        self.touched: set[str] = set()

    def replay(self, connection: Connection) -> bool:
        """Under the lock: carry out the writes if everything that was read is still so. False: nothing was written."""
        cursor: Any = connection.connection.cursor()  # statements and values are the driver's already
        for statement, values, rows in self.reads:
            if cursor.execute(statement, values).fetchall() != rows:
                return False
        cursor.execute("SAVEPOINT replayed")
        try:
            for statement, values, many in self.writes:
                if many:
                    cursor.executemany(statement, values)
                else:
                    cursor.execute(statement, values)
        except sqlite3.IntegrityError:
            cursor.execute("ROLLBACK TO SAVEPOINT replayed")
            cursor.execute("RELEASE SAVEPOINT replayed")
            return False
        cursor.execute("RELEASE SAVEPOINT replayed")
        return True


class RecordingConnection(sqlite3.Connection):
    """A connection that reads, and writes only into its ``recording``."""

    recording: Recording | None = None

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(_Cursor)


class _Cursor(sqlite3.Cursor):
    """Hands rows on and remembers them; a write is remembered and said to be done."""

    _rows: list[Any] | None = None
    _pending = False

    def execute(self, statement: str, values: Any = ()) -> _Cursor:
        recording = self.connection.recording  # type: ignore[attr-defined]
        kind, tables = _sort(statement)
        self._rows, self._pending = None, False
        if recording is None or kind == "pass":
            super().execute(statement, values)
        elif kind == "read":
            if not recording.touched.isdisjoint(tables):
                raise NeedsLock(statement)
            super().execute(statement, values)
            rows = super().fetchall()
            recording.reads.append((statement, values, rows))
            self._rows = rows.copy()
        elif kind == "write":
            self._note(recording, tables, statement, values, False)
        else:
            raise NeedsLock(statement)
        return self

    def executemany(self, statement: str, values: Iterable[Any]) -> _Cursor:
        recording = self.connection.recording  # type: ignore[attr-defined]
        kind, tables = _sort(statement)
        if recording is None or kind != "write":
            raise NeedsLock(statement)
        self._note(recording, tables, statement, list(values), True)
        return self

    def _note(self, recording: Recording, tables: frozenset[str], statement: str, values: Any, many: bool) -> None:
        recording.writes.append((statement, values, many))
        recording.touched |= tables
        self._rows, self._pending = [], True

    @property
    def rowcount(self) -> int:
        """Not known before it is written (PEP 249: -1)."""
        return -1 if self._pending else int(super().rowcount)

    def fetchone(self) -> Any:
        if self._rows is None:
            return super().fetchone()
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        if self._rows is None:
            return super().fetchmany(size or 1)
        found, self._rows = self._rows[:size], self._rows[size or 1 :]
        return found

    def fetchall(self) -> list[Any]:
        if self._rows is None:
            return super().fetchall()
        found, self._rows = self._rows, []
        return found


_names = re.compile(r"\w+")
# Rows of these take others with them when they go, so a look at those others would have to know of it.
_parents = {key.column.table.name for table in metadata.tables.values() for key in table.foreign_keys}


@lru_cache(maxsize=1000)
def _sort(statement: str) -> tuple[str, frozenset[str]]:
    """What sort of statement it is (pass, read, write, other) and the tables it touches (any that it names at all)."""
    begins = statement.lstrip()[:9].upper()
    tables = frozenset(_names.findall(statement)) & metadata.tables.keys()
    if begins.startswith(("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")) and "SAVEPOINT" not in statement.upper():
        return "pass", tables
    if begins.startswith("SELECT"):
        return "read", tables
    if "RETURNING" in statement.upper():
        return "other", tables
    if begins.startswith(("INSERT", "UPDATE")):
        return "write", tables
    if begins.startswith("DELETE"):
        return ("other" if tables & _parents else "write"), tables
    return "other", tables
