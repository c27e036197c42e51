"""This is where maild opens its database and where every transaction begins and ends.

One `Store` a process, made after forking. `read()` sees one moment; `write()` commits all of its block or nothing.
On SQLite writers queue on a lock file beside the database (fair, and short), in WAL mode with synchronous=FULL: what is
committed survives a power cut. On PostgreSQL a write is an ordinary transaction and rows are locked where needed.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, Float, cast, create_engine, event, func, literal_column, make_url, text
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.sql.elements import ColumnElement

from maild.errors import ConfigError, Fault, StoreFull, StoreUnavailable
from maild.plain.jsontext import from_text, to_text
from maild.store.numbers import RESERVED, Reserved
from maild.store.recording import AHEAD, Recording, RecordingConnection

MARK = "mark"
LOG_LEFT = 8192  # pages (32 MiB) that the log may have before whoever commits must empty it: `empty_log` comes before that
LOG_KEPT = 64 * 1024**2  # bytes that the write-ahead log keeps after it has grown


class Store:
    """The database of one installation.

    ``url`` is an SQLAlchemy URL whose SQLite path is absolute. ``state_dir`` holds the mark by which an installation is
    known; ``mark without database`` means that the database was lost, and is refused.
    """

    def __init__(self, url: str, state_dir: Path, *, password: str | None = None, first_number: int = 1) -> None:
        self.url: URL = make_url(url)
        if password is not None:
            self.url = self.url.set(password=password)
        self.state_dir = state_dir
        self.first_number = first_number
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.path = Path(self.url.database) if self.sqlite and self.url.database else None
        self._engine: Engine | None = None
        self._ahead: Engine | None = None
        self._local = threading.local()
        self._inode: int | None = None

    # --- opening ---------------------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Whether the database has been made (SQLite: the file is there; PostgreSQL: it answers and has our tables)."""
        if self.path is not None:
            return self.path.exists()
        with self._faults(), self.engine.connect() as connection:
            return bool(connection.execute(text("SELECT to_regclass('meta') IS NOT NULL")).scalar())

    def mark(self) -> str:
        """The installation's mark, made on first use beside the first database."""
        path = self.state_dir / MARK
        if not path.exists():
            self.state_dir.mkdir(parents=True, exist_ok=True)
            part = self.state_dir / f"{MARK}.{os.getpid()}"
            with part.open("w", encoding="ascii") as file:
                file.write(uuid.uuid4().hex + "\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        return path.read_text(encoding="ascii").strip()

    def create_or_upgrade(self, *, upgrade: bool = True) -> str:
        """Make the database, or bring an older one up to date; returns what was done ('' for nothing).

        Raises ConfigError when the database was lost, is newer than this program, or is older and ``upgrade`` is off;
        StoreUnavailable when it does not answer.
        """
        if self.path is not None:
            if not self.path.exists() and (self.state_dir / MARK).exists():
                raise ConfigError(
                    [
                        Fault(
                            str(self.path), 0, 0, "the database is gone, but this installation had one",
                            f"bring it back with `maild restore FILE`, or remove {self.state_dir / MARK} to begin anew",
                        )
                    ]
                )  # fmt: skip
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=0o640, exist_ok=True)
        from maild.store import migrate

        with self._faults():
            done = migrate.bring_up_to_date(self, upgrade=upgrade)
            if not self.sqlite:
                with self.engine.begin() as connection:
                    migrate.prepare_numbers(connection, self.first_number)
        self.mark()
        return done

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = self._make_engine()
        return self._engine

    def close(self) -> None:
        """Close all connections; a later use opens new ones."""
        for engine in (self._engine, self._ahead):
            if engine is not None:
                engine.dispose()
        self._engine = self._ahead = None
        self._inode = None

    def _make_engine(self, factory: type[sqlite3.Connection] = sqlite3.Connection) -> Engine:
        if not self.sqlite:
            engine = create_engine(
                self.url, isolation_level="READ COMMITTED", pool_pre_ping=True, pool_size=4, max_overflow=4,
                connect_args={"connect_timeout": 5, "application_name": "maild"},
                json_serializer=to_text, json_deserializer=from_text,
            )  # fmt: skip
            event.listen(engine, "connect", _durable)
            return engine
        # mode=rw: a connection never makes a file. Only create_or_upgrade does, so that a database that is deleted under
        # a running daemon is noticed and not replaced by an empty one.
        url = self.url.set(database=f"file:{quote(str(self.path))}", query={"mode": "rw", "uri": "true"}) if self.path else self.url
        engine = create_engine(url, connect_args={"timeout": 10, "isolation_level": None, "factory": factory},
                               json_serializer=to_text, json_deserializer=from_text)  # fmt: skip

        @event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, _record: Any) -> None:
            self._refuse_another_file()
            if self.path is not None:
                self._inode = self.path.stat().st_ino
            # SQLite's own knows ASCII alone. First of all: it is refused while any statement is still open.
            connection.create_function("lower", 1, _lower, deterministic=True)
            cursor = connection.cursor()
            mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute(f"PRAGMA journal_size_limit={LOG_KEPT}")
            cursor.execute(f"PRAGMA wal_autocheckpoint={LOG_LEFT}")
            cursor.execute("PRAGMA cache_size=-8000")
            if factory is RecordingConnection:
                cursor.execute("PRAGMA query_only=ON")
            if mode != "wal" or cursor.execute("PRAGMA synchronous").fetchone()[0] != 2:
                raise sqlite3.OperationalError("the database cannot be put into WAL mode with synchronous=FULL")
            cursor.close()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            write = connection.get_execution_options().get("maild_write", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

        return engine

    # --- transactions ----------------------------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one moment of the database. Raises StoreUnavailable."""
        with self._faults(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """A transaction: committed when the block ends, rolled back when it raises. Raises StoreUnavailable, StoreFull.

        Without ``durable`` nobody waits for the disk: a power cut may undo it, though never without all that came after it.
        """
        with self._faults(), self._queue(), self.engine.connect() as connection, self._hurried(connection, durable):
            with connection.execution_options(maild_write=True).begin():
                if not (durable or self.sqlite):
                    connection.execute(text("SET LOCAL synchronous_commit = off"))
                yield connection

    @contextmanager
    def _hurried(self, connection: Connection, durable: bool) -> Iterator[None]:
        """On SQLite let commits of this connection not wait for the disk; what is committed after them takes them along."""
        if durable or not self.sqlite:
            yield
            return
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA synchronous=NORMAL")
        try:
            yield
        finally:
            driver.execute("PRAGMA synchronous=FULL")

    @contextmanager
    def ahead(self, reserved: Reserved) -> Iterator[tuple[Connection, Recording]]:
        """SQLite: a connection that sees one moment, and what is read and would be written on it (`store.recording`)."""
        if self._ahead is None:
            self._ahead = self._make_engine(RecordingConnection)
        recording = Recording()
        with self._faults(), self._ahead.connect() as connection:
            with connection.execution_options(**{AHEAD: True, RESERVED: reserved}).begin():
                driver: Any = connection.connection.driver_connection
                driver.recording = recording
                try:
                    yield connection, recording
                finally:
                    driver.recording = None

    @contextmanager
    def _queue(self) -> Iterator[None]:
        """On SQLite wait for our turn to write, in the order of asking."""
        if self.path is None:
            yield
            return
        handle = getattr(self._local, "lock", None)
        if handle is None or self._local.pid != os.getpid():
            handle = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
            self._local.lock, self._local.pid = handle, os.getpid()
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            self._refuse_another_file()
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)

    def _refuse_another_file(self) -> None:
        """What is written into a file that was deleted or replaced would be lost with the process."""
        if self._inode is None or self.path is None:
            return
        try:
            same = self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:  # for good: beside another file the old log would be taken for its own, and ruin it
            raise StoreUnavailable(f"the database {self.path} was deleted or replaced; stop maild and restore a backup")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turn the driver's faults into ours, which say who must act."""
        try:
            yield
        except OSError as error:
            raise (StoreFull if error.errno in {28, 122} else StoreUnavailable)(f"the database: {error}") from error
        except (OperationalError, DBAPIError) as error:
            raise translated(error) from error

    # --- the database's own clock, for leases ----------------------------------------------------------------

    def clock(self) -> ColumnElement[float]:
        """The database's own time as seconds; compared with leases only."""
        return database_clock(self.sqlite)

    def size_and_room(self) -> tuple[int, int]:
        """Bytes that the database takes, and bytes free on its disk (0 and a great number where it is elsewhere)."""
        if self.path is None:
            return 0, 1 << 62
        fs = os.statvfs(self.path.parent if self.path.parent.exists() else "/")
        return (self.path.stat().st_size if self.path.exists() else 0), fs.f_bavail * fs.f_frsize

    def empty_log(self) -> None:
        """Bring what SQLite's write-ahead log holds into the database, while others go on writing.

        For who does it in time, nobody has to who holds the writers' lock, and the door least of all.
        """
        if self.path is not None and self.path.exists():
            with self._faults(), self.engine.connect() as connection:
                cursor: Any = connection.connection.cursor()  # in no transaction
                cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").close()

    def log_size(self) -> int:
        """Bytes of SQLite's write-ahead log (0 elsewhere): it grows as long as somebody reads an old moment."""
        log = self.path.with_name(f"{self.path.name}-wal") if self.path is not None else None
        return log.stat().st_size if log is not None and log.exists() else 0


def _durable(connection: Any, _record: Any) -> None:
    """250 means that the mail is on disk: a server that answers commits before they are does not do so for us."""
    connection.execute("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
    connection.commit()


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def database_clock(sqlite: bool) -> ColumnElement[float]:
    """The database's own time as seconds."""
    if sqlite:
        return literal_column("((julianday('now') - 2440587.5) * 86400.0)")
    return cast(func.extract("epoch", func.clock_timestamp()), Float)


def translated(error: DBAPIError) -> Exception:
    """The fault of ours that a driver's fault means; programming faults stay what they are."""
    cause = str(error.orig)
    if "disk is full" in cause or "No space left" in cause or "DiskFull" in type(error.orig).__name__:
        return StoreFull("the database's disk is full; make room and it goes on by itself")
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return StoreUnavailable(f"the database does not answer: {cause.splitlines()[0] if cause else error}")
    if isinstance(error, DatabaseError) and ("malformed" in cause or "not a database" in cause):
        return StoreUnavailable(f"the database file is damaged ({cause}); stop maild and restore a backup")
    return error

