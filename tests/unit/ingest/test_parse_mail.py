"""Whole mails in, Messages out. (Not `test_parse.py`: that is the name of the properties.)"""

from __future__ import annotations

import base64
import hashlib
import logging
import time
from datetime import UTC, datetime

import pytest

from maild.ingest import parse as module
from maild.ingest.parse import attachment_bytes, parse
from maild.model.message import Address

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def multipart(*parts: tuple[str, bytes], subtype: str = "mixed") -> bytes:
    body = b"".join(
        b"--b\r\n" + head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + data + b"\r\n" for head, data in parts
    )
    return (
        b"From: Jo <jo@acme.example>\r\nTo: support@example.com\r\nSubject: x\r\nMessage-ID: <1@acme.example>\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: multipart/"
        + subtype.encode()
        + b"; boundary=b\r\n\r\n"
        + body
        + b"--b--\r\n"
    )


TEXT = ("Content-Type: text/plain; charset=utf-8", b"See the picture.")
PICTURE = ("Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64", base64.encodebytes(PNG))


def test_a_whole_mail() -> None:
    message = parse(
        b"Message-ID: <1@acme.example>\r\nIn-Reply-To: <0@x>\r\nReferences: <r@x> <0@x>\r\n"
        b"From: =?utf-8?q?J=C3=B6?= <Jo@ACME.example>\r\nSender: desk@acme.example\r\nReply-To: <help@acme.example>\r\n"
        b"To: support@example.com, Bob <b@c.example>\r\nCc: undisclosed-recipients:;\r\n"
        b"Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\nDate: Mon, 1 Jan 2024 10:00:00 +0100\r\n\r\n"
        b"Hello there,\r\nmy printer is broken.\r\n"
    )
    assert message.message_id == "1@acme.example"
    assert (message.in_reply_to, message.references) == (("0@x",), ("r@x", "0@x"))
    assert message.from_ == (Address("Jö", "Jo@acme.example"),)
    assert message.sender == (Address("", "desk@acme.example"),)
    assert message.reply_to == (Address("", "help@acme.example"),)
    assert message.to == (Address("", "support@example.com"), Address("Bob", "b@c.example"))
    assert message.cc == ()
    assert message.subject == "Grüße"
    assert message.date == datetime(2024, 1, 1, 9, 0, tzinfo=UTC)
    assert message.text == message.new_text == "Hello there,\nmy printer is broken."
    assert (message.language, message.content_type, message.attachments) == ("en", "text/plain", ())


def test_attachments_keep_their_exact_bytes() -> None:
    raw = multipart(TEXT, PICTURE)
    (one,) = parse(raw).attachments
    assert (one.name, one.type, one.detected, one.size) == ("a.png", "image/png", "image/png", len(PNG))
    assert one.sha256 == hashlib.sha256(PNG).hexdigest()
    assert attachment_bytes(raw, one.part) == PNG
    with pytest.raises(KeyError):
        attachment_bytes(raw, 99)


def test_text_attachments_are_bytes_too() -> None:
    data = "Grüße\r\n\r\n".encode("latin-1")
    raw = multipart(TEXT, ('Content-Type: text/plain\nContent-Disposition: attachment; filename="a.txt"', data))
    message = parse(raw)
    assert message.text == "See the picture."
    assert attachment_bytes(raw, message.attachments[0].part) == data


def test_unnamed_parts_get_the_same_names_each_time() -> None:
    unnamed = ("Content-Type: image/png\nContent-Transfer-Encoding: base64", base64.encodebytes(PNG))
    raw = multipart(TEXT, unnamed, unnamed, PICTURE, PICTURE)
    names = [one.name for one in parse(raw).attachments]
    assert names == ["part-1.png", "part-2.png", "a.png", "a (2).png"]
    assert names == [one.name for one in parse(raw).attachments]


def test_hostile_names_are_tamed_and_kept_as_declared() -> None:
    head = 'Content-Type: application/octet-stream; name="../../etc/cron.d/x"'
    (one,) = parse(multipart(TEXT, (head, b"x"))).attachments
    assert (one.name, one.declared_name) == ("x", "../../etc/cron.d/x")


