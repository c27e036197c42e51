from __future__ import annotations

import pytest

from maild.ingest import header


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?utf-8?Q?Gr=C3=BC=C3=9Fe?= an alle", "Grüße an alle"),
        (b"=?utf-8?B?R3LD?=\r\n =?utf-8?B?vMOfZQ==?=", "Grüße"),  # a character cut in two
        (b"=?utf-8?Q?a?= =?utf-8?Q?b?= c", "ab c"),
        (b"=?iso-8859-1?q?a b?=", "a b"),  # blanks inside a word
        (b"=?utf-8?Q?who?_me?=", "who? me"),
        (b"=?UTF-8?B?R3LDvMOfZQ?=", "Grüße"),  # padding left off
        (b"=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"x=?utf-8?q?y?=z", "xyz"),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("cp1252"), "Grüße"),
        (b"=?foo?q?a?=", "a"),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        (b"=?utf-8?Q?a=0D=0ABcc:_x@y?=", "a Bcc: x@y"),  # a line break may not come back to life
        ("a\u2028b\x0bc\x85d".encode(), "a b c d"),
        (b"folded\r\n\tline", "folded line"),
        (b"Re: =?utf-8?Q?caf=C3=A9_geschl", "Re: caf\u00e9 geschl"),  # cut off by somebody's limit
        (b"=?iso-8859-1?q?gr=FC=DFe=2", "gr\u00fc\u00dfe"),
        (b"=?utf-8?B?R3LDvMOfZQ==?", "Gr\u00fc\u00dfe"),
        (b"what =?is?b?this", "what =?is?b?this"),
    ],
)
def test_values_are_decoded_into_one_line(raw: bytes, text: str) -> None:
    assert header.value(raw) == text


def test_bare_eight_bit_bytes_are_read_as_the_body_is() -> None:
    assert header.value("Привет".encode("koi8-r"), "koi8-r") == "Привет"


@pytest.mark.parametrize(
    ("raw", "main", "parameters"),
    [
        (b'text/plain; charset="utf-8"; format=flowed', "text/plain", {"charset": "utf-8", "format": "flowed"}),
        (b"text/html charset=utf-8", "text/html", {"charset": "utf-8"}),
        (b'attachment; filename="a;b.pdf"', "attachment", {"filename": "a;b.pdf"}),
        (b"attachment; filename=my file.pdf; size=3", "attachment", {"filename": "my file.pdf", "size": "3"}),
        (b"attachment; filename*=UTF-8''na%C3%AFve.txt", "attachment", {"filename": "naïve.txt"}),
        (b"attachment; filename*=iso-8859-1'en'na%EFve.txt", "attachment", {"filename": "naïve.txt"}),
        (
            b"attachment; filename*1*=%C3%AFve; filename*0*=utf-8''na; filename*2=.txt",
            "attachment",
            {"filename": "naïve.txt"},
        ),
        (b'attachment; filename="=?utf-8?Q?na=C3=AFve.txt?="', "attachment", {"filename": "naïve.txt"}),
        (b"attachment; filename==?utf-8?Q?na=C3=AFve.txt?=", "attachment", {"filename": "naïve.txt"}),
        (b'attachment; filename="unclosed.txt', "attachment", {"filename": "unclosed.txt"}),
        (b'image/png; name="a.png" x-size=5', "image/png", {"name": "a.png", "x-size": "5"}),
        (b"text/plain (a comment); charset=us-ascii", "text/plain", {"charset": "us-ascii"}),
        (b'filename="a.txt"', "", {"filename": "a.txt"}),
        (b"", "", {}),
    ],
)
def test_parameters_are_read_as_senders_write_them(raw: bytes, main: str, parameters: dict[str, str]) -> None:
    assert header.parameters(raw) == (main, parameters)


def _names(raw: bytes) -> tuple[list[bytes], bytes, list[str]]:
    found, body, defects = header.fields(raw, 0, len(raw))
    return [name for name, _ in found], raw[body:], defects


def test_a_line_that_is_no_field_is_passed_over_while_fields_follow() -> None:
    names, body, defects = _names(b"From: a@b\r\nnonsense here\r\nSubject: x\r\n\r\nHi")
    assert names == [b"From", b"Subject"]
    assert body == b"Hi"
    assert defects == ["header: a line that is no field was passed over"]


def test_a_body_without_a_blank_line_begins_where_fields_end() -> None:
    names, body, _ = _names(b"From: a@b\r\nHello there,\r\nhow are you")
    assert (names, body) == ([b"From"], b"Hello there,\r\nhow are you")


def test_mixed_line_ends_and_the_mbox_line() -> None:
    names, body, _ = _names(b"From jo Mon Jan 1\nFrom: a@b\r\nTo: c@d\n\r\nHi")
    assert (names, body) == ([b"From", b"To"], b"Hi")


def test_a_flood_of_fields_is_cut() -> None:
    names, _, defects = _names(b"".join(b"X-%d: y\r\n" % i for i in range(1500)) + b"\r\nHi")
    assert len(names) == header.FIELD_LIMIT
    assert defects == ["header: more than 1000 fields, the rest was not read"]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [(b"SGk=", b"Hi"), (b"SGk", b"Hi"), (b"SG\r\nk=\r\n", b"Hi"), (b"SGk=SGk=", b"HiHi"), (b"S", b""), (b"!!", b"")],
)
def test_base64_that_is_not_quite(data: bytes, wanted: bytes) -> None:
    assert header.base64_bytes(data) == wanted


def test_a_footer_in_plain_words_below_base64_is_not_decoded() -> None:
    assert header.base64_bytes(b"aGVsbG8=\r\n--\r\nThis list: lists.example\r\n") == b"hello"
    assert header.base64_bytes(b"aGVsbG8=aGVsbG8=\r\n") == b"hellohello"
