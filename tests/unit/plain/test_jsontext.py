"""JSON text out of values of the model, and back."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.model.case import Status
from maild.model.decision import Condition, Hold, Tried
from maild.plain.jsontext import from_text, plain, to_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None, exclude_categories=())),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=5), below, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
def test_what_json_knows_comes_back_whatever_it_holds(value: Any) -> None:
    assert from_text(to_text(value)) == value
    assert json.loads(to_text(value)) == value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Tried("A", True, Condition("all", True, parts=(Condition("x", False, "s", ("w",)),))),
         {"rule": "A", "matched": True, "why": "", "condition": {
             "text": "all", "held": True, "seen": "", "words": [],
             "parts": [{"text": "x", "held": False, "seen": "s", "words": ["w"], "parts": []}]}}),
        (Hold("spam", timedelta(days=14)), {"reason": "spam", "lasting": 14 * 86400, "then": "keep"}),
        ({"s": Status.OPEN, "d": date(2026, 1, 2), "n": Decimal("1.5"), "f": frozenset("ba")},
         {"s": "open", "d": "2026-01-02", "n": 1.5, "f": ["a", "b"]}),
        ([datetime(2026, 1, 2, 3, 4, tzinfo=UTC)], ["2026-01-02T03:04:00+00:00"]),
        ({"half": "\ud83d", "far": 2**70, "when": timedelta(seconds=5)}, {"half": "\ud83d", "far": 2**70, "when": 5}),
    ],
)  # fmt: skip
def test_values_of_the_model_are_plain(value: Any, said: Any) -> None:
    assert from_text(to_text(value)) == plain(value) == said


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="object is no JSON"):
        to_text([object()])
