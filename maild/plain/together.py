"""This is where work that arrives together is done together, so that it shares what is dear: a commit that reaches the disk.

Whatever waits when one group is done makes the next. Nobody waits for company, and nobody suffers for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from maild.errors import TransientError

Item = TypeVar("Item")
Done = TypeVar("Done")


class Together(Generic[Item, Done]):
    """Does ``work`` for groups of items, in a thread of its own; it returns what came of each, in order.

    A group has ``most`` items at most, and ``heaviest`` of ``weight`` together, but always one. Where ``work`` raises, all
    of a group hear of it that the fault is temporary (TransientError); of another each is tried by itself.
    """

    def __init__(
        self, work: Callable[[Sequence[Item]], Sequence[Done]], *, most: int,
        weight: Callable[[Item], int] = lambda _item: 0, heaviest: int = 0,
    ) -> None:  # fmt: skip
        self._work, self._most, self._weight, self._heaviest = work, most, weight, heaviest
        self._waiting: list[tuple[Item, asyncio.Future[Done]]] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="together")
        self._running: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Done:
        """Do one item, with others that wait; returns what came of it, once it is done. Raises what ``work`` raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Done] = loop.create_future()
        self._waiting.append((item, future))
        if self._running is None or self._running.done():
            self._running = loop.create_task(self._run())
        return await future

    def close(self) -> None:
        """Wait for the group that is being done."""
        self._thread.shutdown(wait=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group = self._next()
            results: Sequence[Done | _Failed]
            try:
                results = await loop.run_in_executor(self._thread, self._try, [item for item, _ in group])
            except RuntimeError as error:  # it was closed
                results = [_Failed(error)] * len(group)
            for (_, future), result in zip(group, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, _Failed):
                    future.set_exception(result.error)
                else:
                    future.set_result(result)

    def _next(self) -> list[tuple[Item, asyncio.Future[Done]]]:
        count = total = 0
        for item, _ in self._waiting[: self._most]:
            total += self._weight(item)
            if count and total > self._heaviest:
                break
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    def _try(self, items: Sequence[Item]) -> list[Done | _Failed]:
        try:
            return list(self._work(items))
        except Exception as error:  # told to whoever asked for it
            if len(items) == 1 or isinstance(error, TransientError):
                return [_Failed(error)] * len(items)
        return [self._try([item])[0] for item in items]


class _Failed:
    """What ``work`` raised for an item."""

    def __init__(self, error: Exception) -> None:
        self.error = error
