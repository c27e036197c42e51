"""This is where maild makes readable text of what a mail shows: HTML as text, and format=flowed joined.

Linear in its input, without an HTML library: mail's HTML is broken in ways that trees make worse.
"""

from __future__ import annotations

import html
import re

_BLOCK_NAMES = (
    "address article aside blockquote body center dd details dir div dl dt fieldset figcaption figure footer form"
    " h1 h2 h3 h4 h5 h6 header hr html li main menu nav ol p pre section summary table tbody tfoot thead ul caption"
    " option title legend"
)
_PARAGRAPH_NAMES = "p h1 h2 h3 h4 h5 h6 ul ol dl blockquote table pre"
_SILENT_NAMES = "script style head title noscript template svg math object iframe xml select"
_VOID_NAMES = "br hr img input meta link area base col embed source track wbr"
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_PARAGRAPHS = frozenset(_PARAGRAPH_NAMES.split())
_SILENT = frozenset(_SILENT_NAMES.split())
_VOID = frozenset(_VOID_NAMES.split())
_TAG = re.compile(r"/?([a-zA-Z][a-zA-Z0-9:]*)")
_SPACES = re.compile(r"[ \t\r\n\f\u200b]+")
_INVISIBLE = re.compile(r"[\u200b\u200c\u200e\u2060\ufeff\u00ad\u034f]")
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.IGNORECASE)
_FRAMES = 30


def lines(text: str) -> str:
    """The text with line feeds alone as line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


class _Cells:
    """The cells of one table row, put together so that a label and its value stand in one line."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def joined(self) -> str:
        out = ""
        for cell in self.done:
            if not cell:
                continue
            if not out:
                out = cell
            elif "\n" not in out.rpartition("\n\n")[2] and ("\n" not in cell or out.endswith(":")):
                out += " " + cell
            else:
                out += "\n" + cell
        return out


class _Writer:
    """Collects words into lines; table rows and their cells nest."""

    def __init__(self) -> None:
        self.frames: list[tuple[list[str], _Cells | None]] = [([], None)]
        self.tables: list[int] = []  # how many frames were open where each open table began
        self.out: list[str] = self.frames[0][0]

    def words(self, text: str, preformatted: bool) -> None:
        if preformatted:
            self.out.append(lines(text))
            return
        text = _SPACES.sub(" ", text)
        if text.startswith(" ") and (not self.out or self.out[-1].endswith(("\n", " "))):
            text = text[1:]
        if text:
            self.out.append(text)

    def newline(self, count: int = 1) -> None:
        """At least ``count`` line feeds, unless nothing was written yet."""
        if not self.out:
            return
        ending = 0
        for piece in reversed(self.out[-3:]):
            stripped = piece.rstrip(" ")
            ending += len(stripped) - len(stripped.rstrip("\n"))
            if stripped.strip("\n"):
                break
        self.out.extend("\n" * max(0, count - ending))

    def table(self) -> None:
        self.newline()
        if len(self.tables) < 200:
            self.tables.append(len(self.frames))

    def table_end(self) -> None:
        base = self.tables.pop() if self.tables else 1
        while len(self.frames) > base:
            self.row_end()
        self.newline()

    def row(self) -> None:
        base = self.tables[-1] if self.tables else 1
        while len(self.frames) > base:  # the row before was never closed
            self.row_end()
        self.newline()
        if len(self.frames) < _FRAMES:
            self.frames.append(([], _Cells()))
            self.out = self.frames[-1][0]

    def cell(self) -> None:
        """A new cell begins (or the row ends): what was written belongs to the one before."""
        cells = self.frames[-1][1]
        if cells is None:
            if self.out and not self.out[-1].endswith(("\n", " ")):
                self.out.append(" ")
            return
        cells.done.append("".join(self.out).strip())
        self.out.clear()

    def row_end(self) -> None:
        if self.frames[-1][1] is None:
            return
        self.cell()
        _, cells = self.frames.pop()
        self.out = self.frames[-1][0]
        text = cells.joined() if cells else ""
        if text:
            self.out.extend((text, "\n"))

    def text(self) -> str:
        while len(self.frames) > 1:
            self.row_end()
        return "".join(self.out)


