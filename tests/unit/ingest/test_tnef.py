from __future__ import annotations

import struct

from maild.ingest import tnef
from maild.ingest.parse import attachment_bytes, parse


def attribute(level: int, kind: int, data: bytes) -> bytes:
    return struct.pack("<BIi", level, kind, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def long_name(text: str) -> bytes:
    raw = text.encode("utf-16-le") + b"\0\0"
    body = struct.pack("<I", 1) + struct.pack("<HHII", 0x1F, 0x3707, 1, len(raw)) + raw + b"\0" * (-len(raw) % 4)
    return attribute(2, 0x00069005, body)


def stream(*attributes: bytes) -> bytes:
    return tnef.SIGNATURE + b"\1\0" + b"".join(attributes)


WINMAIL = stream(
    attribute(1, 0x0002800C, b"The text\0"),
    attribute(2, 0x00069002, b"\0" * 14),
    attribute(2, 0x00018010, b"BILL~1.PDF\0"),
    attribute(2, 0x0006800F, b"%PDF-1.7 bytes"),
    long_name("Rechnung März.pdf"),
    attribute(2, 0x00069002, b"\0" * 14),
    attribute(2, 0x00018010, b"b.txt\0"),
    attribute(2, 0x0006800F, b"second"),
)


def test_files_and_text_come_out() -> None:
    found = tnef.read(WINMAIL)
    assert [(file.name, file.data) for file in found.files] == [
        ("Rechnung März.pdf", b"%PDF-1.7 bytes"), ("b.txt", b"second"),
    ]  # fmt: skip
    assert found.text == "The text"


def test_what_is_none_or_cut_off_gives_what_was_found() -> None:
    assert tnef.read(b"no tnef") == tnef.Tnef()
    assert [file.data for file in tnef.read(WINMAIL[:-10]).files] == [b"%PDF-1.7 bytes"]
    for end in range(len(WINMAIL)):
        tnef.read(WINMAIL[:end])


def test_a_mail_lists_the_files_inside_its_winmail_dat() -> None:
    raw = (
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n--b\n"
        b"Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: binary\n\n"
        + WINMAIL
        + b"\n--b--\n"
    )
    found = [(one.name, one.part, one.size) for one in parse(raw).attachments]
    assert found == [("winmail.dat", 1, len(WINMAIL)), ("Rechnung März.pdf", 2, 14), ("b.txt", 3, 6)]
    assert attachment_bytes(raw, 3) == b"second"


def test_compressed_rtf() -> None:
    # the example of [MS-OXRTFCP] 4.1.1: a run of literals and one reference into the dictionary
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af8200af364687e6202800c4c2084206d6f6e6379"
    )
    assert tnef.unpack_rtf(packed).startswith(b"{\\rtf1")
    assert tnef.unpack_rtf(b"short") == b""


def test_the_words_of_rtf() -> None:
    source = rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}{\*\generator x;}\pard Gr\'fc\'dfe \u8364? \{5\}\par Zweite\tab Zeile}"
    assert tnef.rtf_text(source, "cp1252") == "Grüße € {5}\nZweite\tZeile"
    wrapped = (
        rb"{\rtf1\fromhtml1 {\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Hello\htmlrtf\par}\htmlrtf0 {\*\htmltag72 </p>}}"
    )
    assert tnef.rtf_text(wrapped, "cp1252") == "Hello"


def test_a_mail_whose_text_is_in_rtf_alone() -> None:
    rtf = rb"{\rtf1\ansi Hello Jo\par}"
    packed = struct.pack("<IIII", len(rtf) + 12, len(rtf), 0x414C454D, 0) + rtf
    properties = struct.pack("<I", 1) + struct.pack("<HHII", 0x102, 0x1009, 1, len(packed)) + packed
    winmail = stream(attribute(1, 0x00069003, properties + b"\0" * (-len(packed) % 4)))
    raw = b"From: a@b.example\nContent-Type: application/ms-tnef; name=winmail.dat\n\n" + winmail
    assert parse(raw).text == "Hello Jo"
