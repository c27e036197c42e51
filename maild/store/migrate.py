"""This is where maild brings a database from one schema to the next, with Alembic, under a lock.

An older schema is upgraded, a newer one refused: an older program must not write into tables that it does not know.
Every process looks at its start, and nearly always there is nothing to do: the versions are compared without Alembic,
whose import alone costs more time and memory than all of the store.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from maild.errors import ConfigError, Fault

if TYPE_CHECKING:
    from maild.store.unit_of_work import Store

_LOCK = 0x6D61696C64  # "maild", for PostgreSQL's advisory lock
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
    return f"schema {have} upgraded to {want}" if have else f"made the database with schema {want}"


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


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
