"""Whatever comes in: new text is made of lines of the mail, loses nothing that is not quoted, and is found in linear time."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.ingest.reply_text import MAX_LINES, new_text

WORDS = st.text(alphabet="abcdefghij äß日本 ,.!", min_size=0, max_size=60)
PIECES = st.sampled_from(
    [
        "Hello", "", "> quoted", ">> more", "On Tue, 3 Nov 2026 at 10:04, Al <al@else.example> wrote:", "From: Al <al@else.example>", "Sent: 3 Nov 2026", "To: me", "Subject: x", "-- ", "Jo", "Sent from my iPhone", "_____________",
        "-----Original Message-----", "---------- Forwarded message ---------", "Kind regards", "[EXTERNAL]", "my answer", "an own line, long enough to be more than sixty characters, yes.",
    ]
)  # fmt: skip


@given(st.lists(WORDS, max_size=30))
def test_a_text_without_any_mark_is_new_as_a_whole(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert new_text(text, "").split() == text.split()


@given(st.lists(st.one_of(PIECES, WORDS), max_size=25))
def test_new_text_is_made_of_lines_of_the_mail_in_their_order(lines: list[str]) -> None:
    kept = new_text("\n".join(lines), "")
    rest = iter([line.rstrip() for line in lines])
    assert all(line.rstrip() in rest for line in kept.split("\n") if kept)


@given(st.lists(st.one_of(PIECES, WORDS), max_size=25))
def test_a_text_that_says_something_never_becomes_empty(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert bool(new_text(text, "").strip()) == bool(text.strip())


@given(st.text(max_size=300), st.text(max_size=300))
def test_anything_can_be_read(text: str, html: str) -> None:
    new_text(text, html + "<blockquote>x")


@given(st.lists(st.sampled_from(["<blockquote>", "</blockquote>", "<div class=gmail_quote>", "</div>", "<p>", "own words", "<br>", "<hr>", "<pre>", "&gt; x"]), max_size=30))
def test_own_words_of_html_are_never_lost(pieces: list[str]) -> None:
    page = "".join(pieces)
    assert "own words" in new_text("", page + "<blockquote></blockquote>") or "own words" not in page


SIZE = 100_000
SHAPES = ["On ", "\n", ">", "> \n", "On\n", "On 3 Nov 2026 10:04\n", "From: a@b\n", "From: a\nx\nSent: b\ny\n", "-----\n", "-- \n", "a@", "wrote:\n", "x:\n", "Sent from my iPhone\n", "_____\nab: c\n", "Kind regards\n", "> a\nb\n", "<blockquote>", "<div class='gmail_quote'>x\n"]


@pytest.mark.parametrize("shape", SHAPES)
def test_work_grows_with_the_size_and_no_faster(shape: str) -> None:
    small, large = (_calls(shape, size) for size in (SIZE // 20, SIZE // 5))
    assert large < 6 * small + 20_000  # four times the text


@pytest.mark.parametrize("shape", SHAPES)
def test_big_mail_is_read_and_its_end_kept_or_cut_as_a_whole(shape: str) -> None:
    text = "My answer.\n" + shape * (SIZE * 2 // len(shape))
    assert new_text(text, "").startswith("My answer.")


def test_what_is_too_long_to_be_looked_at_stays() -> None:
    lines = [f"line {number}" for number in range(MAX_LINES + 500)]
    assert new_text("\n".join(lines), "").split("\n") == lines


def _calls(shape: str, size: int) -> int:
    """How many functions are called while a text of this size is read: a measure of work without a clock."""
    count = 0

    def counting(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    text = shape * (size // len(shape))
    before = sys.getprofile()
    sys.setprofile(counting)
    try:
        new_text(text, text if "<" in shape else "")
    finally:
        sys.setprofile(before)
    return count


