"""Header fields: whatever comes in, one field goes out, and a reader finds in it what was meant."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.model.message import Address
from maild.outbound import headers

texts = st.text(st.characters(), max_size=300)


@given(texts)
def test_s5_s6_a_subject_is_always_one_field_and_reads_as_written(text: str) -> None:
    wire = headers.fold(*headers.field("Subject", headers.unstructured(text)))
    lines = wire.split(b"\r\n")
    assert lines[-1] == b""
    assert all(line.startswith(b" ") for line in lines[1:-1])
    assert all(len(line) <= headers.LINE and not set(line) & set(b"\r\n\0") and line.isascii() for line in lines)
    message = message_from_bytes(wire + b"X-Next: yes\r\n\r\n", policy=policy.compat32)
    assert message.keys() == ["Subject", "X-Next"]
    assert str(make_header(decode_header(str(message["Subject"]).replace("\r\n", "")))) == headers.one_line(text)


@given(texts)
def test_a_name_from_outside_never_becomes_an_address(name: str) -> None:
    value = headers.mailbox(Address(name, "support@example.com"))
    found = message_from_bytes(headers.fold("From", value) + b"\r\n", policy=policy.SMTP)["From"].addresses
    assert [one.addr_spec for one in found] == ["support@example.com"]
    # policy.SMTP of Python 3.11 puts a space between encoded-words of a name; decode_header reads them as RFC 2047 says
    shown = str(make_header(decode_header(parseaddr(value)[0])))
    assert shown == headers.one_line(headers.one_line(name)[:200])


@given(texts)
def test_what_is_sendable_can_stand_in_a_command(text: str) -> None:
    try:
        email = headers.sendable(text)
    except ValueError:
        return
    assert not set(email.rpartition("@")[2]) & set("<> \r\n\0\t")
    assert not any(ord(char) < 32 or ord(char) == 127 for char in email)


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("Jo.Doe+x@Example.COM", "Jo.Doe+x@example.com"),
        ('"a b"@example.com', '"a b"@example.com'),
        ("jo@bücher.example", "jo@xn--bcher-kva.example"),
        ("jö@example.com", "jö@example.com"),
        ("root@localhost", "root@localhost"),
        ("jo@[127.0.0.1]", "jo@[127.0.0.1]"),
    ],
)
def test_sendable_addresses(email: str, expected: str) -> None:
    assert headers.sendable(email) == expected


@pytest.mark.parametrize(
    "email",
    ["", "@", "jo", "jo@", "@x.example", "a b@x.example", "jo@x..example", "jo@x.example>", "<jo@x.example>",
     "jo\r\n@x.example", "jo@x.example\r\nRCPT TO:<a@b>", "jo@x.example\0", "jo.@x.example", "jo@-x.example", "a@b@c",
     "jo\u2028@x.example"],
)  # fmt: skip
def test_what_is_no_address(email: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        headers.sendable(email)


def test_ids_stay_whole_and_what_is_none_is_left_out() -> None:
    ids = ["a" * 80 + "@x.example", "b c@x", "d>@x", "e@[1.2.3.4:5]", "f" * 901, "", "ü@x"]
    value = headers.message_ids(ids)
    assert value == f"<{ids[0]}> <{ids[3]}>"
    assert headers.fold("References", value) == f"References: <{ids[0]}>\r\n <{ids[3]}>\r\n".encode()


def test_a_line_break_in_a_value_is_refused_at_the_last_moment_too() -> None:
    with pytest.raises(ValueError, match="line break"):
        headers.fold("Subject", "a\r\nBcc: x@y.example")
    with pytest.raises(ValueError, match="no name"):
        headers.field("Sub ject", "a")


def test_an_address_that_is_not_ascii_is_shown_as_a_group_where_others_must_read_it() -> None:
    person = Address("Jö", "jö@bücher.example")
    assert headers.mailbox(person, utf8=True).endswith("<jö@xn--bcher-kva.example>")
    shown = headers.mailbox(person)
    assert shown.isascii()
    assert shown.endswith(":;")
