"""This is where an agent acts for a customer: a case on their behalf, an answer that they were given directly."""

from __future__ import annotations

from collections.abc import Sequence

from maild import casework, threads
from maild.agents import acts
from maild.agents.belonging import join
from maild.agents.letters import Letter, Outcome, first_line
from maild.agents.orders import after_reply, answer, asks, carry_out, receipt, work_of
from maild.agents.work import demand
from maild.cases import lifecycle
from maild.cases.commands import STATUS_COMMANDS, Block, Command, Phase, find
from maild.cases.permissions import rights_of
from maild.errors import CaseError
from maild.ingest.parse import attachment_bytes, parse
from maild.ingest.sender import forwarded_words
from maild.model.case import Case, StreamEntry, StreamType
from maild.model.contact import Contact
from maild.model.message import Address
from maild.plain.domains import fold_address
from maild.plain.fold import is_forward
from maild.plain.subjects import bare_subject
from maild.store import cases, people


def is_direct(letter: Letter, outsiders: Sequence[Address]) -> bool:
    """Whether the customer had this mail from the agent directly, with our mailbox on Cc or Bcc."""
    addresses, case = letter.desk.office.addresses, letter.thread.case
    to_us = any(addresses.mailbox_of(one.email) for one in letter.message.to)
    outside = {fold_address(one.email) for one in outsiders}
    if case is not None:
        contact = people.contact(letter.desk.connection, case.contact_id) if case.contact_id else None
        return contact is not None and any(fold_address(one) in outside for one in contact.emails)
    in_to = {fold_address(one.email) for one in letter.message.to} & outside
    return bool(in_to) and not to_us and not is_forward(letter.message.subject)


def direct(letter: Letter, block: Block, outsiders: Sequence[Address]) -> Outcome:
    """It is stored as a public answer and sent to nobody again; a case is made where there is none."""
    desk, case = letter.desk, letter.thread.case
    new = case is None
    if case is None:
        case = case_for(letter, outsiders[0], bare_subject(letter.message.subject, desk.office.tag_pattern), assignee=letter.user)
    else:
        demand(desk, rights_of(desk.office.settings, letter.user), case)
    work = work_of(letter, case, block, None)
    if any(find(one.name) is not None and one.name in {"note", "ask", "use"} for one in block.commands):
        raise CaseError("the customer has this mail already: " + next(o.line for o in block.commands if o.name in {"note", "ask", "use"}))
    for one in outsiders:
        join(work, one.email, one.name)
    carry_out(work, Phase.BEFORE)
    number = letter.record(work.case, public=True)
    entry = StreamEntry(desk.now, StreamType.MESSAGE, letter.user, True, work.text or letter.message.text, {"kind": "answer"}, number)
    cases.add_stream(desk.connection, work.case.number, [entry])
    takes = desk.office.settings.main.agents.answering_takes
    work.case = casework.save(desk, lifecycle.answered(work.case, letter.user, desk.now, takes=takes))
    carry_out(work, Phase.AFTER)
    if not block.has(*STATUS_COMMANDS, "merge"):
        after_reply(work)
    asks(letter, work)
    contact = people.contact(desk.connection, work.case.contact_id) if work.case.contact_id else None
    who = (contact.name or contact.email) if contact else "The customer"
    address = desk.office.settings.main.mailboxes[work.case.mailbox].address
    work.lines.insert(0, f"case {work.case.number}: your mail is kept as the answer, and was sent to nobody again")
    work.lines.append(f"{who} can answer you directly; put {address} into Reply-To to keep it here")
    receipt(letter, work)
    if new:
        desk.notify(
            work.case, contact, "new_case", desk.hears(work.case, "new_case", []), text=work.text, actor=letter.user
        )
    return Outcome("case" if new else "answer", work.case.number, event="case.created" if new else "case.updated")


