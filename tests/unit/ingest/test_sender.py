from __future__ import annotations

import pytest

from maild.ingest.parse import parse
from maild.ingest.sender import forwarded_person, identify, recipients, rewritten
from maild.model.message import Address, Identity

OWN = frozenset({"support@example.com"})


def who(headers: str, mail_from: str | None = "x@y.example") -> Identity:
    return identify(parse(f"{headers}\nSubject: x\n\nHi\n".encode()), mail_from, OWN)


def test_one_from_with_one_mailbox_is_an_identity() -> None:
    assert who("From: Jo Doe <Jo@Acme.example>") == Identity(Address("Jo Doe", "Jo@acme.example"))
    assert who("From: jo@acme.example <jo@acme.example>").address == Address("", "jo@acme.example")
    assert who("From: =?utf-8?q?J=C3=B6_Doe?= <jo@acme.example>").address == Address("Jö Doe", "jo@acme.example")
    assert who('From: "Doe, Jo" <jo@acme.example>').address == Address("Doe, Jo", "jo@acme.example")
    assert who("From: =?utf-8?Q?D=C3=B6,_Jo_(Shop)?= <jo@acme.example>").address == Address("Dö, Jo (Shop)", "jo@acme.example")


@pytest.mark.parametrize(
    "headers",
    [
        "X: y",
        "From: undisclosed",
        "From: MAILER-DAEMON <>",
        "From: a@acme.example\nFrom: b@acme.example",
        "From: a@acme.example, b@acme.example",
        "From: alice@example.org <bob@evil.example>",
        "From: <a@acme.example> <b@evil.example>",
        "From: Team: a@acme.example;",
        'From: "a@acme.example\n',
        "From: a b@acme.example",
        "From: =?utf-8?Q?x@evil.example,_Jo?= <jo@acme.example>",
        "From: =?utf-8?Q?Jo_=3Cjo=40acme.example=3E?=",
        "From: jo <support+caf_=cases=in.example.com@acme.example>",
        "From: SRS0=abc=de=acme.example=jo@relay.example",
        "From: " + "(" * 3000 + "a@acme.example",
    ],
)
def test_everything_else_is_none_and_says_why(headers: str) -> None:
    found = who(headers)
    assert found.address is None
    assert found.why


def test_a_name_that_shows_another_address_is_remarked_on() -> None:
    found = who('From: "boss@example.com" <jo@acme.example>')
    assert found == Identity(Address("boss@example.com", "jo@acme.example"), "from", "the name shows another address")


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        (
            "From: 'Jo Doe' via Support <support@example.com>\nX-Original-From: Jo Doe <jo@acme.example>",
            Identity(Address("Jo Doe", "jo@acme.example"), "x-original-from"),
        ),
        (
            "From: 'Jo Doe' via Support <support@example.com>\nX-Original-Sender: jo@acme.example",
            Identity(Address("Jo Doe", "jo@acme.example"), "x-original-sender"),
        ),
        (
            'From: "Jo via Support" <support@example.com>\nReply-To: Jo <jo@acme.example>',
            Identity(Address("Jo", "jo@acme.example"), "reply_to"),
        ),
        ("From: support@example.com", Identity(None, "from", "From is our own address")),
        ("From: support@example.com\nReply-To: support@example.com", Identity(None, "from", "From is our own address")),
    ],
)
def test_the_person_behind_a_group_address(headers: str, wanted: Identity) -> None:
    assert who(headers) == wanted


def test_reply_to_is_no_identity_otherwise() -> None:
    assert who("From: jo@acme.example\nReply-To: eve@evil.example").address == Address("", "jo@acme.example")


@pytest.mark.parametrize(
    ("email", "wanted"),
    [
        ("support+caf_=cases=in.example.com@example.com", True),
        ("SRS1=x=y==z=a=b@relay.example", True),
        ("bounces+123-jo=acme.example@sender.example", True),
        ("jo+tag@acme.example", False),
        ("srs@acme.example", False),
    ],
)
def test_addresses_made_by_forwarders(email: str, wanted: bool) -> None:
    assert rewritten(email) is wanted


