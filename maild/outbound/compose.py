"""This is where maild makes a mail out of what a decision asks for: words from the template, headers, recipients.

It is rendered once and stored; what is sent later, or again, is this. Nothing is asked of clock or database.
The envelope sender of automatic answers is empty (RFC 3834, 3.3); threads hold by a signed Message-ID and, since some
servers replace that, by the fixed signed id of case and reader in References.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from maild.model.message import Address
from maild.model.outbox import Draft, OutgoingKind, OutgoingMessage
from maild.outbound import headers, html
from maild.outbound.templates import Rendered, Templates
from maild.plain.subjects import LONGEST, without_marks
from maild.plain.tokens import Keyring, loop_mark, sign_id, signed_word, word_place
from maild.settings.models import Mailbox

QUOTED_SUBJECT = 120
SUBJECT = 300
REFERENCES = 900  # bytes of References: whole threads would not fit into a line of 998
WORD_SECONDS = 86400  # for how long the links in a notification work, where they carry a signed word
TEXT = 100_000  # characters of a customer's words that a notification shows

_ANSWERS = {OutgoingKind.ACKNOWLEDGEMENT, OutgoingKind.STATUS, OutgoingKind.RECEIPT, OutgoingKind.REFUSED}
_LINK = re.compile(
    r"\b[a-z][a-z0-9+.-]*:/\S*|\bwww\.\S*|\S+@\S+|\b[\w-]+(?:\.[\w-]+)*\.[a-z]{2,24}\b(?:[/?:#]\S*)?",
    re.IGNORECASE,
)
# What looks like a domain, but is the name of a file: people write of these all the time.
_FILES = frozenset(
    {"csv", "doc", "docx", "gif", "htm", "html", "jpeg", "jpg", "json", "log", "ods", "odt", "pdf", "png", "ppt",
     "pptx", "rtf", "svg", "tif", "tiff", "txt", "xls", "xlsx", "xml"}
)  # fmt: skip
_KEPT = frozenset(
    {"from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "in-reply-to", "references",
     "return-path"}
)  # fmt: skip
_SHORTCUTS = ("Take", "Wait", "Resolve", "Spam", "Show")


@dataclass(frozen=True, slots=True)
class ComposeContext:
    """What composing needs of the configuration: ``mailboxes`` by key, ``bcc`` of `outbound`, ``tag`` of `cases`."""

    templates: Templates
    keyring: Keyring
    mailboxes: Mapping[str, Mailbox]
    tag: str = "[#{number}]"
    language: str = "en"
    timezone: str = "UTC"
    bcc: tuple[str, ...] = ()
    id_domain: str = "maild.invalid"
    admins: tuple[str, ...] = ()
    words: bool = False  # no server proves who sent a mail: the links in notifications carry a signed word
    own: frozenset[str] = field(default=frozenset(), init=False)

    def __post_init__(self) -> None:
        addresses = {
            one.lower() for box in self.mailboxes.values() for one in (box.address, *box.aliases, *box.receives)
        }
        object.__setattr__(self, "own", frozenset(addresses))


def worded(draft: Draft, context: ComposeContext, now: datetime) -> Rendered:
    """The words of the mail that ``draft`` asks for: its template, rendered. Drafts to several people that differ in
    nothing but ``to`` and ``reader`` have the same. Raises ConfigError, KeyError as `compose` does."""
    box = context.mailboxes[draft.mailbox]
    local_now = now.astimezone(ZoneInfo(box.timezone or context.timezone))
    language = "" if draft.kind.to_users and not draft.language else draft.language or box.language or context.language
    tag = context.tag.format(number=draft.case) if draft.case is not None else ""
    signed = word_place(context.keyring) if context.words else ""
    values = _names(draft, box.name or box.address, headers.sendable(box.address), local_now, tag, signed)
    return context.templates.render(draft.template, draft.mailbox, language, values)


def compose(
    draft: Draft, context: ComposeContext, now: datetime, serial: str, words: Rendered | None = None
) -> OutgoingMessage:
    """The mail that ``draft`` asks for, complete: ``serial`` (tokens.new_serial) makes its Message-ID unique, ``words``
    are what `worded` made of it, where that is known already.

    ``recipients`` is empty where nobody is left to send to: our own mailboxes are never mailed, nobody gets it twice.
    Raises ConfigError where the template is missing or cannot be rendered, KeyError for an unknown mailbox.
    """
    box = context.mailboxes[draft.mailbox]
    sender = headers.sendable(box.address)
    name = box.name or box.address
    local_now = now.astimezone(ZoneInfo(box.timezone or context.timezone))
    tag = context.tag.format(number=draft.case) if draft.case is not None else ""
    rendered = words or worded(draft, context, now)
    if context.words:
        rendered = _with_word(rendered, draft, context, now)
    subject = tagged(rendered.subject or draft.title or draft.about_subject or "(no subject)", tag)

    to, cc, recipients = _recipients(draft, context, box)
    utf8 = bool(recipients) and not any(one.isascii() for one in recipients)
    domain = sender.rpartition("@")[2]
    case = draft.case or 0
    message_id = sign_id(context.keyring, case, draft.reader, domain, serial, fallback_domain=context.id_domain)
    root = sign_id(context.keyring, case, draft.reader, domain, fallback_domain=context.id_domain)
    references = thread(draft.parent_references, draft.parent_id, root)

    shown = draft.from_name if draft.from_name and draft.kind.to_users else name
    fields = [
        ("Date", format_datetime(local_now)),
        ("From", headers.mailbox(Address(shown, sender))),
        ("Reply-To", sender),
        ("To", headers.addresses(to, utf8=utf8) or "undisclosed-recipients:;"),
        ("Cc", headers.addresses(cc, utf8=utf8)),
        ("Subject", headers.unstructured(subject)),
        ("Message-ID", f"<{message_id}>"),
        ("In-Reply-To", headers.message_ids([draft.parent_id] if draft.parent_id else [])),
        ("References", headers.message_ids(references)),
        ("X-Maild-Loop", loop_mark(context.keyring, serial)),
        *_automatic(draft),
        *(_filters(draft, box, name, sender) if draft.kind.to_users else _unsubscribe(draft)),
    ]
    given = {
        key.lower(): (key, headers.unstructured(value)) for key, value in draft.headers if key.lower() not in _KEPT
    }
    fields = [given.pop(key.lower(), (key, value)) for key, value in fields] + list(given.values())
    automatic = not draft.kind.written_by_person and not draft.kind.to_users
    return OutgoingMessage(
        kind=draft.kind,
        case=draft.case,
        message_id=message_id,
        sender="" if automatic else sender,
        recipients=recipients,
        subject=subject,
        headers=tuple(headers.field(key, value) for key, value in fields if value),
        text=rendered.text,
        html=rendered.html,
        attachments=draft.attachments,
    )


def tagged(subject: str, tag: str) -> str:
    """The subject on one line with the case's tag once, in front; tags of others are kept."""
    line = headers.one_line(subject)
    if not tag:
        return line[:SUBJECT]
    rest = _without(line, tag) or "(no subject)"
    return f"{tag} {rest}"[:SUBJECT].rstrip()


