from __future__ import annotations

from maild.ingest.identity import digest, has_identity, peek

MAIL = (
    b"Received: by mx\r\nMessage-ID: <1@acme.example>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n"
    b"From: Jo <jo@acme.example>\r\nTo: a@b.example,\r\n c@d.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"References: <r0@x>\r\n <r1@x>\r\nIn-Reply-To: <r1@x>\r\n\r\nHello\r\n.\r\n"
)


def test_what_a_server_adds_or_folds_changes_nothing() -> None:
    same = [
        b"X-Spam: no\r\nReceived: by other\r\n" + MAIL,
        MAIL.replace(b",\r\n c@", b", c@"),
        MAIL.replace(b"\r\n", b"\n"),
        MAIL + b"\r\n\r\n",
        MAIL.replace(b"To:", b"to:"),
        MAIL.replace(b"\r\n.\r\n", b"\r\n."),
    ]
    assert {digest(one) for one in same} == {digest(MAIL)}


def test_what_makes_it_another_mail() -> None:
    others = [
        MAIL.replace(b"Hello", b"hello"),
        MAIL.replace(b"<1@", b"<2@"),
        MAIL.replace(b"c@d", b"e@f"),
        MAIL.replace(b"Hello\r\n", b"Hello\r\n\r\n"),
        MAIL + b" ",
    ]
    assert len({digest(one) for one in [MAIL, *others]}) == len(others) + 1


def test_line_ends_are_normalised_across_chunks() -> None:
    body = b"x" * (1024 * 1024 - len(b"Subject: a\n\n") - 1)
    assert digest(b"Subject: a\n\n" + body + b"\r\ny\n") == digest(b"Subject: a\n\n" + body + b"\ny\r\n")


def test_empty_lines_at_the_end_are_cheap_and_do_not_count() -> None:
    assert digest(MAIL + b"\r\n" * 200_000) == digest(MAIL)


def test_a_door_sees_id_subject_and_conversation() -> None:
    seen = peek(MAIL)
    assert (seen.message_id, seen.subject, seen.conversation) == ("1@acme.example", "Grüße", "r0@x")
    assert seen.from_ == "Jo <jo@acme.example>"
    assert seen.date == "Mon, 1 Jan 2024 10:00:00 +0000"
    assert peek(MAIL.replace(b"References", b"X-R")).conversation == "r1@x"
    assert peek(MAIL.replace(b"References", b"X-R").replace(b"In-Reply", b"X-I")).conversation == "1@acme.example"


def test_bytes_without_any_header_have_no_identity() -> None:
    for raw in (b"", b"\0\xff", b"just text", b"\r" * 9, b"Subject: x\n\nHi"):
        assert peek(raw).conversation == ""
        assert has_identity(raw) is False
        assert len(digest(raw)) == 64
    assert has_identity(b"Date: today\n\nHi")
    assert has_identity(b"Message-ID: <a@b>\r\rHi")
