"""This is where maild shows links as their authors wrote them, not as a filter on the way rewrote them.

Known are Microsoft's Safe Links, Proofpoint's URL Defense (versions 1 to 3) and Google's redirects in mail. Nothing is
fetched: the link is written inside the rewritten one.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import parse_qs, unquote

_REWRITTEN = re.compile(
    r"https?://(?:[\w-]{1,63}\.safelinks\.protection\.(?:outlook|office365)\.(?:com|us)/[^\s<>\"\]]{1,8000}"
    r"|urldefense\.(?:com|us|proofpoint\.com)/[^\s<>\"\]]{1,8000}|www\.google\.com/url\?[^\s<>\"\]]{1,8000})",
    re.IGNORECASE,
)
_V3 = re.compile(r"/v3/__(.+?)__;([A-Za-z0-9_=-]*)!", re.IGNORECASE)
_HEX = re.compile(r"-([0-9A-Fa-f]{2})")
_STARS = re.compile(r"\*(\*.)?")
_RUNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def unwrap(text: str) -> str:
    """The text with rewritten links replaced by the links inside them; what is not understood stays."""
    if "://" not in text:
        return text
    return _REWRITTEN.sub(lambda match: _inner(match[0]), text)


def _inner(link: str) -> str:
    host, _, rest = link.partition("://")[2].partition("/")
    query = parse_qs(rest.partition("?")[2].replace("&amp;", "&"), max_num_fields=50)
    found = ""
    if "urldefense" in host.lower():
        if rest.startswith("v3/"):
            found = _version_3(link)
        elif "u" in query:
            raw = query["u"][0]
            found = unquote(_HEX.sub(r"%\1", raw.replace("_", "/"))) if rest.startswith("v2/") else unquote(raw)
    elif "safelinks" in host.lower():
        found = query.get("url", [""])[0]
    else:
        found = query.get("q", query.get("url", [""]))[0]
    plain = found.startswith(("http://", "https://")) and len(found) <= 8000
    return found if plain and not any(c.isspace() or not c.isprintable() for c in found) else link


def _version_3(link: str) -> str:
    """Version 3 writes each character it removed as a star, and the removed ones in base64 behind the link."""
    match = _V3.search(link)
    if match is None:
        return ""
    try:
        removed = base64.urlsafe_b64decode(match[2] + "=" * (-len(match[2]) % 4)).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
    place = 0

    def restored(star: re.Match[str]) -> str:
        nonlocal place
        count = 1 if star[1] is None else _RUNS.find(star[1][1]) + 2
        place += count
        return removed[place - count : place]

    return _STARS.sub(restored, match[1])
