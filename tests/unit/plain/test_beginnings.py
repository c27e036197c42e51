"""Many patterns asked about the beginning of a text at once."""

from __future__ import annotations

import re2
from hypothesis import given
from hypothesis import strategies as st

from maild.plain.patterns import Beginnings

PATTERNS = (re2.compile(r"(?i)^on .*wrote"), re2.compile(r"^-{2,} (fwd|weiter)"), re2.compile("ünï"))
BEGINNINGS = Beginnings(*PATTERNS)


@given(st.text(max_size=30) | st.sampled_from(["On x wrote", "-- fwd", "x-- fwd", "ünïx", "on x\nwrote", ""]))
def test_it_says_yes_where_one_of_them_matches_and_only_there(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert BEGINNINGS.may_begin(text) is any(bool(pattern.match(text)) for pattern in PATTERNS)