def html_text(source: str) -> str:
    """HTML as plain text: block elements and ``<br>`` end lines, cells of a row stand beside each other."""
    writer = _Writer()
    silent, pre = "", 0
    silent_depth = 0
    missing: set[str] = set()  # what was looked for to the end and is not there: looked for once only
    place, size = 0, len(source)
    while place < size:
        left = source.find("<", place)
        if left < 0:
            left = size
        if left > place and not silent:
            writer.words(html.unescape(source[place:left]), pre > 0)
        if left >= size:
            break
        if source.startswith("<!--", left):
            end = -1 if "-->" in missing else source.find("-->", left + 4)
            if end < 0:  # a comment that is never closed hides nothing: only its mark is passed over
                missing.add("-->")
            place = end + 3 if end >= 0 else left + 4
            continue
        match = _TAG.match(source, left + 1)
        if match is None:
            strange = source[left + 1 : left + 2] in ("!", "?", "/") and ">" not in missing
            right = source.find(">", left) if strange else -1
            if right < 0:
                if strange:
                    missing.add(">")
                end = source.find("<", left + 1)
                while end == left + 1:  # a run of brackets is text as a whole
                    left, end = end, source.find("<", end + 1)
                if not silent:
                    writer.words("<", pre > 0)
                place = left + 1
            else:
                place = right + 1
            continue
        right = source.find(">", match.end())
        if right < 0:
            if not silent:
                writer.words(html.unescape(source[left:]), pre > 0)
            break
        tries = 0
        while tries < 4 and source.count('"', match.end(), right) % 2:  # a > inside a quoted attribute
            further = source.find(">", right + 1, right + 4096)
            if further < 0:
                break
            right, tries = further, tries + 1
        place = right + 1
        name, closing = match[1].lower(), source[left + 1] == "/"
        if silent:
            if name == silent:
                silent_depth += -1 if closing else 0 if source[right - 1] == "/" or name in _VOID else 1
                if silent_depth <= 0:
                    silent = ""
            continue
        if not closing and name not in _VOID and source[right - 1] != "/":
            hidden = name in _SILENT or bool(_HIDDEN.search(source, match.end(), right))
            if hidden and name not in missing:
                if source.find("</" + match[1], right) >= 0:
                    silent, silent_depth = name, 1
                    continue
                missing.add(name)
        if name == "br":
            writer.out.append("\n")
        elif name == "pre":
            pre = max(0, pre + (-1 if closing else 1))
            writer.newline()
        elif name == "tr":
            (writer.row_end if closing else writer.row)()
        elif name in ("td", "th"):
            if not closing:
                if writer.out or writer.frames[-1][1] is None:
                    writer.cell()
            elif writer.frames[-1][1] is not None:
                writer.cell()
        elif name == "table":
            (writer.table_end if closing else writer.table)()
        elif name in _BLOCKS:
            writer.newline(2 if name in _PARAGRAPHS else 1)
    return tidy_lines(writer.text().replace("\xa0", " "))


def tidy_lines(text: str) -> str:
    """No blanks at line ends, no invisible characters, at most one empty line in a row."""
    text = _INVISIBLE.sub("", text)
    out: list[str] = []
    empty = 0
    for line in text.split("\n"):
        line = line.rstrip(" \t\xa0")
        empty = empty + 1 if not line else 0
        if empty < 2:
            out.append(line)
    return "\n".join(out).strip("\n")


def flowed(text: str, delsp: bool) -> str:
    """Text of format=flowed with its soft line ends joined and its stuffing taken off (RFC 3676, 4)."""
    out: list[str] = []
    paragraph: list[str] = []
    open_depth = -1  # quote depth of the paragraph that goes on, -1 for none
    for line in text.split("\n"):
        bare = line.lstrip(">")
        depth = len(line) - len(bare)
        if bare.startswith(" "):
            bare = bare[1:]
        soft = bare.endswith(" ") and bare != "-- "
        shown = bare[:-1] if soft and delsp else bare
        if not (open_depth == depth and bare != "-- "):
            out.append("".join(paragraph))
            paragraph = [">" * depth + " "] if depth else []
        paragraph.append(shown)
        open_depth = depth if soft else -1
    out.append("".join(paragraph))
    return "\n".join(out[1:])
