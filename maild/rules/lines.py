"""This is where maild reads mail as lines for autofill: plain text as it is, HTML as lines and table rows.

A line is a tuple: one text, or the cells of a table row (`<dt>` and `<dd>` are a row of two). Linear in the size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Line = tuple[str, ...]


def lines_of_text(text: str) -> list[Line]:
    """The lines of a plain text."""
    return [(line,) for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]


def is_blank(line: Line) -> bool:
    """Whether this is a text line with nothing on it."""
    return len(line) == 1 and not line[0].strip()


_SKIPPED = frozenset(("script", "style", "head", "title", "template", "noscript", "select", "button", "svg", "math"))
_BLOCKS = frozenset(
    [
        "div",
        "li",
        "ul",
        "ol",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "section",
        "article",
        "header",
        "footer",
        "hr",
        "address",
        "pre",
        "form",
        "center",
        "caption",
    ]
)
_QUOTES = re.compile(r"(?:^|\s)(?:gmail_quote|gmail_quote_container|gmail_signature|yahoo_quoted|protonmail_quote|moz-cite-prefix"
                     r"|moz-signature|tutanota_quote|zmail_extra)(?:\s|$)")  # fmt: skip
_QUOTED_FROM_HERE = frozenset(("appendonsend", "divrplyfwdmsg", "x_divrplyfwdmsg", "x_appendonsend", "stopspelling"))
_SPACES = re.compile(r"[ \t\r\n\f]+")


class _HtmlLines:
    """A target for lxml's parser that gathers lines and table rows."""

    def __init__(self, quotes: bool) -> None:
        self.quotes = quotes
        self.out: list[Line] = []
        self.line: list[str] = []
        self.rows: list[list[list[str]] | None] = []  # the open row of each open table; None between rows
        self.skipping = 0
        self.over = False
        self.pre = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self.skipping or self.over:
            self.skipping += 1
            return
        if tag in _SKIPPED or (not self.quotes and self._is_quote(tag, attributes)):
            self.skipping = 1
            self._newline()
        elif tag == "br":
            if (
                self._buffer() is self.line
                and not "".join(self.line).strip()
                and self.out
                and not is_blank(self.out[-1])
            ):
                self.out.append(("",))
            self._newline()
        elif tag == "p":
            self._newline(blank=True)
        elif tag == "table" or tag == "dl":
            self._newline()
            self.rows.append(None)
        elif tag in ("tr", "dt"):
            self._end_row()
            if not self.rows:
                self.rows.append(None)
            self._newline()
            self.rows[-1] = [[]] if tag == "dt" else []
        elif tag in ("td", "th", "dd") and self.rows:
            row = self.rows[-1]
            if row is None:
                self.rows[-1] = row = []
            row.append([])
        elif tag in _BLOCKS:
            self._newline()
            self.pre += tag == "pre"

    def end(self, tag: str) -> None:
        if self.skipping:
            self.skipping -= 1
        elif tag in ("tr", "dd"):
            self._end_row()
        elif tag in ("table", "dl") and self.rows:
            self._end_row()
            self.rows.pop()
            self._newline()
        elif tag == "p":
            self._newline(blank=True)
        elif tag in _BLOCKS:
            self._newline()
            self.pre -= tag == "pre"

    def data(self, text: str) -> None:
        if not self.skipping and not self.over:
            self._buffer().append(text if self.pre else _SPACES.sub(" ", text))

    def comment(self, text: str) -> None:
        pass

    def close(self) -> list[Line]:
        while self.rows:
            self._end_row()
            self.rows.pop()
        self._flush()
        return self.out

    def _is_quote(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if (attributes.get("id") or "").lower() in _QUOTED_FROM_HERE:
            self.over = True
        return self.over or tag == "blockquote" or _QUOTES.search(attributes.get("class") or "") is not None

    def _buffer(self) -> list[str]:
        if self.rows and self.rows[-1]:
            return self.rows[-1][-1]
        return self.line

    def _newline(self, blank: bool = False) -> None:
        buffer = self._buffer()
        if buffer is not self.line:
            buffer.append("\n\n" if blank else "\n")
            return
        self._flush()
        if blank and self.out and not is_blank(self.out[-1]):
            self.out.append(("",))

    def _flush(self) -> None:
        text = "".join(self.line)
        self.line.clear()
        if text.strip():
            self.out.extend((part.strip(),) for part in text.split("\n"))

    def _end_row(self) -> None:
        if not self.rows or not self.rows[-1]:
            if self.rows:
                self.rows[-1] = None
            return
        cells = tuple(_cell("".join(cell)) for cell in self.rows[-1])
        self.rows[-1] = None
        self._flush()
        if len(cells) > 1:
            self.out.append(cells)
        else:
            self.out.extend(lines_of_text(cells[0]))


def _cell(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.strip() for line in text.split("\n"))).strip()


def lines_of_html(html: str, *, quotes: bool = False) -> list[Line]:
    """The lines and table rows of an HTML text, without what is quoted (unless ``quotes``), scripts and styles."""
    if not html.strip():
        return []
    from lxml import etree  # type: ignore[import-untyped,unused-ignore]

    target = _HtmlLines(quotes)
    parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True)
    try:
        parser.feed(html.encode("utf-8", "replace"))
        parser.close()
    except etree.LxmlError:
        pass  # nothing but blanks or comments in it; what was read so far counts
    return target.close()
