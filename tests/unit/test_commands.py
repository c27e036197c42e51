"""What agents type in the first lines of a mail, and what maild understands by it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from maild.cases.commands import COMMANDS, TABLE, find, nearest, read_block

CONTRACT = """note reply take drop assign group mailbox status wait resolve reopen close spam priority category sla title set
    tag channel billable service time timer cc contact follow unfollow merge link split ask faq use remind show list search
    get why help new silent away undo send"""
ROOT = Path(__file__).resolve().parents[2]


def names(text: str) -> list[str]:
    return [command.name for command in read_block(text).commands]


def test_a_block_ends_before_the_first_line_that_is_no_command() -> None:
    block = read_block("#take\n#priority high\n\nDear Jo,\n#wait is what I would write.\n")
    assert [one.name for one in block.commands] == ["take", "priority"]
    assert block.text == "Dear Jo,\n#wait is what I would write."
    assert not block.wrong


def test_outlooks_blank_lines_between_commands_do_not_count() -> None:
    block = read_block("\n\n#note\n\n\n#assign bob\n\nLook at this.")
    assert [one.name for one in block.commands] == ["note", "assign"]
    assert block.text == "Look at this."


@pytest.mark.parametrize(
    "line",
    ["#Note", "＃note", "\u00a0#NOTE", "- #note", "• #note", "* #note", "“#note”", "\u200b#note", "*#note*", "**#note**", "\t#note:",
     "﹟note", "– #note", "#note\u00a0"],
)  # fmt: skip
def test_what_phones_and_mail_clients_put_around_a_command_does_not_matter(line: str) -> None:
    block = read_block(line + "\nwords")
    assert ([one.name for one in block.commands], block.text, block.wrong) == (["note"], "words", ())


@pytest.mark.parametrize("line", ["#1 please restart", "# Heading", "#", "# take", "#\u00a0take", "#12", "Hi #take", "> #take", "a#take", "#_take"])
def test_what_is_text(line: str) -> None:
    block = read_block(line)
    assert (block.commands, block.text, block.wrong) == ((), line.strip("\u00a0"), ())


def test_two_signs_show_one() -> None:
    assert read_block("##take is a word").text == "#take is a word"
    assert read_block("#note\n##take").text == "#take"
    assert read_block("Hello\n##take").text == "Hello\n##take"


@pytest.mark.parametrize(
    ("begun", "meant"),
    [("res", "resolve"), ("pri", "priority"), ("unf", "unfollow"), ("no", "note"), ("as", None), ("s", None), ("re", None),
     ("ti", None), ("timer", "timer"), ("time", "time"), ("wi", None), ("with", "with"), ("h", "help"), ("NoTe", "note")],
)  # fmt: skip
def test_a_beginning_that_only_one_command_has_is_enough(begun: str, meant: str | None) -> None:
    spec = find(begun)
    assert (spec.name if spec else None) == meant


def test_an_unknown_command_names_the_nearest() -> None:
    (wrong,) = read_block("#asign bob\nHello").wrong
    assert (wrong.line, wrong.nearest) == ("#asign bob", "assign")
    assert "did you mean #assign?" in wrong.reason
    assert nearest("prioritty") == "priority"
    assert nearest("xyzzy") == ""


def test_an_ambiguous_beginning_names_all_that_it_can_be() -> None:
    (wrong,) = read_block("#un").wrong
    assert wrong.reason == "#un can be #unfollow or #undo"


def test_a_wrapped_text_goes_on_only_under_a_long_line_without_a_blank_one() -> None:
    long = "#resolve The display was replaced under warranty, the customer has been told"
    assert len(long) >= 60
    block = read_block(f"{long}\nby phone on Monday.\n\nDear Jo,")
    assert block.commands[0].text == long[9:] + " by phone on Monday."
    assert block.text == "Dear Jo,"
    # a short line was not wrapped: the answer begins below it
    assert read_block("#resolve New display\nDear Jo,").text == "Dear Jo,"
    # a blank line ends it
    assert read_block(f"{long}\n\nDear Jo,").text == "Dear Jo,"
    # and a command is a command
    assert [one.name for one in read_block(f"{long}\n#wait\n\nHi").commands] == ["resolve", "wait"]
    # only commands with a TEXT have one
    assert read_block("#title " + "x" * 70 + "\nDear Jo,").text == "Dear Jo,"


@pytest.mark.parametrize(
    ("line", "addresses"),
    [
        ("#cc jo@a.example", ("jo@a.example",)),
        ("#cc jo@a.example<mailto:jo@a.example>", ("jo@a.example",)),
        ("#cc <jo@a.example>, Sue Roe <sue@b.example>", ("jo@a.example", "sue@b.example")),
        ("#cc [jo@a.example](mailto:jo@a.example)", ("jo@a.example",)),
        ("#cc mailto:jo@a.example;sue@b.example.", ("jo@a.example", "sue@b.example")),
        ("#cc „jo@a.example“", ("jo@a.example",)),
        ("#new jo@a.example", ("jo@a.example",)),
        ("#contact add Jo <jo@a.example>", ("jo@a.example",)),
        ("#contact jo@a.example", ("jo@a.example",)),
    ],
)
def test_addresses_as_mail_clients_write_them(line: str, addresses: tuple[str, ...]) -> None:
    assert read_block(line).commands[0].addresses == addresses


def test_cc_with_a_minus_leaves_out() -> None:
    (one,) = read_block("#cc sue@b.example, -<jo@a.example> -max@a.example").commands
    assert (one.addresses, one.word) == (("sue@b.example",), "jo@a.example max@a.example")


def test_ask_takes_the_first_address_and_the_rest_as_its_text() -> None:
    (ask,) = read_block("#ask parts@x.example<mailto:parts@x.example> When can you deliver to jo@a.example?").commands
    assert (ask.addresses, ask.text) == (("parts@x.example",), "When can you deliver to jo@a.example?")
    assert read_block("#ask parts@x.example\n\nWhen?").commands[0].text == ""


@pytest.mark.parametrize(
    ("line", "span", "text"),
    [
        ("#time 25m called him", timedelta(minutes=25), "called him"),
        ("#time 1h30m", timedelta(minutes=90), ""),
        ("#time 1h 30m, on site", timedelta(minutes=90), "on site"),
        ("#time 1:30 drove there", timedelta(minutes=90), "drove there"),
        ("#time 1.5 hours x", timedelta(minutes=90), "x"),
        ("#time 2 Stunden", timedelta(hours=2), ""),
        ("#time25m", timedelta(minutes=25), ""),
        ("#remind 3d call back", timedelta(days=3), "call back"),
    ],
)
def test_lengths_of_time(line: str, span: timedelta, text: str) -> None:
    (command,) = read_block(line).commands
    assert (command.span, command.text) == (span, text)


def test_days() -> None:
    assert read_block("#away until 2026-12-01").commands[0].day == date(2026, 12, 1)
    assert read_block("#away 1.12.2026").commands[0].day == date(2026, 12, 1)
    assert read_block("#away back").commands[0].word == "back"
    assert read_block("#remind on 2026-12-01 the contract ends").commands[0].text == "the contract ends"
    assert read_block("#away until 2026-13-45").wrong


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("#status open", "open"), ("#status in progress", "open"), ("#status wait for customer", "wait_for_customer"),
        ("#wait", "customer"), ("#wait 3rd", "third_party"), ("#wait 3rd party.", "third_party"),
        ("#close", ""), ("#close spam", "spam"), ("#close no answer needed", "no_answer_needed"),
        ("#priority normal", "medium"), ("#priority URGENT", "urgent"), ("#channel web", "webform"),
        ("#billable", "yes"), ("#billable no", "no"), ("#timer pa", "pause"), ("#list", "mine"), ("#list overdue", "overdue"),
        ("#tag returns, #vip -old", "returns vip -old"), ("#title “A new title”", "A new title"),
    ],
)  # fmt: skip
def test_closed_sets(line: str, word: str) -> None:
    assert read_block(line).commands[0].word == word


@pytest.mark.parametrize(
    "line",
    ["#status gone", "#wait tomorrow", "#close because", "#priority extreme", "#channel pigeon", "#timer begin", "#time soon",
     "#merge this", "#cc nobody", "#assign", "#set order", "#service", "#service Repair colour=red", "#service Repair location=moon",
     "#take please do", "#get", "#ask When?", "#new", "#remind me", "#faq", "#search", "#with x", "#category"],
)  # fmt: skip
def test_wrong_arguments_are_faults_that_say_what_is_right(line: str) -> None:
    (wrong,) = read_block(line).wrong
    assert wrong.reason.startswith("#")
    assert not read_block(line).commands


def test_set_takes_several_values() -> None:
    (command,) = read_block('#set fields.order=7 due = 2026-12-01 label="foo bar", host=db1').commands
    assert command.pairs == (("order", "7"), ("due", "2026-12-01"), ("label", "foo bar"), ("host", "db1"))


def test_words_behind_note_are_its_first_line() -> None:
    block = read_block("#note He is angry.\n#take\n\nTake care.")
    assert block.text == "He is angry.\nTake care."
    assert [one.name for one in block.commands] == ["note", "take"]


def test_the_lines_that_the_block_took_are_known() -> None:
    assert read_block("#take\n\n- #wait\nHello").taken == ("#take", "- #wait")


def test_the_contracts_table_is_whole() -> None:
    for name in CONTRACT.split():
        assert name in COMMANDS, name


def test_the_reference_page_has_every_command() -> None:
    page = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    for spec in TABLE:
        assert f"| `{spec.usage.replace('|', '&#124;')}` | {spec.does} |" in page, spec.name