def quotable_subject(subject: str, tag: str = "") -> str:
    """A customer's subject as an automatic answer may repeat it: without Re:, tag and links, cut at 120 characters.

    The answer goes to whoever From names, so a forged mail must not carry its message there (RFC 3834, 3.2).
    """
    line = headers.one_line(_LINK.sub(lambda link: link[0] if _is_file(link[0]) else " ", _bare(subject, tag)))
    return line if len(line) <= QUOTED_SUBJECT else line[: QUOTED_SUBJECT - 1].rstrip() + "…"


def thread(references: Sequence[str], parent: str, root: str) -> tuple[str, ...]:
    """The ids of References: the parent's, the parent, and the signed root, each once (RFC 5322, 3.6.4).

    The root stands first unless the thread has it already, so that the parent is the last. Of a long thread the first
    and the newest ids stay.
    """
    ids = list(dict.fromkeys(one for one in (*references, parent) if one))
    if parent in ids:
        ids = [one for one in ids if one != parent] + [parent]
    if root not in ids:
        ids.insert(0, root)
    newest: list[str] = []
    size = len(root) + 3
    for one in reversed(ids):
        size += len(one) + 3
        if newest and size > REFERENCES:
            return (root, *newest) if root not in newest else tuple(newest)
        newest.insert(0, one)
    return tuple(newest)


def _is_file(word: str) -> bool:
    return "/" not in word and word.rpartition(".")[2].lower() in _FILES


def _with_word(rendered: Rendered, draft: Draft, context: ComposeContext, now: datetime) -> Rendered:
    """The words for this reader: the links carry a signed word of theirs, for a day."""
    word = ""
    if draft.case is not None and draft.reader:
        word = signed_word(context.keyring, draft.case, draft.reader, int(now.timestamp()) + WORD_SECONDS)
    place = quote(word_place(context.keyring), safe="")
    return replace(rendered, text=rendered.text.replace(place, quote(word, safe="")), html=rendered.html.replace(place, quote(word, safe="")))


