"""This is where maild writes header fields: the one place where text from outside becomes a header of ours.

Control characters and line breaks become spaces, so nothing that a customer wrote can begin a field of its own.
Values are made once, complete and unfolded; `fold` breaks them into lines when the mail is written out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from email.header import Header

from maild.model.message import Address
from maild.plain.domains import to_ascii

LINE = 998  # RFC 5322, 2.1.1
WISHED_LINE = 78

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_NAME = re.compile(r"[!-9;-~]+\Z")
_ID = re.compile(r"[!-;=?-~]{1,900}\Z")
# RFC 5321, 4.1.2 with RFC 6531: a dot-atom or a quoted string, then a domain of letters-digits-hyphens or a literal.
_LOCAL = re.compile(
    r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
    r'|"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*")\Z'
)
_DOMAIN = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
                     r"|\[[A-Za-z0-9:.]+\])\Z")  # fmt: skip


def one_line(text: str) -> str:
    """The text as one line: control, line and paragraph separators become spaces, runs of spaces one, ends are cut.

    Lone surrogates become U+FFFD. This is what keeps CR, LF and NUL out of headers (RFC 5322, 2.2).
    """
    if text.isprintable() and "  " not in text:
        return text.strip(" ")
    kept = []
    for char in text:
        match unicodedata.category(char):
            case "Cc" | "Zl" | "Zp" | "Zs":
                kept.append(" ")
            case "Cs":
                kept.append("\ufffd")
            case _:
                kept.append(char)
    return " ".join("".join(kept).split())


def unstructured(text: str) -> str:
    """The value of a field of plain words (Subject): ASCII as it is, all else as RFC 2047 encoded-words."""
    line = one_line(text)
    if line.isascii() and "=?" not in line and all(len(word) <= LINE - 100 for word in line.split(" ")):
        return line
    return _encoded(line)


def phrase(name: str) -> str:
    """A display name as it stands before an address: atoms, a quoted string, or encoded-words."""
    line = one_line(name)
    if not line:
        return ""
    if not line.isascii() or "=?" in line or len(line) > 200:
        return _encoded(line[:200])
    if _ATOMS.match(line):
        return line
    escaped = line.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def sendable(email: str) -> str:
    """The address as it goes into the envelope: the local part as written, the domain in A-labels.

    Raises ValueError where it is no address that a mail can be sent to (RFC 5321, 4.1.2), so also for CR and LF.
    """
    local, at, domain = email.rpartition("@")
    name = to_ascii(domain) if at else ""
    if not _LOCAL.match(local) or not _DOMAIN.match(name) or len(email) > 320:
        raise ValueError(f"{one_line(email)[:100]!r} is no address that mail can be sent to")
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp", "Zs"} for char in local.replace(" ", "")):
        raise ValueError(f"{one_line(email)[:100]!r} is no address that mail can be sent to")
    return f"{local}@{name}"


def mailbox(address: Address, *, utf8: bool = False) -> str:
    """``Name <address>`` as a header shows it, '' for what is no address.

    An address whose local part is not ASCII is shown as it is only with ``utf8``, else as the name of an empty group
    (RFC 6857, 3.1.8): then the header can be read by every server.
    """
    try:
        email = sendable(address.email)
    except ValueError:
        return ""
    name = phrase(address.name)
    if email.isascii() or utf8:
        return f"{name} <{email}>" if name else email
    return f"{_encoded(f'{one_line(address.name)} {email}'.strip())}:;"


def addresses(people: Iterable[Address], *, utf8: bool = False) -> str:
    """The value of To or Cc."""
    return ", ".join(shown for person in people if (shown := mailbox(person, utf8=utf8)))


def message_ids(ids: Sequence[str]) -> str:
    """The value of References or In-Reply-To: each id in angle brackets; what is no id, or too long, is left out."""
    return " ".join(f"<{one}>" for one in ids if _ID.match(one))


def field(name: str, value: str) -> tuple[str, str]:
    """A header field whose value cannot hold a line break. Raises ValueError for a name that is no field name."""
    if not _NAME.match(name):
        raise ValueError(f"{name!r} is no name of a header field")
    return name, one_line(value)


def fold(name: str, value: str) -> bytes:
    """One field on the wire, with CRLF: broken at spaces into lines of 78, words and ids stay whole up to 998.

    Non-ASCII (only addresses of RFC 6532 have any) goes out as UTF-8. Raises ValueError for a line break in the value
    and for a word that cannot stand on one line.
    """
    if any(char in value for char in "\r\n\0") or not _NAME.match(name):
        raise ValueError(f"the header field {name!r} holds a line break")
    words = value.split(" ")
    lines = [f"{name}: {words[0]}"]
    for word in words[1:]:
        # An empty word is one of two spaces; a line of nothing but spaces would end the header for some readers.
        if word and lines[-1].strip() and not lines[-1].endswith(" ") and len(lines[-1]) + 1 + len(word) > WISHED_LINE:
            lines.append(f" {word}")
        else:
            lines[-1] += f" {word}"
    if any(len(line.encode("utf-8")) > LINE for line in lines):
        raise ValueError(f"the header field {name!r} does not fit into lines of {LINE} bytes")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n"


def _encoded(text: str) -> str:
    # Split on characters, never within one, so that lines stay under 76 (RFC 2047, 2 and 5).
    return Header(text, "utf-8", maxlinelen=60).encode(linesep="").strip()
