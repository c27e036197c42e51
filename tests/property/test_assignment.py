"""Round robin and least busy over all histories: who is absent or full gets nothing, turns are taken in order, the load is even."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from builders import NOW, Room
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maild import casework
from maild.desk import Desk
from maild.model.case import Case, Status
from maild.model.decision import Assign
from maild.store import cases, people
from maild.store.unit_of_work import Store

TEAM = ["alice", "bob", "carol"]
CAPACITY = {"carol": 3}
WHO = st.sampled_from(TEAM)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("give"), st.sampled_from(["round_robin", "least_busy"])),
        st.tuples(st.just("by hand"), WHO), st.tuples(st.just("away"), WHO), st.tuples(st.just("back"), WHO),
        st.tuples(st.just("solve"), WHO),
    ),
    max_size=40,
)  # fmt: skip


class Undone(Exception):
    """Rolls an example back."""


@pytest.fixture
def room(sqlite: Store, rooms: Callable[..., Room]) -> Room:
    members = {"groups": {"support": {"members": TEAM}}, "users": {"carol": {"capacity": CAPACITY["carol"]}}}
    return rooms(sqlite, directory=members)


@given(STEPS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_who_gets_a_case(room: Room, steps: list[tuple[str, str]]) -> None:
    with pytest.raises(Undone), room.store.write() as connection:
        desk = Desk(room.office, connection, NOW, silent=True)
        has: dict[str, list[Case]] = {user: [] for user in TEAM}
        absent: set[str] = set()
        last = -1  # the place of whoever had the last turn

        def begin(user: str) -> None:
            case = Case(number=0, title="It", mailbox="support", group="support", assignee=user)
            has[user].append(casework.begin(desk, case, "maild", since=None))

        for what, which in steps:
            match what:
                case "by hand":  # shifts nobody's turn
                    begin(which)
                case "away" | "back":
                    people.set_away(connection, which, NOW + timedelta(days=1) if what == "away" else None)
                    (absent.add if what == "away" else absent.discard)(which)
                case "solve" if has[which]:
                    solved = has[which].pop()
                    for status in (Status.OPEN, Status.RESOLVED):
                        solved = casework.change(desk, solved, {"status": status}, which)
                case "give":
                    _, chosen, why = casework.pick(desk, Assign("support", None, which))
                    free = [one for one in TEAM if one not in absent and len(has[one]) < CAPACITY.get(one, 999)]
                    if not free:
                        assert (chosen, why) == (None, "nobody in support is there and has room")
                        continue
                    if which == "least_busy":
                        assert chosen == min(free, key=lambda one: len(has[one]))
                    else:
                        turns = [(last + step) % len(TEAM) for step in range(1, len(TEAM) + 1)]
                        last = next(place for place in turns if TEAM[place] in free)
                        assert chosen == TEAM[last]
                    assert chosen is not None
                    begin(chosen)
        assert cases.counts_by_status(connection)["assigned"] == sum(map(len, has.values()))
        raise Undone