def _names(draft: Draft, name: str, address: str, now: datetime, tag: str, signed: str) -> dict[str, Any]:
    given = dict(draft.names)
    automatic = not draft.kind.written_by_person and not draft.kind.to_users
    message = dict(given.get("message") or {})
    # An automatic answer repeats a subject only where the caller says so by about_subject, and never a link in it.
    about = draft.about_subject if automatic else draft.about_subject or str(message.get("subject") or "")
    message["subject"] = quotable_subject(about, tag) if automatic else _bare(about, tag)
    case = {"number": draft.case, "title": draft.title, **(given.get("case") or {})}
    event = dict(given.get("event") or {})
    if draft.body_text and not event.get("text"):
        event["text"] = draft.body_text
    if len(str(event.get("text") or "")) > TEXT:
        event["text"] = str(event["text"])[:TEXT] + "\n[… the rest is in the case]"
    if draft.body_html and len(draft.body_html) <= TEXT:
        event["html"] = html.cleaned(draft.body_html)
    elif event.get("html"):
        event["html"] = html.cleaned(str(event["html"])[:TEXT])
    if draft.case is not None and draft.kind is OutgoingKind.NOTIFICATION and not event.get("links"):
        event["links"] = [{"name": word, "url": _mailto(address, tag, word, signed)} for word in _SHORTCUTS]
    box = {"key": draft.mailbox, "name": name, "address": address}
    return {**given, "message": message, "case": case, "event": event, "mailbox": box, "now": now}


def _bare(subject: str, tag: str) -> str:
    return without_marks(_without(headers.one_line(subject[:LONGEST]), tag))


def _without(line: str, tag: str) -> str:
    if tag not in line:
        return headers.one_line(line)
    return headers.one_line(re.sub(rf"{re.escape(tag)}(?!\d)", " ", line)) if tag else line


def _mailto(address: str, tag: str, word: str, signed: str) -> str:
    body = f"#{word.lower()}" + (f"\r\n\r\n{signed}" if signed else "")
    return f"mailto:{quote(address, safe='@')}?subject={quote(tag, safe='')}&body={quote(body, safe='')}"


def _recipients(
    draft: Draft, context: ComposeContext, box: Mailbox
) -> tuple[list[Address], list[Address], tuple[str, ...]]:
    seen: set[str] = set(context.own)

    def new(email: str) -> bool:
        key = email.strip().lower()
        fresh = bool(key) and key not in seen
        seen.add(key)
        return fresh

    to = [person for person in draft.to if new(person.email)]
    cc = [person for person in draft.cc if new(person.email)]
    copies: Iterable[str] = draft.bcc if draft.kind.to_users or not (to or cc) else (*draft.bcc, *box.bcc, *context.bcc)
    bcc = [email for email in copies if new(email)]
    had = {one.strip().lower() for one in draft.had}
    sent_to = [person.email for person in (*to, *cc) if person.email.strip().lower() not in had]
    return to, cc, tuple(_envelope(email) for email in (*sent_to, *(bcc if sent_to or not had else ())))


def _envelope(email: str) -> str:
    try:
        return headers.sendable(email)
    except ValueError:
        return headers.one_line(email)  # refused by the courier with its reason, which then stands on the case


def _automatic(draft: Draft) -> list[tuple[str, str]]:
    if draft.kind.written_by_person:
        return []
    answers = draft.kind in _ANSWERS and bool(draft.parent_id or draft.about_subject)
    return [
        ("Auto-Submitted", "auto-replied" if answers else "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
    ]


def _filters(draft: Draft, box: Mailbox, name: str, address: str) -> list[tuple[str, str]]:
    # For the sorting rules of agents' mail clients; never on mail to people outside.
    case = draft.names.get("case") or {}
    event = draft.names.get("event") or {}
    list_id = box.list_id or address.replace("@", ".")
    return [
        ("List-Id", f"{headers.phrase(name)} <{headers.one_line(list_id)[:200]}>"),
        ("X-Maild-Case", str(draft.case) if draft.case is not None else ""),
        *(
            (f"X-Maild-{label}", headers.unstructured(str(value or "")))
            for label, value in (
                ("Event", event.get("type") or draft.kind.value),
                ("Group", case.get("group")),
                ("Priority", case.get("priority")),
                ("Sla", case.get("sla")),
            )
        ),
    ]


def _unsubscribe(draft: Draft) -> list[tuple[str, str]]:
    # RFC 8058, 3.1: one https URI, and the word that says a POST to it is enough.
    address = str((draft.names.get("link") or {}).get("unsubscribe") or "")
    if draft.kind not in {OutgoingKind.SURVEY, OutgoingKind.REMINDER} or not re.match(r"https://[!-~]+\Z", address):
        return []
    return [("List-Unsubscribe", f"<{address}>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")]
