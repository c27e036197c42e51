"""This is where maild's reading is tried with mail that nobody would write: `make fuzz`, or `python -m tests.fuzz`.

Atheris (libFuzzer) leads, by which lines of `maild.ingest` an input reaches; without it hypothesis mixes pieces of mail.
An input that raises, breaks a promise or takes longer than `SLOW` is written to the folder that is printed; each becomes
a test. Bytes that begin with NUL try the new text alone, all others are a whole mail.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SLOW = 2.0  # seconds
LONGEST = 24 * 1024  # bytes of an input
TOKENS = [
    b"From: ", b"To: ", b"Reply-To: ", b"Subject: ", b"Date: ", b"Message-ID: <", b"In-Reply-To: <", b"References: <",
    b"Content-Type: ", b"Content-Disposition: attachment; filename=", b"Content-Transfer-Encoding: base64", b"quoted-printable",
    b"Content-Transfer-Encoding: x-uuencode", b"multipart/mixed; boundary=b", b"multipart/report; report-type=delivery-status",
    b"multipart/alternative; boundary=b", b"message/rfc822", b"message/delivery-status", b"text/html", b"text/plain; charset=",
    b"utf-7", b"iso-2022-jp", b"shift_jis", b"gb2312", b"\r\n--b\r\n", b"\r\n--b--\r\n", b"\r\n\r\n", b"=?utf-8?q?=C3=BC?=",
    b"=?gb2312?B?vLw=?=", b"filename*0*=utf-8''%00", b"application/ms-tnef", b"\x78\x9f\x3e\x22", b"begin 644 a\n", b"\nend\n",
    b"Auto-Submitted: auto-replied", b"List-Id: <", b"Precedence: bulk", b"Final-Recipient: rfc822; a@b.example",
    b"Action: failed", b"Status: 5.1.1", b"Diagnostic-Code: smtp; 550 5.1.1", b"Reporting-MTA: dns; mx", b"550 5.1.1 <a@b.example>",
    b"On Mon, 1 Jan 2024 at 10:00, Jo <a@b.example> wrote:\n", b"> quoted\n", b"Von: a@b.example\nAn: c\nBetreff: x\n",
    b"-----Original Message-----\n", b"-- \n", b"________________________________\n", b"<blockquote>", b"<div class=gmail_quote>",
    b"<table><tr><td>", b"</td></tr></table>", b"<!--", b"-->", b"<br>", b"&#1114112;", b"METHOD:REPLY\n", b"BEGIN:VCALENDAR\n",
    b"format=flowed; delsp=yes", b"-----BEGIN PGP MESSAGE-----", b"\xed\xa0\x80", b"\xff\xfe", b"\0", b"[#12]", b"[EXTERNAL] ",
    b"Authentication-Results: mx; dmarc=pass header.from=b.example", b"Resent-From: a@b.example", b"X-Maild-Loop: a.b.c",
    b"Authentication-Results: mx; dkim=pass (ok) header.d=b.example; spf=pass smtp.mailfrom=b.example; auth=pass smtp.auth=a@b.example",
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=b.example; s=k; h=From; bh=aa=; l=1; b=aa=", b"ARC-Seal: i=1; ",
    b"multipart/report; report-type=disposition-notification", b"message/disposition-notification", b"message/feedback-report",
    b"Action: delivered", b"Action: delayed", b"Status: 2.0.0", b"Original-Recipient: rfc822;a@b.example", b"X-Failed-Recipients: a@b.example",
    b"Subject: Confirm your email address", b"https://a.example/vf-verify?token=1", b"Your code is: 123 456", b"forwarding-noreply@google.com",
    b"Return-Path: <>", b"Subject: Automatic reply: x", b"I am out of the office until 1 May", b"X-Original-From: Jo <jo@b.example>",
    b'"Jo via Support" <support@example.com>', b"List-Id: <support.example.com>", b'{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{}]}}',
]  # fmt: skip


class Trial:
    """Runs one input after the other, and keeps those that fail, each place of failure once."""

    def __init__(self, target: Callable[[bytes], None], found: Path) -> None:
        self.target, self.found = target, found
        self.runs, self.slowest, self.begun = 0, 0.0, time.monotonic()
        self.seen: dict[str, Path] = {}
        self.written = 0.0

    def __call__(self, data: bytes) -> None:
        self.runs += 1
        at = time.process_time()
        try:
            self.target(bytes(data))
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            here = [f for f in frames if "maild" in f.filename] or list(frames)
            self._keep(bytes(data), f"{type(error).__name__} at {Path(here[-1].filename).name}:{here[-1].lineno}: {error}")
        took = time.process_time() - at
        if took > self.slowest:
            self.slowest = took
        if took > SLOW:
            self._keep(bytes(data), f"slow: {took:.0f} s or more")
        if time.monotonic() - self.written > 1:
            self.written = time.monotonic()
            (self.found / "figures").write_text(self.figures())

    def _keep(self, data: bytes, why: str) -> None:
        place = why.split(": ")[0]
        if place in self.seen:
            return
        path = self.found / f"{hashlib.sha256(data).hexdigest()[:16]}.eml"
        path.write_bytes(data)
        self.seen[place] = path
        print(f"found {why[:300]!r}\n  {path}", flush=True)

    def figures(self) -> str:
        spent = time.monotonic() - self.begun
        return (
            f"{self.runs} inputs in {spent / 60:.1f} min ({self.runs / max(spent, 1e-9):.0f}/s), "
            f"slowest {self.slowest:.2f} s, {len(self.seen)} found"
        )


def read_all(data: bytes) -> None:
    """Everything that reads a mail, with what it promises: nothing raises, every string is valid UTF-8 without NUL."""
    from maild.ingest.bounce import read_bounce
    from maild.ingest.classify import NOTHING_OWN, OwnMail, classify, verification_details
    from maild.ingest.dns import with_own_check
    from maild.ingest.identity import digest, peek
    from maild.ingest.parse import attachment_bytes, parse
    from maild.ingest.reply_text import new_text, subject_without_banner
    from maild.ingest.sender import forwarded_person, identify, recipients
    from maild.ingest.thread_keys import thread_keys
    from maild.ingest.trust import authenticate

    if data[:1] == b"\0":
        text = data[1:].decode("utf-8", "replace").replace("\0", " ")
        plain, _, page = text.partition("\x01")
        whole = new_text(plain, page)
        assert "\r" in plain or not plain.strip() or whole is not None
        return
    message = parse(data)
    for text in strings(message):
        text.encode("utf-8")
        assert "\0" not in text, "NUL"
    broken = [one for one in message.defects if one.startswith("parse: ")]
    assert not broken, broken[0]
    for one in message.attachments[:20]:
        assert len(attachment_bytes(data, one.part)) == one.size, "attachment size"
    assert len(digest(data)) == 64
    peek(data)
    found = read_bounce(message, True)
    ours = OwnMail(lambda one: one.startswith("maild"), frozenset({"support@example.com"}), frozenset({"support.example.com"}))
    kinds = tuple(classify(message, sender, own) for sender in ("", "a@b.example", None) for own in (NOTHING_OWN, ours))
    identity = identify(message, "", ours.addresses)
    proven = authenticate(message, "mx", True, identity.address)
    assert not (proven.passed and proven.failed), "passed and failed"
    assert not authenticate(message, "mx", False, identity.address).passed, "believed from a door that is not trusted"
    checked = with_own_check(proven, data, message, identity.address, _no_key)
    words = new_text(message.text, message.html, [r"^b\b"])
    assert bool(words.strip()) <= bool((message.text + message.html).strip()), "words out of nothing"
    subject_without_banner(message.subject, [r"^b\b"])
    others = (found, kinds, proven, checked, identity, forwarded_person(message), thread_keys(message, "[#{number}]", ()))
    for text in [text for one in others for text in strings(one)]:
        text.encode("utf-8")
    recipients(message, ["c@d.example"])
    verification_details(message)


def _no_key(name: bytes, timeout: int) -> bytes | None:
    """A DNS in which a key stands for some names, and no answer comes for others."""
    if len(name) % 3 == 0:
        raise TimeoutError(name)
    return b"v=DKIM1; k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu" if len(name) % 3 == 1 else None


def strings(value: Any) -> list[str]:
    """Every string in a value made of tuples and dataclasses."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for item in value for text in strings(item)]
    if is_dataclass(value):
        return [text for one in fields(value) for text in strings(getattr(value, one.name))]
    return []