def test_the_plain_alternative_is_read() -> None:
    raw = multipart(
        ("Content-Type: text/plain", b"plain"), ("Content-Type: text/html", b"<p>rich</p>"), subtype="alternative"
    )
    message = parse(raw)
    assert (message.text, message.html) == ("plain", "<p>rich</p>")


@pytest.mark.parametrize("plain", [b"", b" \r\n", b"This message needs a client that can display HTML."])
def test_the_html_is_read_where_the_plain_part_says_nothing(plain: bytes) -> None:
    page = (
        b"<p>Hello,</p><table><tr><td>Order:</td><td>77</td></tr></table> and a longer text that says what it is about"
    )
    raw = multipart(("Content-Type: text/plain", plain), ("Content-Type: text/html", page), subtype="alternative")
    assert parse(raw).text.startswith("Hello,\n\nOrder: 77\n")


def test_texts_around_an_attachment_are_read_in_order() -> None:
    assert parse(multipart(TEXT, PICTURE, ("Content-Type: text/plain", b"That was it."))).text == (
        "See the picture.\n\nThat was it."
    )


def test_a_message_inside_is_one_attachment() -> None:
    inner = multipart(TEXT, PICTURE).replace(b"--b", b"--inner").replace(b"=b", b"=inner")
    head = 'Content-Type: message/rfc822; name="mail.eml"\nContent-Disposition: attachment'
    raw = multipart(TEXT, (head, inner))
    message = parse(raw)
    (one,) = message.attachments
    assert one.name == "mail.eml"
    assert attachment_bytes(raw, one.part) == inner
    nested = next(part for part in message.parts if part.type == "message/rfc822")
    assert nested.text.startswith("From: Jo <jo@acme.example>\nTo: support")


def test_a_forwarded_message_without_a_name_is_not_lost() -> None:
    raw = multipart(TEXT, ("Content-Type: message/rfc822", b"Subject: in\r\n\r\nThe inner text"))
    message = parse(raw)
    assert message.text == "See the picture."
    (one,) = message.attachments
    assert (one.name, attachment_bytes(raw, one.part)) == ("part-1.eml", b"Subject: in\r\n\r\nThe inner text")


def test_a_mail_that_only_carries_another_gives_its_text() -> None:
    assert (
        parse(multipart(("Content-Type: message/rfc822", b"Subject: in\r\n\r\nThe inner text"))).text
        == "The inner text"
    )


def test_uuencoded_files_in_the_text() -> None:
    raw = b"From: a@b.example\n\nSee:\n\nbegin 644 a.txt\n#86)C\n`\nend\n\nBye\n"
    message = parse(raw)
    (one,) = message.attachments
    assert (one.name, attachment_bytes(raw, one.part)) == ("a.txt", b"abc")
    assert "begin 644" not in message.text
    assert message.text.startswith("See:")


def test_mail_with_carriage_returns_alone() -> None:
    message = parse(multipart(TEXT, PICTURE).replace(b"\r\n", b"\r"))
    assert (message.subject, message.text) == ("x", "See the picture.")
    assert message.attachments[0].sha256 == hashlib.sha256(PNG).hexdigest()


