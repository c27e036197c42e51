"""How processes are named in leases, and when what they held is taken over."""

from __future__ import annotations

import os

from maild.processes.lives import Life


def test_a_process_is_over_when_it_is_gone_or_of_another_life_however_its_number_is() -> None:
    life, before = Life("host:/var/lib/maild"), Life("host:/var/lib/maild")
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert not life.is_over(life.name())
    assert life.is_over(life.name(child))
    assert life.is_over(before.name())  # a container started again gives the same numbers
    assert life.is_over(f"{life.node}#{os.getpid()}")  # as they were named before