def test_every_address_it_was_sent_to() -> None:
    message = parse(
        b"To: Support <Support@example.com>, a@b.example\nCc: c@d.example\nDelivered-To: cases@in.example.com\n"
        b"X-Original-To: <c@d.example>\nX-Forwarded-To: e@f.example g@h.example\n\nHi"
    )
    assert recipients(message, ["cases@in.example.com"]) == (
        "cases@in.example.com", "support@example.com", "a@b.example", "c@d.example", "e@f.example", "g@h.example",
    )  # fmt: skip


BLOCKS = [
    "---------- Forwarded message ---------\nFrom: Jo Doe <jo@acme.example>\nDate: Mon, 1 Jan 2024\nSubject: x\nTo: <b@c.d>",
    "-----Original Message-----\nFrom: Jo Doe [mailto:jo@acme.example]\nSent: Monday\nTo: b@c.d\nSubject: x",
    "-------- Weitergeleitete Nachricht --------\nBetreff: \tx\nDatum: \tMo\nVon: \tJo Doe <jo@acme.example>\nAn: \tb@c.d",
    "Von: Jo Doe <jo@acme.example>\nGesendet: Montag\nAn: b@c.d\nBetreff: x",
    "De : Jo Doe <jo@acme.example>\nEnvoyé : lundi\nÀ : b@c.d\nObjet : x",
    "*De:* Jo Doe <jo@acme.example>\n*Enviado:* lunes\n*Para:* b@c.d\n*Asunto:* x",
    "Da: Jo Doe <jo@acme.example>\nInviato: lunedì\nA: b@c.d\nOggetto: x",
    "De: Jo Doe <jo@acme.example>\nEnviada: segunda\nPara: b@c.d\nAssunto: x",
    "Van: Jo Doe <jo@acme.example>\nVerzonden: maandag\nAan: b@c.d\nOnderwerp: x",
    "Od: Jo Doe <jo@acme.example>\nWysłano: poniedziałek\nDo: b@c.d\nTemat: x",
    "Från: Jo Doe <jo@acme.example>\nSkickat: måndag\nTill: b@c.d\nÄmne: x",
    "Fra: Jo Doe <jo@acme.example>\nSendt: mandag\nTil: b@c.d\nEmne: x",
    "Lähettäjä: Jo Doe <jo@acme.example>\nLähetetty: maanantai\nVastaanottaja: b@c.d\nAihe: x",
    "Od: Jo Doe <jo@acme.example>\nOdesláno: pondělí\nKomu: b@c.d\nPředmět: x",
    "От: Jo Doe <jo@acme.example>\nОтправлено: понедельник\nКому: b@c.d\nТема: x",
    "> Begin forwarded message:\n> \n> From: Jo Doe <jo@acme.example>\n> Subject: x\n> Date: Monday",
    "发件人: Jo Doe <jo@acme.example>\n发送时间: x\n收件人: b@c.d\n主题: x",
]


@pytest.mark.parametrize("block", BLOCKS)
def test_the_person_in_a_forwarded_block(block: str) -> None:
    message = parse(
        f"From: Ann <ann@example.com>\n\nSee below.\n\n{block}\n\nHello, from: here on it is text.\n".encode()
    )
    assert forwarded_person(message) == Identity(Address("Jo Doe", "jo@acme.example"), "forwarded")


def test_no_forward_is_none() -> None:
    message = parse(b"From: Ann <ann@example.com>\n\nThe parcel comes from: jo@acme.example, as far as I know.\n")
    assert forwarded_person(message).address is None


def test_forwarded_as_attachment_and_resent() -> None:
    inner = b"From: Jo <jo@acme.example>\nSubject: x\n\nHi"
    attached = (
        b"From: a@example.com\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
        + inner
    )
    assert forwarded_person(parse(attached + b"\n--b--\n")).address == Address("Jo", "jo@acme.example")
    resent = parse(b"Resent-From: a@example.com\nFrom: Jo <jo@acme.example>\n\nHi")
    assert forwarded_person(resent) == Identity(Address("Jo", "jo@acme.example"), "resent-from")


def test_an_address_in_an_encoded_word_is_shown_and_no_identity() -> None:
    message = parse(b"From: =?utf-8?Q?Jo_=3Cjo=40acme.example=3E?=\nSubject: x\n\nHi\n")
    assert message.from_ == (Address("Jo", "jo@acme.example"),)
    assert "from: the address stands in an encoded-word" in message.defects
