from __future__ import annotations

import base64
import binascii

from maild.ingest import mime


def tree(raw: bytes) -> tuple[list[tuple[int, int, str]], list[str]]:
    root, defects = mime.read(raw)
    return [(one.depth, one.number, one.type) for one in root.walk()], defects


def test_a_tree_is_places_in_the_bytes() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=o\r\n\r\npreamble\r\n--o\r\nContent-Type: multipart/alternative; boundary=oo\r\n"
        b"\r\n--oo\r\n\r\nplain\r\n--oo\r\nContent-Type: text/html\r\n\r\n<p>\r\n--oo--\r\n\r\n--o\r\n"
        b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n--o\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\r\n--o--\r\nepilogue"
    )
    shape, defects = tree(raw)
    assert shape == [
        (0, -1, "multipart/mixed"), (1, -1, "multipart/alternative"), (2, 0, "text/plain"), (2, 1, "text/html"),
        (1, 2, "message/rfc822"), (2, 3, "text/plain"), (1, 4, "image/png"),
    ]  # fmt: skip
    assert defects == []
    leaves = {one.number: one.content() for one in mime.read(raw)[0].walk() if one.number >= 0}
    assert leaves[0] == b"plain"
    assert leaves[2] == b"Subject: in\r\n\r\ninner"
    assert leaves[4] == b"\x89PNG\r\n"


def test_a_boundary_that_is_never_used_leaves_text() -> None:
    assert tree(b"Content-Type: multipart/mixed; boundary=x\n\nJust text\n") == (
        [(0, 0, "text/plain")], ["mime: a multipart whose boundary is missing or never used"],
    )  # fmt: skip


def test_a_boundary_that_was_not_declared_is_found() -> None:
    shape, _ = tree(b"Content-Type: multipart/mixed\n\n--abc\nContent-Type: text/html\n\n<p>x\n--abc--\n")
    assert shape == [(0, -1, "multipart/mixed"), (1, 0, "text/html")]


def test_a_mail_that_was_cut_off() -> None:
    shape, defects = tree(
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nHi\n--x\nContent-Type: image/png\n\nabc"
    )
    assert [kind for _, _, kind in shape] == ["multipart/mixed", "text/plain", "image/png"]
    assert defects == ["mime: a multipart without its closing delimiter"]


def test_a_boundary_inside_itself_ends() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\nContent-Type: multipart/mixed; boundary=x\n\n" * 50
    assert len(list(mime.read(raw)[0].walk())) == 51


def test_limits_are_kept() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(500)) + b"\nhi"
    root, defects = mime.read(deep)
    assert max(one.depth for one in root.walk()) == mime.DEPTH_LIMIT
    assert any("nested deeper than 100" in defect for defect in defects)
    many = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 5000
    root, defects = mime.read(many)
    assert sum(1 for _ in root.walk()) <= mime.PART_LIMIT
    assert any("more than 1000 parts" in defect for defect in defects)


def test_encodings_are_undone() -> None:
    assert mime.transfer_decode(base64.encodebytes(b"\0\1\2"), "base64") == b"\0\1\2"
    assert mime.transfer_decode(b"a=3Db=\r\nc", "quoted-printable") == b"a=bc"
    lines = b"begin 644 x.bin\r\n" + binascii.b2a_uu(b"\0\1\2") + b"`\r\nend\r\n"
    assert mime.transfer_decode(lines, "x-uuencode") == b"\0\1\2"
    assert mime.transfer_decode(b"as it is", "x-unknown") == b"as it is"


def test_a_message_inside_may_be_encoded() -> None:
    inner = base64.encodebytes(b"Subject: in\n\ninner\n")
    root, _ = mime.read(b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + inner)
    assert root.children[0].content() == b"inner\n"
