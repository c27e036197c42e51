"""No bytes crash the reader, every fault has a place within the file, and what was read has one too."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from maild.settings.load import load_with_warnings
from maild.settings.reader import read_bytes

BASE = Path(__file__).parents[1] / "bad_configs" / "base"
ALPHABET = "ab:-? \n\t{}[],&*!|>'\"%@`#=~.0\\\u00e4"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc: #-\n{}'\"é", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield from paths(each, (*path, key))


@given(st.text(ALPHABET, max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
@settings(max_examples=400, deadline=None)
def test_any_text_gives_a_value_or_faults_in_the_file(text: str) -> None:
    document = read_bytes(text.encode(), "x.yaml")
    lines = text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + 2
    for fault in document.faults:
        assert 0 <= fault.line <= lines
        assert fault.message
    for path in paths(document.value):
        line, _ = document.place(path)
        assert 0 <= line <= lines


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), values, max_size=4))
@settings(max_examples=200, deadline=None)
def test_json_is_read_as_it_was_meant(value: dict[str, Any]) -> None:
    document = read_bytes(json.dumps(value).encode(), "x.yaml")
    assert document.faults == []
    assert document.value == value


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_configuration_with_a_value_replaced_loads_or_names_its_faults(data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(["maild.yaml", "directory.yaml", "sla.yaml"]))
    whole = read_bytes((BASE / file).read_bytes(), file).value
    path = data.draw(st.sampled_from([each for each in paths(whole) if each]))
    below = whole
    for step in path[:-1]:
        below = below[step]
    below[path[-1]] = data.draw(values)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "config"
        shutil.copytree(BASE, folder)
        (folder / file).write_text(json.dumps(whole))
        loaded, found = load_with_warnings(folder)
    assert (loaded is None) == any(fault.severity == "error" for fault in found)
    assert all(fault.line == 0 or fault.line == 1 or fault.file != f"{folder}/{file}" for fault in found)
