"""This is where one item of a sweep is kept apart from the others of its transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError


@contextmanager
def apart(connection: Connection, failed: Callable[[Exception], object]) -> Iterator[None]:
    """What raises in here undoes only what was done in here, and is handed to ``failed``: the other items go on.

    A fault of the database itself (it went away, two transactions waited for each other) is no fault of the item: it is
    raised on, so that the whole transaction is rolled back and looked at again.
    """
    try:
        with connection.begin_nested():
            yield
    except OperationalError:
        raise
    except Exception as error:
        failed(error)
