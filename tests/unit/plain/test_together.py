"""Work that arrives together is done together, and nobody suffers for the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from maild.errors import StoreUnavailable
from maild.plain.together import Together


class Work:
    """Doubles numbers; remembers the groups; raises for what it is told to."""

    def __init__(self, raises: dict[int, Exception] | None = None) -> None:
        self.groups: list[list[int]] = []
        self.raises = raises or {}

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        for item in items:
            if item in self.raises:
                raise self.raises[item]
        return [item * 2 for item in items]


def done(work: Work, items: Sequence[int], **how: Any) -> list[Any]:
    async def scene() -> list[Any]:
        together: Together[int, int] = Together(work, **({"most": 100} | how))
        try:
            return await asyncio.gather(*map(together.do, items), return_exceptions=True)
        finally:
            together.close()

    return asyncio.run(scene())


def test_what_waits_makes_one_group_and_each_gets_its_own() -> None:
    work = Work()
    assert done(work, [1, 2, 3]) == [2, 4, 6]
    assert work.groups == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("how", "groups"),
    [
        ({"most": 2}, [[5, 1], [1, 9], [1]]),
        ({"weight": lambda item: item, "heaviest": 6}, [[5, 1], [1], [9], [1]]),
    ],
)
def test_a_group_is_bounded_but_never_empty(how: dict[str, Any], groups: list[list[int]]) -> None:
    work = Work()
    assert done(work, [5, 1, 1, 9, 1], **how) == [10, 2, 2, 18, 2]
    assert work.groups == groups


def test_a_fault_of_one_is_its_own() -> None:
    fault = ValueError("no")
    assert done(Work({2: fault}), [1, 2, 3]) == [2, fault, 6]


def test_a_temporary_fault_is_everybodys_and_not_tried_again() -> None:
    away = StoreUnavailable("away")
    work = Work({2: away})
    assert done(work, [1, 2, 3]) == [away, away, away]
    assert len(work.groups) == 1


def test_after_the_end_nothing_hangs() -> None:
    async def scene() -> None:
        together: Together[int, int] = Together(Work(), most=1)
        together.close()
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(together.do(1), 5)

    asyncio.run(scene())
