"""This is where maild tells a picture that a person sends from one that only decorates a signature."""

from __future__ import annotations

import re
from dataclasses import replace

from maild.ingest.content import html_text
from maild.ingest.signature import closing_line, signature_start
from maild.model.message import Attachment

SMALL = 15_000  # bytes below which a picture inside a signature is decoration
_SEARCHED = 256 * 1024
_LAST_LINES = 12
_WORDS = re.compile(r"\w+")


def is_picture(one: Attachment) -> bool:
    """Whether an attachment is a picture that the text shows in its place."""
    return bool(one.content_id) and one.inline and one.type.startswith("image/")


def marked(attachments: tuple[Attachment, ...], html: str, new_text: str) -> tuple[Attachment, ...]:
    """The attachments, those that are small pictures inside the signature of ``html`` marked as decoration."""
    page = html[:_SEARCHED]
    if not any(is_picture(one) and one.size < SMALL for one in attachments) or "cid:" not in page.lower():
        return attachments
    return tuple(
        replace(one, decoration=True)
        if is_picture(one) and one.size < SMALL and _in_signature(one.content_id, page, new_text)
        else one
        for one in attachments
    )


def _in_signature(content_id: str, page: str, new_text: str) -> bool:
    """Whether the first place that shows this picture lies below what the person wrote."""
    place = page.lower().find(f"cid:{content_id.lower()}")
    if place < 0:
        return False
    above = html_text(page[: page.rfind("<", 0, place)])
    words, own = _WORDS.findall(above), _WORDS.findall(new_text)
    if own and len(words) > len(own) and words[: len(own)] == own:
        return True  # below the words that are the signature's or the quoted mail's
    if signature_start(above) is not None:
        return True
    lines = [line for line in above.split("\n") if line.strip()]
    return any(
        closing_line(lines[: number + 1]) == number for number in range(max(1, len(lines) - _LAST_LINES), len(lines))
    )
