"""YAML as maild reads it: the core schema of 1.2, places, and bounds that no file can break."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maild.settings.reader import MAX_ALIASES, MAX_BYTES, read_bytes, read_file
from maild.settings.source import WrittenInt
from maild.settings.wording import MAX_DEPTH


def value(text: str) -> object:
    document = read_bytes(text.encode(), "x.yaml")
    assert document.faults == []
    return document.value


def words(text: str) -> list[str]:
    return [str(fault) for fault in read_bytes(text.encode(), "x.yaml").faults]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True), ("False", False), ("null", None), ("~", None), ("7", 7), ("-1", -1), ("0x1F", 31), ("0o17", 15),
        ("1.5", 1.5), ("1e3", 1000.0), ("on", "on"), ("no", "no"), ("yes", "yes"), ("1:30", "1:30"), ("nan", "nan"),
        ("2026-12-24", "2026-12-24"), ("1_000", "1_000"), ("=", "="), ("'7'", "7"), ('"true"', "true"), ("0b1", "0b1"),
        ("[]", []), ("{}", {}), ("- a", ["a"]), ("|\n  a\n  b", "a\nb"), (">-\n  a\n  b", "a b"), ("-", "?"),
    ],
)  # fmt: skip
def test_only_the_core_schema_is_other_than_text(written: str, meant: object) -> None:
    if meant == "?":
        assert words("k: -")
        return
    separator = "\n" if written.startswith("- ") else " "
    assert value(f"k:{separator}{written}") == {"k": meant}


def test_a_number_remembers_how_it_was_written() -> None:
    read = value("a: 0077\nb: 1.10\nc: 1e5")
    assert isinstance(read, dict)
    assert [str(each) for each in read.values()] == ["0077", "1.10", "1e5"]
    assert read["a"] == 77
    assert isinstance(read["a"], WrittenInt)
    assert json.dumps(read) == '{"a": 77, "b": 1.1, "c": 100000.0}'


def test_keys_are_text_as_written() -> None:
    assert value("on: 1\n007: 2\ntrue: 3\n2026-01-01: 4") == {"on": 1, "007": 2, "true": 3, "2026-01-01": 4}


def test_places_of_keys_and_values() -> None:
    document = read_bytes(b"a:\n  - {b: 1, c: [x, y]}\n  - d\n", "x.yaml")
    assert document.place(("a", 0, "c", 1)) == (2, 19)
    assert document.place(("a", 0, "c"), key=True) == (2, 12)
    assert document.place(("a", 1)) == (3, 5)
    assert document.place(("a", 0, "nothing")) == (2, 5)
    assert document.place(()) == (1, 1)


def test_an_alias_stands_for_what_it_names() -> None:
    assert value("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}


def test_many_aliases_are_refused() -> None:
    text = "a: &x 1\nb: [" + ", ".join(["*x"] * (MAX_ALIASES + 1)) + "]"
    assert words(text) == [f"x.yaml:2:{5 + 4 * MAX_ALIASES}: more than 100 aliases (*…); no configuration needs them"]


def test_an_alias_bomb_is_refused_before_it_unfolds() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for above, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{above}'] * 10)}]")
    assert "unfolds to more than a million values" in words("\n".join(lines))[0]


@pytest.mark.parametrize("opener", ["[", "- ", "{a: ", "? "])
def test_deep_nesting_is_refused_and_does_not_end_the_process(opener: str) -> None:
    assert f"nested more than {MAX_DEPTH} deep" in words(opener * 100_000)[-1]


def test_a_file_that_is_too_large() -> None:
    assert "larger than 8 MiB" in str(read_bytes(b"#" * (MAX_BYTES + 1), "x.yaml").faults[0])


def test_bytes_that_are_not_utf8_have_a_place() -> None:
    assert str(read_bytes(b"a: 1\nb: \xff\n", "x.yaml").faults[0]).startswith("x.yaml:2:4: this is not UTF-8")


def test_a_byte_order_mark_is_no_fault() -> None:
    assert read_bytes(b"\xef\xbb\xbfa: 1", "x.yaml").value == {"a": 1}


def test_a_control_character_has_a_place() -> None:
    assert words("a: 1\nb: x\x07y\n") == ["x.yaml:2:5: there is a control character here (remove it)"]


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    document = read_file(tmp_path, "folder")
    assert "this is a directory" in str(document.faults[0])


def test_an_empty_file_has_no_value_and_no_fault() -> None:
    document = read_bytes(b"# only a comment\n", "x.yaml")
    assert (document.value, document.node, document.faults) == (None, None, [])


def test_null_written_out_is_a_value() -> None:
    assert value("a: null\nb: ~") == {"a": None, "b": None}
