"""This is where maild turns bytes into text, whatever charset they claim to be in.

Only codecs of text are allowed: Python also knows `zlib`, `idna` or `unicode_escape` by name, and mail may not choose
those. Whatever comes out is valid UTF-8 without NUL; bytes that mean nothing become U+FFFD.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from maild.ingest.language import language

# What senders write, and the codec that reads what they mean: the superset that the web settled on (WHATWG Encoding).
ALIASES = {
    "ascii": "cp1252", "us-ascii": "cp1252", "iso-8859-1": "cp1252", "iso8859-1": "cp1252", "latin1": "cp1252",
    "latin-1": "cp1252", "iso-8859-9": "cp1254", "iso-8859-11": "cp874", "tis-620": "cp874", "windows-874": "cp874",
    "gb2312": "gb18030", "gb_2312-80": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030",
    "euc-cn": "gb18030", "chinese": "gb18030", "gb18030": "gb18030", "hz-gb-2312": "hz",
    "shift_jis": "cp932", "shift-jis": "cp932", "x-sjis": "cp932", "sjis": "cp932", "ms_kanji": "cp932",
    "windows-31j": "cp932", "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "ks_c_5601": "cp949", "ksc5601": "cp949",
    "ks_c_5601-1989": "cp949", "korean": "cp949", "uhc": "cp949", "windows-949": "cp949", "big5": "big5hkscs",
    "big-5": "big5hkscs", "x-big5": "big5hkscs", "cn-big5": "big5hkscs", "big5-hkscs": "big5hkscs",
    "koi8": "koi8_r", "koi8r": "koi8_r", "koi-8": "koi8_r", "koi8-ru": "koi8_u", "ko18-r": "koi8_r", "koi-8-r": "koi8_r",
    "x-euc-jp": "euc_jp", "euc_jp": "euc_jp", "x-x-big5": "big5hkscs", "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman", "x-mac-cyrillic": "mac_cyrillic", "unicode-1-1-utf-7": "utf_7", "utf7": "utf_7",
    "unicode-1-1-utf-8": "utf_8", "utf-8mb4": "utf_8", "utf8mb4": "utf_8", "utf": "utf_8", "unicode": "utf_8",
    "iso-8859-8-i": "iso8859_8", "iso-8859-8-e": "iso8859_8", "iso-8859-6-i": "iso8859_6", "logical": "iso8859_8",
    "8859-1": "cp1252", "iso_8859-1": "cp1252", "x-unknown": "", "unknown-8bit": "", "unknown": "", "default": "",
    "default_charset": "", "none": "", "x-user-defined": "", "ansi": "cp1252", "_iso-2022-jp$esc": "iso2022_jp",
    "_iso-2022-jp$sio": "iso2022_jp", "ansi_x3.4-1968": "cp1252", "x-cp1252": "cp1252", "x-ansi": "cp1252",
    "8bit": "", "7bit": "", "binary": "",
}  # fmt: skip
_JAPANESE = re.compile(r"iso-?2022-?jp|cp5022[012]|csiso2022jp")
_WINDOWS = re.compile(r"(?:x-)?(?:win(?:dows)?|cp|ms|ansi)[-_ ]*(?:cp[-_ ]*)?(8\d\d|125\d)\Z")
_ISO = re.compile(r"(?:x-)?iso[-_ ]*8859[-_ ]*(\d\d?)(?:[-_:].*)?\Z")
_UTF8 = re.compile(r"(?:x-)?u(?:tf|ft)[-_ ]*8\b.*\Z")
_KOI8 = re.compile(r"k[o0]i[-_ ]?8[-_ ]?([ru])?\b")
_SURROGATES = re.compile("[\ud800-\udfff\0]")
_MEANINGLESS = frozenset(("us-ascii", "ascii", "ansi_x3.4-1968"))  # declared by default, true of 7-bit text only
_ESCAPES = re.compile(rb"(\x1b(?:\$\([A-Z]|\$[@AB]|\([A-Z]))")
_CYRILLIC = frozenset(("ru", "uk", "be", "bg", "sr", "mk"))
_CENTRAL = frozenset(("pl", "cs", "sk", "hu", "sl", "hr", "ro"))
# What undeclared bytes are taken for (chardet's names), where one of these languages is then read.
_SPOKEN_IN: dict[str, frozenset[str]] = {
    "cp932": frozenset(("ja",)), "euc_jis_2004": frozenset(("ja",)), "gb18030": frozenset(("zh",)), "big5hkscs": frozenset(("zh",)),
    "cp949": frozenset(("ko",)), "cp1253": frozenset(("el",)), "cp1255": frozenset(("he", "yi")), "cp874": frozenset(("th",)),
    "cp1256": frozenset(("ar", "fa", "ur")), "cp1254": frozenset(("tr", "az")), "cp1257": frozenset(("lt", "lv", "et")),
    "cp1258": frozenset(("vi",)), "cp1252": frozenset(),
    **dict.fromkeys(("cp1251", "koi8-r", "koi8-u", "iso8859-5", "cp866"), _CYRILLIC),
    **dict.fromkeys(("cp1250", "iso8859-2"), _CENTRAL),
}  # fmt: skip
_GUESSED = tuple(_SPOKEN_IN)
_LOOKED_AT = 4096
_ASCII = bytes(range(128))
_NO_LETTERS = bytes(sign for sign in range(128) if not chr(sign).isalpha())
# Codecs that mail may name, by Python's names for them.
_ALLOWED = re.compile(
    r"ascii|utf-(?:7|8|16|32)(?:-[bl]e)?|iso8859-\d+|cp(?:125\d|437|7[23]\d|77\d|8[5-7]\d|874|932|949|950|1006|1125)"
    r"|gb18030|gbk|gb2312|hz|big5|big5hkscs|euc_(?:jp|kr|jis_2004|jisx0213)|shift_(?:jis|jis_2004|jisx0213)"
    r"|iso2022_(?:jp|kr)(?:_\w+)?|johab|koi8-[rtu]|kz1048|mac-[a-z]+|ptcp154|tis-620|hp-roman8"
)
# Codecs whose bytes are ASCII and still mean something else.
_SHIFTED = re.compile(r"utf-7|utf-16.*|utf-32.*|hz|iso2022_.*")


def clean(text: str) -> str:
    """The text with NUL and lone surrogates replaced by U+FFFD."""
    return _SURROGATES.sub("\ufffd", text)


@lru_cache(maxsize=512)
def codec_name(charset: str) -> str:
    """The codec for a declared charset, or '' when the name says nothing that maild can read."""
    name = charset.strip().strip("\"'<>=;,. ").lower()
    if name in ALIASES:
        return _codec(ALIASES[name]) if ALIASES[name] else ""
    if _JAPANESE.search(name):
        return "iso2022_jp"
    if _UTF8.match(name):
        return "utf-8"
    if (match := _WINDOWS.match(name)) is not None:
        name = "cp" + match[1]
    elif (match := _ISO.match(name)) is not None:
        number = match[1].lstrip("0")
        name = {"1": "cp1252", "9": "cp1254", "11": "cp874"}.get(number, "iso8859_" + number)
    elif (match := _KOI8.match(name)) is not None:
        name = "koi8_" + (match[1] or "r")
    return _codec(name)


def _codec(name: str) -> str:
    if not name.isascii() or len(name) > 40:
        return ""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    return found if _ALLOWED.fullmatch(found) else ""


def _shift_jis(pairs: bytes) -> bytes:
    """JIS X 0208 code pairs (7 bits) as Shift_JIS, where the vendors' extra rows can be read."""
    out = bytearray()
    for index in range(0, len(pairs) - 1, 2):
        row, cell = pairs[index] & 0x7F, pairs[index + 1] & 0x7F
        if not (0x21 <= row <= 0x7E and 0x21 <= cell <= 0x7E):
            out += b"?"
            continue
        high = ((row - 0x21) >> 1) + 0x81
        low = cell + 0x7E if row % 2 == 0 else cell + 0x1F + (cell >= 0x60)
        out += bytes((high + 0x40 if high > 0x9F else high, low))
    return bytes(out)


