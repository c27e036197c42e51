"""Whatever a mail begins with, reading its commands never fails, loses no words and invents none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maild.cases.commands import COMMANDS, find, read_block, undecorated
from maild.cases.leak import RUN, leaked
from maild.plain.fold import fold

LINES = st.text(st.characters(exclude_categories=("Cs",)), max_size=80)
SIGNS = st.sampled_from(["", "#", "＃", "##", "# ", "- #", "> #", "#1", "•#"])
BODIES = st.lists(st.tuples(SIGNS, LINES).map("".join), max_size=12).map("\n".join)


@given(BODIES)
def test_reading_never_fails_and_names_only_commands_of_the_table(body: str) -> None:
    block = read_block(body)
    assert {one.name for one in block.commands} <= set(COMMANDS)
    assert all(one.reason for one in block.wrong)


@given(BODIES)
def test_without_a_command_in_the_first_line_that_says_something_all_is_text(body: str) -> None:
    block = read_block("Dear Jo,\n" + body)
    assert (block.commands, block.wrong, block.taken) == ((), (), ())
    assert block.text.startswith("Dear Jo,")


@given(st.lists(st.sampled_from(["#take", "#wait", "#note", "#follow", "#time 5m", "#cc a@b.example"]), max_size=6),
       st.integers(0, 3), LINES)  # fmt: skip
def test_commands_above_any_words_are_read_and_the_words_stay(commands: list[str], blank: int, words: str) -> None:
    words = "Dear Jo " + " ".join(words.split())
    block = read_block(("\n" * (blank + 1)).join(commands) + "\n" * (blank + 1) + words)
    assert [one.line for one in block.commands] == commands
    assert block.text == words.rstrip()


@given(st.sampled_from(sorted(COMMANDS)), st.integers(1, 12))
def test_a_beginning_means_its_command_or_nothing(name: str, length: int) -> None:
    spec = find(name[:length])
    assert spec is None or spec.name == name or spec.name.startswith(name[:length])
    assert find(name.upper()) is COMMANDS[name]


@given(LINES)
def test_undressing_twice_changes_nothing_more_than_another_bullet(line: str) -> None:
    assert len(undecorated(line)) <= len(line)


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200))
def test_a_leak_is_in_what_goes_out_and_never_in_what_is_public(outgoing: str, internal: str, public: str) -> None:
    assert leaked(outgoing, [internal], [outgoing]) == ""
    assert leaked(outgoing, [], [public]) == ""
    if len(fold(outgoing[: RUN - 1])) < RUN:  # one character may fold to three: ¼
        assert leaked(outgoing[: RUN - 1], [internal], []) == ""


@given(st.text("abcdefghij klmnop", min_size=RUN, max_size=80))
def test_what_is_quoted_is_found_however_it_is_wrapped(secret: str) -> None:
    secret = " ".join(secret.split())
    if len(secret) < RUN:
        return
    half = secret.find(" ")
    wrapped = secret if half < 0 else secret[:half] + "\n> " + secret[half + 1 :]
    assert leaked(f"Hello\n> {wrapped}\nbye", [secret], [])
