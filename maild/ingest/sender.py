"""This is where maild says who a mail is from: one person without doubt, or nobody and why.

From alone is an identity (RFC 5322, 3.6.2): never the envelope sender, and Reply-To only where a group server put our
own address into From. Where a rule of our own mailbox passed a mail on, whole and without a word, it is its author's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from maild.ingest import addresses
from maild.ingest.quote_forms import as_read, is_forward_separator, is_original_separator, is_titled_rule, label_of
from maild.model.message import Address, Identity, Message
from maild.plain.domains import fold_address
from maild.plain.fold import is_forward

# Addresses that a forwarder made and that nobody reads: SRS, Gmail's `+caf_=`, VERP and batch forms.
_REWRITTEN = re.compile(r"(?:srs[01][=+-]|prvs=|btv1=|bounces?[+=-].*=)|\+caf_=|\+srs[01]?=", re.IGNORECASE)
_RECIPIENT_FIELDS = (
    "Delivered-To", "X-Original-To", "X-Forwarded-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To",
    "Apparently-To", "X-RCPT-To",
)  # fmt: skip
_VIA = re.compile(r"\s+(?:via|durch|über|par|vía|tramite|through)\s+.+\Z", re.IGNORECASE)

_LABELLED = re.compile(r"[\s>*_|]{0,12}[^:：|]{1,40}[:：|]")
_DOUBLED = re.compile(r"([^\s<>]+@[^\s<>]+)<mailto:[^\s<>]+>", re.IGNORECASE)  # Outlook's plain text of a link
_MAILTO = re.compile(r"[\[(<]\s*mailto:\s*([^\s\])>]+)\s*[\])>]", re.IGNORECASE)
_SCANNED_LINES = 2000


def identify(message: Message, mail_from: str | None, own_addresses: frozenset[str]) -> Identity:
    """Who the mail is from. ``own_addresses`` are ours, folded (`domains.fold_address`); ``mail_from`` proves nothing.

    An address counts only if there is exactly one From with one mailbox, without a defect, on which two parsers agree;
    if it is one of ours, a group server rewrote it and the person is X-Original-From, X-Original-Sender or Reply-To.
    """
    faults = [d.partition(": ")[2] for d in message.defects if d.startswith("from: ")]
    shown = next((f for f in faults if f in _REMARKS), "")
    faults = [f for f in faults if f not in _HARMLESS and f not in _REMARKS]
    if not message.from_:
        return Identity(None, "from", "no From with an address")
    if not message.from_[0].email:
        return Identity(None, "from", "From has a name but no address")
    if len(message.from_) > 1:
        return Identity(None, "from", f"{len(message.from_)} addresses in From")
    if faults:
        return Identity(None, "from", faults[0])
    one = message.from_[0]
    if rewritten(one.email):
        return Identity(None, "from", "From is an address that a forwarder made")
    if fold_address(one.email) not in own_addresses:
        return Identity(one, "from", shown)
    return _behind_group(message, one, own_addresses)


# What mail-parser remarks on and mends without changing who is named.
_REMARKS = frozenset(("the name shows another address",))  # worth a warning, and still who it is from
_HARMLESS = frozenset(("overlong-encoded-word", "structural-recovery", "invalid-display-name", "invalid-encoded-word"))


def _behind_group(message: Message, group: Address, own_addresses: frozenset[str]) -> Identity:
    """The person behind a From that a group server replaced by our own address."""
    for name in ("X-Original-From", "X-Original-Sender", "Reply-To"):
        values = message.header_all(name)
        found = addresses.read(values[0]) if len(values) == 1 else ()
        if len(found) != 1 or rewritten(found[0].email) or fold_address(found[0].email) in own_addresses:
            continue
        person = found[0]
        shown = _VIA.sub("", group.name).strip("'\" ")
        named = person if person.name else Address(shown if shown != group.name else "", person.email)
        return Identity(named, name.lower().replace("-", "_") if name == "Reply-To" else name.lower())
    if _passed_on(message, own_addresses):
        author = forwarded_person(message)
        if author.address is not None and fold_address(author.address.email) not in own_addresses:
            return author
    return Identity(None, "from", "From is our own address")


def _passed_on(message: Message, own_addresses: frozenset[str]) -> bool:
    """Whether one of our mailboxes passed a mail on to another as it came: a forward with no word above it."""
    here = any(fold_address(one.email) in own_addresses for one in (*message.to, *message.cc))
    whole = forwarded_words(message.text) if here and is_forward(message.subject) else ""
    return bool(whole) and not any(map(str.isalnum, message.text[: message.text.find(whole)]))


def rewritten(email: str) -> bool:
    """Whether a forwarder or list made this address (SRS, `+caf_=`, VERP): mail to it reaches no person."""
    return bool(_REWRITTEN.search(email.rpartition("@")[0] if "@" in email else email))


def recipients(message: Message, rcpt_tos: Sequence[str]) -> tuple[str, ...]:
    """Every address that the mail was sent to, lower case, without repeats: envelope, To, Cc, and delivery fields."""
    found = dict.fromkeys(fold_address(one) for one in rcpt_tos if one)
    found.update(dict.fromkeys(fold_address(one.email) for one in (*message.to, *message.cc) if "@" in one.email))
    for name in _RECIPIENT_FIELDS:
        for value in message.header_all(name):
            found.update(dict.fromkeys(map(fold_address, addresses.bare(value))))
    return tuple(found)


def forwarded_person(message: Message) -> Identity:
    """Who wrote the mail that this one forwards: by Resent-From, X-Forwarded-*, a message inside, or the block in the
    text that mail clients put above it. ``address`` is None, and ``why`` says so, where none is found."""
    if message.header("Resent-From") and len(message.from_) == 1:
        return Identity(message.from_[0], "resent-from")  # a resent mail keeps its author in From (RFC 5322, 3.6.6)
    for name in ("X-Forwarded-From", "X-Forwarded-Sender", "X-Original-From", "X-Original-Sender"):
        found = addresses.read(message.header(name))
        if len(found) == 1 and not rewritten(found[0].email):
            return Identity(found[0], name.lower())
    in_text = _in_text(message.text)
    if in_text is not None:
        return Identity(in_text, "forwarded")
    for part in message.parts:
        if part.type in ("message/rfc822", "message/global"):
            found = addresses.read(_field(part.text, "from"))
            if len(found) == 1:
                return Identity(found[0], "forwarded")
    return Identity(None, "forwarded", "no forwarded message with a sender was found")


def forwarded_words(text: str) -> str:
    """The forwarded mail in the text of the one that forwards it, from the block that mail clients put above it; what stands
    over that is the forwarder's own. '' where there is no such block."""
    lines = text.split("\n")
    read = [as_read(line) for line in lines[:_SCANNED_LINES]]
    labels = [label_of(line) for line in read]
    for at in _named_senders(read, labels):
        begins = at
        for above in range(at - 1, max(-1, at - 7), -1):
            if labels[above] or _begins(read[above]):
                begins = above
            elif read[above].strip():
                break
        return "\n".join(lines[begins:]).strip()
    return ""