def _iso2022_jp(data: bytes) -> str:
    """ISO-2022-JP (RFC 1468) with what Microsoft adds: the NEC and IBM rows, half-width katakana, 8-bit leftovers."""
    mode, out = b"\x1b(B", []
    for piece in _ESCAPES.split(data):
        if piece.startswith(b"\x1b") and _ESCAPES.fullmatch(piece):
            mode = piece
        elif mode in (b"\x1b$B", b"\x1b$@"):
            # a line end returns to ASCII (RFC 1468), also where the escape is missing
            first, newline, rest = piece.partition(b"\n")
            out.append(_shift_jis(first).decode("cp932", "replace"))
            out.append((newline + rest).decode("ascii", "replace"))
        elif mode == b"\x1b(I":
            out.append(bytes(b | 0x80 if 0x21 <= b <= 0x5F else b for b in piece).decode("cp932", "replace"))
        elif mode.startswith(b"\x1b$("):
            out.append((mode + piece).decode("iso2022_jp_2", "replace"))
        else:
            out.append(piece.decode("ascii") if piece.isascii() else piece.decode("cp932", "replace"))
    return "".join(out)


def decode(data: bytes, charset: str = "") -> tuple[str, str]:
    """The bytes as text, and a defect ('' when the declared charset was known and fitted).

    Without a usable charset, or where US-ASCII or UTF-8 is declared and not true: UTF-8, else what makes words of a
    language, else windows-1252. ISO-8859-1 that is declared is not believed where it would be no letters of the west.
    """
    name = codec_name(charset) if charset else ""
    defect = f"charset: {charset[:40]!r} is not known" if charset and not name else ""
    if data.isascii() and b"\x1b" not in data and not _SHIFTED.fullmatch(name):
        return clean(data.decode("ascii")), defect
    if name == "iso2022_jp" or (data.isascii() and b"\x1b$" in data and not _SHIFTED.fullmatch(name)):
        return clean(_iso2022_jp(data)), ""
    said = bool(name) and charset.strip("\"' ").lower() not in _MEANINGLESS
    if said:
        if name == "cp1252" and (text := _guessed(data, foreign_only=True)):
            return clean(text), f"charset: the bytes are no {charset[:40]}"
        try:
            text = data.decode(name)
        except (UnicodeError, ValueError):
            defect = f"charset: bytes do not fit {charset[:40]!r}"
        else:
            return clean(text), ""
    try:
        return clean(data.decode("utf-8")), defect or "charset: 8-bit bytes without a charset"
    except UnicodeDecodeError:
        pass
    if said and (name != "utf-8" or _mostly_utf8(data)) and name not in ("utf-7", "cp1252"):
        return clean(data.decode(name, "replace")), defect
    text = "" if said and name != "utf-8" else _guessed(data, foreign_only=False)
    return clean(text or _cp1252(data)), defect or "charset: 8-bit bytes without a charset"


def _guessed(data: bytes, foreign_only: bool) -> str:
    """The bytes in the charset that chardet takes them for, where a language of that charset is then read; '' otherwise.

    ``foreign_only``: look at what is mostly no ASCII letters alone, as no western text is.
    """
    head = data[:_LOOKED_AT]
    high = head.translate(None, _ASCII)
    if foreign_only and (len(high) < 8 or len(high) * 2 < len(head.translate(None, _NO_LETTERS))):
        return ""
    import chardet  # a tenth of a second, for mail that is rare

    codec = chardet.detect(head, include_encodings=_GUESSED, compat_names=False)["encoding"] or ""
    if not (spoken := _SPOKEN_IN.get(codec)):
        return ""
    text = data.decode(codec, "replace")
    return text if language(text) in spoken else ""


def _mostly_utf8(data: bytes) -> bool:
    """Whether UTF-8 reads it but for a few places, as in a mail that was cut in the middle of a character."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    good = len(text) - broken - sum(map(str.isascii, text))
    return good > 0 and good >= broken


def _cp1252(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")
