"""This is where maild sees whether an agent's answer would show a customer what is internal.

What an agent writes is cut at the notification's marker and its quotations; where a mail client quotes in a way that
nobody knows, words of the notification would go out. Compared are only internal words: notes, other agents' texts, SLA
and fact lines. Words that the customer has seen or written are never a leak. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from maild.plain.fold import fold

RUN = 25  # characters in a row
_MOST = 200_000  # characters of each side that are looked at
_MARKS = re.compile(r"(?m)^[ \t]*(?:>[ \t]?)+")


def leaked(outgoing: str, internal: Iterable[str], public: Iterable[str]) -> str:
    """The first stretch of ``outgoing`` of 25 or more characters that stands in an internal text and in no public one.

    '' where there is none. Texts are compared folded: without case, quote marks, and with each run of blanks as one.
    """
    runs: set[str] = set()
    for text in internal:
        runs |= _runs(text)
    if not runs:
        return ""
    for text in public:
        runs -= _runs(text)
    said = _folded(outgoing)
    first = next((at for at in range(len(said) - RUN + 1) if said[at : at + RUN] in runs), None)
    if first is None:
        return ""
    last = first
    while last + 1 <= len(said) - RUN and said[last + 1 : last + 1 + RUN] in runs:
        last += 1
    return said[first : last + RUN].strip()


def _folded(text: str) -> str:
    return fold(_MARKS.sub("", text[:_MOST])).strip()


def _runs(text: str) -> set[str]:
    folded = _folded(text)
    return {folded[at : at + RUN] for at in range(len(folded) - RUN + 1)}
