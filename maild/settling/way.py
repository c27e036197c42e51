"""This is the way of one message through its transaction: whom it is for, which case it belongs to, what the rules decide.

Each step ends the message or hands it to the next. An agent's letter, a bounce, a survey's answer and a bare `status` have
ways of their own; all else meets the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from maild import remarks, threads
from maild.agents import held, letters, status_mail
from maild.agents import journey as agents
from maild.desk import Desk
from maild.errors import CaseError
from maild.ingest import header
from maild.model.case import Case, Status
from maild.model.decision import Decision, Disposition
from maild.model.message import SENT, Automatic, Door, MachineSort, MessageKind
from maild.model.spool import SpoolEntry
from maild.office import Office
from maild.plain.domains import fold_address
from maild.reading import Reading, read
from maild.rules.engine import decide
from maild.rules.remembered import remember
from maild.schedule import surveys
from maild.settling import answering, ends, facts, opening, updating
from maild.settling.matter import Matter, Settled
from maild.store import cases, due, spool
from maild.store import held as unwanted
from maild.threads import Thread


def settle(
    connection: Connection, office: Office, entry: SpoolEntry, reading: Reading, now: datetime, *,
    history_status: Status | None = None, by_hand: bool = False,
) -> Settled:  # fmt: skip
    """Decide about one message and do it, in the caller's transaction; the spool entry is ended in it too.

    ``history_status``: file it as history (no mail, no clocks), its case ending in this status. ``by_hand``: a person
    wants a case of it, also where its kind would open none.
    """
    if history_status is None and entry.import_id is not None and not by_hand:
        history_status = Status.CLOSED  # an import's mail that was held and let go on is history still
    desk = Desk(office, connection, now, cause=entry.seq, silent=history_status is not None)
    newest = due.newest_event(connection) if desk.silent else 0
    settled = _run(Matter(desk, entry, reading, history_status, by_hand))
    settled.desk = desk
    if desk.silent and settled.case is not None:  # history sets nothing off
        due.looked_at(connection, [row.id for row in due.caused(connection, [settled.case], newest)])
    settled.trace["mails"] = [{"id": number, "kind": mail.kind.value, "to": list(mail.recipients)} for number, mail in desk.mails]
    return settled


def _run(matter: Matter) -> Settled:
    mailboxes = _mailboxes(matter)
    if not mailboxes:
        return ends.for_postmaster(matter)
    mailbox, others = mailboxes[0], mailboxes[1:]
    if why := _header_too_large(matter):
        return matter.hold(mailbox, why)
    if matter.entry.client.startswith(SENT) and not matter.by_hand:
        return ends.sent_elsewhere(matter, mailbox)
    if matter.kind is MessageKind.BOUNCE and not matter.by_hand:
        return ends.bounce(matter, mailbox)
    rated = surveys.by_mail(
        matter.desk, matter.message, matter.kind, matter.classification.automatic,
        matter.author.email if matter.author else "", matter.reading.keys.ids,
    )  # fmt: skip
    if rated is not None:
        matter.trace["threading"] = [f"the answer to a survey about case {rated.number}"]
        matter.record(rated, public=True, stream=False)
        return matter.end("answer", case=rated.number, event="survey.answered")
    thread = threads.find(
        matter.connection, matter.office, matter.reading.keys, matter.author.email if matter.author else "", mailbox
    )
    matter.trace["threading"] = thread.signals
    number = thread.case.number if thread.case else None
    matter.message = remarks.undecorated(matter.connection, matter.message, matter.author, number)
    letter = _letter(matter, thread, mailbox)
    outcome = _outcome(matter, letter, thread, mailbox)
    if isinstance(outcome, letters.Outcome):
        return _finish(matter, outcome, mailbox)
    if isinstance(outcome, letters.NewCase):
        matter.behalf, matter.words = outcome.person, outcome.words
        assert letter is not None
        try:
            with letters.attempt(matter.desk):
                settled = _as_any(matter, thread, mailbox, others)
                if settled.case is not None:
                    agents.opened(letter, outcome, settled.case)
            return settled
        except CaseError as error:
            return _finish(matter, letters.refuse(letter, None, str(error)), mailbox)
    if (asked := status_mail.asked(matter.message, mailbox, matter.office, thread, matter.reading, matter.kind)) is not None:
        why = status_mail.answer(matter.desk, asked, matter.message, matter.entry.mail_from)
        if not why:
            return matter.end("ignored", reason="asked for their open cases, and was answered")
        matter.trace["status"] = why
    return _as_any(matter, thread, mailbox, others)


def _header_too_large(matter: Matter) -> str:
    """Why a person must look at a mail whose header cannot be read whole; '' for all others, and where one has."""
    entry = matter.entry
    if matter.by_hand or matter.history is not None or entry.released_by is not None:
        return ""
    ingest = matter.office.settings.main.ingest
    doors = {Door.SMTP: ingest.smtp, Door.LMTP: ingest.lmtp}.get(entry.door, ())
    most = max((door.limits.header for door in doors), default=header.BLOCK_LIMIT)
    octets, count = header.size_of(entry.raw)
    if octets > most:
        return f"its header is {octets} bytes long (limits.header is {most})"
    return f"its header has {count} fields, of which {header.FIELD_LIMIT} are read" if count > header.FIELD_LIMIT else ""


def _letter(matter: Matter, thread: Thread, mailbox: str) -> letters.Letter | None:
    """The mail as an agent's, where it is in an agent's name and no person or import decides what becomes of it."""
    if matter.in_name_of is None or matter.by_hand or matter.history is not None or matter.kind is MessageKind.VERIFICATION:
        return None
    return letters.Letter(
        desk=matter.desk, entry=matter.entry, reading=matter.reading, thread=thread, user=matter.in_name_of, mailbox=mailbox,
        record=partial(matter.record, stream=False), again=partial(_again, matter), trace=matter.trace,
    )  # fmt: skip


def _again(matter: Matter, seq: int) -> letters.Letter:
    """The letter of a stored mail that came back to its writer."""
    (entry,) = spool.load(matter.connection, [seq])
    letter = _letter(Matter(matter.desk, entry, read(matter.office, entry), None), Thread(), entry.mailboxes[0])
    if letter is None:
        raise CaseError("that mail was no agent's")
    return letter


def _outcome(
    matter: Matter, letter: letters.Letter | None, thread: Thread, mailbox: str
) -> letters.Outcome | letters.NewCase | None:
    if letter is not None:
        return agents.receive(letter)
    if matter.history is None and (decided := held.of_admin(matter.desk, matter.entry, matter.reading, mailbox)) is not None:
        return decided
    asked = None if matter.by_hand or matter.history is not None else letters.asked_of(matter.desk, thread)
    if asked is None or thread.case is None:
        return None
    machine = matter.classification.sort is MachineSort.ANSWER or matter.classification.automatic is Automatic.CERTAIN
    return agents.third_party_answered(
        matter.desk, thread.case, asked, matter.actor(), matter.message, partial(matter.record, stream=False),
        machine=machine, parts=matter.part_refs(),
    )  # fmt: skip


def _finish(matter: Matter, outcome: letters.Outcome, mailbox: str) -> Settled:
    if outcome.disposition == "held":
        return matter.hold(mailbox, outcome.reason)
    return matter.end(outcome.disposition, case=outcome.case, reason=outcome.reason, event=outcome.event)


def _as_any(matter: Matter, thread: Thread, mailbox: str, others: Sequence[str]) -> Settled:
    """The way of every mail: the rules decide."""
    if (by := _unwanted(matter)) is not None:
        return matter.end("discarded", reason=f"{by} wants no mail from this address (maild spool never)")
    follow_up_of: Case | None = None
    if thread.case is not None and _over(matter, thread.case) and _may_open(matter) and matter.history is None:  # history joins its thread, closed or not
        follow_up_of = _closed(matter, thread)
    known = facts.gather(matter, mailbox, thread, follow_up_of)
    matter.trace["facts"] = remember(known)  # for replay: what the message itself does not hold
    decision = decide(matter.office.ruleset, known)
    matter.trace["decision"] = decision
    settled = _act(matter, decision, thread, follow_up_of, others)
    settled.decision = decision
    return settled


def _unwanted(matter: Matter) -> str | None:
    """Who said `#never` to this sender; None where nobody did, or a person or an import wants the mail all the same."""
    if matter.author is None or matter.user or matter.by_hand or matter.history is not None or matter.entry.released_by:
        return None
    return unwanted.refused_by(matter.connection, fold_address(matter.author.email))


def _mailboxes(matter: Matter) -> list[str]:
    """The mailboxes this was for, the one named first in To and Cc before the others; raw recipients decide last.

    Of a mail that names several of ours each server may deliver one copy after the other: all that it names count with the
    first copy, so that no race decides. What was passed on to a mailbox that it does not name is for that one alone.
    """
    named = [
        key for one in (*matter.message.to, *matter.message.cc) if (key := matter.office.addresses.mailbox_of(one.email))
    ]
    known = [key for key in matter.entry.mailboxes if key in matter.office.settings.main.mailboxes]
    if matter.entry.client.startswith(SENT) or not set(named) & set(known):
        return known
    return list(dict.fromkeys([*named, *known]))


def _may_open(matter: Matter) -> bool:
    """Whether this mail may open a case: machines' answers never do."""
    return matter.by_hand or matter.classification.sort is not MachineSort.ANSWER


