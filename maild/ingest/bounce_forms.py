"""This is where maild finds the failed recipients in bounces that are prose: qmail, Exim, old Exchange, Notes, carriers and the like.

There are hundreds of such forms and they share a few shapes: an address at the start of a line with its reason below
or behind it, an address behind a phrase ("undeliverable to", "RCPT TO:"), a list of bare names under a colon. The
shapes are read, not the products; the copy of the returned message at the end is cut off first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import re2

from maild.plain.patterns import Beginnings

MAX_LINES = 3_000
MAX_LINE = 2_000
MAX_RECIPIENTS = 500

_WIDE = "：；，。、（）「」『』＜＞【】"  # punctuation that stands beside an address without a blank
ADDRESS = rf"[^\s<>()\[\],:;\"'|*=`\\{_WIDE}]+@[^\s<>()\[\],:;\"'|*`\\@/?&={_WIDE}]+[^\s<>()\[\],:;\"'|*`\\@/?&=.!{_WIDE}]"

# a line after which the returned message stands
_RETURNED = re2.compile(
    r"(?i)^[ \t>|*\-_=~#.]{0,80}("
    r"(this is |below is |below this line is |below the next line is |enclosed is |included is |attachment is |here is |following is |the following is |attached is )?(a |an |the )?(copy|beginning|text|headers?) of (the|your) (original |returned |undelivered |failed |rejected )?(message|mail|e-mail).{0,40}"
    r"|(?P<heading>(the )?(header of the )?(your )?(original|returned|unsent|undelivered|undeliverable|rejected|bounced|failed) (message|mail|e-?mail)( headers?| text| info)?(?P<said> (is |as )?(follow\w*|below|attached))?)"
    r"|message (text|headers?|contents?|body)( \w+)? follows?|text of (the )?message|message header( follows)?|original message follows|transcript of (the )?message"
    r"|unsent message( follows)?|returned (mail|message) follows|included message|non.?delivered message|message that you sent"
    r"|ниже этой линии.{0,60}|die urspr.ngliche nachricht|urspr.ngliche nachricht|元のメッセージ.{0,30}|以下.{0,20}元.{0,20}|送信メール.{0,20}"
    r")[ \t]*[:.|\-_=~*#]{0,80}[ \t]*$"
)
_RETURNS = Beginnings(_RETURNED)
_HEADER = re2.compile(r"(?i)^[ \t]{0,8}(return-path|received|message-id|mime-version|x-[a-z-]+|dkim-signature|content-type): ?.")
_SECTION = re2.compile(r"^[ \t]*-{3,}[ \t]*[^\-].*[^\-][ \t]*-{3,}[ \t]*$")
_ADDRESS = re2.compile(ADDRESS)
_AT_START = re2.compile(
    r"(?i)^[ \t>*|\"'(\-•・]{0,30}(?:(?:intended |original |final |failed |invalid |unknown |user|the |target |e?-?mail |mail )*(?:recipients?(?: address)?|addressed to|address(?:es)?|users?|to user|userid)(?:[ \t]*:[ \t]*|[ \t]+|[ \t]*<)|[0-9]{3}[ -](?:[245]\.\d+\.\d+ )?|rcpt to: ?|smtp:|\d+[.)] )?[<\"'({\[]{0,2}(" + ADDRESS + ")"
)
_AFTER_PHRASE = re2.compile(
    r"(?i)(?:deliver(?:ed|y|ing|able|)|undeliverable|undelivered|recipients?|users?|userid|mailbox(?:es)?|address(?:es)?|account|unknown|invalid|failed|rcpt to|addressed to|attempts|generated from|expanded from|reached|full|send(?:ing)?|sent|message|mail|postfach|empf.nger|destinataires?|destinatarios?|宛|送信先|адрес\w*|получател\w*)\b?[^@]{0,60}?[\s:<\[(\"'=,.](" + ADDRESS + ")"
)
_NOT_FAILED = re2.compile(
    r"(?i)^[ \t>*|]*(from|reply-to|sender|return-path|to|cc|subject|date|sent|message-id|received|x-[a-z-]+|for (further|more)|sent by)[ \t]*:|mail from:|\b(contact|please write|forward this|write to|envelope-from|sent by|message (that )?(you|from)|mail from|e-mail from|sender|your message from|mail server|questions|assistance|help|mail sent by|complain)\b"
)
_TO = re2.compile(r"(?i)^[ \t>*|]*to[ \t]*:[ \t]*(.*)$")
_BARE_NAME = re2.compile(r"^[ \t]+<?([A-Za-z0-9][A-Za-z0-9._+-]{0,62})>?[ \t]*(?:$|[ \t]{3}[ \t]*(.*)$)")
_TRANSCRIPT = re2.compile(r"^[ \t]*(?:>>>|<<<)|(?i:^[ \t.]*while talking to)")


_REPLY = re2.compile(r"^[ \t]*[45]\d\d ")


@dataclass(slots=True)
class Found:
    """A failed recipient of a prose bounce: the address and the words that stand with it."""

    address: str
    words: str


def split_returned(text: str) -> tuple[str, str]:
    """The report and the copy of the returned message behind it ('' where there is none)."""
    lines = text.splitlines(keepends=True)
    seen = 0
    for number, line in enumerate(lines[:MAX_LINES]):
        if not line.strip():
            continue
        if seen and len(line) < 200 and _RETURNS.may_begin(end := line.rstrip("\r\n")) and (cut := _RETURNED.match(end)):
            if not cut["heading"] or cut["said"] or _headers_below(lines, number):
                return "".join(lines[:number]), "".join(lines[number + 1 :])
        if seen and ":" in line and _HEADER.match(line) and _headers_here(lines, number):
            return "".join(lines[:number]), "".join(lines[number:])
        seen += 1
    return text, ""


def find_recipients(report: str, skip: Collection[str], domain: str = "") -> list[Found]:
    """The failed recipients named in the prose of a report, each once, in order.

    ``report`` is the text without the returned message; ``skip`` are addresses (lower case) that cannot be meant,
    as the sender's own; ``domain`` completes bare names ("" leaves them out).
    """
    text = report.replace("dda:SMTP=", " ").replace("DDA:SMTP=", " ")
    lines = [line[:MAX_LINE] for line in text.splitlines()[:MAX_LINES]]
    for pattern, anchored in ((_AT_START, True), (_AFTER_PHRASE, False)):
        found = _collect(lines, pattern, skip, anchored)
        if found:
            return found
    if domain:
        found = _bare_names(lines, domain)
        if found:
            return found
    return _any_address(lines, skip)


def _headers_below(lines: list[str], number: int) -> bool:
    """Whether the lines below a mere heading ("UNDELIVERABLE MAIL") are those of a mail, not of the report."""
    return any(_headers_here(lines, below) for below in range(number, min(number + 8, len(lines))))


def _headers_here(lines: list[str], number: int) -> bool:
    """Whether a block of mail headers begins at this line: the next fields are headers too."""
    following = [line for line in lines[number + 1 : number + 12] if line.strip() and line[0] not in " \t"]
    return sum(bool(_HEADER.match(line) or _TO.match(line)) or line.lower().startswith(("from:", "subject:", "date:")) for line in following[:4]) >= 2


def _collect(lines: list[str], pattern: re2._Regexp, skip: Collection[str], anchored: bool) -> list[Found]:
    """Recipients at each line where the pattern holds; the lines up to the next one are its words."""
    found: dict[str, Found] = {}
    current: Found | None = None
    before: list[str] = []
    for line in lines:
        if _SECTION.match(line):
            current = None if anchored else current
            before = []
            continue
        hit = None if _NOT_FAILED.search(line) and not anchored else pattern.search(line)
        if hit and anchored and _NOT_FAILED.match(line):
            hit = None
        address = clean(hit.group(1)) if hit else ""
        if address and address.lower() not in skip and not _service(address) and len(found) < MAX_RECIPIENTS:
            current = found.setdefault(address.lower(), Found(address, ""))
            current.words += " " + " ".join([*before, line]).strip()
            before = []
        elif current is not None and len(current.words) < 6_000 and not _TRANSCRIPT.match(line) and not (anchored and _REPLY.match(line) and _REPLY.match(current.words.lstrip())):
            current.words += " " + line.strip()
        if _TRANSCRIPT.match(line):
            before = [*before[-1:], line.strip()]
    return list(found.values())


def _bare_names(lines: list[str], domain: str) -> list[Found]:
    """Names without a domain, each alone on an indented line under a line that ends in a colon."""
    found: list[Found] = []
    head = ""
    for line in lines:
        name = _BARE_NAME.match(line)
        if head and name:
            found.append(Found(f"{name.group(1)}@{domain}", f"{head} {name.group(2) or ''}"))
        elif line.strip():
            head = line.strip() if line.rstrip().endswith(":") else ""
    return found


def _any_address(lines: list[str], skip: Collection[str]) -> list[Found]:
    """Every address that is left, with the whole report as its words; the ``To:`` of a quoted header at the last."""
    words = " ".join(line.strip() for line in lines)[:6_000]
    for keep in (False, True):
        found: dict[str, Found] = {}
        for line in lines:
            labelled = _NOT_FAILED.search(line)
            if labelled and not (keep and _TO.match(line)):
                continue
            for hit in _ADDRESS.finditer(line):
                address = clean(hit.group(0))
                if address and address.lower() not in skip and not _service(address):
                    found.setdefault(address.lower(), Found(address, words))
        if found:
            return list(found.values())
    return []


def clean(address: str) -> str:
    """An address without the punctuation of its sentence; '' where it is none."""
    address = address.strip().strip(".'`*,;:!?-_")
    local, at, host = address.rpartition("@")
    return address if at and local and "." in host.strip(".") and len(address) < 320 else ""


def _service(address: str) -> bool:
    """Whether this is the address of a mail system, not of a recipient."""
    return address.lower().partition("@")[0] in ("mailer-daemon", "mail-daemon", "abuse", "hostmaster")
