"""What a supervisor sees of a worker's batch: the work it took apart from the time that it waited."""

from __future__ import annotations

import os
import time

from maild.processes.effort import Effort


def test_waiting_is_no_work_and_work_is_seen_from_outside() -> None:
    effort = Effort()
    assert effort.spent(os.getpid()) is None
    effort.begin(3)
    time.sleep(0.3)
    waited = effort.spent(os.getpid())
    assert waited is not None
    assert waited.messages == 3
    assert waited.wall >= 0.3 > waited.cpu + 0.1
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    worked = effort.spent(os.getpid())
    assert worked is not None
    assert worked.cpu - waited.cpu > 0.2
    effort.end()
    assert effort.spent(os.getpid()) is None


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    effort = Effort()
    effort.begin(1)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert effort.spent(child) is None
