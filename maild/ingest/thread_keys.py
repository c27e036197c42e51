"""This is where maild reads where a mail says that it belongs: the ids that it names, and case numbers in its subject."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from maild.ingest import addresses
from maild.model.message import Message, ThreadKeys

_LIMIT = 200
_NUMBER = r"(\d{1,18})"


@lru_cache(maxsize=64)
def _pattern(template: str) -> re.Pattern[str]:
    """The pattern of one tag such as `[#{number}]`; blanks inside it are forgiven, a digit right after it is not."""
    before, _, after = template.partition("{number}")

    def part(text: str) -> str:
        return r"\s*".join(re.escape(piece) for piece in text.split()) if text.strip() else ""

    left, right = part(before), part(after)
    edge_left = r"(?<![\w])" if left[:1].isalnum() or not left else ""
    edge_right = r"(?!\d)" if not right else ""
    return re.compile(f"{edge_left}{left}\\s*{_NUMBER}\\s*{right}{edge_right}", re.IGNORECASE)


def thread_keys(message: Message, tag: str, legacy_tags: Sequence[str]) -> ThreadKeys:
    """The ids and case numbers a mail names, most trusted first.

    ``tag`` and ``legacy_tags`` are templates such as `[#{number}]`; numbers found by ``tag`` come before the others'.
    Ids: In-Reply-To, then References from the right, then X-Microsoft-Original-Message-ID.
    """
    ids: dict[str, str] = {}
    for found in message.in_reply_to:
        ids.setdefault(found, "In-Reply-To")
    for found in reversed(message.references):
        ids.setdefault(found, "References")
    for value in message.header_all("X-Microsoft-Original-Message-ID"):
        for found in addresses.ids(value):
            ids.setdefault(found, "X-Microsoft-Original-Message-ID")
    ids.pop(message.message_id, None)  # a mail that names itself as its parent
    subject = unicodedata.normalize("NFKC", message.subject[:998])
    numbers: dict[int, str] = {}
    for template in (tag, *legacy_tags):
        if "{number}" in template:
            for match in _pattern(template).finditer(subject):
                numbers.setdefault(int(match[1]), template)
    kept = list(ids)[:_LIMIT]
    signs = [f"{ids[one]}: {one}" for one in kept] + [f"subject {numbers[n]}: {n}" for n in numbers]
    return ThreadKeys(tuple(kept), tuple(list(numbers)[:20]), message.message_id, tuple(signs))
