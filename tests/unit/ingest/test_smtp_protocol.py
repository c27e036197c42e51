"""What SMTP clients say, and what is understood of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.ingest.protocol import MailCommand, NotUnderstood, binary_size, coded, mail_command, rcpt_command

SENDERS = [
    ("FROM:<jo@a.example>", MailCommand("jo@a.example")),
    ("from: <Jo@A.Example>", MailCommand("Jo@a.example")),
    ("FROM:jo@a.example", MailCommand("jo@a.example")),
    ("FROM:<>", MailCommand("")),
    ("FROM:<> SIZE=500", MailCommand("", 500)),
    ("FROM:<root>", MailCommand("root")),
    ("FROM:<@relay.example,@b.example:jo@a.example>", MailCommand("jo@a.example")),
    ('FROM:<"jo doe"@a.example>', MailCommand('"jo doe"@a.example')),
    ('FROM:<"jo"@a.example>', MailCommand("jo@a.example")),
    (r'FROM:<"a\@b\""@a.example>', MailCommand(r'"a@b\""@a.example')),
    ("FROM:<jo@[192.0.2.1]> BODY=8BITMIME", MailCommand("jo@[192.0.2.1]")),
    ("FROM:<jo@[IPv6:2001:db8::1]> body=7bit", MailCommand("jo@[ipv6:2001:db8::1]")),
    ("FROM:<jürgen@grüße.example> SMTPUTF8 SIZE=7", MailCommand("jürgen@grüße.example", 7, True)),
    ("FROM:<jo@a.example> AUTH=<> SIZE=0", MailCommand("jo@a.example")),
    ("FROM:<a..b.@docomo.example>", MailCommand("a..b.@docomo.example")),
    ("FROM:<jo+tag=x/y@a.example>", MailCommand("jo+tag=x/y@a.example")),
]  # fmt: skip
NO_SENDERS = [
    (None, "501 5.5.4"), ("", "501 5.5.4"), ("TO:<jo@a.example>", "501 5.5.4"), ("FROM:", "553 5.1.7"),
    ("FROM:<", "553 5.1.7"), ("FROM:<jo@a.example", "553 5.1.7"), ("FROM:<jo@@a.example>", "553 5.1.7"),
    ("FROM:<jo@a.example>x", "553 5.1.7"), ("FROM:<jo doe@a.example>", "553 5.1.7"), ('FROM:<"jo@a.example>', "553 5.1.7"),
    ("FROM:<jo@a.example> SIZE=big", "501 5.5.4"), ("FROM:<jo@a.example> SIZE", "501 5.5.4"),
    ("FROM:<jo@a.example> BODY=BINARYMIME", "501 5.5.4"), ("FROM:<jo@a.example> SMTPUTF8=yes", "501 5.5.4"),
    ("FROM:<jo@a.example> SIZE=1 SIZE=2", "501 5.5.4"), ("FROM:<jo@a.example> RET=HDRS", "555 5.5.4"),
    ("FROM:<jürgen@a.example>", "553 5.6.7"), ("FROM:<j\udcfc@a.example> SMTPUTF8", "553 5.1.7"),
    (f"FROM:<{'x' * 300}@a.example>", "553 5.1.7"), (f"FROM:<x@{'a' * 600}>", "553 5.1.7"),
    ("FROM:<jo\x00@a.example>", "553 5.1.7"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "meant"), SENDERS)
def test_what_mail_says(said: str, meant: MailCommand) -> None:
    assert mail_command(said) == meant


@pytest.mark.parametrize(("said", "reply"), NO_SENDERS)
def test_what_mail_cannot_say(said: str | None, reply: str) -> None:
    with pytest.raises(NotUnderstood, match=f"^{reply} "):
        mail_command(said)


@pytest.mark.parametrize(
    ("said", "utf8", "meant"),
    [
        ("TO:<support@example.com>", False, "support@example.com"),
        ("to: <Support@EXAMPLE.com>", False, "Support@example.com"),
        ("TO:<Postmaster>", False, "Postmaster"),
        ("TO:<@a.example:support@example.com>", False, "support@example.com"),
        ('TO:<"support"@example.com>', False, "support@example.com"),
        ("TO:<grüße@example.com>", True, "grüße@example.com"),
    ],
)
def test_what_rcpt_says(said: str, utf8: bool, meant: str) -> None:
    assert rcpt_command(said, utf8) == meant


@pytest.mark.parametrize(
    ("said", "reply"),
    [("TO:<>", "553 5.1.3"), ("TO:", "553 5.1.3"), ("FROM:<a@b>", "501 5.5.4"), ("TO:<a@b.c> NOTIFY=NEVER", "555 5.5.4"),
     ("TO:<grüße@example.com>", "553 5.6.7")],
)  # fmt: skip
def test_what_rcpt_cannot_say(said: str, reply: str) -> None:
    with pytest.raises(NotUnderstood, match=f"^{reply} "):
        rcpt_command(said, False)


@given(st.text() | st.text(alphabet='<>@,:"\\ FROMTa.=[]\udcff', max_size=60))
def test_any_argument_is_understood_or_refused(said: str) -> None:
    for read in (mail_command, lambda text: rcpt_command(text, True)):
        for text in (said, f"FROM:{said}", f"TO:<{said}>"):
            try:
                read(text)
            except NotUnderstood as error:
                assert str(error)[:3] in {"501", "553", "555"}
                assert "\r" not in str(error)
                assert str(error).isascii()


@pytest.mark.parametrize(
    ("reply", "sent"),
    [
        ("250 OK", "250 2.0.0 OK"),
        ("250 2.1.5 Fine", "250 2.1.5 Fine"),
        ("221 Bye", "221 2.0.0 Bye"),
        ("500 Error: bad syntax", "500 5.5.2 Error: bad syntax"),
        ("535 5.7.8 No", "535 5.7.8 No"),
        ("354 Go on", "354 Go on"),
        ("334 ", "334 "),
        ("550", "550 5.1.1"),
    ],
)
def test_every_reply_has_its_enhanced_code(reply: str, sent: str) -> None:
    assert coded(reply) == sent


def test_sizes_for_people() -> None:
    assert [binary_size(n) for n in (25 * 1024**2, 1536 * 1024, 2048, 100)] == [
        "25 MiB",
        "1.5 MiB",
        "2 KiB",
        "100 bytes",
    ]
