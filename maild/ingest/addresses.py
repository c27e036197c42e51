"""This is where maild reads addresses that a strict parser gives up on, and doubts those that are not what they seem.

Linear in its input and without recursion; takes any text.
"""

from __future__ import annotations

import email.utils
import re
from datetime import UTC, datetime

from maild.ingest import charsets, header
from maild.model.message import Address

LIMIT = 1000
_ADDRESS = re.compile(r"[^\s<>()\[\]:;,\"@\\]{1,128}@[^\s<>()\[\]:;,\"@\\]{1,253}")
_IDS = re.compile(r"<([^<>]{1,998})>")
_BARE_ID = re.compile(r"[^\s<>,;\"]{1,400}@[^\s<>,;\"]{1,400}")
_BLANKS = re.compile(r"\s+")
_QUOTED = re.compile(r'"[^"]*"|\([^()]*\)')
_GROUP = re.compile(r"[^<@\"]*:")
# An encoded-word with signs in it that mean something in an address list, and none that could make another address.
_UNSAFE_WORD = re.compile(r"=\?([^?\s=]{1,60})\?[qQ]\?([^?\s@<>]{0,400}[,;:()\"][^?\s@<>]{0,400})\?=")
_DATE_NOISE = re.compile(r"\([^()]*\)")


def address(name: str, email_: str) -> Address:
    """An Address with a tidy name and its domain in lower case."""
    email_ = charsets.clean(email_.strip())
    local, at, domain = email_.rpartition("@")
    name = header.tidy(name)
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1].strip()
    return Address("" if name == email_ else name, f"{local}@{domain.lower()}" if at else email_)


def with_safe_words(text: str) -> str:
    """The field value with each encoded-word that holds a comma or the like (against RFC 2047, 5.3) in base64 instead."""
    if "=?" not in text:
        return text
    return _UNSAFE_WORD.sub(lambda word: f"=?{word[1]}?B?{header.in_base64(word[2])}?=", text)


def read(text: str, bare_names: bool = False) -> tuple[Address, ...]:
    """The mailboxes of a still encoded field value; members of groups too, groups without members are none.

    With ``bare_names`` a name before empty brackets (`MAILER-DAEMON <>`) is an Address without an email.
    """
    out: list[Address] = []
    for item in _items(header.unfold(text)):
        if len(out) >= LIMIT:
            break
        one = _mailbox(item)
        if one is not None and (one.email or (bare_names and one.name)):
            out.append(one)
    return tuple(out)


def bare(text: str) -> list[str]:
    """Every address that stands in a text, however they are separated."""
    return _ADDRESS.findall(text)[:LIMIT]


def _items(text: str) -> list[str]:
    """The value cut at its commas, semicolons and group names, outside quotes, comments and angle brackets."""
    items: list[str] = []
    buffer: list[str] = []
    quoted = angle = False
    comment = 0
    index, size = 0, len(text)
    while index < size:
        char = text[index]
        if char == "\\" and (quoted or comment) and index + 1 < size:
            buffer.append(text[index : index + 2])
            index += 2
            continue
        if quoted:
            quoted = char != '"'
        elif comment:
            comment += (char == "(") - (char == ")")
        elif char == '"':
            quoted = text.find('"', index + 1) >= 0 if len(text) < 2000 else True
        elif char == "(":
            comment = 1
        elif char == "<":
            angle = True
        elif char == ">":
            angle = False
        elif char in ",;" and not angle:
            items.append("".join(buffer))
            buffer = []
            index += 1
            continue
        elif char == ":" and not angle and "@" not in "".join(buffer[-300:]):
            buffer = []
            index += 1
            continue
        buffer.append(char)
        index += 1
    items.append("".join(buffer))
    return [item.strip() for item in items if item.strip()]


def _mailbox(item: str) -> Address | None:
    left, right = item.rfind("<"), item.rfind(">")
    if left >= 0:
        inner = item[left + 1 : right if right > left else len(item)].strip()
        if "@" in inner:
            return address(_phrase(item[:left]), _bare(inner))
        if not inner and (match := _ADDRESS.search(item)):
            return address("", match[0])
        return address(_phrase(item[:left]), inner)
    plain, comment = _uncomment(item)
    match = _ADDRESS.search(plain)
    if match is None:
        return None
    if plain.strip() == match[0]:
        return address(_phrase(comment), match[0])
    return address(_phrase(plain.replace(match[0], " ").strip(" <>[]")), match[0])


def _bare(inner: str) -> str:
    """What stands in angle brackets without a source route, quotes and blanks around it (RFC 5321, 4.1.1.3)."""
    if inner.startswith("@") and ":" in inner:
        inner = inner.partition(":")[2]
    inner = inner.strip("'\" ")
    if inner.lower().startswith("mailto:"):
        inner = inner[7:]
    return inner


def _phrase(text: str) -> str:
    """A display name: quotes and their backslashes off, encoded-words decoded."""
    text = text.strip()
    if text.count('"') >= 1:
        text = re.sub(r"\\(.)", r"\1", text.replace('\\"', "\0")).replace('"', "").replace("\0", '"')
    return header.decode(text).strip()


def _uncomment(item: str) -> tuple[str, str]:
    """An item without its comments, and the last comment's words."""
    if "(" not in item:
        return item, ""
    out: list[str] = []
    words: list[str] = []
    depth = 0
    for char in item:
        if char == "(":
            depth += 1
            if depth == 1:
                words = []
                continue
        elif char == ")" and depth:
            depth -= 1
            if depth == 0:
                continue
        (words if depth else out).append(char)
    return "".join(out), "".join(words)


def ids(text: str) -> tuple[str, ...]:
    """The Message-IDs in a decoded field, brackets off, in order; bare ones where there are no brackets."""
    found = [_BLANKS.sub("", one) for one in _IDS.findall(text)]
    return tuple(one for one in (found or _BARE_ID.findall(text)) if one)


def doubts(text: str, found: Address) -> list[str]:
    """Why this one mailbox of a From value may not be who it says (CVE-2023-27043): each a defect."""
    text = header.unfold(text)
    faults = []
    if text.count("(") < 20 and text.count("<") < 20:
        try:
            _, other = email.utils.parseaddr(text)
        except (ValueError, IndexError, RecursionError):
            other = ""
        if other.strip().lower() != found.key:
            faults.append("from: parsers disagree on the address")
    ours = read(text)
    if len(ours) != 1 or ours[0].key != found.key:
        faults.append("from: not exactly one mailbox")
    name = header.decode(text.rpartition("<")[0]) if "<" in text else ""
    if any(match.lower() != found.key for match in _ADDRESS.findall(name)):
        faults.append("from: the name shows another address")
    if _GROUP.match(_QUOTED.sub("", text)):
        faults.append("from: a group")
    if found.email.count("@") != 1 or any(c.isspace() or ord(c) < 33 for c in found.email):
        faults.append("from: not a valid address")
    return faults


def lenient_date(text: str) -> datetime | None:
    """A Date that strict reading refuses, as an aware time in UTC; None where nothing can be made of it."""
    try:
        found = email.utils.parsedate_to_datetime(_DATE_NOISE.sub(" ", text[:200]))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(text.strip()[:40])
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
