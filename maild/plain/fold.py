"""This is where maild makes two texts comparable: without case, width, accents or decoration, each as far as asked.

`fold` is what rules compare by, `tidy` what their patterns look at, `fold_label` what labels in mails are compared by.
"""

from __future__ import annotations

import re
import unicodedata

# Soft hyphens, zero-width characters and direction marks: invisible, and no difference to a reader.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
_ACCENTS = re.compile("[\u0300-\u036f]")

# Scripts written without blanks between words: a word may begin and end anywhere (Thai, Lao, Myanmar, Khmer, kana, Han).
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
                       "\U00020000-\U0003ffff]")  # fmt: skip

# What mail programs write before the subject of a forwarded mail, in lower case and without its colon.
_FORWARD = re.compile(
    r"\s*(?:fwd|fw|wg|tr|rv|enc|vl|doorst|pd|videresendt|vb|továbbítás|πρθ|προωθ|转发|轉寄|转寄|転送|пересл|ส่งต่อ|전달)"
    r"\s*(?:\[\d{1,3}\]|\(\d{1,3}\))?\s*[:：]",
    re.IGNORECASE,
)


def tidy(text: str) -> str:
    """The text as patterns look at it: composed (NFC), lines ended by LF, every kind of blank but LF and TAB a space."""
    if text.isascii():
        return text.replace("\r\n", "\n") if "\r" in text else text
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    return text.translate(_SPACES)


_SPACES = dict.fromkeys((160, 5760, *range(8192, 8203), 8239, 8287, 12288), " ")


def fold(text: str) -> str:
    """The text as it is compared: NFKC, without case and invisible characters, each run of blanks one space.

    Blanks at the ends are kept (one space each), so that a needle may end in one. Folding twice changes nothing.
    """
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
        for _ in range(4):  # case folding and NFKC undo each other's work for a few letters; it settles at once or next
            folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
            folded = _INVISIBLE.sub("", folded)
            if folded == text:
                break
            text = folded
    else:
        text = text.lower()
    return one_spaced(text)


def one_spaced(text: str) -> str:
    """Each run of blanks one space, at the ends too."""
    inner = " ".join(text.split())  # a fifth of what a pattern takes for it
    if not inner:
        return " " if text else ""
    return f"{' ' if text[0].isspace() else ''}{inner}{' ' if text[-1].isspace() else ''}"


def fold_label(text: str) -> str:
    """A label as it is compared: folded, without accents, emphasis (`*…*`) and closing dots."""
    text = fold(text).strip()
    if not text.isascii():
        text = fold(_ACCENTS.sub("", unicodedata.normalize("NFKD", text)))
    return text.strip(" \t*_").rstrip(" .*_").strip()


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_" or unicodedata.category(char)[0] == "M"


def has_words(text: str, phrase: str) -> bool:
    """Whether the folded ``phrase`` stands in the folded ``text`` as whole words, in any script.

    A word's edge is where a letter, digit, mark or underscore meets anything else; in scripts that are written
    without blanks between words (Han, kana, Thai …) it may be anywhere.
    """
    phrase = phrase.strip()
    at = text.find(phrase)
    if not phrase or at < 0:
        return False
    first, last = phrase[0], phrase[-1]
    open_left = not _is_word(first) or _UNSPACED.match(first) is not None
    open_right = not _is_word(last) or _UNSPACED.match(last) is not None
    while at >= 0:
        end = at + len(phrase)
        left = at == 0 or open_left or not _is_word(text[at - 1])
        right = end == len(text) or open_right or not _is_word(text[end])
        if left and right:
            return True
        at = text.find(phrase, at + 1)
    return False


def is_forward(subject: str) -> bool:
    """Whether the subject begins with a mark that mail programs put before forwarded mail (Fwd:, WG:, 转发： …)."""
    return _FORWARD.match(subject) is not None
