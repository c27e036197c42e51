"""This is where maild turns HTML into lines with quote marks, so that quotations in HTML read like those in plain text."""

from __future__ import annotations

from html.parser import HTMLParser

import re2

MAX_HTML = 700_000
MAX_DEPTH = 200

_BLOCKS = frozenset(
    ["address", "article", "aside", "blockquote", "body", "center", "dd", "div", "dl", "dt", "fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"]
)
_SILENT = frozenset({"style", "script", "title", "head", "template", "noscript"})
_VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"])
_QUOTE_CLASS = re2.compile(r"(?i)(^|\s)(gmail_quote(_container)?|gmail_extra|yahoo_quoted|protonmail_quote|zmail_extra|tutanota_quote|moz-forward-container|cite|quoted-text|history_container|hmmessage_quote)(\s|$)")
_INTRO_CLASS = re2.compile(r"(?i)(^|\s)(moz-cite-prefix|gmail_attr|gmail_quote_attribution|outlookmessageheader)(\s|$)")
_BORDER = re2.compile(r"border:none;border-top:solid|border-top:solid#(b5c4df|e1e1e1)|border-top:1px|border-top:#(b5c4df|e1e1e1)")
_HAS_QUOTES = re2.compile(r"(?i)<blockquote|name=[\"']?quote\b|gmail_quote|yahoo_quoted|moz-cite-prefix|divrplyfwdmsg|appendonsend|protonmail_quote|stopspelling|zmail_extra|outlookmessageheader|border-top: ?(solid|1px|1\.0pt)|border:none; ?border-top")


def has_quotes(html: str) -> bool:
    """Whether the HTML marks a quotation in one of the known ways."""
    return bool(_HAS_QUOTES.search(html[:MAX_HTML]))


def marked_lines(html: str) -> list[str]:
    """The text of ``html``, line by line, with ``> `` before what stands in a quotation. Broken HTML is read as it is."""
    reader = _Reader()
    reader.feed(html[:MAX_HTML])
    reader.close()
    reader.end_line()
    return reader.lines


def _border(attrs: list[tuple[str, str | None]]) -> bool:
    """Whether an element is drawn or known as the line above a quoted mail: Outlook's border, its reply element."""
    for name, value in attrs:
        if name == "style" and value and _BORDER.search(value[:500].replace(" ", "").lower()):
            return True
        if name == "id" and value and value.lower() in ("divrplyfwdmsg", "x_divrplyfwdmsg", "appendonsend"):
            return True
    return False


class _Reader(HTMLParser):
    """Collects lines; knows for each open element whether it is a quotation."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._words: list[str] = []
        self._open: list[tuple[str, bool, bool]] = []  # name, is a quotation, is preformatted
        self._quotes = 0
        self._silent = 0
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS or tag == "br":
            self.end_line(tag == "br")
        if (tag == "hr" or _border(attrs)) and not self._silent:
            self._put("_" * 32)
            self.end_line()
        if tag in _VOID:
            return
        values = {name: value or "" for name, value in attrs}
        name = values.get("class", "")[:200]
        quote = tag == "blockquote" or values.get("name") == "quote"
        quote = quote or (tag != "body" and bool(_QUOTE_CLASS.search(name) or _INTRO_CLASS.search(name)))
        pre = tag == "pre"
        if len(self._open) < MAX_DEPTH * 10:
            self._open.append((tag, quote, pre))
            self._quotes += quote
            self._pre += pre
            self._silent += tag in _SILENT

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.end_line()
            if tag == "p":
                self._blank()
        for back in range(1, min(len(self._open), MAX_DEPTH) + 1):
            if self._open[-back][0] == tag:
                for name, quote, pre in self._open[-back:]:
                    self._quotes -= quote
                    self._pre -= pre
                    self._silent -= name in _SILENT
                del self._open[-back:]
                return

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._pre:
            first, *more = data.split("\n")
            self._put(first)
            for line in more:
                self.end_line(True)
                self._put(line)
        else:
            self._put(data)

    def _put(self, data: str) -> None:
        self._words.append(data)

    def end_line(self, forced: bool = False) -> None:
        """Close the line; an empty one only counts where it was ``forced`` (``<br>``)."""
        if self._silent:
            return
        text = "".join(self._words)
        self._words.clear()
        text = text.rstrip() if self._pre else " ".join(text.split())
        if text:
            self.lines.append("> " * min(self._quotes, 5) + text if self._quotes else text)
        elif forced:
            self._blank()

    def _blank(self) -> None:
        if self.lines and self.lines[-1].strip("> "):
            self.lines.append(">" if self._quotes else "")