def test_signed_and_encrypted_mail() -> None:
    assert parse(multipart(TEXT, subtype="signed")).signed
    assert parse(multipart(TEXT, subtype="encrypted")).encrypted
    assert parse(b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx").encrypted
    assert parse(b"Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nx").signed
    plain = parse(multipart(TEXT))
    assert (plain.signed, plain.encrypted) == (False, False)


def test_the_structure_of_encrypted_mail_is_no_attachment() -> None:
    raw = multipart(
        ("Content-Type: application/pgp-encrypted", b"Version: 1"),
        ("Content-Type: application/octet-stream; name=msg.asc", b"-----BEGIN PGP MESSAGE-----"),
        subtype="encrypted",
    )
    assert [one.name for one in parse(raw).attachments] == ["msg.asc"]


def test_defects_are_data() -> None:
    found = parse(b"From: a@b.example\nFrom: c@d.example\nContent-Type: text/plain; charset=zlib\n\n\xff").defects
    assert "from: more than one From field" in found
    assert "charset: 'zlib' is not known" in found


def test_an_installation_that_is_not_whole_is_no_fault_of_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(raw: bytes) -> None:
        raise ModuleNotFoundError("chardet")

    monkeypatch.setattr(module, "_message", broken)
    with pytest.raises(ModuleNotFoundError):
        parse(b"From: Jo <a@b.example>\n\nThe text")


def test_a_fault_of_our_own_still_gives_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(raw: bytes) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(module, "_message", broken)
    message = parse(b"From: Jo <a@b.example>\nSubject: Hello\nMessage-ID: <1@b>\n\nThe text")
    assert message.defects == ("parse: RuntimeError",)
    assert (message.subject, message.message_id, message.text) == ("Hello", "1@b", "The text")
    assert message.from_ == (Address("Jo", "a@b.example"),)


def test_mail_parser_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        parse(multipart(TEXT, PICTURE))
    assert [record.name for record in caplog.records if record.name.startswith("mailparser")] == []


HEAD = b"From: a@b.example\r\nSubject: bomb\r\n"
BOMBS = {
    "empty lines": lambda: HEAD + b"\r\n" * 4_000_000,
    "one endless line": lambda: HEAD + b"\r\n" + b"x" * 10_000_000,
    "one endless field": lambda: HEAD + b"X-A: " + b"x" * 10_000_000,
    "5,000 multiparts deep": lambda: (
        HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(5000))
    ),
    "5,000 messages deep": lambda: HEAD + b"Content-Type: message/rfc822\n\n" * 5000,
    "100,000 parts": lambda: HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n\n" * 100_000,
    "delimiters only": lambda: HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--\n" * 3_000_000,
    "16,000 encoded words": lambda: b"Subject: " + b"\r\n ".join([b"=?utf-8?q?abc?="] * 16_000) + b"\r\n\r\n",
    "16,000 parameters": lambda: HEAD + b"Content-Type: text/plain" + b"; a=b" * 16_000 + b"\r\n\r\n",
    "16,000 addresses": lambda: b"To: " + b", ".join([b"a@b.example"] * 16_000) + b"\r\n\r\n",
    "parentheses in From": lambda: b"From: " + b"(" * 100_000 + b"a@b.example\r\n\r\n",
    "brackets in Message-ID": lambda: b"Message-ID: " + b"<" * 100_000 + b"\r\n\r\n",
    "brackets in HTML": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"<" * 2_000_000,
    "tables in tables": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"<table><tr><td>x" * 60_000,
    "quotes": lambda: HEAD + b"\r\n" + b"On On On " * 60_000,
    "uuencode": lambda: HEAD + b"\r\n" + b"begin 644 a\nMMMM\n" * 60_000,
    "base64 of padding": lambda: HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=A" * 500_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_mail_takes_long(name: str) -> None:
    raw = BOMBS[name]()
    begun = time.process_time()
    parse(raw)
    assert time.process_time() - begun < 2


def test_parameters_with_nul_bytes_hold_none() -> None:
    message = parse(b"From: a@b.example\nContent-Type: text/plain; char\0set=x; a=\0b\n\nx\n")
    assert "\0" not in str(message.content_params)


def test_a_damaged_plain_part_gives_way_to_a_whole_html_part() -> None:
    raw = (
        b"From: a@b.example\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n"
        b"Gr\xfc\xdfe aus K\xf6ln \xff\n--b\nContent-Type: text/html; charset=utf-8\n\n<p>Gr\xc3\xbc\xc3\x9fe aus K\xc3\xb6ln</p>\n--b--\n"
    )
    assert "Grüße aus Köln" in parse(raw).text


def test_thousands_of_files_in_a_text_are_bounded_and_said() -> None:
    message = parse(b"From: a@b.example\n\n" + b"begin 644 a\n#86)C\nend\n" * 3000)
    assert len(message.attachments) == 500
    assert len({one.name for one in message.attachments}) == 500
    assert any(defect.startswith("attachments: more than 500") for defect in message.defects)
