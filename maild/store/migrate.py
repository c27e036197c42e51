"""This is where maild brings a database from one schema to the next, with Alembic, under a lock.

An older schema is upgraded. A newer one is refused, unless it says that programs for an older one may go on beside it
(``works_with`` of its migration: expand first, contract a version later), so that several machines upgrade one by one.
Every process looks at its start, and nearly always there is nothing to do: the versions are compared without Alembic,
whose import alone costs more time and memory than all of the store.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from maild.errors import ConfigError, Fault

if TYPE_CHECKING:
    from alembic.config import Config

    from maild.store.unit_of_work import Store

_LOCK = 0x6D61696C64  # "maild", for PostgreSQL's advisory lock
_WORKS_WITH = "schema_works_with"
_SCRIPTS = Path(__file__).parent / "migrations"


def known() -> list[str]:
    """The schema versions that this program has, in their order: what its migrations' files are named for."""
    return sorted(path.name.partition("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*_*.py"))


def version(connection: Connection) -> str | None:
    """The schema version in the database, None where there is none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def versions(store: Store) -> tuple[str | None, str]:
    """The schema version in the database (None where there is none) and the one that this program knows."""
    with store.engine.connect() as connection:
        return version(connection), known()[-1]


def bring_up_to_date(store: Store, *, upgrade: bool) -> str:
    """Upgrade to the newest schema; returns a sentence on what was done, '' for nothing. Raises ConfigError."""
    have, want = versions(store)
    if have == want:
        return ""
    place = store.url.render_as_string(hide_password=True)
    if have is not None and have not in known():
        if _works_beside(store, have, want):
            return ""
        raise ConfigError(
            [Fault(place, 0, 0, f"the database has schema {have}, newer than this maild knows ({want})",
                   "run the newer maild, or restore a backup made by this version")]
        )  # fmt: skip
    if have is not None and not upgrade:
        raise ConfigError(
            [Fault(place, 0, 0, f"the database has schema {have}, this maild needs {want}", "run: maild db upgrade")]
        )
    with _locked(store), store.engine.connect() as connection:
        with connection.execution_options(maild_write=True).begin():
            if version(connection) != want:
                _upgrade(connection)
                _say_what_works(connection, want)
    return f"schema {have} upgraded to {want}" if have else f"made the database with schema {want}"


@dataclass(frozen=True, slots=True)
class Step:
    """One migration: its schema, what it is for, what it locks and for how long, and the oldest schema whose programs may
    go on beside it."""

    version: str
    what: str
    locks: str
    works_with: str


def plan(store: Store) -> list[Step]:
    """The migrations that `maild db upgrade` would run, in their order."""
    have, _ = versions(store)
    return [one for one in _steps() if have is None or one.version > have]


def _steps() -> list[Step]:
    from alembic.script import ScriptDirectory

    scripts = reversed(list(ScriptDirectory.from_config(_config()).walk_revisions()))
    return [Step(one.revision, one.doc, one.module.locks, one.module.works_with) for one in scripts]


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return config


def _upgrade(connection: Connection) -> None:
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _say_what_works(connection: Connection, want: str) -> None:
    """Leave word for older programs, together with the schema that it is about."""
    oldest = max(one.works_with for one in _steps())
    connection.execute(text("DELETE FROM meta WHERE key = :key"), {"key": _WORKS_WITH})
    connection.execute(
        text("INSERT INTO meta (key, value) VALUES (:key, :value)"), {"key": _WORKS_WITH, "value": f"{want} {oldest}"}
    )


def _works_beside(store: Store, have: str, ours: str) -> bool:
    """Whether a program for schema ``ours`` may work in a database of the newer schema ``have``."""
    with store.engine.connect() as connection:
        said = connection.execute(text("SELECT value FROM meta WHERE key = :key"), {"key": _WORKS_WITH}).scalar() or ""
    about, _, oldest = said.partition(" ")
    return about == have and bool(oldest) and ours >= oldest


def prepare_numbers(connection: Connection, first: int) -> None:
    """On PostgreSQL: make the sequence of case numbers, and let it begin no lower than ``first``."""
    connection.execute(text("CREATE SEQUENCE IF NOT EXISTS case_number"))
    connection.execute(
        text("SELECT setval('case_number', :first, false) FROM case_number WHERE last_value < :first"), {"first": first}
    )


@contextmanager
def _locked(store: Store) -> Iterator[None]:
    """Only one program migrates at a time; the others wait and then find the work done."""
    if store.path is not None:
        handle = os.open(f"{store.path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
        return
    with store.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