def seeds(more: list[Path]) -> list[bytes]:
    """Mails to begin with: the configuration's samples, and the files of the folders named."""
    places = [ROOT / "config" / "samples", *more]
    files = [file for place in places if place.is_dir() for file in sorted(place.rglob("*.eml"))]
    found = [file.read_bytes()[:LONGEST] for file in files if file.stat().st_size < 4 * LONGEST]
    texts = b"\0Thanks!\n\nOn Mon, 1 Jan 2024 at 10:00, Jo <a@b.example> wrote:\n> Hello\n\x01<div>Hi<blockquote>x</blockquote>"
    return [*found, texts, b"".join(token + b"\n" for token in TOKENS)]


def by_coverage(minutes: float, known: list[bytes], folder: Path) -> int:
    """Let libFuzzer lead; its corpus and its own remarks are in ``folder``."""
    import atheris

    with atheris.instrument_imports(include=["maild.ingest"], enable_loader_override=False):
        import maild.ingest.classify
        import maild.ingest.dns
        import maild.ingest.identity
        import maild.ingest.parse
        import maild.ingest.sender
        import maild.ingest.thread_keys
        import maild.ingest.trust  # noqa: F401
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, one in enumerate(known):
        (corpus / f"seed{number}").write_bytes(one)
    words = folder / "words"
    words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n' for token in TOKENS))
    trial = Trial(read_all, folder)
    arguments = [
        "fuzz", f"-max_total_time={int(minutes * 60)}", f"-max_len={LONGEST}", f"-dict={words}", "-timeout=60",
        "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={folder}/", str(corpus),
    ]  # fmt: skip
    atheris.Setup(arguments, trial)
    child = os.fork()
    if child == 0:
        atheris.Fuzz()  # ends the process by itself
    os.waitpid(child, 0)
    print((folder / "figures").read_text())
    return 1 if list(folder.glob("*.eml")) else 0


