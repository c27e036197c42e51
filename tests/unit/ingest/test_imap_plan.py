"""How a folder is fetched, as far as it is decided without a server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.ingest.imap_plan import first_batch, pause_after, resume, return_path, windows
from maild.ingest.imap_session import Selected
from maild.ingest.imap_wire import Timing
from maild.model.spool import Cursor


def selected(uidvalidity: int = 7, uidnext: int = 0) -> Selected:
    return Selected(uidvalidity=uidvalidity, uidnext=uidnext, messages=0, writable=True)


def test_pauses_double_to_a_minute_and_refused_logins_to_a_quarter_of_an_hour() -> None:
    waits = [pause_after(failures, refused=False, chance=0) for failures in range(1, 9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    waits = [pause_after(failures, refused=True, chance=0) for failures in range(1, 8)]
    assert waits == [30, 60, 120, 240, 480, 900, 900]


@given(st.integers(1, 10**9), st.booleans(), st.floats(0, 1))
def test_chance_takes_at_most_half_of_a_pause(failures: int, refused: bool, chance: float) -> None:
    full = pause_after(failures, refused=refused, chance=0)
    assert full / 2 <= pause_after(failures, refused=refused, chance=chance) <= full <= Timing().refused_longest


@pytest.mark.parametrize(
    ("cursor", "now", "expected"),
    [
        (None, selected(7), Cursor(7, 0)),
        (Cursor(7, 5, (2,)), selected(7, 6), Cursor(7, 5, (2,))),
        (Cursor(7, 5), selected(7, 0), Cursor(7, 5)),  # the server does not say UIDNEXT
        (Cursor(7, 5, (2,)), selected(8, 6), Cursor(8, 0)),  # numbered anew
        (Cursor(7, 5), selected(7, 5), Cursor(7, 0)),  # UIDs go back: an old copy was restored
    ],
)
def test_where_to_go_on(cursor: Cursor | None, now: Selected, expected: Cursor) -> None:
    assert resume(cursor, now) == expected


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_windows_cover_every_uid_once_in_order(first: int, last: int) -> None:
    expected = first
    for start, end in windows(first, last):
        assert start == expected and start <= end < start + 50_000
        expected = end + 1
    assert expected == max(first, last + 1)


MESSAGES = st.lists(st.tuples(st.integers(1, 10**9), st.none() | st.integers(0, 10**8)), min_size=1, max_size=80)


@given(MESSAGES, st.integers(1, 50))
def test_a_batch_is_bounded_and_never_empty(messages: list[tuple[int, int | None]], most: int) -> None:
    uids = [uid for uid, _ in messages]
    sizes = {uid: size for uid, size in messages if size is not None}
    batch = first_batch(uids, sizes, most)
    assert batch == uids[: len(batch)] and 1 <= len(batch) <= most
    assert len(batch) == 1 or sum(sizes[uid] for uid in batch) <= 4 * 1024**2


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"Return-Path: <jo@a.example>\r\nSubject: x\r\n\r\nbody", "jo@a.example"),
        (b"return-path: jo@a.example\n\nbody", "jo@a.example"),
        (b"Received: x\r\nReturn-Path:\r\n <jo@a.example>\r\nReturn-Path: <b@b>\r\n\r\n", "jo@a.example"),
        (b"Return-Path: <>\r\n\r\n", ""),
        (b"Return-Path:\r\nSubject: x\r\n\r\n", ""),
        (b"Subject: x\r\n\r\nReturn-Path: <jo@a.example>\r\n", None),
        (b"X-Return-Path: <jo@a.example>\r\n\r\n", None),
        (b"Return-Path: <j\xf6@a.example>\r\n\r\n", "j\ufffd@a.example"),
        (b"Return-Path: <jo@a.example>", "jo@a.example"),
        (b"Return-Path: <a\0b@c>\r\n\r\n", "a\ufffdb@c"),
        (b"Return-Path: <" + b"a" * 600 + b"@c>\r\n\r\n", None),
        (b"", None),
    ],
)
def test_the_envelope_sender_is_the_first_return_path(raw: bytes, expected: str | None) -> None:
    assert return_path(raw) == expected


@given(st.binary(max_size=300))
def test_any_bytes_have_a_return_path_or_none(raw: bytes) -> None:
    assert isinstance(return_path(b"Return-Path: " + raw), str | None)
