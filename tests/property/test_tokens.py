"""Signed ids: what was signed verifies, whatever was changed does not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.plain.tokens import (
    ID_LENGTH,
    Keyring,
    SignedId,
    is_loop_mark,
    loop_mark,
    new_serial,
    sign_id,
    sign_token,
    verify_id,
    verify_token,
)

RING = Keyring("k2", {"k1": b"o" * 32, "k2": b"n" * 32})
numbers = st.integers(0, 10**9 - 1)
readers = st.integers(0, 10**6 - 1)
serials = st.one_of(st.just(""), st.binary(min_size=7, max_size=16).map(new_serial))


@given(numbers, readers, serials)
def test_what_was_signed_verifies(case: int, reader: int, serial: str) -> None:
    signed = sign_id(RING, case, reader, "example.com", serial)
    assert verify_id(RING, signed) == SignedId(case, reader, serial, "k2")
    assert verify_id(RING, f" <{signed.upper()}> ") == SignedId(case, reader, serial, "k2")
    assert re.fullmatch(r"[a-z0-9.]+@example\.com", signed)
    assert len(signed) + 2 <= ID_LENGTH


@given(numbers, readers, serials, st.data())
def test_any_change_of_any_character_fails(case: int, reader: int, serial: str, data: st.DataObject) -> None:
    signed = sign_id(RING, case, reader, "example.com", serial)
    left, domain = signed.split("@")
    place = data.draw(st.integers(0, len(left) - 1))
    change = data.draw(st.sampled_from(["replace", "insert", "delete"]))
    other = data.draw(st.characters().filter(lambda c: c.lower() != left[place]))
    changed = {
        "replace": left[:place] + other + left[place + 1 :],
        "insert": left[:place] + other + left[place:],
        "delete": left[:place] + left[place + 1 :],
    }[change]
    if changed.strip().removeprefix("<") == left:  # a blank or bracket before the id is no change of the id
        return
    assert verify_id(RING, f"{changed}@{domain}") is None


@given(st.text(max_size=120))
def test_bytes_from_outside_never_raise(text: str) -> None:
    assert verify_id(RING, text) is None
    assert not is_loop_mark(RING, text)


@given(numbers, readers, st.text("abcdefghij-.", min_size=1, max_size=200))
def test_long_domains_give_ids_that_stay_whole(case: int, reader: int, domain: str) -> None:
    signed = sign_id(RING, case, reader, domain, new_serial(b"1234567"), fallback_domain="id.example")
    assert len(signed) + 2 <= ID_LENGTH
    assert verify_id(RING, signed) is not None


def test_the_configured_short_domain_is_taken_before_a_parent_domain() -> None:
    long = "support.a-very-long-subdomain-name.of-a-company.example.com"
    assert sign_id(RING, 1, 0, long, new_serial(b"1234567"), fallback_domain="id.example").endswith("@id.example")
    other = sign_id(RING, 1, 0, long, new_serial(b"1234567"), fallback_domain="x" * 60)
    assert other.endswith(("@example.com", "@of-a-company.example.com"))


def test_the_thread_root_is_fixed_and_differs_from_every_message_id() -> None:
    root = sign_id(RING, 123, 0, "example.com")
    assert root == sign_id(RING, 123, 0, "example.com")
    assert root != sign_id(RING, 123, 1, "example.com")
    assert root != sign_id(RING, 123, 0, "example.com", new_serial(b"7654321"))
    assert verify_id(RING, root.replace("example.com", "moved.example")) == SignedId(123, 0, "", "k2")


def test_old_keys_verify_after_a_rotation_and_unknown_keys_do_not() -> None:
    old = sign_id(Keyring("k1", {"k1": b"o" * 32}), 7, 0, "example.com")
    assert verify_id(RING, old) == SignedId(7, 0, "", "k1")
    assert verify_id(Keyring("k2", {"k2": b"n" * 32}), old) is None
    forged = sign_id(Keyring("k2", {"k2": b"x" * 32}), 7, 0, "example.com")
    assert verify_id(RING, forged) is None


def test_a_token_of_one_purpose_is_none_of_another() -> None:
    token = sign_token(RING, "survey", "12", "4")
    assert verify_token(RING, "survey", token) == ("12", "4")
    assert verify_token(RING, "release", token) is None
    assert verify_id(RING, f"{token}@example.com") is None
    assert not is_loop_mark(RING, token)
    mark = loop_mark(RING, new_serial(b"abcdefg"))
    assert is_loop_mark(RING, f" {mark.upper()}\r\n")
    assert verify_token(RING, "survey", mark) is None


def test_numbers_have_one_way_of_writing() -> None:
    odd = sign_token(RING, "message-id", "007", "0")
    assert verify_id(RING, f"{odd}@example.com") is None


@pytest.mark.parametrize("bad", ["", "a.b", "ä", "A", "a b", "x\r\n"])
def test_parts_that_would_blur_a_token_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        sign_token(RING, "survey", bad)


@pytest.mark.parametrize(
    ("current", "keys"), [("a", {}), ("A", {"A": b"x" * 32}), ("a", {"a": b"short"}), ("a.b", {"a.b": b"x" * 32})]
)
def test_an_unfit_keyring_is_refused(current: str, keys: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match=r"key"):
        Keyring(current, keys)


def test_keys_stay_out_of_the_representation() -> None:
    assert "nnn" not in repr(RING)
