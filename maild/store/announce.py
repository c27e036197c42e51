"""This is where the daemons on several machines wake each other: PostgreSQL's NOTIFY after new mail was stored.

Sent once a group commit, in a transaction of its own: it takes a lock over the whole cluster while it commits. Who misses
one (a lost connection) finds the mail at its next look, a second later at most. On SQLite there is one machine, and pipes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from maild.log import get_logger
from maild.store.unit_of_work import Store

CHANNEL = "maild_mail"
LOOK_SECONDS, AGAIN_SECONDS = 1.0, 5.0

log = get_logger(__name__)


def announce(store: Store) -> None:
    """Say that there is new mail. That nobody hears it is no fault: they look by themselves."""
    if store.sqlite:
        return
    try:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"NOTIFY {CHANNEL}"))
    except SQLAlchemyError as error:
        log.warning("store.unavailable", reason=f"new mail could not be announced: {error}")


def listen(store: Store, heard: Callable[[], None], stop: threading.Event) -> None:
    """Call ``heard`` for each announcement until ``stop``; the life of a thread. Returns at once on SQLite."""
    import psycopg

    while not store.sqlite and not stop.is_set():
        try:
            # A connection of its own, outside of the pool: it listens until it is closed.
            url = store.url.set(drivername="postgresql").render_as_string(hide_password=False)
            with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
                connection.execute(f"LISTEN {CHANNEL}")
                heard()  # what came before we listened
                while not stop.is_set():
                    for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                        heard()
        except psycopg.Error as error:
            log.warning("store.unavailable", reason=f"cannot listen for new mail: {error}")
            stop.wait(AGAIN_SECONDS)
