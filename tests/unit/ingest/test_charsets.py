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


# What people write without saying in which charset, or in another than they say.
FOREIGN = [
    ("Здравствуйте, у меня сломался принтер, помогите пожалуйста. Order 4711", "cp1251"),
    ("Здравствуйте, у меня сломался принтер, помогите пожалуйста. Order 4711", "koi8_r"),
    ("Добрий день, у мене зламався принтер, допоможіть будь ласка.", "cp1251"),
    ("Добрий день, у мене зламався принтер, допоможіть будь ласка.", "koi8_u"),
    ("お世話になっております。先日注文した商品がまだ届いておりません。注文番号は12345です。", "shift_jis"),
    ("お世話になっております。先日注文した商品がまだ届いておりません。注文番号は12345です。", "euc_jp"),
    ("您好,我上周订购的打印机还没有收到,请帮我查询一下物流情况。谢谢!", "gb18030"),
    ("您好,我上週訂購的印表機還沒有收到,請幫我查詢一下物流情況。謝謝!", "big5"),
    ("안녕하세요. 지난주에 주문한 프린터를 아직 받지 못했습니다. 확인 부탁드립니다.", "euc_kr"),
    ("Καλημέρα, ο εκτυπωτής δεν λειτουργεί", "cp1253"),
    ("เครื่องพิมพ์เสีย กรุณาช่วยด้วย", "tis_620"),
    ("السلام عليكم الطابعة لا تعمل", "cp1256"),
    ("שלום, המדפסת לא עובדת", "cp1255"),
]
CENTRAL = [
    ("Proszę o pomoc, drukarka nie działa, błąd źródła", "cp1250"),
    ("Proszę o pomoc, drukarka nie działa, błąd źródła", "iso8859_2"),
    ("Tiskárna nefunguje, prosím řešte to", "cp1250"),
    ("Yazıcı çalışmıyor, lütfen yardım edin", "cp1254"),
]


@pytest.mark.parametrize("charset", ["", "us-ascii", "unknown-8bit", "utf-8"])
@pytest.mark.parametrize(("text", "codec"), [*FOREIGN, *CENTRAL])
def test_words_of_a_language_are_read_where_no_charset_says_how(text: str, codec: str, charset: str) -> None:
    assert decode(text.encode(codec), charset)[0] == text


@pytest.mark.parametrize(("text", "codec"), FOREIGN)
def test_latin_1_is_not_believed_where_it_would_be_no_letters_of_the_west(text: str, codec: str) -> None:
    read, defect = decode(text.encode(codec), "iso-8859-1")
    assert (read, defect) == (text, "charset: the bytes are no iso-8859-1")


@pytest.mark.parametrize("charset", ["", "us-ascii", "utf-8", "iso-8859-1"])
def test_iso_2022_jp_is_read_whatever_is_declared(charset: str) -> None:
    assert decode("お世話になっております。".encode("iso2022_jp"), charset)[0] == "お世話になっております。"


@pytest.mark.parametrize("charset", ["", "iso-8859-1"])
@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Grüße aus Köln, die Straßenbahn fährt über die Brücke.", "cp1252"),
        ("Déjà reçu, l'été prochain à Orléans, ça coûte 5 €.", "cp1252"),
        ("ÄÖÜ äöü ß éèà", "cp1252"),
        ("¿Cuándo llega? Año nuevo, señor", "cp1252"),
        ("På gensyn, tak for købet", "cp1252"),
        ("Olá, até amanhã, informação", "cp1252"),
        ("Città più, perché così è", "cp1252"),
        ("It’s “fine” – really… 50 °C, £5", "cp1252"),
    ],
)
def test_other_bytes_stay_windows_1252(text: str, codec: str, charset: str) -> None:
    assert decode(text.encode(codec), charset)[0] == text


def test_another_declared_charset_is_never_guessed_over() -> None:
    russian, codec = FOREIGN[0]
    assert decode(russian.encode(codec), "koi8-r")[0] == russian.encode(codec).decode("koi8_r")
