"""Decision 34: roles are one table, who may see and do what, in the docs and by `maild user permissions`."""

from __future__ import annotations

from pathlib import Path

import pytest

from maild.cases.permissions import TABLE, Rights, Which
from maild.model.case import Case

CASES = {
    "of their group": Case(1, "", "", group="support"),
    "of no group": Case(2, "", ""),
    "of another group, assigned to them": Case(3, "", "", group="billing", assignee="alice"),
    "of another group, owned by them": Case(4, "", "", group="billing", owner="alice"),
    "of another group": Case(5, "", "", group="billing"),
}


@pytest.mark.parametrize(
    ("role", "private", "seen"),
    [
        ("agent", False, [1, 2, 3, 4]),
        ("agent", True, [1, 2, 3, 4]),
        ("manager", False, [1, 2, 3, 4, 5]),
        ("manager", True, [1, 2, 3, 4]),
        ("admin", True, [1, 2, 3, 4, 5]),
    ],
)
def test_what_a_role_may_see(role: str, private: bool, seen: list[int]) -> None:
    rights = Rights("alice", role, frozenset({"support"}))
    assert [case.number for case in CASES.values() if rights.may(case, private=private)] == seen


def test_who_follows_a_case_or_was_told_of_it_may_see_it() -> None:
    rights = Rights("alice", "agent", frozenset())
    other = CASES["of another group"]
    assert rights.may(other, followers=["alice"], private=True)
    assert rights.may(other, told=True)
    assert not rights.may(other, followers=["bob"])


def test_the_table_of_the_docs_is_the_one_that_decides() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/commands.md").read_text()
    roles = ["agent", "manager", "admin"]
    for which in Which:
        assert f"| {which} | {' | '.join(TABLE[which][role] for role in roles)} |" in page