def by_mixing(minutes: float, known: list[bytes], folder: Path) -> int:
    """Without atheris: hypothesis draws how the known mails are cut, joined and changed."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    lines = sorted({line for one in known for line in one.splitlines(keepends=True)}) + TOKENS
    piece = st.one_of(st.sampled_from(lines), st.sampled_from(TOKENS), st.binary(max_size=8))
    mixed = st.lists(piece, max_size=40).map(b"".join)
    cut = st.tuples(st.sampled_from(known), st.integers(0, LONGEST), st.integers(0, 400), mixed)
    inputs = st.one_of(mixed, cut.map(lambda c: c[0][: c[1]] + c[3] + c[0][c[1] + c[2] :]))
    trial, end = Trial(read_all, folder), time.monotonic() + minutes * 60
    while time.monotonic() < end:

        @settings(max_examples=2000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(inputs)
        def some(data: bytes) -> None:
            if time.monotonic() < end:
                trial(data[:LONGEST])

        some()
    print(trial.figures())
    return 1 if trial.seen else 0


def main() -> int:
    """Fuzz for so many minutes; 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--engine", choices=("atheris", "hypothesis"), help="atheris where it is installed")
    parser.add_argument("--seeds", type=Path, action="append", default=[], help="folders of further mails to begin with")
    wanted = parser.parse_args()
    engine = wanted.engine
    if engine is None:
        try:
            import atheris  # noqa: F401
        except ImportError:
            engine = "hypothesis"
    folder = Path(tempfile.mkdtemp(prefix="maild-fuzz-"))
    known = seeds(wanted.seeds)
    random.shuffle(known)
    print(f"{engine or 'atheris'}, {len(known)} mails to begin with; what is found is kept in {folder}", flush=True)
    return (by_mixing if engine == "hypothesis" else by_coverage)(wanted.minutes, known, folder)


if __name__ == "__main__":
    sys.exit(main())
