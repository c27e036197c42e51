"""This is where maild reads the patterns that admins write: google-re2 alone, so that no pattern can take long.

A pattern ignores case and works per line (`^`, `$`) unless it says `(?-i)` or `(?-m)` itself. What RE2 cannot do, and
what it does otherwise than people expect, is refused with a sentence that says what to write instead.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

import re2

FLAGS = "(?im)"
_OPENER = re.compile(r"\((?:\?(?:P?<\w+>|[a-zA-Z-]*:|[a-zA-Z-]+\)))?")


def options(memory: int = 8 << 20) -> Any:
    """The options every pattern is compiled with; ``memory`` in bytes bounds what RE2 keeps for it."""
    chosen = re2.Options()
    chosen.log_errors = False
    chosen.max_mem = memory
    return chosen


_OPTIONS = options()


def source(pattern: str) -> str:
    """The pattern as it is handed to RE2: composed (NFC) and with maild's own flags before it."""
    return FLAGS + unicodedata.normalize("NFC", pattern)


@lru_cache(maxsize=65536)
def compiled(pattern: str) -> Any:
    """The compiled pattern; to be searched in text made by `fold.tidy`. Raises ValueError that says what to write instead;
    what follows a line break in it is the hint."""
    _refuse_control(pattern)
    _refuse_ascii_boundary(pattern)
    try:
        return re2.compile(source(pattern), _OPTIONS)
    except re2.error as error:
        raise ValueError(_sentence(pattern, error)) from None


class Beginnings:
    """Whether a text may begin with one of these patterns (as `re2.compile` gives them): one question for all, without the
    places, costs a tenth of what asking each does. Where RE2 has too little memory to know, the answer is yes."""

    def __init__(self, *wanted: Any) -> None:
        self._set = re2.Set.MatchSet(options(64 << 20))
        self._set.Add("")  # begins every text: where even this is missing from an answer, RE2 does not know
        for each in wanted:
            self._set.Add(each.pattern)
        self._set.Compile()

    def may_begin(self, text: str) -> bool:
        return bool(self._set.Match(text) != [0])


class Phrases:
    """A table of patterns of `re` (without case) for words in texts. RE2 looks first, for what may be one: it is a hundred
    times faster, and knows neither `\\b` nor letters beyond ASCII in `\\w`, so it is asked with wider ones; only where it
    finds something does `re` look closely."""

    def __init__(self, *texts: str) -> None:
        pattern = "|".join(texts)
        self._exact = re.compile(pattern, re.IGNORECASE)
        wider = pattern.replace(r"\b", "").replace(r"\w", r"[\pL\pN\pM_]").replace(r"\d", r"\pN")
        self._may = None if r"\A" in pattern else re2.compile("(?i)" + wider, options())

    def search(self, text: str) -> re.Match[str] | None:
        if self._may is not None and self._may.search(text) is None:
            return None
        return self._exact.search(text)


def _sentence(pattern: str, error: Exception) -> str:
    said = error.args[0] if error.args else b""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    if any(mark in text for mark in ("(?=", "(?!", "(?<")):
        return ("patterns have no look-ahead and look-behind (RE2 keeps them fast)\n"
                "use a second criterion, or extract with a group around what is wanted")  # fmt: skip
    if "invalid escape sequence" in text and re.search(r"\\[1-9]", pattern):
        return ("patterns have no back references like \\1 (RE2 keeps them fast)\n"
                "use extract, and compare what was found")  # fmt: skip
    if "too large" in text or ("repeat" in text and "size" in text):
        return f"the pattern is too large: {text}\nrepeat at most 1000 times, or use contains or words"
    hints = {"missing )": r"a bracket that is meant itself is written \(", "missing ]": r"a bracket that is meant itself is written \[",
             "no argument": "what is repeated stands before the sign: .*x; or use contains"}  # fmt: skip
    hint = next((each for begin, each in hints.items() if text.startswith(begin)), "")
    return f"the pattern cannot be read: {text.replace(FLAGS, '')}\n{hint}"


def _refuse_control(pattern: str) -> None:
    if found := next((c for c in pattern if (ord(c) < 32 and c not in "\t\n") or ord(c) == 127), ""):
        name = {"\x08": r"\b in double quotes is a backspace", "\x07": r"\a in double quotes is a bell"}.get(found)
        raise ValueError(f"the pattern holds a control character ({name or f'U+{ord(found):04X}'})\n"
                         r"put the pattern in single quotes: '\bword\b'")  # fmt: skip


def _refuse_ascii_boundary(pattern: str) -> None:
    if pattern.isascii() or "\\" not in pattern:
        return
    tokens = _tokens(pattern)
    for at, token in enumerate(tokens):
        if token in (r"\b", r"\B") and (_begins_foreign(tokens, at + 1) or _ends_foreign(tokens, at - 1)):
            raise ValueError(rf"{token} knows ASCII letters only: next to a letter like {_foreign(pattern)!r} it never matches"
                             "\nuse words: [...], which finds whole words in any script")  # fmt: skip


def _foreign(text: str) -> str:
    return next((c for c in text if not c.isascii() and c.isalpha()), "")


def _tokens(pattern: str) -> list[str]:
    """The pattern cut into escapes, character classes, group openers and single characters."""
    found, at = [], 0
    while at < len(pattern):
        if pattern[at] == "\\":
            end = at + 2
        elif pattern[at] == "[":
            end = at + 1
            while end < len(pattern) and (pattern[end] != "]" or end == at + 1):
                end += 2 if pattern[end] == "\\" else 1
            end += 1
        elif opener := _OPENER.match(pattern, at):
            end = opener.end()
        else:
            end = at + 1
        found.append(pattern[at:end])
        at = end
    return found


def _is_open(token: str) -> bool:
    return token.startswith("(") and not token.endswith(")")


def _begins_foreign(tokens: list[str], at: int) -> bool:
    """Whether one way to go on from here begins with a letter outside ASCII."""
    while at < len(tokens) and tokens[at].startswith("(") and not _is_open(tokens[at]):
        at += 1  # flags alone
    if at >= len(tokens):
        return False
    if not _is_open(tokens[at]):
        return bool(_foreign(tokens[at]))
    depth, starts = 1, [at + 1]
    for place in range(at + 1, len(tokens)):
        depth += _is_open(tokens[place]) - (tokens[place] == ")")
        if depth == 0:
            break
        if depth == 1 and tokens[place] == "|":
            starts.append(place + 1)
    return any(_begins_foreign(tokens, start) for start in starts)


def _ends_foreign(tokens: list[str], at: int) -> bool:
    """Whether one way to come here ends with a letter outside ASCII."""
    while at >= 0 and (tokens[at] in ("?", "*", "+")):
        at -= 1
    if at < 0:
        return False
    if tokens[at] != ")":
        return bool(_foreign(tokens[at])) and not _is_open(tokens[at])
    depth, ends = 1, [at - 1]
    for place in range(at - 1, -1, -1):
        depth += (tokens[place] == ")") - _is_open(tokens[place])
        if depth == 0:
            break
        if depth == 1 and tokens[place] == "|":
            ends.append(place - 1)
    return any(_ends_foreign(tokens, end) for end in ends)
