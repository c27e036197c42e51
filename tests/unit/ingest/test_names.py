from __future__ import annotations

import pytest

from maild.ingest.names import detect, part_name, safe_name, unique


@pytest.mark.parametrize(
    ("declared", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/cron.d/x", "x"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\jo\\bill.doc", "bill.doc"),
        ("\u200b.htaccess", "htaccess"),  # a hidden character before the dot
        ("invoice\u202efdp.exe", "invoicefdp.exe"),  # text that runs backwards
        ("name.txt. . .", "name.txt"),
        ("a\0b\r\nc.txt", "ab c.txt"),
        ("con.txt", "_con.txt"),
        ("a  b.txt", "a b.txt"),
        ("Übersicht – März.xlsx", "Übersicht – März.xlsx"),
        ("..", "part-3.bin"),
        ("", "part-3.bin"),
        ("???", "part-3.bin"),
    ],
)
def test_names_are_safe_to_save(declared: str, safe: str) -> None:
    assert safe_name(declared, "part-3.bin") == safe


def test_long_names_keep_their_extension() -> None:
    name = safe_name("ü" * 4000 + ".pdf", "x")
    assert name.endswith("ü.pdf")
    assert len(name.encode()) <= 200


def test_unnamed_parts_are_named_by_number_and_type() -> None:
    assert part_name(2, "image/png") == "part-2.png"
    assert part_name(4, "application/x-unheard-of") == "part-4.bin"


def test_a_name_twice_gets_a_number() -> None:
    assert unique("a.png", {"a.png": 1}) == "a (2).png"
    assert unique("A.PNG", {"a.png": 1, "a (2).png": 1}) == "A (3).PNG"
    assert unique("noext", {"noext": 1}) == "noext (2)"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"%PDF-1.7", "application/pdf"),
        (b"  <HTML><body>", "text/html"),
        (b"RIFF....WEBPVP8 ", "image/webp"),
        (b"....ftypheic", "image/heic"),
        (b"hello", ""),
        (b"", ""),
    ],
)
def test_types_are_seen_in_the_bytes(data: bytes, kind: str) -> None:
    assert detect(data) == kind