def _field(source: str, name: str) -> str:
    """One field of a header block in text, unfolded."""
    value: list[str] = []
    for line in source.partition("\n\n")[0].split("\n")[:500]:
        if value and line[:1] in (" ", "\t"):
            value.append(line)
        elif value:
            break
        elif line.lower().startswith(name + ":"):
            value.append(line[len(name) + 1 :])
    return "".join(value)


def _in_text(text: str) -> Address | None:
    """The sender named in the first forwarded block."""
    lines = [as_read(line) for line in text.split("\n", _SCANNED_LINES)[:_SCANNED_LINES]]
    for at in _named_senders(lines, [label_of(line) for line in lines]):
        value = _LABELLED.sub("", lines[at], count=1).strip(" \t*|;")
        found = _mailboxes(value or (lines[at + 1] if at + 1 < len(lines) else ""))
        if found is not None:
            return found
    return None


def _named_senders(lines: Sequence[str], labels: Sequence[str]) -> Iterator[int]:
    """The lines that name the sender of a forwarded mail: labelled so, with other labels beside them."""
    for index in range(len(lines)):
        if labels[index] != "from":
            continue
        others = sum(bool(label) and label != "from" for label in labels[max(0, index - 5) : index + 6])
        if others >= 2 or (others and any(map(_begins, lines[max(0, index - 6) : index]))):
            yield index


def _begins(line: str) -> bool:
    return is_forward_separator(line) or is_original_separator(line) or is_titled_rule(line)


def _mailboxes(value: str) -> Address | None:
    value = _MAILTO.sub(r"<\1>", _DOUBLED.sub(r"\1", value))
    found = [one for one in addresses.read(value) if "@" in one.email]
    return found[0] if len(found) == 1 else None
