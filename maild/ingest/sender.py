"""This is where maild says who a mail is from: one person without doubt, or nobody and why.

From alone is an identity (RFC 5322, 3.6.2): never the envelope sender, and Reply-To only where a group server put our
own address into From.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from maild.ingest import addresses
from maild.model.message import Address, Identity, Message
from maild.plain.domains import fold_address

# Addresses that a forwarder made and that nobody reads: SRS, Gmail's `+caf_=`, VERP and batch forms.
_REWRITTEN = re.compile(r"(?:srs[01][=+-]|prvs=|btv1=|bounces?[+=-].*=)|\+caf_=|\+srs[01]?=", re.IGNORECASE)
_RECIPIENT_FIELDS = (
    "Delivered-To", "X-Original-To", "X-Forwarded-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To",
    "Apparently-To", "X-RCPT-To",
)  # fmt: skip
_VIA = re.compile(r"\s+(?:via|durch|über|par|vía|tramite|through)\s+.+\Z", re.IGNORECASE)

# "From:" in the block that mail clients put above a forwarded mail; matched whole, without case.
_FROM_WORDS = """from von de expéditeur expediteur da mittente van afzender od nadawca från fra avsändare afsender avsender
    lähettäjä lahettaja od odesílatel odosielateľ от кого від feladó felado kimden gönderen từ desde remitente remetente
    de la expeditor από apo 发件人 寄件者 寄件人 差出人 보낸사람 보낸 מאת מן"""
_OTHER_WORDS = """to an à a para aan do till til vastaanottaja komu кому címzett kime an: subject betreff objet asunto oggetto
    assunto onderwerp temat ämne emne aihe předmět predmet тема tárgy konu sent gesendet envoyé enviado inviato
    verzonden wysłano skickat sendt lähetetty odesláno отправлено date datum fecha data dato päiväys дата 日期 主题 主題
    件名 日時 宛先 收件人 받는사람 제목"""
_FROM_LABELS = frozenset(_FROM_WORDS.split()) | {"보낸 사람", "от кого", "de la", "发 件 人"}
_OTHER_LABELS = frozenset(_OTHER_WORDS.split())
_BEGIN = re.compile(
    r"(?:forwarded message|original message|weitergeleitete nachricht|ursprüngliche"
    r" nachricht|message transféré|message d'origine|mensaje reenviado|mensaje original|messaggio inoltrato|messaggio"
    r" originale|mensagem (?:encaminhada|original)|doorgestuurd bericht|oorspronkelijk bericht|wiadomość przekazana"
    r"|przekazana wiadomość|vidarebefordrat meddelande|ursprungligt meddelande|videresendt (?:besked|melding)|oprindelig"
    r" (?:besked|meddelelse)|opprinnelig melding|välitetty viesti|alkuperäinen viesti|přeposlaná zpráva|původní zpráva"
    r"|пересланное сообщение|перенаправленное сообщение|исходное сообщение|пересылаемое сообщение|továbbított üzenet"
    r"|yönlendirilen ileti|mesaj redirecționat|转发的?邮件|轉寄的?郵件|転送メッセージ|전달된 메시지)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[\s>*|]{0,40}([^\W\d_][^:：*\n]{0,24})\*?\s{0,3}[:：](.*)")
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
    return Identity(None, "from", "From is our own address")


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
    """The sender named in the first forwarded block: a line that labels the sender, with other labels beside it."""
    lines = text.split("\n", _SCANNED_LINES)[:_SCANNED_LINES]
    labels = [_labelled(line) for line in lines]
    if not any(label in _FROM_LABELS for label, _ in labels):
        return None
    begun = -100
    for index, line in enumerate(lines):
        if len(line) < 200 and _BEGIN.search(line):
            begun = index
        label, value = labels[index]
        if label not in _FROM_LABELS:
            continue
        near = [other for other, _ in labels[max(0, index - 5) : index + 6]]
        others = sum(other in _OTHER_LABELS for other in near)
        if others < 2 and not (index - begun <= 6 and others >= 1):
            continue
        found = _mailboxes(value or (lines[index + 1] if index + 1 < len(lines) else ""))
        if found is not None:
            return found
    return None


def _labelled(line: str) -> tuple[str, str]:
    match = _LABEL.match(line) if len(line) < 1000 and (":" in line or "：" in line) else None
    return (match[1].strip(" *\xa0").lower(), match[2].strip(" \t\xa0*")) if match else ("", "")


def _mailboxes(value: str) -> Address | None:
    value = _MAILTO.sub(r"<\1>", value)
    found = [one for one in addresses.read(value) if "@" in one.email]
    return found[0] if len(found) == 1 else None
