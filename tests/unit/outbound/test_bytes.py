"""A mail as bytes: the same each time, whole lines, parts that come back exactly."""

from __future__ import annotations

import dataclasses
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.model.outbox import OutgoingKind, OutgoingMessage, PartRef
from maild.outbound.bytes import needs_smtputf8, serialise

MAIL = OutgoingMessage(
    OutgoingKind.ANSWER, 1, "1@example.com", "support@example.com", ("jo@acme.example",), "Hello",
    (("From", "support@example.com"), ("To", "jo@acme.example"), ("Message-ID", "<1@example.com>")),
    "Hello\n",
)  # fmt: skip


def never(ref: PartRef) -> bytes:
    raise AssertionError(ref)


def read(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


@given(st.text(max_size=2000), st.text(max_size=500))
def test_any_words_come_back_and_every_line_can_be_sent(text: str, html: str) -> None:
    mail = dataclasses.replace(MAIL, text=text, html=html)
    data = serialise(mail, never)
    assert data == serialise(mail, never)
    assert data.isascii()
    assert b"\0" not in data
    assert not data.replace(b"\r\n", b"").count(b"\n") + data.replace(b"\r\n", b"").count(b"\r")
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    found = read(data)
    plain = found.get_body(("plain",))
    assert plain is not None
    clean = text.encode("utf-8", "replace").decode()
    wanted = clean.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    assert str(plain.get_content()).replace("\r\n", "\n").rstrip("\n") == wanted
    assert found.get_content_type() == ("multipart/alternative" if html else "text/plain")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Hello\n", "7bit"),
        ("Grüße aus Köln, und so weiter in vielen Worten\n", "quoted-printable"),
        ("日本語のメール\n", "base64"),
        ("x" * 2000, "quoted-printable"),
        ("From here on\n", "quoted-printable"),
        ("-- \nAlice\n", "quoted-printable"),
    ],
)
def test_the_encoding_fits_the_text(text: str, encoding: str) -> None:
    found = read(serialise(dataclasses.replace(MAIL, text=text), never))
    assert found["Content-Transfer-Encoding"] == encoding
    assert "\nFrom " not in serialise(dataclasses.replace(MAIL, text=text), never).decode()


def test_attachments_keep_their_bytes_and_pictures_stand_beside_the_html() -> None:
    stored = {0: bytes(range(256)) * 40, 1: b"\x89PNG", 2: b"Subject: inner\r\n\r\nbody\r\n", 3: b"a\nb"}
    refs = (
        PartRef("s", 0, "Überweisung März 2026.pdf", "application/pdf", 1),
        PartRef("s", 1, "logo.png", "image/png", 4, inline=True, content_id="logo@x"),
        PartRef("s", 2, "mail.eml", "message/rfc822", 1),
        PartRef("s", 3, "x" * 150 + "ü" * 50 + '"; name="a\r\nX: y.txt', "text/plain", 3),
    )
    mail = dataclasses.replace(MAIL, html='<p><img src="cid:logo@x"></p>', attachments=refs)
    data = serialise(mail, lambda ref: stored[ref.part])
    assert data == serialise(mail, lambda ref: stored[ref.part])
    found = read(data)
    assert found.get_content_type() == "multipart/mixed"
    assert "\r\nX: y" not in data.decode()
    leaves = [part for part in found.walk() if not part.is_multipart()]
    by_name = {part.get_filename(): part for part in leaves if part.get_filename()}
    pdf = by_name["Überweisung März 2026.pdf"]
    assert pdf.get_payload(decode=True) == stored[0]
    assert by_name["logo.png"]["Content-ID"] == "<logo@x>"
    assert any("ü" * 50 in str(name) for name in by_name)
    assert [part.get_content_type() for part in found.walk()][:5] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html",
    ]  # fmt: skip
    inner = next(part for part in found.walk() if part.get_content_type() == "message/rfc822")
    assert inner.get_payload(0)["Subject"] == "inner"


@pytest.mark.parametrize("kind", ["multipart/mixed", "message/partial", "nonsense", "a/b\r\nX: y", ""])
def test_a_type_that_cannot_be_one_becomes_a_plain_file(kind: str) -> None:
    mail = dataclasses.replace(MAIL, attachments=(PartRef("s", 0, "a", kind, 1),))
    found = read(serialise(mail, lambda ref: b"1"))
    assert [part.get_content_type() for part in found.walk()][-1] == "application/octet-stream"


def test_smtputf8_is_needed_only_for_addresses_that_are_not_ascii() -> None:
    assert not needs_smtputf8(MAIL)
    foreign = dataclasses.replace(MAIL, headers=(("To", "jö@acme.example"),))
    assert needs_smtputf8(foreign)
    assert "To: jö@acme.example\r\n".encode() in serialise(foreign, never)
