"""This is where an agent's mail goes its way: who is believed, what the first lines order, where the rest goes.

    receive     automatic? believed? a direct answer, a forward, a new case? commands, else a note or an answer
    held back   another agent answered meanwhile, or internal words would show: it comes back, `#send` overrides
    refused     a command wrong or not allowed: nothing of the mail is applied or sent on, and it comes back
    confirm     the answer to "was this you?" releases a mail that was held

What the mail says is `letters`, whether it is theirs `proofs`, how it goes out `orders`; commands are carried out in `acts`,
reading by mail (#show, #list …) is `agent_reads`, #undo is `takeback`. What one mail causes commits together; what raises
CaseError is rolled back to a savepoint before the agent is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from maild import casework
from maild.agents import held, takeback
from maild.agents import reads as agent_reads
from maild.agents.behalf import direct, forward_begins, forwarded_in, is_direct, new_case
from maild.agents.letters import (
    Letter,
    NewCase,
    Outcome,
    attempt,
    block_of,
    first_line,
    is_automatic,
    mail,
    names_around,
    outsiders,
    refuse,
    sent_along,
    stays_internal,
)
from maild.agents.orders import HeldBack, after_reply, answer, asks, carry_out, receipt, why_back, work_of
from maild.agents.proofs import believed, confirmation, hold
from maild.agents.timekeeping import away, note_absence
from maild.agents.work import demand
from maild.cases.commands import STATUS_COMMANDS, Block, Phase, find
from maild.cases.permissions import rights_of
from maild.desk import Desk
from maild.errors import CaseError
from maild.model.case import Case, Status, StreamEntry, StreamType
from maild.model.message import Message, MessageKind
from maild.model.outbox import OutgoingKind, PartRef
from maild.plain.domains import fold_address
from maild.plain.fold import is_forward
from maild.store import agents, cases, people, spool
from maild.store.agents import MailedTo


def receive(letter: Letter) -> Outcome | NewCase | None:
    """Handle a mail in an agent's name; None where it goes the way of any mail (a machine's, without a case)."""
    confirmed = confirmation(letter)
    if confirmed is not None:
        return confirmed
    if is_automatic(letter.reading.classification.automatic, letter.reading.classification.kind):
        return _automatic(letter)
    belief = believed(letter)
    letter.trace["believed"] = belief.by or f"no: {belief.why_not}"
    if not belief.by:
        return hold(letter, belief)
    if letter.message.encrypted and not letter.message.text.strip():
        return refuse(letter, letter.thread.case, "it is encrypted, and maild cannot read it", "send it in the clear")
    people.is_there(letter.desk.connection, letter.user)
    block = block_of(letter.message, names_around(letter))
    letter.trace["commands"] = [command.line for command in block.commands]
    if block.wrong:
        return _refuse_block(letter, block)
    try:
        with attempt(letter.desk):
            return _believed_mail(letter, block)
    except HeldBack as back:
        return _come_back(letter, back)
    except CaseError as error:
        return refuse(letter, letter.thread.case, str(error))


def _believed_mail(letter: Letter, block: Block) -> Outcome | NewCase:
    case = letter.thread.case
    about = agents.mailed(letter.desk.connection, letter.reading.keys.ids)
    if block.has(*held.ORDERS):
        return _about_held(letter, block)
    if block.has("undo"):
        return _undo(letter, case)
    if block.has("send") and not block.text and about is not None and about.event == "came_back":
        return _send_all_the_same(letter, about)
    if block.has("new"):
        return new_case(letter, block)
    if block.has("silent"):
        raise CaseError("#silent needs #new jo@acme.example beside it")
    people_outside = outsiders(letter)
    if is_direct(letter, people_outside):
        return direct(letter, block, people_outside)
    if case is not None:
        return _on_case(letter, case, block, about)
    return _without_case(letter, block)


def _about_held(letter: Letter, block: Block) -> Outcome:
    """`#release 2` in answer to the list of held mail."""
    address = letter.desk.office.settings.directory.users[letter.user].email[0]
    entries = held.listed(letter.desk, letter.reading.keys.ids, letter.user, address)
    if not entries:
        raise CaseError("your mail answers no list of held mail, so nobody knows which one you mean")
    lines = held.carry_out(letter.desk, entries, block, letter.user)
    mail(letter, None, "receipt", lines=lines, event="receipt")
    return Outcome("commands", None, "; ".join(lines)[:200])


def _without_case(letter: Letter, block: Block) -> Outcome | NewCase:
    needs = next((one for one in block.commands if (spec := find(one.name)) and spec.needs_case), None)
    if block.commands and needs is None:
        return only_asked(letter, block)
    message = letter.message
    if is_forward(message.subject) or letter.reading.forwarded.source == "resent-from":
        person = letter.reading.forwarded.address
        addresses = letter.desk.office.addresses
        if block.has("note"):
            return NewCase(None, message.text, block)
        if person is None or addresses.user_of(person.email) or addresses.mailbox_of(person.email):
            raise CaseError(
                "it is a forwarded mail, but it does not say whose: begin it with #new and the customer's address, "
                "or with #note to keep it as a case of your own"
            )
        above = block.text if block.text.strip() != message.text.strip() else ""
        return NewCase(person, forwarded_in(letter), block, above if not forward_begins(above) else "")
    if needs is not None and not block.text:
        raise CaseError(
            f"#{needs.name} needs a case: answer one of its mails, or put its number into the subject, "
            f"{letter.desk.office.settings.main.cases.tag.format(number=12)}"
        )
    return NewCase(None, block.text or message.text, block)


def opened(letter: Letter, new: NewCase, number: int) -> None:
    """The case of a NewCase is made: carry out the commands that stood above it. Raises CaseError."""
    case = cases.get(letter.desk.connection, number, lock=True)
    assert case is not None
    work = work_of(letter, case, new.block, None)
    work.text = new.note
    carry_out(work, Phase.BEFORE)
    if new.note:
        casework.note(letter.desk, work.case, letter.user, new.note)
        work.lines.append("your words are a note")
    carry_out(work, Phase.AFTER)
    if new.block.commands:
        work.lines.insert(0, f"case {number}: {work.case.title}")
        receipt(letter, work)


def _on_case(letter: Letter, case: Case, block: Block, about: MailedTo | None, *, override: bool = False) -> Outcome:
    """Commands, and the text as a note or as the answer. Raises CaseError."""
    desk, user = letter.desk, letter.user
    told = letter.thread.reader is not None and letter.thread.reader == people.reader_number(desk.connection, user)
    demand(desk, rights_of(desk.office.settings, user), case, told=told)
    override = override or block.has("send")
    before, clocks = case, agents.clock_rows(desk.connection, case.number)
    work = work_of(letter, case, block, about)
    along = sent_along(letter, "")
    if not _does_something(block) and not work.text.strip() and not along:
        raise CaseError("there is nothing in it: no words above the line, and no command that does something by itself")
    public = not block.has("note") and (block.has("reply") or not stays_internal(letter, case, about))
    carry_out(work, Phase.BEFORE)
    kept = False
    if public and not work.asked and (work.text.strip() or work.quoted or (not block.commands and along)):
        back = None if override else why_back(letter, work, about)
        if back is not None:
            raise HeldBack(*back)
        answer(letter, work)
        kept = True
    elif not work.asked and (work.text.strip() or (along and not public)):
        letter.record(work.case, public=False)
        words = work.text.strip() or ", ".join(one.name for one in along)
        casework.note(desk, work.case, user, words, attachments=work.parts)
        work.lines.append("a note: " + first_line(words))
        kept = True
    elif work.asked:
        letter.record(work.case, public=False)
        kept = True
    answered = public and kept and not work.asked
    carry_out(work, Phase.AFTER)
    if answered and not block.has(*STATUS_COMMANDS, "merge", "ask"):
        after_reply(work)
    if work.case.number == before.number:
        takeback.remember(desk, before, work.case, clocks, work.journal, user)
    if block.commands:
        left = [one.name for one in along if not kept and not one.inline]
        work.lines += [f"{name} was not sent on: no words stand beside it" for name in left]
        asks(letter, work)
        receipt(letter, work)
    return Outcome("answer" if kept else "commands", case.number, event="case.updated")


def _does_something(block: Block) -> bool:
    """Whether any command of the block does something where no words stand below it."""
    return any((spec := find(one.name)) is not None and spec.phase is not Phase.MAIL for one in block.commands)


def _automatic(letter: Letter) -> Outcome | None:
    """A machine's mail in an agent's name is kept in the stream and is never an answer, a note or a command."""
    if letter.reading.classification.kind is MessageKind.AUTO_REPLY:
        note_absence(letter)
    case = letter.thread.case
    if case is None:
        return None
    name = letter.desk.office.settings.directory.users[letter.user].name
    number = letter.record(case, public=False)
    text = f"automatic mail of {name}\n\n{letter.message.new_text or letter.message.text}".strip()
    entry = StreamEntry(letter.desk.now, StreamType.MESSAGE, letter.user, False, text, {"kind": "auto_reply"}, number)
    cases.add_stream(letter.desk.connection, case.number, [entry])
    return Outcome("answer", case.number, f"automatic mail of {name}", "case.updated")


def _undo(letter: Letter, case: Case | None) -> Outcome:
    after, told = takeback.undo(letter.desk, case, letter.user)
    mail(letter, after, "receipt", lines=told, event="receipt")
    return Outcome("commands", after.number, "taken back")


def _send_all_the_same(letter: Letter, about: MailedTo) -> Outcome:
    """The mail that came back goes out after all, as it was."""
    desk = letter.desk
    if about.caused_by is None or about.case is None:
        raise CaseError("that mail cannot be found any more; send it again with #send in its first line")
    first = letter.again(about.caused_by)
    if first.user != letter.user or first.entry.disposition != "returned":
        raise CaseError("that mail was sent already, or is not yours")
    case = cases.get_final(desk.connection, about.case, lock=True)
    assert case is not None
    first.thread.case = case
    block = block_of(first.message, names_around(first))
    outcome = _on_case(first, case, block, agents.mailed(desk.connection, first.reading.keys.ids), override=True)
    spool.end(desk.connection, first.entry.seq, {"disposition": outcome.disposition, "case_number": outcome.case}, desk.now)
    if not block.commands:
        mail(letter, case, "receipt", lines=["sent all the same: " + first_line(block.text)], event="receipt")
    return Outcome("commands", case.number, "sent all the same")


def only_asked(letter: Letter, block: Block) -> Outcome:
    """Questions that need no case (#list, #show 12, #help), and #away."""
    lines: list[str] = []
    texts: list[str] = []
    for command in block.commands:
        if command.name == "away":
            lines.append(away(letter.desk, letter.user, command))
        else:
            texts.append(agent_reads.answer(letter.desk, letter.user, None, None, command)[0])
    mail(letter, None, "receipt", lines=lines, text="\n\n".join(texts), event="receipt")
    return Outcome("commands", None, ", ".join(command.line for command in block.commands)[:200])


def _refuse_block(letter: Letter, block: Block) -> Outcome:
    first = block.wrong[0]
    rest = [f"{one.line}: {one.reason}" for one in block.wrong[1:]]
    return refuse(letter, letter.thread.case, f"{first.line}: {first.reason}", lines=rest)


def _come_back(letter: Letter, back: HeldBack) -> Outcome:
    """The answer that was not sent, with the reason and what the agent should read first."""
    case = letter.thread.case
    mail(
        letter, case, "refused", reason=f"{back}.", hint="Answer #send to send it all the same.",
        lines=back.quote.strip().split("\n") if back.quote else (), text=letter.message.new_text or letter.message.text,
        event="came_back", kind=OutgoingKind.REFUSED,
    )  # fmt: skip
    return Outcome("returned", case.number if case else None, str(back))


def third_party_answered(
    desk: Desk, case: Case, asked: Any, sender: str, message: Message, record: Callable[..., int], *,
    machine: bool, parts: tuple[PartRef, ...] = (),
) -> Outcome:  # fmt: skip
    """What a third party answers is internal: it tells the asker, and the case is open again. Nobody joins the case."""
    number = record(case, public=False)
    text = message.new_text or message.text
    entry = StreamEntry(desk.now, StreamType.MESSAGE, sender, False, text, {"kind": "third_party", "asked": asked.id}, number)
    cases.add_stream(desk.connection, case.number, [entry])
    if machine:
        return Outcome("answer", case.number, "a machine's answer to a question of ours", "case.updated")
    agents.answered(desk.connection, asked.id, desk.now)
    if case.status is Status.WAIT_FOR_THIRD_PARTY:
        case = casework.change(desk, case, {"status": Status.OPEN}, sender, because="the third party answered")
    else:
        cases.save_case(desk.connection, replace(case, updated_at=desk.now))
    marks = [f"answers what you asked {asked.address}"]
    if fold_address(sender) != fold_address(asked.address):
        marks.append(f"from {sender or 'nobody known'}, not {asked.address}")
    contact = people.contact(desk.connection, case.contact_id) if case.contact_id else None
    desk.notify(
        case, contact, "answer", [asked.user], text=text, message=message, marks=marks, internal=True, attachments=parts
    )
    return Outcome("answer", case.number, event="case.updated")