def case_for(letter: Letter, person: Address, title: str, *, assignee: str | None = None) -> Case:
    """A new case of this customer, made by the agent, with the mailbox's defaults."""
    desk = letter.desk
    box = desk.office.settings.main.mailboxes[letter.mailbox]
    contact = people.contact_by_address(desk.connection, person.email)
    organisation = threads.organisation_name(desk.connection, desk.office, person.email)
    if contact is None:
        contact = people.create_contact(
            desk.connection, Contact(0, person.name, (person.email,), organisation=organisation or ""), desk.now
        )
    known = desk.office.addresses.organisation(organisation) if organisation else None
    case = Case(
        number=0, title=title or "(no subject)", mailbox=letter.mailbox, group=box.group, category=box.category,
        contact_id=contact.id, organisation=organisation or contact.organisation or None, owner=letter.user,
        assignee=assignee, sla=contact.sla or (known.sla if known else "") or box.sla, language=contact.language,
    )  # fmt: skip
    case = casework.begin(desk, case, letter.user, since=None)
    people.add_participant(desk.connection, case.number, person.email, contact.name, "contact")
    return case


def new_case(letter: Letter, block: Block) -> Outcome:
    """`#new jo@acme.example`: a case on a customer's behalf; the text goes to them, unless `#silent`."""
    desk, command = letter.desk, block.get("new")
    assert command is not None
    (address,) = command.addresses
    if desk.office.addresses.user_of(address) or desk.office.addresses.mailbox_of(address):
        raise CaseError(f"{address} is one of ours; #new takes a customer's address")
    silent = block.has("silent") or block.has("note")
    title = bare_subject(letter.message.subject, desk.office.tag_pattern) or first_line(block.text)
    case = case_for(letter, Address("", address), title)
    work = work_of(letter, case, block, None)
    forwarded = forwarded_in(letter) if is_forward(letter.message.subject) and not work.text.strip() else ""
    if letter.thread.case is not None:
        acts.carry_out(work, Command("link", f"#link {letter.thread.case.number}", number=letter.thread.case.number))
    work.lines.append(f"case {case.number} of {address}: {title}")
    carry_out(work, Phase.BEFORE)
    words = work.text.strip() or forwarded.strip()
    answered = bool(work.text.strip()) and not silent and not work.asked
    if answered:
        answer(letter, work)
    elif words and not work.asked:
        work.case = casework.change(desk, work.case, {"summary": words[:4000]}, letter.user)
        letter.record(work.case, public=False)
        cases.add_stream(desk.connection, case.number, [StreamEntry(desk.now, StreamType.NOTE, letter.user, False, words)])
        work.lines.append("nobody outside was mailed")
    else:
        letter.record(work.case, public=False)
        work.lines.append("nobody outside was mailed")
    carry_out(work, Phase.AFTER)
    if answered and not block.has(*STATUS_COMMANDS, "merge", "ask"):
        after_reply(work)
    asks(letter, work)
    contact = people.contact(desk.connection, work.case.contact_id) if work.case.contact_id else None
    desk.notify(work.case, contact, "new_case", desk.hears(work.case, "new_case", []), text=words, actor=letter.user)
    receipt(letter, work)
    return Outcome("case", case.number, event="case.created")


def forwarded_in(letter: Letter) -> str:
    """The words of the mail that the agent forwards, without the agent's own above them."""
    message = letter.message
    if letter.reading.forwarded.source != "forwarded":
        return message.text  # resent, or passed on by a server: all of it is the customer's
    if words := forwarded_words(message.text):
        return words
    inner = next((part for part in message.parts if part.type in ("message/rfc822", "message/global")), None)
    return parse(attachment_bytes(letter.entry.raw, inner.number)).text if inner is not None else message.text


def forward_begins(text: str) -> bool:
    """Whether the text is the forwarded mail itself, not words above it."""
    from maild.ingest.quote_forms import is_forward_separator

    first = next((line for line in text.split("\n") if line.strip()), "")
    return is_forward_separator(first) or text.lstrip().lower().startswith(("from:", "von:", "de :", "de:", "da:"))
