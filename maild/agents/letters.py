"""This is where an agent's mail lies open on the desk: its words, whom it was sent to, and the mails back to its writer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maild.agents import own
from maild.cases.commands import Block, read_block
from maild.desk import Desk
from maild.errors import CaseError
from maild.ingest import reply_text
from maild.ingest.quote_forms import is_bare_attribution, is_marker, is_quoted
from maild.ingest.signature import closing_line
from maild.model.case import Case
from maild.model.message import Address, Automatic, Message, MessageKind
from maild.model.outbox import Draft, OutgoingKind, PartRef
from maild.model.spool import SpoolEntry
from maild.plain.subjects import bare_subject
from maild.store import agents, people
from maild.store.agents import MailedTo
from maild.threads import Thread

if TYPE_CHECKING:
    from maild.reading import Reading


_WORD = re.compile(r"\[maild:[a-z0-9.]+\]", re.IGNORECASE)
# The marks before our line stand on its own line: across blank ones the search would be quadratic.
_WHERE = re.compile(r"[>|\s*_]*your reply (?:goes to\b.*|stays internal)[\s*_.]*\Z", re.IGNORECASE)
_INTERNAL = re.compile(r"(?im)^[>|*_ \t\xa0]*your reply stays internal\b")
_PUBLIC = re.compile(r"(?im)^[>|*_ \t\xa0]*your reply goes to\b")
_SIGNATURES = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an agent's mail: ``disposition`` as in `settling.matter.Settled`, or `returned` (back to the agent),
    `commands` (carried out, nothing to keep), `held`."""

    disposition: str
    case: int | None = None
    reason: str = ""
    event: str = ""


@dataclass(frozen=True, slots=True)
class NewCase:
    """The mail makes a case like any: of the customer whose mail was forwarded, or (``person`` None) of the agent's own.

    ``words`` are what the case is about; ``note`` what the agent wrote above a forwarded mail.
    """

    person: Address | None
    words: str
    block: Block
    note: str = ""


@dataclass(slots=True)
class Letter:
    """An agent's mail as the mailroom hands it over. ``record`` adds it to a case's messages (public or not, with these
    words in the stream or none), ``again`` makes the letter of another stored mail."""

    desk: Desk
    entry: SpoolEntry
    reading: Reading
    thread: Thread
    user: str
    mailbox: str
    record: Callable[..., int]
    again: Callable[[int], Letter]
    trace: dict[str, Any]

    @property
    def message(self) -> Message:
        return self.reading.message


@contextmanager
def attempt(desk: Desk) -> Iterator[None]:
    """All of the block or nothing: what it wrote and what it put into the outbox is gone when it raises."""
    mails = len(desk.mails)
    try:
        with desk.connection.begin_nested():
            yield
    except CaseError:
        del desk.mails[mails:]
        raise


def is_automatic(level: Automatic, kind: MessageKind) -> bool:
    """Whether no person wrote this mail; what an agent's server adds to people's mail does not count."""
    return level is Automatic.CERTAIN or kind in {
        MessageKind.AUTO_REPLY, MessageKind.RECEIPT, MessageKind.CALENDAR, MessageKind.LOOP,
    }  # fmt: skip


def block_of(message: Message, names: Iterable[str] = ()) -> Block:
    """The commands in what the agent wrote, and the text below them; ``names`` as in `own_words`."""
    return read_block(own_words(message, names))


def names_around(letter: Letter) -> list[str]:
    """Whom a quotation in this mail may name: us, and those whose case it is."""
    settings, case = letter.desk.office.settings, letter.thread.case
    names = [one for user in settings.directory.users.values() for one in (user.name, user.name.partition(" ")[0])]
    names += [box.name for box in settings.main.mailboxes.values() if box.name]
    if case is not None:
        names += [name for _, name, _ in people.participants_of(letter.desk.connection, case.number)]
    return [name for name in names if len(name) > 1]


def own_words(message: Message, names: Iterable[str] = ()) -> str:
    """What the agent wrote: of a mail to a customer rather too little than a quotation too much.

    A line that says no more than that one of ``names`` wrote ("Bob Roy wrote:") begins a quotation, marked or not.
    """
    lines = [line for line in message.new_text.split("\n") if not _WORD.fullmatch(line.strip())]
    while lines and _is_leftover(lines[-1]):
        cut = False
        while lines and _is_leftover(lines[-1]):
            cut |= bool(lines.pop().strip())
        if cut:
            lines = reply_text.new_text("\n".join(lines), "").split("\n") if any(map(str.strip, lines)) else []
    if any(is_marker(line) for line in lines):
        lines = lines[: next(at for at, line in enumerate(lines) if is_marker(line))]
    named = [re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE) for name in names]
    for at, line in enumerate(lines):
        if any(map(str.strip, lines[:at])) and is_bare_attribution(line) and any(one.search(line) for one in named):
            lines = lines[:at]
            break
    said = [line for line in lines if line.strip()]
    if said and all(is_quoted(line) for line in said):
        return ""
    return "\n".join(lines)


def _is_leftover(line: str) -> bool:
    """Whether the line is what is left of a quotation: marks alone, or our own line on where a reply goes."""
    return not line.strip("|> \t") or _WHERE.match(line) is not None


