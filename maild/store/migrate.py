"""This is where maild brings a database from one schema to the next, with Alembic, under a lock.

An older schema is upgraded, a newer one refused: an older program must not write into tables that it does not know.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from maild.errors import ConfigError, Fault

if TYPE_CHECKING:
    from maild.store.unit_of_work import Store

_LOCK = 0x6D61696C64  # "maild", for PostgreSQL's advisory lock


def configuration(connection: Connection) -> Config:
    """Alembic's own configuration, bound to this connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def versions(store: Store) -> tuple[str | None, str]:
    """The schema version in the database (None where there is none) and the one that this program knows."""
    with store.engine.connect() as connection:
        have = MigrationContext.configure(connection).get_current_revision()
        head = ScriptDirectory.from_config(configuration(connection)).get_current_head()
    return have, str(head)


def bring_up_to_date(store: Store, *, upgrade: bool) -> str:
    """Upgrade to the newest schema; returns a sentence on what was done, '' for nothing. Raises ConfigError."""
    have, want = versions(store)
    if have == want:
        return ""
    with store.engine.connect() as connection:
        known = {script.revision for script in ScriptDirectory.from_config(configuration(connection)).walk_revisions()}
    place = store.url.render_as_string(hide_password=True)
    if have is not None and have not in known:
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
            if MigrationContext.configure(connection).get_current_revision() != want:
                command.upgrade(configuration(connection), "head")
    return f"schema {have} upgraded to {want}" if have else f"made the database with schema {want}"


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
