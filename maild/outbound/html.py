"""This is where maild makes HTML for mails: out of plain text, and out of HTML that a person sent.

Everything from outside is escaped or cleaned here; nothing is fetched, nothing runs, nothing hides.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

# A link ends before the punctuation of the sentence that it stands in.
_LINK = re.compile(r"""(?:https?://|mailto:)[^\s<>"'`{}|\\^]*[^\s<>"'`{}|\\^.,;:!?)\]]""", re.IGNORECASE)

_RUNS = re.compile(r"(?m)^ +| {2,}")

_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "i", "img", "ins", "li", "ol", "p", "pre", "s", "small", "span", "strong", "sub", "sup", "table",
    "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start", "type"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}

PAGE = Markup(
    '<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"></head>\n'
    '<body style="font-family: sans-serif; font-size: 15px; line-height: 1.45; color: #222">\n{body}\n</body></html>\n'
)


def paragraphs(text: str) -> Markup:
    """Plain text as HTML: a paragraph for each block of lines, ``<br>`` for line breaks, web addresses as links."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    blocks = [block.strip("\n") for block in re.split(r"\n[ \t]*\n", lines) if block.strip()]
    return Markup("\n".join(f"<p>{_linked(block)}</p>" for block in blocks))


def _linked(text: str) -> str:
    out: list[str] = []
    end = 0
    for link in _LINK.finditer(text):
        address = str(escape(link[0]))
        out += [_lines(text[end : link.start()]), f'<a href="{address}">{address}</a>']
        end = link.end()
    out.append(_lines(text[end:]))
    return "".join(out)


def _lines(text: str) -> str:
    # Indented lines and runs of spaces keep their shape: people send tables and code.
    shaped = _RUNS.sub(lambda run: "\u00a0" * len(run[0]), text)
    return str(escape(shaped)).replace("\n", "<br>\n")


def cleaned(html: str) -> Markup:
    """A person's HTML with only what text needs: no scripts, styles, forms, or anything that is loaded from elsewhere.

    Pictures stay only where they are parts of this very mail (``cid:``).
    """
    import nh3

    def attribute(tag: str, name: str, value: str) -> str | None:
        if tag == "img" and name == "src":
            return value if value.lower().startswith("cid:") else None
        return value

    return Markup(
        nh3.clean(
            html,
            tags=_TAGS,
            attributes=_ATTRIBUTES,
            attribute_filter=attribute,
            url_schemes={"http", "https", "mailto", "tel", "cid"},
            link_rel="noopener noreferrer",
        )
    )


def page(body: str, language: str) -> str:
    """A whole HTML document around ``body``, which is HTML already; what is a document is given back as it is."""
    if re.match(r"\s*<(?:!doctype|html)\b", body, re.IGNORECASE):
        return body
    return str(PAGE.format(language=language or "en", body=Markup(body)))