def only_signs(text: str, letter: Letter) -> bool:
    """Whether the text is only how the agent signs: then there is nothing in it for anybody."""
    user = letter.desk.office.settings.directory.users[letter.user]
    lines = [line.strip(" \t-–—,.*_").casefold() for line in text.split("\n") if line.strip(" \t-–—,.*_")]
    if not lines:
        return True
    signed = {user.name.casefold(), *user.name.casefold().split(), letter.user.casefold()}
    signed |= {line.strip(" \t-–—,.*_").casefold() for line in user.signature.split("\n")}
    if all(line in signed for line in lines):
        return True
    first = next(line for line in text.split("\n") if line.strip())
    return closing_line(["x", first]) == 1 and len(lines) <= 8


def sent_along(letter: Letter, html: str) -> tuple[PartRef, ...]:
    """The attachments that go on with the mail; signatures, the agent's own card and pictures that only decorate do not."""
    return tuple(
        PartRef(letter.entry.id, one.part, one.name, one.type, one.size, one.inline, one.content_id)
        for one in letter.message.attachments
        if one.type not in _SIGNATURES and one.name.lower() not in {"smime.p7s", "signature.asc"}
        and (not one.decoration or f"cid:{one.content_id}" in html)
        and not own.is_own_card(letter.desk, letter.user, one, letter.entry.raw)
    )


def outsiders(letter: Letter) -> list[Address]:
    """Whom outside the agent put on To and Cc."""
    addresses = letter.desk.office.addresses
    return [
        one for one in (*letter.message.to, *letter.message.cc)
        if "@" in one.email and not addresses.mailbox_of(one.email) and not addresses.user_of(one.email)
    ]  # fmt: skip


def stays_internal(letter: Letter, case: Case, about: MailedTo | None) -> bool:
    """Whether a reply to what this mail answers is a note: as that mail itself said in its first line."""
    if about is not None:
        return about.internal
    if asked_of(letter.desk, letter.thread) is not None:
        return True
    quoted = letter.message.text
    if _INTERNAL.search(quoted) or _PUBLIC.search(quoted):
        return bool(_INTERNAL.search(quoted))
    user = letter.desk.office.settings.directory.users[letter.user]
    newest = agents.newest_to(letter.desk.connection, case.number, user.email[0])
    return newest.internal if newest is not None else case.contact_id is None


def first_line(text: str) -> str:
    """The first line that says something, cut to 100 characters."""
    line = next((line.strip() for line in text.split("\n") if line.strip()), "")
    return line if len(line) <= 100 else line[:99] + "…"


def asked_of(desk: Desk, thread: Thread) -> Any:
    """The question to a third party that a mail answers, by the reader of its signed id; None for every other mail."""
    if not thread.reader or thread.case is None:
        return None
    key = people.user_of_reader(desk.connection, thread.reader) or ""
    return agents.side_thread(desk.connection, int(key[4:])) if key.startswith("ask:") and key[4:].isdigit() else None


def refuse(letter: Letter, case: Case | None, reason: str, hint: str = "", *, lines: Sequence[str] = ()) -> Outcome:
    mail(
        letter, case, "refused", reason=reason, hint=hint, lines=lines, text=letter.message.new_text or letter.message.text,
        event="refused", kind=OutgoingKind.REFUSED,
    )  # fmt: skip
    return Outcome("returned", case.number if case else None, reason)


def mail(
    letter: Letter, case: Case | None, template: str, *, event: str, lines: Sequence[str] = (), text: str = "", reason: str = "",
    hint: str = "", kind: OutgoingKind = OutgoingKind.RECEIPT, attachments: tuple[PartRef, ...] = (), internal: bool | None = None,
) -> None:  # fmt: skip
    """A mail to the agent about their mail, in their thread of the case; it says where a reply to it goes."""
    desk = letter.desk
    user = desk.office.settings.directory.users[letter.user]
    contact = people.contact(desk.connection, case.contact_id) if case is not None and case.contact_id else None
    if internal is None:
        internal = case is None or stays_internal(letter, case, agents.mailed(desk.connection, letter.reading.keys.ids))
    reply_to = "" if internal or case is None else desk.reply_goes_to(case, contact)
    details = {
        "type": event, "lines": list(lines), "text": text, "reason": reason, "hint": hint, "reply_to": reply_to,
        "subject": letter.message.subject,
    }  # fmt: skip
    names = desk.names(case, contact, event=details) if case is not None else {"event": details, "now": desk.now}
    title = case.title if case is not None else bare_subject(letter.message.subject, desk.office.tag_pattern)
    desk.enqueue(
        Draft(
            kind=kind, template=template, mailbox=case.mailbox if case is not None else letter.mailbox,
            case=case.number if case is not None else None, title=title or "maild", to=(Address(user.name, user.email[0]),),
            reader=people.reader_number(desk.connection, letter.user), language=user.language or "", names=names,
            parent_id=letter.message.message_id, parent_references=letter.message.references[-8:], attachments=attachments,
            headers=(("X-Maild-Event", event), ("X-Maild-Reply", "customer" if reply_to else "internal")),
        )
    )  # fmt: skip
