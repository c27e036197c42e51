"""Mails made to take long or much memory (catalogue S31 to S39), through all that the mailroom reads of a mail.

Each is read within two seconds and 100 MB over what the process had, in a process of its own; the raw bytes are kept.
"""

from __future__ import annotations

import base64
import io
import json
import os
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import Room, envelope, mail

from maild.processes.door import arrival
from maild.reading import read
from maild.store import spool
from maild.store.unit_of_work import Store

SECONDS, MEGABYTES = 2.0, 100
MB = 1024 * 1024
HEAD = b"From: Jo Doe <jo@home.example>\r\nTo: support@example.com\r\nSubject: bomb\r\nMessage-ID: <bomb@home.example>\r\nMIME-Version: 1.0\r\n"


def plain(body: bytes, *more: bytes) -> bytes:
    return HEAD + b"".join(line + b"\r\n" for line in more) + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body


def page(body: bytes) -> bytes:
    return HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + body


def nested(depth: int, close: bool = True) -> bytes:
    out = [HEAD]
    out += [b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(depth)]
    out.append(b"Content-Type: text/plain\r\n\r\ndeep\r\n")
    out += [b"--b%d--\r\n" % n for n in reversed(range(depth))] if close else []
    return b"".join(out)


def messages_in_messages(depth: int) -> bytes:
    return HEAD + b"".join([b"Content-Type: message/rfc822\r\n\r\nFrom: a@b.example\r\n"] * depth) + b"\r\nend\r\n"


def many_parts(count: int, part: bytes = b"\r\n\r\nx") -> bytes:
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"".join([b"--b" + part + b"\r\n"] * count) + b"--b--\r\n"


def attached(name: str, kind: str, data: bytes) -> bytes:
    coded = base64.encodebytes(data)
    return (
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee the file\r\n--b\r\n"
        + f'Content-Type: {kind}\r\nContent-Disposition: attachment; filename="{name}"\r\n'.encode()
        + b"Content-Transfer-Encoding: base64\r\n\r\n" + coded + b"\r\n--b--\r\n"
    )  # fmt: skip


def zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * (200 * MB))
    return out.getvalue()


def tnef(count: int) -> bytes:
    one = b"\x02\x10\x90\x02\x00" + (4).to_bytes(4, "little") + b"AAAA" + (260).to_bytes(2, "little")
    return b"\x78\x9f\x3e\x22\x01\x00" + one * count


