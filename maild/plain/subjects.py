"""This is where a subject loses what mail clients and trackers put before it: Re:, Fwd:, their translations, and our tag."""

from __future__ import annotations

import re

# Reply and forward marks as clients write them, with counters (Re[2]:) and full-width colons.
_MARK = re.compile(
    r"\s*(?:re|ref|aw|antw|sv|vs|vl|res|rv|rif|r|odp|ynt|fw|fwd|wg|tr|enc|pd|doorst|vb|betr|"
    r"回复|答复|转发|轉寄|回覆|返信|転送|답장|전달|отв|пер|на)\s*(?:\[\d+\]|\(\d+\))?\s*[:：]\s*",
    re.IGNORECASE,
)

LONGEST = 2000  # characters of a subject that are looked at: beyond that nobody reads it, and patterns take their time


def tag_pattern(tag: str, legacy: tuple[str, ...] = ()) -> re.Pattern[str]:
    """A pattern that finds our tag (`[#{number}]`) anywhere in a subject."""
    before, _, after = tag.partition("{number}")
    return re.compile("|".join([re.escape(before) + r"\d+" + re.escape(after), *(f"(?:{one})" for one in legacy)]))


def bare_subject(subject: str, tag: re.Pattern[str]) -> str:
    """The subject without tags of ours and without any number of reply and forward marks, blanks made one."""
    return without_marks(" ".join(tag.sub(" ", subject[:LONGEST]).split()))


def without_marks(line: str) -> str:
    """The line without the reply and forward marks at its beginning."""
    at = 0
    while (match := _MARK.match(line, at)) is not None:
        at = match.end()
    return line[at:].strip()
