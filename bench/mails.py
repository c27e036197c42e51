"""This is where the benchmark's mails are made: the mix that a support mailbox sees, the same for the same numbers.

60 % plain text of 2 KB, 20 % text and HTML of 15 KB, 10 % answers to earlier mails, 8 % with 100 KB and 2 % with 2 MB
attached. Every mail has its own Message-ID and subject, so that none is a repeat.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

SHARES = {"plain": 60, "alternative": 20, "answer": 10, "attachment": 8, "large": 2}  # percent
CUSTOMERS, COMPANIES = 500, 50
RECIPIENT = "support@example.com"
_WORDS = [
    "the",
    "order",
    "parcel",
    "invoice",
    "arrived",
    "broken",
    "late",
    "twice",
    "missing",
    "yesterday",
    "please",
    "could",
    "you",
    "send",
    "another",
    "one",
    "and",
    "tell",
    "us",
    "when",
    "it",
    "comes",
    "because",
    "our",
    "customer",
    "waits",
    "since",
    "monday",
    "thank",
    "for",
    "your",
    "help",
    "with",
    "this",
    "device",
    "it",
    "does",
    "not",
    "start",
    "anymore",
    "after",
    "update",
    "screen",
    "stays",
    "dark",
    "number",
    "serial",
    "warranty",
    "bought",
    "in",
    "spring",
]


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it goes over the wire after DATA, dots stuffed, with its end."""

    kind: str
    sender: str
    message_id: str
    wire: bytes


def mails(count: int, run: str, stream: int = 0, only: str = "") -> Iterator[Mail]:
    """``count`` mails of one connection, in the mix above or of one kind only. ``run`` and ``stream`` make ids unique."""
    choose = random.Random(f"{run}/{stream}")
    sent: list[tuple[str, str, str]] = []
    for number in range(count):
        kind = only or choose.choices(list(SHARES), list(SHARES.values()))[0]
        message_id = f"<{run}.{stream}.{number}@bench.example>"
        customer = choose.randrange(CUSTOMERS)
        sender = f"customer{customer}@company{customer % COMPANIES}.example"
        subject = f"{choose.choice(_WORDS)} {choose.choice(_WORDS)} {run}-{stream}-{number}"
        parent = ""
        if kind == "answer" and sent:
            parent, sender, subject = choose.choice(sent[-50:])
            subject = f"Re: {subject}"
        else:
            sent.append((message_id, sender, subject))
        yield Mail(kind, sender, message_id.strip("<>"), _header(message_id, sender, subject, parent) + _body(kind, number % 20) + b".\r\n")


def _header(message_id: str, sender: str, subject: str, parent: str) -> bytes:
    lines = [
        f"Received: from relay.example (relay.example [192.0.2.1]) by mx.example.com with ESMTPS id {message_id[1:9]};",
        "\tSun, 22 Nov 2026 03:00:00 +0000",
        f"From: Customer {sender.partition('@')[0]} <{sender}>",
        f"To: Example Support <{RECIPIENT}>",
        f"Subject: {subject}",
        "Date: Sun, 22 Nov 2026 03:00:00 +0000",
        f"Message-ID: {message_id}",
        "MIME-Version: 1.0",
    ]
    if parent:
        lines += [f"In-Reply-To: {parent}", f"References: {parent}"]
    return "\r\n".join(lines).encode() + b"\r\n"


@cache
def _body(kind: str, variant: int) -> bytes:
    """The rest of the header and the body; a few variants of each, since the parser caches nothing by content."""
    chance = random.Random(f"{kind}/{variant}")
    match kind:
        case "plain" | "answer":
            quoted = (
                "\r\nOn Sunday we wrote:\r\n> " + _text(chance, 400).replace("\r\n", "\r\n> ")
                if kind == "answer"
                else ""
            )
            return _text_part(_text(chance, 1700) + "\r\n" + quoted)
        case "alternative":
            words = _text(chance, 5000)
            html = "<html><body>" + "".join(f"<p>{line}</p>\r\n" for line in words.split("\r\n")) + "</body></html>"
            styled = "<style>\r\n" + "p { margin: 0; font-family: sans-serif }\r\n" * 60 + "</style>\r\n"
            return _multipart("alternative", [_text_part(words), _part("text/html", styled + html)])
        case _:
            size = 100_000 if kind == "attachment" else 2_000_000
            content = base64.encodebytes(chance.randbytes(size)).replace(b"\n", b"\r\n")
            attached = (
                b'Content-Type: application/pdf; name="report.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
                b'Content-Disposition: attachment; filename="report.pdf"\r\n\r\n' + content
            )
            return _multipart("mixed", [_text_part(_text(chance, 1000)), attached])


def _text(chance: random.Random, octets: int) -> str:
    lines: list[str] = []
    while sum(map(len, lines)) < octets:
        line = " ".join(chance.choices(_WORDS, k=10))
        lines.append(line + ("." if chance.random() < 0.3 else ""))
    return "\r\n".join(lines)


def _part(media_type: str, text: str) -> bytes:
    return f"Content-Type: {media_type}; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n{text}\r\n".encode()


def _text_part(text: str) -> bytes:
    return _part("text/plain", text)


def _multipart(sort: str, parts: list[bytes]) -> bytes:
    boundary = b"=_bench_boundary"
    head = b'Content-Type: multipart/%s; boundary="%s"\r\n\r\n' % (sort.encode(), boundary)
    return head + b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--\r\n" % boundary