BOMBS: dict[str, Callable[[], bytes]] = {
    "s31 empty lines": lambda: plain(b"\n" * (20 * MB)),
    "s31 empty lines with CR": lambda: plain(b"\r\n" * (10 * MB)),
    "s31 bare CR": lambda: plain(b"\r" * (20 * MB)),
    "s31 one endless line": lambda: plain(b"a" * (20 * MB)),
    "s31 blanks": lambda: plain(b" " * (20 * MB)),
    "s31 flowed blanks": lambda: plain(b"").replace(b"charset=utf-8", b"format=flowed") + b"a \r\n" * (2 * MB),
    "s31 quote marks": lambda: plain(b">" * (4 * MB)),
    "s31 lines of quote marks": lambda: plain(b"> \r\n" * MB),
    "s31 NULs": lambda: plain(b"\0" * (20 * MB)),
    "s31 empty HTML lines": lambda: page(b"<br>" * (2 * MB)),
    "s32 nested 100": lambda: nested(100),
    "s32 nested 900": lambda: nested(900),
    "s32 nested 5000": lambda: nested(5000),
    "s32 nested 5000, never closed": lambda: nested(5000, close=False),
    "s32 messages in messages": lambda: messages_in_messages(5000),
    "s33 100,000 parts": lambda: many_parts(100_000),
    "s33 100,000 named parts": lambda: many_parts(100_000, b'\r\nContent-Type: a/b; name="x"\r\n\r\n'),
    "s33 a million delimiters": lambda: many_parts(1_000_000, b""),
    "s34 encoded words": lambda: plain(b"x", b"X-A: " + b"=?utf-8?q?=C3=BC?= " * 16_000, b"Subject: " + b"=?utf-8?b?w7w=?= " * 16_000),
    "s34 encoded words of many charsets": lambda: plain(b"x", b"Subject: " + b"=?utf-7?q?a?= =?big5?q?a?= " * 8_000),
    "s34 parameters": lambda: HEAD + b"Content-Type: text/plain" + b"".join(b"; p%d=x" % n for n in range(16_000)) + b"\r\n\r\nx",
    "s34 continued parameters": lambda: attached("x", "application/x" + "".join(f"; name*{n}*=%41" for n in range(16_000)), b"x"),
    "s34 addresses": lambda: plain(b"x", b"Cc: " + b", ".join(b"a%d@b.example" % n for n in range(16_000))),
    "s34 groups": lambda: plain(b"x", b"Cc: " + b"g:" * 16_000 + b";" * 16_000),
    "s34 comments": lambda: plain(b"x", b"Cc: " + b"(" * 100_000),
    "s34 quotes": lambda: plain(b"x", b'Cc: ' + b'"' * 100_000 + b"@x", b"Reply-To: " + b"<" * 100_000),
    "s34 100,000 fields": lambda: plain(b"x", *(b"X-%d: y" % n for n in range(100_000))),
    "s34 one field of 10 MB": lambda: plain(b"x", b"X-A: " + b"y" * (10 * MB)),
    "s34 10 MB of folds": lambda: plain(b"x", b"Subject: a" + b"\r\n b" * (2 * MB)),
    "s34 references": lambda: plain(b"x", b"References: " + b"<a@b> " * 100_000, b"In-Reply-To: " + b"<" * 100_000),
    "s34 From lines": lambda: plain(b"x", *([b"From: a@b.example"] * 20_000)),
    "s35 attribute names": lambda: plain(b"x", b"headers: x", b"body: y", b"__class__: z", b"text_plain: a", b"attachments: b", b"mail: c"),
    "s36 one boundary at every depth": lambda: HEAD + b"".join([b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"] * 5000) + b"\r\nx\r\n--b--\r\n",
    "s36 boundaries that begin alike": lambda: HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=" + b"b" * n + b"\r\n\r\n--" + b"b" * n + b"\r\n" for n in range(1, 900)),
    "s36 a boundary of nothing": lambda: HEAD + b'Content-Type: multipart/mixed; boundary=""\r\n\r\n' + b"--\r\n" * 200_000,
    "s37 utf-7": lambda: plain(b"+ADw-script+AD4-" * 200_000).replace(b"utf-8", b"utf-7"),
    "s37 shifts without end": lambda: plain(b"\x1b$B" * 500_000).replace(b"utf-8", b"iso-2022-jp"),
    "s37 hz": lambda: plain(b"~{~}" * 500_000).replace(b"utf-8", b"hz-gb-2312"),
    "s37 punycode": lambda: plain(b"x", b"From: a@xn--" + b"a" * 60_000).replace(b"utf-8", b"punycode") + b"a" * 100_000,
    "s37 zlib": lambda: plain(zlib.compress(b"0" * (100 * MB))).replace(b"utf-8", b"zlib_codec"),
    "s38 attribution": lambda: plain(b"On " * 200_000 + b"wrote:\r\n"),
    "s38 attributions": lambda: plain(b"On Mon, Jo <a@b.example> wrote\r\n" * 50_000),
    "s38 lines that may begin an attribution": lambda: plain(b"1 Mon\r\n" * 200_000),
    "s38 attributions broken over lines": lambda: plain(b"On Mon 1\r\n2 Nov\r\nat 10:00\r\nJo\r\n<a@b.example>\r\nwrote:\r\n" * 30_000),
    "s38 header blocks that begin twice": lambda: plain(b"Date: 1.1.2026\r\nDate: 1.1.2026 10:00\r\nFrom: a@b.example\r\nTo: x\r\n" * 30_000),
    "s38 broken quoted lines": lambda: plain((b"> " + b"word " * 14 + b"\r\nbroken off\r\n") * 30_000),
    "s38 header blocks": lambda: plain(b"From: a@b.example\r\nSent: x\r\nTo: y\r\nSubject: z\r\n" * 30_000),
    "s38 underscores": lambda: plain(b"_" * (2 * MB) + b"\r\nFrom: x"),
    "s38 signatures": lambda: plain(b"-- \r\n" * 200_000),
    "s38 closings": lambda: plain(b"Regards\r\nJo Doe\r\n" * 100_000),
    "s38 links": lambda: plain(b"http://" * 200_000),
    "s38 safe links": lambda: plain(b"https://a.safelinks.protection.outlook.com/?url=" * 30_000),
    "s38 at signs": lambda: plain(b"a@" * 500_000),
    "s38 bounce words": lambda: plain(b"550 5.1.1 <a@b.example>... User unknown; " * 30_000, b"Return-Path: <>"),
    "s38 absence words": lambda: plain(b"I am currently " * 50_000),
    "s38 labels": lambda: plain(b"Final-Recipient: rfc822;" * 50_000),
    "s38 tags in the subject": lambda: HEAD.replace(b"bomb\r", b"[#1 " * 50_000 + b"Re: " * 50_000 + b"\r") + b"\r\nx",
    "s38 open tags": lambda: page(b"<div" * 500_000),
    "s38 brackets": lambda: page(b"<" * (2 * MB)),
    "s19 results without end": lambda: b"Authentication-Results: mx.example.com; " + b"dmarc=pass;" * 20_000 + b"\r\n" + plain(b"x"),
    "s19 comments without end": lambda: b"Authentication-Results: mx.example.com; " + b"(" * 200_000 + b"\r\n" + plain(b"x"),
    "s38 separators that are answered": lambda: plain(b"-----Original Message-----\n> x\ny\n" * 60_000),
    "s38 forwards that are answered": lambda: plain(b"Begin forwarded message:\n> x\ny\n" * 60_000),
    "s38 quoted headers in a page": lambda: page(b"<hr><div id=divRplyFwdMsg><b>From:</b> a@b.example<br>Sent: 1.1.2026 10:00<br></div>" * 20_000),
    "s38 blockquotes": lambda: page(b"<blockquote>" * 150_000),
    "s38 tables": lambda: page(b"<table><tr><td>" * 100_000),
    "s38 open comments": lambda: page(b"<!--" * 500_000),
    "s38 scripts": lambda: page(b"<script>" * 200_000),
    "s38 hidden": lambda: page(b'<p style="display:none">' * 80_000),
    "s38 entities": lambda: page(b"&#38;&amp;amp;&" * 150_000),
    "s38 pictures": lambda: page(b"<img src=cid:a>" * 100_000),
    "s39 zip": lambda: attached("bomb.zip", "application/zip", zip_bomb()),
    "s39 gzip": lambda: attached("bomb.gz", "application/gzip", zlib.compress(b"\0" * (100 * MB), wbits=31)),
    "s39 a report in gzip": lambda: attached("a.example!b.example!1700000000!1700086400.xml.gz", "application/gzip", zlib.compress(b"\0" * (100 * MB), wbits=31)),
    "s39 tnef": lambda: attached("winmail.dat", "application/ms-tnef", tnef(200_000)),
    "s39 uuencode": lambda: plain(b"begin 644 a\r\n#86)C\r\nend\r\n" * 50_000),
    "s39 uuencode without end": lambda: plain(b"begin 644 a\r\n" * 200_000),
    "s39 base64 with holes": lambda: attached("x", "image/png", b"x") + b"=A" * (2 * MB),
    "quoted-printable": lambda: plain(b"=\r\n" * (2 * MB)).replace(b"charset", b"x=y\r\nContent-Transfer-Encoding: quoted-printable\r\nX: "),
    "calendar": lambda: HEAD + b"Content-Type: text/calendar\r\n\r\n" + b"METHOD:REPLY \n" * 200_000,
    "authentication results": lambda: plain(b"x", b"Authentication-Results: mx.example.com; " + b"dkim=pass (" * 20_000),
}  # fmt: skip


def cost(work: Callable[[], object]) -> tuple[float, float]:
    """(seconds, megabytes over what was there before) of some work, measured in a child process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
            before = _peak()
            at = time.process_time()
            work()
            os.write(writing, json.dumps([time.process_time() - at, (_peak() - before) / 1024]).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    assert told, "reading it ended the process"
    seconds, megabytes = json.loads(told)
    return seconds, megabytes


def _peak() -> int:
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))


@pytest.fixture(scope="module")
def warm() -> None:
    """What is loaded at first use is part of the base."""
    from maild.ingest.classify import NOTHING_OWN, classify
    from maild.ingest.parse import parse

    for raw in (plain(b"Hello\n\nOn Mon, Jo <a@b.example> wrote:\n> x\n"), page(b"<p>Hello, how are you?<blockquote>x</blockquote>"), attached("a.png", "image/png", b"x" * MB)):
        classify(parse(raw), "", NOTHING_OWN)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_read_in_time_and_memory(sqlite: Store, rooms: Callable[..., Room], warm: None, name: str) -> None:
    raw = BOMBS[name]()
    room = rooms(sqlite, main={"agents": {"trust": {"authserv_id": "mx.example.com"}}})
    wanted = arrival(envelope(raw, at=room.now), room.office.addresses)
    with sqlite.write() as connection:
        ((spool_id, _),) = spool.accept(connection, [wanted])
    entry = room.entry(spool_id)
    assert entry.raw == raw
    seconds, megabytes = cost(lambda: read(room.office, entry))
    print(f"{name}: {seconds:.2f} s, {megabytes:.0f} MB of {len(raw) / MB:.1f} MB")
    assert seconds < SECONDS
    assert megabytes < MEGABYTES + len(raw) / MB


def of_alice(body: bytes) -> bytes:
    head = HEAD.replace(b"Jo Doe <jo@home.example>", b"Alice <alice@example.com>").replace(b"bomb\r", b"Re: [#1] bomb\r")
    return b"Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n" + head + b"\r\n" + body


SETTLED = {
    "s38 a subject without end": lambda: HEAD.replace(b"bomb\r", b"x" * 200_000 + b"\r") + b"\r\nx",
    "s38 reply marks without end": lambda: HEAD.replace(b"bomb\r", b"Re: " * 50_000 + b"\r") + b"\r\nx",
    "s38 an agent's quote marks": lambda: of_alice(b">\r\n" * 60_000),
    "s38 blank lines of an agent": lambda: of_alice(b"Hello\r\n" + b"\r\n" * 60_000 + b"> b\r\n"),
}


@pytest.mark.parametrize("name", SETTLED)
def test_s38_a_bomb_is_settled_in_time(sqlite: Store, rooms: Callable[..., Room], warm: None, name: str) -> None:
    room = rooms(sqlite, main={"agents": {"trust": {"authserv_id": "mx.example.com"}}})
    room.receive(mail())
    room.put(SETTLED[name]())
    assert cost(room.work)[0] < SECONDS
