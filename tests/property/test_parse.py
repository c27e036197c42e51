from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from maild.ingest import parse as reading
from maild.ingest.classify import NOTHING_OWN, classify, verification_details
from maild.ingest.identity import Known, digest, has_identity, know, peek
from maild.ingest.parse import attachment_bytes, parse
from maild.ingest.sender import forwarded_person, identify, recipients
from maild.ingest.thread_keys import thread_keys
from maild.ingest.trust import authenticate

NAMES = [
    b"From", b"To", b"Cc", b"Reply-To", b"Sender", b"Subject", b"Date", b"Message-ID", b"In-Reply-To", b"References",
    b"Content-Type", b"Content-Disposition", b"Content-Transfer-Encoding", b"Content-ID", b"Auto-Submitted",
    b"Authentication-Results", b"List-Id", b"Return-Path", b"Delivered-To", b"X-Original-From",
]  # fmt: skip
WORDS = [
    b"a@b.example", b"<", b">", b'"', b"(", b")", b",", b";", b":", b"=?utf-8?q?=C3=BC?=", b"=?gb2312?B?vLw=?=", b"=?x?b?",
    b"\r\n ", b"\n\t", b"multipart/mixed; boundary=b", b"multipart/alternative; boundary=b", b"message/rfc822", b"text/html",
    b"text/plain; charset=", b"utf-7", b"iso-2022-jp", b"shift_jis", b"base64", b"quoted-printable", b"x-uuencode",
    b"; filename*0*=utf-8''%00", b'; name="../x"', b"\xff\xfe", b"\0", b"\xed\xa0\x80", b"mx; dkim=pass", b"[#12]",
]  # fmt: skip
LINES = [
    b"--b\r\n", b"--b--\r\n", b"\r\n", b"\n", b"\r", b"begin 644 a\n", b"#86)C\n", b"end\n", b"<table><tr><td>a:</td>", b"<!--",
    b"On Mon, Jo <a@b> wrote:\n", b"> quoted\n", b"Von: a@b.example\n", b"An: c\n", b"Betreff: x\n", b"\x1b$B-!", b"+2AA-",
    b"Final-Recipient: rfc822; a@b.example\nAction: failed\n", b"\x78\x9f\x3e\x22\1\0\2", b"AAAA====\n", b"=\n", b"-- \n",
]  # fmt: skip

value = st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=6)), max_size=5).map(b" ".join)
field = st.tuples(st.sampled_from(NAMES), value).map(lambda pair: pair[0] + b": " + pair[1] + b"\r\n")
block = st.lists(field, max_size=8).map(b"".join)
body = st.lists(st.one_of(st.sampled_from(LINES), block, st.binary(max_size=12)), max_size=14).map(b"".join)
mails = st.one_of(st.binary(max_size=200), st.tuples(block, body).map(b"\r\n".join))


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for item in value for text in strings(item)]
    if is_dataclass(value):
        return [text for one in fields(value) for text in strings(getattr(value, one.name))]
    return []


@settings(max_examples=300, deadline=None)
@given(mails)
def test_any_bytes_are_read_and_every_string_is_valid(raw: bytes) -> None:
    message = parse(raw)
    assert not any(defect.startswith("parse: ") for defect in message.defects)
    for text in strings(message):
        text.encode("utf-8")
        assert "\0" not in text
    assert parse(raw) == message
    for one in message.attachments:
        assert len(attachment_bytes(raw, one.part)) == one.size
        assert one.name
        assert len(one.name.encode()) <= 200
        assert not set(one.name) & set("/\\\0\r\n")


@settings(max_examples=300, deadline=None)
@given(mails)
def test_nothing_that_reads_a_message_raises(raw: bytes) -> None:
    message = parse(raw)
    seen = peek(raw)
    assert know(raw) == Known(digest(raw), has_identity(raw), seen)
    assert len(digest(raw)) == 64
    assert "\n" not in seen.subject
    classify(message, None, NOTHING_OWN)
    identity = identify(message, "", frozenset({"a@b.example"}))
    authenticate(message, "mx", True, identity.address)
    for text in (
        strings(identity) + strings(forwarded_person(message)) + list(recipients(message, ["c@d.example"]))
        + list(verification_details(message)) + strings(thread_keys(message, "[#{number}]", ()))
    ):  # fmt: skip
        text.encode("utf-8")


@settings(max_examples=100, deadline=None)
@given(st.from_regex(reading._PLAIN, fullmatch=True), st.from_regex(reading._PLAIN_DATE, fullmatch=True))
def test_addresses_of_one_reading_are_read_as_mail_parser_reads_them(text: str, date: str) -> None:
    raw = f"From: {text}\nTo: {text}\nDate: {date}\n\nx\n".encode()
    quick = parse(raw)
    with patch.object(reading, "_PLAIN", re.compile("(?!)")):
        slow = parse(raw)
    assert quick == slow
