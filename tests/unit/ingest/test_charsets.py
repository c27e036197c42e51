from __future__ import annotations

import pytest

from maild.ingest.charsets import codec_name, decode


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        ("Grüße".encode(), "utf-8", "Grüße"),
        ("Grüße".encode("latin-1"), "ISO-8859-1", "Grüße"),
        ("„Preis“ 5 €".encode("cp1252"), "iso-8859-1", "„Preis“ 5 €"),  # what senders mean by latin-1
        ("Привет".encode("koi8-r"), "koi8r", "Привет"),
        ("Привет".encode("koi8-r"), "KOI-8-R", "Привет"),
        ("Привет".encode("cp1251"), "windows-1251", "Привет"),
        ("Привет".encode("cp1251"), "cp-1251", "Привет"),
        ("Zażółć".encode("cp1250"), "Windows1250", "Zażółć"),
        ("朱镕基 訊".encode("gb18030"), "gb2312", "朱镕基 訊"),  # beyond GB 2312
        ("①㈱ｱ".encode("cp932"), "shift_jis", "①㈱ｱ"),
        ("힣".encode("cp949"), "euc-kr", "힣"),
        ("繁體".encode("big5"), "Big5", "繁體"),
        ("日本語".encode("iso2022_jp"), "iso-2022-jp", "日本語"),
        (b"\x1b$B-!\x1b(B ok", "iso-2022-jp-ms", "① ok"),  # a row that only vendors have
        (b"\x1b(I12\x1b(B", "iso-2022-jp", "ｱｲ"),
        ("日本語".encode("iso2022_jp"), "", "日本語"),
        (b"+ADw-b+AD4-", "utf-7", "<b>"),
        ("Grüße".encode(), "", "Grüße"),
        ("Grüße".encode("cp1252"), "", "Grüße"),
        ("Grüße".encode(), "us-ascii", "Grüße"),
        ("Grüße".encode("utf-16"), "utf-16", "Grüße"),
    ],
)
def test_reads_what_the_sender_meant(data: bytes, charset: str, text: str) -> None:
    assert decode(data, charset)[0] == text


@pytest.mark.parametrize(
    "charset", ["zlib", "idna", "punycode", "unicode_escape", "rot13", "base64", "x\0y", "é", "a" * 999]
)
def test_codecs_that_are_not_of_text_cannot_be_named(charset: str) -> None:
    assert codec_name(charset) == ""
    text, defect = decode(b"x\xe9", charset)
    assert text == "xé"
    assert "is not known" in defect


def test_a_lie_about_the_charset_is_a_defect_and_loses_little() -> None:
    text, defect = decode("schön, cut: ".encode() + b"\xc3", "utf-8")
    assert text == "schön, cut: \ufffd"
    assert defect == "charset: bytes do not fit 'utf-8'"
    assert decode("nur latin: für".encode("latin-1"), "utf-8")[0] == "nur latin: für"


def test_nul_and_surrogates_never_come_out() -> None:
    assert decode(b"a\0b", "utf-8")[0] == "a\ufffdb"
    assert decode(b"+2AA-", "utf-7")[0].encode()


RUSSIAN = "Здравствуйте, у меня сломался принтер, помогите пожалуйста. Order 4711"
UKRAINIAN = "Добрий день, у мене зламався принтер, допоможіть будь ласка."


@pytest.mark.parametrize("charset", ["", "us-ascii", "unknown-8bit", "utf-8"])
@pytest.mark.parametrize(("text", "codec"), [(RUSSIAN, "cp1251"), (RUSSIAN, "koi8_r"), (UKRAINIAN, "cp1251"), (UKRAINIAN, "koi8_u")])
def test_cyrillic_words_are_read_where_no_charset_says_so(text: str, codec: str, charset: str) -> None:
    assert decode(text.encode(codec), charset)[0] == text


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Grüße aus Köln, die Straßenbahn fährt über die Brücke.", "cp1252"),
        ("Déjà reçu, l'été prochain à Orléans, ça coûte 5 €.", "cp1252"),
        ("ÄÖÜ äöü ß éèà", "cp1252"),
    ],
)
def test_other_bytes_without_a_charset_stay_windows_1252(text: str, codec: str) -> None:
    assert decode(text.encode(codec))[0] == text


def test_a_declared_charset_is_never_guessed_over() -> None:
    assert decode(RUSSIAN.encode("cp1251"), "iso-8859-1")[0] == RUSSIAN.encode("cp1251").decode("cp1252")
