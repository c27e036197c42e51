"""This is where an agent's formatting goes along with the answer: the HTML of the mail, cut down to what the text says.

The text is what was checked and is sent; the HTML is used only where it says the very same words. It is cut before the
first quotation, the commands are taken out, and what is left is compared word by word; where anything differs there is
no HTML, and the answer goes out as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from html.parser import HTMLParser

from maild.plain.fold import fold

MOST = 500_000
_VOID = frozenset({"area", "br", "col", "hr", "img", "input", "wbr", "meta", "link", "base"})
_SILENT = frozenset({"head", "style", "script", "title", "template", "noscript"})
_BLOCKS = frozenset({"p", "div", "li", "tr", "td", "th", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "section"})
_QUOTE = re.compile(
    r"gmail_quote|gmail_attr|yahoo_quoted|moz-cite-prefix|protonmail_quote|divRplyFwdMsg|appendonsend|mail-editor-reference|"
    r"OutlookMessageHeader|gmail_signature|gmail_extra|zmail_extra",
    re.IGNORECASE,
)
_BORDER = re.compile(r"border(?:-top)?:\s*(?:none;\s*border-top:\s*)?solid", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")


def answer_html(html: str, text: str, taken: Sequence[str]) -> str:
    """The part of ``html`` that says what ``text`` says, without the lines ``taken`` as commands; '' where none does."""
    if not html or len(html) > MOST or not text.strip():
        return ""
    reader = _Reader(_words(line) for line in taken)
    reader.feed(html)
    reader.close()
    for cut in reader.candidates():
        if _words(_plain(cut)) == _words(text):
            return _without_blank_ends(cut)
    return ""


_MOST_BLANK = 60  # a few a command
_TAIL = 5_000  # characters in which the blank end is looked for
_BLANK = re.compile(
    r"(?P<before>\A(?:\s|<(?:div|table|tbody|tr|td|span|font|o:p)\b[^>]*>)*?)"
    r"<(?P<tag>p|div|span|o:p)\b[^>]*>(?:\s|\u00a0|&nbsp;|<br[^>]*>|<(?P<inner>span|font|b|o:p)\b[^>]*>(?:\s|\u00a0|&nbsp;)*</(?P=inner)>)*</(?P=tag)>",
    re.IGNORECASE,
)


_BLANK_END = re.compile(
    r"(?:\s|&nbsp;|<br[^>]*>)*<(?P<tag>p|div|span|blockquote|o:p)\b[^>]*>(?:\s|\u00a0|&nbsp;|<br[^>]*>)*</(?P=tag)>"
    r"(?P<after>(?:\s|</(?:p|div|span|td|tr|tbody|table|blockquote)>)*)\Z",
    re.IGNORECASE,
)


def _without_blank_ends(html: str) -> str:
    """The HTML without the empty paragraphs that the commands leave at its beginning, and the quotation at its end."""
    for _ in range(_MOST_BLANK):
        blank = _BLANK.match(html)
        if blank is None:
            break
        html = blank["before"] + html[blank.end() :]
    for _ in range(_MOST_BLANK):
        end = html[-_TAIL:]
        blank = _BLANK_END.search(end)
        if blank is None:
            break
        html = html[:-_TAIL] + end[: blank.start()] + blank["after"]
    return html


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(fold(text)))


class _Plain(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in _SILENT
        if tag in _BLOCKS or tag == "br":
            self.text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in _SILENT and self.silent > 0
        if tag in _BLOCKS:
            self.text.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.text.append(data)


def _plain(html: str) -> str:
    reader = _Plain()
    reader.feed(html)
    reader.close()
    return "".join(reader.text)


class _Reader(HTMLParser):
    """Writes the HTML again line by line, and leaves out the lines that are commands; notes where a quotation may begin."""

    def __init__(self, taken: Iterable[tuple[str, ...]]) -> None:
        super().__init__(convert_charrefs=True)
        self._taken = [words for words in taken if words]
        self._out: list[str] = []
        self._line: list[str] = []  # the tags and words since the last line break
        self._said: list[str] = []
        self._open: list[str] = []
        self._silent = 0
        self._cuts: list[str] = []
        self._blocks = 0

    def candidates(self) -> list[str]:
        """The HTML up to each place where a quotation may begin, the longest first."""
        self._end_line()
        return [*dict.fromkeys([*self._cuts, self._whole()])][::-1]

    def _whole(self) -> str:
        return "".join(self._out) + "".join(f"</{tag}>" for tag in reversed(self._open))

    def _end_line(self) -> None:
        said = "".join(self._said)
        if self._taken and _words(said) == self._taken[0] and said.strip():
            self._taken.pop(0)
            self._out += [piece for piece in self._line if piece.startswith("<") and not piece.startswith(("<br", "<img"))]
        else:
            if _looks_quoted(said):
                self._cuts.append(self._whole())
            self._out += self._line
        self._line.clear()
        self._said.clear()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
            return
        if self._silent or tag in {"html", "body", "meta", "link", "base"}:
            return
        if tag in _BLOCKS or tag in {"br", "hr"}:
            self._end_line()
        names = " ".join(value or "" for name, value in attrs if name in {"class", "id", "name"})
        style = next((value or "" for name, value in attrs if name == "style"), "")
        if tag in {"blockquote", "hr"} or _QUOTE.search(names) or _BORDER.search(style):
            self._cuts.append(self._whole())
        kept = "".join(f' {name}="{escape(value or "", quote=True)}"' for name, value in attrs if re.fullmatch(r"[a-z-]+", name))
        (self._out if tag in _BLOCKS else self._line).append(f"<{tag}{kept}>")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
            return
        if tag in _BLOCKS:
            self._end_line()
        if tag not in self._open:
            return
        while self._open:
            last = self._open.pop()
            (self._out if tag in _BLOCKS else self._line).append(f"</{last}>")
            if last == tag:
                return

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._line.append(escape(data, quote=False))
            self._said.append(data)


def _looks_quoted(line: str) -> bool:
    folded = line.strip().casefold()
    return "answer above this line" in folded or folded.startswith("your reply ") or folded.rstrip().endswith(":") or folded in {"--", "—"}