def _over(matter: Matter, case: Case) -> bool:
    """Whether an answer no longer goes on with this case: it is closed, or was resolved longer ago than
    `cases.reopen.within`, and the answer is more than thanks."""
    if case.status is not Status.RESOLVED:
        return case.status is Status.CLOSED
    within = matter.office.settings.main.cases.reopen.within
    late = within is not None and case.resolved_at is not None and matter.entry.received_at - case.resolved_at > within
    return late and not answering.only_thanks(matter)


def _closed(matter: Matter, thread: Thread) -> Case:
    """A case that is over stays so: its unclosed follow-up goes on, else a new one is made."""
    closed = thread.case
    assert closed is not None
    newer = cases.follow_up_of(matter.connection, closed.number, closed.contact_id)
    if newer is not None:
        thread.case = cases.get(matter.connection, newer, lock=True)
        thread.signals.append(f"case {closed.number} is {closed.status}; its follow-up {newer} goes on")
    else:
        thread.case = None
        thread.signals.append(f"case {closed.number} is {closed.status}: a follow-up case is made")
    return closed


def _act(
    matter: Matter, decision: Decision, thread: Thread, follow_up_of: Case | None, others: Sequence[str]
) -> Settled:
    disposition = decision.disposition
    if matter.entry.released_by is not None or matter.history is not None:
        if disposition in {Disposition.HOLD, Disposition.DISCARD} and _may_open(matter):
            disposition = Disposition.CASE
    elif matter.kind is MessageKind.VERIFICATION and disposition is not Disposition.DISCARD:
        remarks.tell_of_verification(matter.desk, matter.entry, matter.message, decision.mailbox)
        return matter.hold(decision.mailbox, "asks to confirm an address: a person decides, maild never clicks")
    match disposition:
        case Disposition.DISCARD:
            return matter.end("discarded", reason=decision.reason)
        case Disposition.HOLD:
            return ends.held(matter, decision, decision.mailbox)
        case Disposition.FORWARD:
            return ends.forwarded(matter, decision)
    if thread.case is not None:
        return answering.answer(matter, decision, thread, others)
    if disposition is Disposition.NONE and matter.kind is not MessageKind.AGENT and not matter.by_hand:
        return matter.end("ignored", reason=decision.reason or "a machine's answer that belongs to no case")
    if decision.update is not None and follow_up_of is None:
        found = updating.find(matter, decision.update, decision.mailbox)
        if found is not None:
            return updating.update(matter, found, decision, decision.update)
        match decision.update.otherwise:
            case "hold":
                return matter.hold(decision.mailbox, f"rule {decision.update.rule}: there is no such case to update")
            case "discard":
                return matter.end("discarded", reason=f"rule {decision.update.rule}: there is no such case to update")
    return opening.open_case(matter, decision, thread, follow_up_of, others)
