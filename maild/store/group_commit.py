"""This is where messages that arrive together share one commit: the door's way into the spool.

Whatever waits when the last commit has ended goes into the next one, so that the cost of making mail durable is shared
while nobody waits for company. A caller is answered only after its commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.exc import SQLAlchemyError

from maild.errors import StoreUnavailable
from maild.model.spool import Arrival
from maild.store import spool
from maild.store.announce import announce
from maild.store.unit_of_work import Store

MAX_BATCH = 200
MAX_BATCH_BYTES = 32 * 1024**2

Accepted = tuple[str, bool]


class GroupCommit:
    """Stores arrivals in groups. ``stored(count)`` is called in the loop after each commit that made new entries."""

    def __init__(self, store: Store, stored: Callable[[int], None]) -> None:
        self._store = store
        self._stored = stored
        self._waiting: list[tuple[Arrival, asyncio.Future[Accepted]]] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._running: asyncio.Task[None] | None = None

    async def accept(self, arrival: Arrival) -> Accepted:
        """Store one message; returns (spool id, whether it is new) once it is durable. Raises StoreUnavailable."""
        future: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, future))
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = self._take()
            arrivals = [arrival for arrival, _ in batch]
            try:
                results = await loop.run_in_executor(self._thread, self._commit, arrivals)
            except Exception as error:  # answered with 4xx to each session, whose door logs it
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
            self._stored(sum(1 for result in results if isinstance(result, tuple) and result[1]))

    def _take(self) -> list[tuple[Arrival, asyncio.Future[Accepted]]]:
        size = count = 0
        while count < len(self._waiting) and count < MAX_BATCH:
            size += len(self._waiting[count][0].envelope.raw)
            if count and size > MAX_BATCH_BYTES:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _commit(self, arrivals: Sequence[Arrival]) -> list[Accepted | Exception]:
        try:
            with self._store.write() as connection:
                accepted: list[Accepted | Exception] = list(spool.accept(connection, arrivals))
            announce(self._store)
            return accepted
        except StoreUnavailable:
            raise
        except SQLAlchemyError as error:
            if len(arrivals) == 1:
                return [StoreUnavailable(f"the message could not be stored: {error}")]
        # One of them cannot be stored: the others must not suffer for it.
        return [self._commit([arrival])[0] for arrival in arrivals]

    def close(self) -> None:
        """Wait for the running commit."""
        self._thread.shutdown(wait=True)
