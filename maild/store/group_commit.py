"""This is where messages that arrive together share one commit: the door's way into the spool.

A caller is answered only after its commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from maild.errors import StoreUnavailable
from maild.model.spool import Arrival
from maild.plain.together import Together
from maild.store import spool
from maild.store.announce import announce
from maild.store.unit_of_work import Store

MAX_BATCH = 200
MAX_BATCH_BYTES = 32 * 1024**2

Accepted = tuple[str, bool]


class GroupCommit:
    """Stores arrivals in groups. ``stored(count)`` is called after each commit that made so many new entries, in the
    thread that commits."""

    def __init__(self, store: Store, stored: Callable[[int], None]) -> None:
        self._store, self._stored = store, stored
        self._group: Together[Arrival, Accepted] = Together(
            self._commit, most=MAX_BATCH, weight=lambda arrival: len(arrival.envelope.raw), heaviest=MAX_BATCH_BYTES
        )
        self.close = self._group.close

    async def accept(self, arrival: Arrival) -> Accepted:
        """Store one message; returns (spool id, whether it is new) once it is durable. Raises StoreUnavailable."""
        try:
            return await self._group.do(arrival)
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the message could not be stored: {error}") from error

    def _commit(self, arrivals: Sequence[Arrival]) -> list[Accepted]:
        with self._store.write() as connection:
            accepted = spool.accept(connection, arrivals)
        announce(self._store)
        if new := sum(1 for _, is_new in accepted if is_new):
            self._stored(new)
        return accepted
