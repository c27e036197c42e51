"""A mail made of what a decision asks for: headers, recipients, thread, and what must never get into it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.model.message import Address
from maild.model.outbox import Draft, OutgoingKind, OutgoingMessage, PartRef
from maild.outbound.bytes import serialise
from maild.outbound.compose import ComposeContext, compose, quotable_subject, tagged, thread
from maild.outbound.templates import Templates
from maild.plain.tokens import Keyring, SignedId, is_loop_mark, new_serial, verify_id
from maild.settings.models import Mailbox

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
RING = Keyring("k1", {"k1": b"k" * 32})
SERIAL = new_serial(b"1234567")
CONTEXT = ComposeContext(
    templates=Templates(),
    keyring=RING,
    mailboxes={
        "support": Mailbox(
            address="support@example.com",
            aliases=("help@example.com",),
            receives=("cases-7f3k@in.example.com",),
            name="Example Support",
            bcc=("archive@example.com",),
        ),
        "bare": Mailbox(address="bare@example.com"),
    },
    timezone="Europe/Berlin",
    bcc=("journal@example.com",),
)
JO = Address("Jo Doe", "jo@acme.example")
ACK = Draft(
    OutgoingKind.ACKNOWLEDGEMENT, "acknowledgement", "support", 123, (JO,), {},
    about_subject="Re: Damaged phone", title="Damaged phone", parent_id="abc@acme.example",
)  # fmt: skip
ANSWER = Draft(
    OutgoingKind.ANSWER, "answer", "support", 123, (JO,), {"agent": {"name": "Alice Ng", "signature": "Alice Ng"}},
    cc=(Address("", "al@acme.example"),), about_subject="Damaged phone", title="Damaged phone",
    parent_id="abc@acme.example", parent_references=("x@acme.example",), body_text="We send a new one.",
)  # fmt: skip
NOTIFICATION = Draft(
    OutgoingKind.NOTIFICATION, "notification", "support", 123, (Address("Alice Ng", "alice@example.com"),),
    {"event": {"type": "new_case", "actor": "Jo Doe", "text": "It broke.", "reply_to": "Jo Doe"},
     "case": {"number": 123, "title": "Damaged phone", "group": "support", "priority": "high", "status": "new"}},
    reader=7, title="Damaged phone",
    from_name="Jo Doe (Acme) via Example Support", headers=(("X-Maild-Event", "new_case"),),
)  # fmt: skip


def made(draft: Draft, context: ComposeContext = CONTEXT) -> OutgoingMessage:
    return compose(draft, context, NOW, SERIAL)


def headers(outgoing: OutgoingMessage) -> dict[str, str]:
    assert len({name for name, _ in outgoing.headers}) == len(outgoing.headers)
    return dict(outgoing.headers)


def read(outgoing: OutgoingMessage) -> EmailMessage:
    message = message_from_bytes(serialise(outgoing, lambda ref: b"bytes"), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_an_acknowledgement_whole() -> None:
    outgoing = made(ACK)
    found = headers(outgoing)
    assert outgoing.sender == ""
    assert outgoing.recipients == ("jo@acme.example", "archive@example.com", "journal@example.com")
    assert outgoing.subject == found["Subject"] == "[#123] Re: Damaged phone"
    assert found["From"] == "Example Support <support@example.com>"
    assert found["Reply-To"] == "support@example.com"
    assert found["To"] == "Jo Doe <jo@acme.example>"
    assert found["Date"] == "Sun, 22 Nov 2026 10:00:00 +0100"
    assert found["Auto-Submitted"] == "auto-replied"
    assert found["X-Auto-Response-Suppress"] == "All"
    assert found["In-Reply-To"] == "<abc@acme.example>"
    assert is_loop_mark(RING, found["X-Maild-Loop"])
    assert not any(name.startswith(("List-", "Bcc", "X-Maild-Case")) for name in found)
    message = read(outgoing)
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_type() == "multipart/alternative"
    assert message.defects == []


def test_the_message_id_and_another_id_in_references_are_signed() -> None:
    outgoing = made(NOTIFICATION)
    assert verify_id(RING, outgoing.message_id) == SignedId(123, 7, SERIAL, "k1")
    (root,) = headers(outgoing)["References"].split()
    assert verify_id(RING, root) == SignedId(123, 7, "", "k1")
    assert outgoing.message_id not in root
    again = compose(NOTIFICATION, CONTEXT, NOW, new_serial(b"7654321"))
    assert again.message_id != outgoing.message_id
    assert headers(again)["References"] == root


def test_an_answer_of_a_person_leaves_as_the_mailbox_and_threads() -> None:
    outgoing = made(ANSWER)
    found = headers(outgoing)
    assert outgoing.sender == "support@example.com"
    assert "Auto-Submitted" not in found
    assert "X-Auto-Response-Suppress" not in found
    assert "List-Id" not in found
    assert found["To"] == "Jo Doe <jo@acme.example>"
    assert found["Cc"] == "al@acme.example"
    ids = found["References"].split()
    assert ids[1:] == ["<x@acme.example>", "<abc@acme.example>"]
    assert verify_id(RING, ids[0]) == SignedId(123, 0, "", "k1")
    assert outgoing.text == "We send a new one.\n\n-- \nAlice Ng\n"


def test_a_notification_can_be_sorted_and_says_where_a_reply_goes() -> None:
    outgoing = made(NOTIFICATION)
    found = headers(outgoing)
    assert found["From"] == '"Jo Doe (Acme) via Example Support" <support@example.com>'
    assert found["Subject"] == "[#123] Damaged phone"
    assert found["List-Id"] == "Example Support <support.example.com>"
    assert found["Auto-Submitted"] == "auto-generated"
    assert [found[f"X-Maild-{name}"] for name in ("Case", "Event", "Group", "Priority")] == [
        "123",
        "new_case",
        "support",
        "high",
    ]
    assert outgoing.sender == "support@example.com"
    assert outgoing.recipients == ("alice@example.com",)
    lines = outgoing.text.split("\n")
    assert lines[0] == "Your reply goes to Jo Doe"
    assert "——— answer above this line · case 123 ———" in lines
    assert "It broke." in lines
    assert 'href="mailto:support@example.com?subject=%5B%23123%5D&amp;body=%23take"' in outgoing.html
    assert "#take #note #wait #resolve #help" in lines


def test_a_note_stays_internal() -> None:
    draft = dataclasses.replace(NOTIFICATION, template="note", names={"event": {"text": "internal", "actor": "Bob"}})
    assert made(draft).text.startswith("Your reply stays internal\n")


def test_where_authentication_failed_the_subject_says_nothing() -> None:
    assert made(dataclasses.replace(ACK, about_subject="")).subject == "[#123] Your message to Example Support"


def test_in_the_customers_language() -> None:
    outgoing = made(dataclasses.replace(ACK, language="de-DE", about_subject=""))
    assert outgoing.subject == "[#123] Ihre Nachricht an Example Support"
    assert 'lang="de-DE"' in outgoing.html


def test_nobody_gets_it_twice_and_our_own_mailboxes_never() -> None:
    draft = dataclasses.replace(
        ANSWER,
        to=(JO, Address("", "JO@acme.example"), Address("", "Support@Example.com")),
        cc=(Address("", "jo@ACME.example"), Address("", "help@example.com"), Address("", "cases-7f3k@in.example.com")),
        bcc=("jo@acme.example", "archive@example.com", "boss@example.com"),
    )
    outgoing = made(draft)
    assert outgoing.recipients == ("jo@acme.example", "archive@example.com", "boss@example.com", "journal@example.com")
    assert headers(outgoing)["To"] == "Jo Doe <jo@acme.example>"
    assert "Cc" not in headers(outgoing)
    assert made(dataclasses.replace(ANSWER, to=(Address("", "help@example.com"),), cc=())).recipients == ()


def test_a_mailbox_without_a_name_shows_its_address() -> None:
    found = headers(made(dataclasses.replace(ACK, mailbox="bare", about_subject="")))
    assert found["Subject"] == "[#123] Your message to bare@example.com"
    assert "<bare@example.com>" in found["From"]


def test_what_is_no_address_is_left_to_the_courier_to_refuse() -> None:
    outgoing = made(dataclasses.replace(ACK, to=(Address("", "jo@@x\r\nBcc: y@z.example"),)))
    assert outgoing.recipients[0] == "jo@@x Bcc: y@z.example"
    assert headers(outgoing)["To"] == "undisclosed-recipients:;"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Damaged phone", "[#5] Damaged phone"),
        ("Re: [#5] Damaged phone", "[#5] Re: Damaged phone"),
        ("[#5] Re: [#5] AW: [#5] x", "[#5] Re: AW: x"),
        ("[#55] [#5] of another tracker", "[#5] [#55] of another tracker"),
        ("[#5]", "[#5] (no subject)"),
        ("a\r\nBcc: x@y.example\0", "[#5] a Bcc: x@y.example"),
    ],
)
def test_the_tag_stands_once_in_front(subject: str, expected: str) -> None:
    assert tagged(subject, "[#5]") == expected


def test_a_tag_without_brackets_does_not_eat_longer_numbers() -> None:
    assert tagged("about #51 and #5", "#5") == "#5 about #51 and"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Re: AW: Fwd: Damaged phone", "Damaged phone"),
        ("Win at https://evil.example/x?y now", "Win at now"),
        ("Win at WWW.evil.example now", "Win at now"),
        ("cheap pills evil.com", "cheap pills"),
        ("cheap pills sub.evil.co.uk/offer now", "cheap pills now"),
        ("write to me@evil.example", "write to"),
        ("invoice.pdf is missing, e.g. page 2.5", "invoice.pdf is missing, e.g. page 2.5"),
        ("Order No. 4711: 10.30 h", "Order No. 4711: 10.30 h"),
        ("a\r\nb\tc", "a b c"),
        ("https://evil.example", ""),
        ("[#123] Re: x", "x"),
    ],
)
def test_s25_a_subject_is_repeated_without_links(subject: str, expected: str) -> None:
    assert quotable_subject(subject, "[#123]") == expected


@given(st.text(max_size=400))
def test_a_repeated_subject_is_short_and_one_line(subject: str) -> None:
    found = quotable_subject(subject)
    assert len(found) <= 120
    assert "://" not in found
    assert found.isprintable() or not found.isascii()


def test_references_keep_the_root_the_parent_and_the_newest() -> None:
    ids = [f"{'x' * 60}{n}@acme.example" for n in range(40)]
    kept = thread(ids, "parent@acme.example", "root@example.com")
    assert kept[0] == "root@example.com"
    assert kept[-1] == "parent@acme.example"
    assert kept[-2] == ids[-1]
    assert sum(len(one) + 3 for one in kept) <= 900
    assert thread((), "", "root@example.com") == ("root@example.com",)
    known = thread(("a@x", "root@example.com", "b@x"), "c@x", "root@example.com")
    assert known == ("a@x", "root@example.com", "b@x", "c@x")


names = st.text(max_size=60)


@given(names, names, st.text(max_size=200), names, names)
def test_s5_nothing_from_outside_adds_a_header(name: str, local: str, subject: str, parent: str, extra: str) -> None:
    draft = dataclasses.replace(
        ANSWER,
        to=(Address(name, f"{local}@acme.example"), JO),
        about_subject=subject,
        title=subject,
        parent_id=parent,
        from_name=name,
        headers=(("X-Custom", extra), ("From", "x@y.example"), ("bcc", "x@y.example")),
    )
    outgoing = made(draft)
    data = serialise(outgoing, lambda ref: b"")
    head = data.split(b"\r\n\r\n", 1)[0]
    found = [line.split(b":")[0].decode() for line in head.split(b"\r\n") if not line.startswith(b" ")]
    allowed = {
        "Date", "From", "Reply-To", "To", "Cc", "Subject", "Message-ID", "In-Reply-To", "References", "X-Maild-Loop",
        "X-Custom", "MIME-Version", "Content-Type",
    }  # fmt: skip
    assert set(found) <= allowed
    assert len(set(found)) == len(found)
    assert f"Message-ID: <{outgoing.message_id}>".encode() in head
    assert outgoing == made(draft)


def test_a_persons_html_goes_out_clean() -> None:
    html = '<p onclick="x()">Hi <b>Jo</b><script>alert(1)</script><img src="http://track/x"><img src="cid:a@b"></p>'
    picture = PartRef("s", 1, "a.png", "image/png", 3, inline=True, content_id="a@b")
    outgoing = made(dataclasses.replace(ANSWER, body_html=html, attachments=(picture,)))
    assert "<b>Jo</b>" in outgoing.html
    assert "cid:a@b" in outgoing.html
    for bad in ("onclick", "script", "http://track"):
        assert bad not in outgoing.html
    assert [part.get_content_type() for part in read(outgoing).walk()] == [
        "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
    ]  # fmt: skip


def test_a_survey_can_be_unsubscribed_with_one_click() -> None:
    link = {
        "survey": lambda rating: f"https://cases.example.com/s/{rating}",
        "unsubscribe": "https://cases.example.com/u/1",
    }
    draft = dataclasses.replace(ACK, kind=OutgoingKind.SURVEY, template="satisfaction", names={"link": link})
    found = headers(made(draft))
    assert found["List-Unsubscribe"] == "<https://cases.example.com/u/1>"
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert found["Auto-Submitted"] == "auto-generated"


def test_a_huge_text_is_cut_in_the_notification() -> None:
    draft = dataclasses.replace(NOTIFICATION, names={"event": {"type": "new_case", "text": "x " * 200_000}})
    assert len(made(draft).text) < 110_000


def test_a_mail_without_a_case_has_no_tag() -> None:
    draft = Draft(OutgoingKind.DIGEST, "digest", "support", None, (Address("", "alice@example.com"),), {}, reader=7)
    outgoing = made(draft)
    assert outgoing.subject == "What happened in 0 cases"
    assert verify_id(RING, outgoing.message_id) == SignedId(0, 7, SERIAL, "k1")


def test_an_address_that_is_not_ascii_stands_in_to_only_where_all_can_read_it() -> None:
    alone = made(
        dataclasses.replace(ACK, mailbox="bare", to=(Address("", "jö@acme.example"),)),
        dataclasses.replace(CONTEXT, bcc=()),
    )
    assert headers(alone)["To"] == "jö@acme.example"
    both = made(dataclasses.replace(ACK, to=(JO, Address("", "jö@acme.example"))))
    assert headers(both)["To"].isascii()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    import shutil
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("dkim") / "key.pem"
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", str(path), "2048"], check=True, capture_output=True)
    yield path


def test_dkim_signs_for_the_from_domain_and_fails_on_any_change(key: Path) -> None:
    import subprocess

    import dkim

    from maild.outbound.dkim import Key, Signer

    public = subprocess.run(
        ["openssl", "rsa", "-in", str(key), "-pubout"], check=True, capture_output=True, text=True
    ).stdout
    record = "v=DKIM1; k=rsa; p=" + "".join(public.split("\n")[1:-2])
    signer = Signer([Key("example.com", "s1", key.read_bytes())])
    data = serialise(made(ANSWER), lambda ref: b"")
    signed = signer.sign(data, "support@mail.example.com")
    assert signed.endswith(data)
    lookup = lambda name, timeout=5: record.encode()  # noqa: E731
    assert dkim.verify(signed, dnsfunc=lookup)
    for old, new in (
        (b"We send", b"We sent"),
        (b"Subject: ", b"Subject: x"),
        (b"MIME-V", b"From: x@y.example\r\nMIME-V"),
    ):
        assert not dkim.verify(signed.replace(old, new, 1), dnsfunc=lookup)
    assert signer.sign(data, "support@other.example") == data


def test_an_unfit_dkim_key_is_found_at_start() -> None:
    from maild.errors import ConfigError
    from maild.outbound.dkim import signer
    from maild.settings.models import Dkim
    from maild.settings.values import Secret

    assert signer([], lambda secret: "") is None
    with pytest.raises(ConfigError, match=r"outbound\.dkim"):
        signer([Dkim(domain="example.com", selector="s1", key=Secret(env="KEY"))], lambda secret: "no key")
