"""This is where maild finds the text of a mail: which parts are to be read, decoded, and as one readable text."""

from __future__ import annotations

import re

from maild.ingest import charsets, content, links, mime
from maild.model.message import Part

TEXT_LIMIT = 512 * 1024  # characters of text kept of one part; the rest stays in the raw bytes
PARTS_LIMIT = 2 * 1024 * 1024  # characters of text kept of all parts together

_READ_TYPES = frozenset(
    ("text/plain", "text/html", "text/enriched", "text/richtext", "text/markdown", "text/x-markdown")
)
# Text that is data rather than words, even where it is the whole mail.
_DATA_TYPES = frozenset(("text/calendar", "text/csv", "text/rtf", "text/vcard", "text/x-vcard", "text/xml", "text/css"))
_KEPT_TYPES = frozenset(("application/ics",))
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
# A plain part that only says that there is HTML to look at; one with a link of its own says more.
_STUB = re.compile(
    r"\A(?!.*https?://)(?=.*\bhtml\b)(?=.{0,250}\Z).*(?:support|display|view|client|enable|capable|format|version|unterstützt"
    r"|anzeigen|ansicht|affich|prend|soport|visuali)",
    re.IGNORECASE | re.DOTALL,
)


class Body:
    """The text of one mail while it is read; every part is decoded once.

    ``shown`` are the numbers of the parts that are read as text, ``defects`` what was wrong with them.
    """

    def __init__(self, root: mime.Entity) -> None:
        self.root = root
        self.shown: set[int] = set()
        self.defects: list[str] = []
        self._decoded: dict[int, str] = {}
        self._room = PARTS_LIMIT

    def texts(self) -> tuple[str, str]:
        """(readable text, HTML as it came): '' where there is none.

        Of alternatives the plain one is read, unless it is empty or says that there is HTML to look at. A mail that
        has nothing to read but a message inside it gives that message's text.
        """
        pairs = self._pairs(self.root)
        if not pairs:
            inner = next((e for e in self.root.walk() if e.nested and e.children), None)
            pairs = self._pairs(inner.children[0]) if inner is not None else []
        text = "\n\n".join(_readable(plain, page).strip("\n") for plain, page in pairs)
        return links.unwrap(text[:TEXT_LIMIT]), "\n".join(page for _, page in pairs if page)

    def parts(self) -> tuple[Part, ...]:
        """The parts whose words matter: text, reports, calendars, and messages inside the message."""
        out = []
        for leaf in self.root.walk():
            if leaf.number >= 0 and (leaf.type.startswith(("text/", "message/")) or leaf.type in _KEPT_TYPES):
                text = self._source(leaf) if leaf.nested else self.text_of(leaf)
                out.append(Part(leaf.number, leaf.type, text, tuple(leaf.params.items()), leaf.depth))
        return tuple(out)

    def text_of(self, leaf: mime.Entity) -> str:
        """The decoded text of a part: line feeds alone, flowed lines joined, cut at the limit."""
        if leaf.number in self._decoded:
            return self._decoded[leaf.number]
        limit = max(0, min(TEXT_LIMIT, self._room))
        data = leaf.content(limit * 2)
        cut = leaf.end - leaf.body > limit * 2
        if cut:  # not in the middle of a character
            data = data[: max(data.rfind(b"\n") + 1, len(data) - 1000)]
        charset = leaf.params.get("charset", "")
        if not charset and leaf.type == "text/html":
            match = _META.search(data[:4096])
            charset = match[1].decode("ascii") if match else ""
        text, defect = charsets.decode(data, charset)
        if defect:
            self.defects.append(defect)
        text = content.lines(text)
        if cut or len(text) > limit:
            self.defects.append("text: longer than the limit, the rest was not read")
            text = text[:limit]
        if leaf.type == "text/plain" and leaf.params.get("format", "").lower() == "flowed":
            text = content.flowed(text, leaf.params.get("delsp", "").lower() == "yes")
        self._room -= len(text)
        self._decoded[leaf.number] = text
        return text

    def _source(self, nested: mime.Entity) -> str:
        """The source of a message inside the message, as far as it is text."""
        data = nested.content(max(0, min(TEXT_LIMIT, self._room)))
        text = content.lines(charsets.decode(data)[0])
        self._room -= len(text)
        return text

    def _pairs(self, root: mime.Entity) -> list[tuple[str, str]]:
        """What is to be read below ``root``, in order: pairs of (plain text, HTML) that say the same."""
        found: list[tuple[str, str]] = []
        stack = [root]
        while stack:
            one = stack.pop()
            if one.children and one.type == "multipart/alternative":
                pair, rest = self._alternative(one)
                found.append(pair)
                stack.extend(reversed(rest))
            elif one.children and not one.nested:
                stack.extend(reversed(one.children))
            elif one.number >= 0 and _reads(one, root, first=not any(map(any, found))):
                self.shown.add(one.number)
                text = self.text_of(one)
                found.append(("", text) if one.type == "text/html" else (text, ""))
        return [(plain, page) for plain, page in found if plain.strip() or page.strip()]

    def _alternative(self, one: mime.Entity) -> tuple[tuple[str, str], list[mime.Entity]]:
        """The plain text and the HTML of one multipart/alternative, and what in it is neither."""
        plain: list[str] = []
        pages: list[str] = []
        other = ""
        rest: list[mime.Entity] = []
        todo = list(reversed(one.children))
        while todo:
            child = todo.pop()
            if child.children and not child.nested:
                todo.extend(reversed(child.children))
            elif child.number < 0 or child.disposition == "attachment":
                rest.append(child)
            elif child.type == "text/html" and (not pages or not child.name):
                # Apple Mail cuts one HTML body in several around its attachments
                self.shown.add(child.number)
                pages.append(self.text_of(child))
            elif child.type == "text/plain" and child.inside in ("multipart/alternative", "multipart/related"):
                self.shown.add(child.number)
                plain.append(self.text_of(child))
            elif child.type.startswith("text/") and child.inside == "multipart/alternative" and not child.name:
                # a third way to say the same (enriched, AMP, a calendar): read only where there is no other
                if child.type in _READ_TYPES and not other:
                    other = self.text_of(child)
            else:
                rest.append(child)
        return (next(filter(str.strip, plain), "" if any(pages) else other), "\n".join(pages)), rest


def _reads(leaf: mime.Entity, root: mime.Entity, first: bool) -> bool:
    """Whether a part is text to read. A named text without a disposition is, where nothing came before it."""
    whole = leaf is root
    if leaf.nested or not leaf.type.startswith("text/"):
        return False
    if leaf.type not in _READ_TYPES:
        return whole and leaf.type not in _DATA_TYPES
    if leaf.disposition == "attachment":
        return whole and not leaf.name
    return leaf.disposition == "inline" or not leaf.name or first


def _readable(plain: str, page: str) -> str:
    """The plain text; the HTML's where there is none, where it only says that one should look at the HTML, or where
    characters of it are lost that the HTML has."""
    if page and "\ufffd" in plain and "\ufffd" not in page:
        text = content.html_text(page)
        if len(text) * 2 > len(plain):
            return text
    if page and (not plain.strip() or (len(plain) < 300 and _STUB.match(plain.strip()))):
        text = content.html_text(page)
        if text.strip() and (not plain.strip() or len(text) > len(plain)):
            return text
    return plain
