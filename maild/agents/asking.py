"""This is where agents ask third parties, and where answers are kept and used again: `#ask`, `#with`, `#faq`, `#use`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from maild.agents import own, reads
from maild.agents.belonging import outsider
from maild.agents.work import Work, known, short
from maild.cases.commands import Command
from maild.desk import Desk
from maild.errors import CaseError
from maild.model.case import Case, Status, StreamEntry, StreamType
from maild.model.message import Address
from maild.model.outbox import Draft, OutgoingKind, PartRef
from maild.plain.domains import fold_address
from maild.store import agents, cases, faq, people


def ask(work: Work, command: Command) -> None:
    """`#ask`: asks a third party; the answer stays internal."""
    desk, (address,) = work.desk, command.addresses
    folded = fold_address(outsider(work, address))
    if any(one == folded for one, _, _ in people.participants_of(desk.connection, work.case.number)):
        raise CaseError(f"{address} takes part in the case: answer them, or #note what you want to know")
    text = command.text
    if not text:
        text, work.asked = work.text.strip(), True
    if not text:
        raise CaseError(f"#ask needs a question: #ask {address} When can you deliver?")
    text = own.hidden(desk, work.user, work.case.mailbox, text)
    enclosed = ((*work.parts,) if work.asked else ()) + with_parts(work)
    number = agents.ask(desk.connection, work.case.number, work.user, address, text, desk.now)
    agent = desk.office.settings.directory.users[work.user]
    contact = people.contact(desk.connection, work.case.contact_id) if work.case.contact_id else None
    sent = desk.enqueue(
        Draft(
            kind=OutgoingKind.THIRD_PARTY, template="ask", mailbox=work.case.mailbox, case=work.case.number,
            to=(Address("", address),), reader=people.reader_number(desk.connection, f"ask:{number}"),
            title=work.case.title, body_text=text, attachments=enclosed,
            names=desk.names(
                work.case, contact, agent={"name": agent.name, "signature": agent.signature},
                event={"type": "ask", "text": text, "actor": agent.name},
            ),
        )
    )  # fmt: skip
    row = desk.record_outgoing(sent, work.case.number, public=False, text=text)
    entry = StreamEntry(desk.now, StreamType.MESSAGE, work.user, False, text, {"kind": "third_party", "to": address}, row)
    cases.add_stream(desk.connection, work.case.number, [entry])
    if work.case.status not in {Status.RESOLVED, Status.CLOSED}:
        work.change({"status": Status.WAIT_FOR_THIRD_PARTY})
    files = f", with {', '.join(one.name for one in enclosed)}" if enclosed else ""
    work.lines.append(f"asked {address}{files}: {short(text)}")


def with_parts(work: Work) -> tuple[PartRef, ...]:
    """The attachments of the case that `#with 1,3` names; without an answer beside it they are the question's."""
    command = work.block.get("with")
    if command is None:
        return ()
    return reads.attachments(work.desk, work.case, work.about, [int(one) for one in command.word.split()])


def faq_(work: Work, command: Command) -> None:
    """`#faq`: a draft FAQ entry of this case; #faq 12 puts entry 12 into the answer."""
    if command.text.lstrip("#").isdigit():
        entry = faq.get(work.desk.connection, int(command.text.lstrip("#")))
        if entry is None:
            raise CaseError(f"there is no FAQ entry {command.text}")
        if entry.status != "published":
            raise CaseError(f"FAQ entry {entry.id} is {entry.status}: only published ones go to customers")
        work.quoted = entry.answer
        work.stream(StreamType.LINK, f"FAQ {entry.id}: {entry.question}", faq=entry.id)
        work.lines.append(f"FAQ {entry.id} goes into the answer: {entry.question}")
        return
    number = faq_draft(work.desk, work.case, work.user, command.text)
    work.journal.faqs.append(number)
    work.lines.append(f"FAQ draft {number}: {command.text}; maild faq publish {number} shows it to customers")


def faq_draft(desk: Desk, case: Case, user: str, question: str) -> int:
    """A draft out of a case: its summary, below it the resolution, with names and numbers marked ⟦so⟧."""
    contact = people.contact(desk.connection, case.contact_id) if case.contact_id else None
    summary = case.summary or next(
        (row.text for row in cases.messages_of(desk.connection, case.number) if row.direction == "in" and row.public), ""
    )
    parts = [part.strip() for part in (summary, case.resolution or "") if part and part.strip()]
    private = [contact.name, *contact.emails, contact.phone] if contact else []
    answer = marked("\n\n".join(parts), [*private, case.organisation or "", *map(str, case.fields.values())])
    number = faq.add(
        desk.connection, question, answer, user, desk.now, case=case.number, category=case.category, language=case.language
    )
    entry = StreamEntry(desk.now, StreamType.LINK, user, False, f"FAQ draft {number}: {question}", {"faq": number})
    cases.add_stream(desk.connection, case.number, [entry])
    return number


def marked(text: str, private: Sequence[str]) -> str:
    """The text with these names, and every address and long number, in ⟦…⟧, so that nobody overlooks them."""
    names = sorted({word for one in private for word in (one, *one.split()) if len(word) > 2}, key=len, reverse=True)
    forms = [rf"(?<!\w){re.escape(name)}(?!\w)" for name in names] + [r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", r"\+?\d[\d /-]{2,}\d"]
    return re.sub("|".join(forms), lambda found: f"⟦{found[0]}⟧", text, flags=re.IGNORECASE)












def use(work: Work, name: str) -> str:
    """The words of a canned answer: a template with the case's values. Raises CaseError."""
    templates = work.desk.office.templates
    fitting = [one for one in templates.names() if one not in _NOT_ANSWERS]
    key = known(name, fitting)
    if key not in fitting:
        near = difflib.get_close_matches(key, fitting, 1)
        raise CaseError(f"there is no template {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
    contact = people.contact(work.desk.connection, work.case.contact_id) if work.case.contact_id else None
    box = work.desk.office.settings.main.mailboxes[work.case.mailbox]
    agent = work.desk.office.settings.directory.users[work.user]
    names = work.desk.names(work.case, contact, agent={"name": agent.name, "signature": ""}, event={"text": work.text})
    language = (contact.language if contact else "") or box.language or work.desk.office.settings.main.language
    return templates.render(key, work.case.mailbox, language, names).text.strip()


# Templates of mail to users, and those that maild itself sends: no canned answers.
_NOT_ANSWERS = frozenset(
    {"notification", "note", "receipt", "refused", "held", "was_this_you", "digest", "escalation", "admin", "answer",
     "ask", "forward", "satisfaction", "status"}
)  # fmt: skip


def use_(work: Work, command: Command) -> None:
    """`#use`: the answer is a template's text, with yours above it."""
    words = use(work, command.word)
    work.text = f"{work.text.rstrip()}\n\n{words}".strip()
    work.lines.append(f"the answer is {command.word}")
