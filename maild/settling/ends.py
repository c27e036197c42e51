"""These are the ways in which a message ends that becomes no case and answers none: bounces, mail for the postmaster, mail
that is held or sent on, and what somebody sent from the shared mailbox itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from maild import elsewhere
from maild.model.case import Case, StreamEntry, StreamType
from maild.model.decision import Decision, Disposition
from maild.model.message import Address, BounceReport, Door
from maild.model.outbox import Draft, OutgoingKind, PartRef
from maild.plain.domains import fold_address
from maild.plain.tokens import verify_id
from maild.rules.engine import decide
from maild.settling import answering, facts
from maild.settling.matter import Matter, Settled
from maild.store import cases, outbox, people
from maild.threads import Thread

WHOLE_MESSAGE = -1  # PartRef.part of the raw message itself


def sent_elsewhere(matter: Matter, mailbox: str) -> Settled:
    """A mail that somebody sent from the shared mailbox itself."""
    signals: list[str] = []
    matter.trace["threading"] = signals
    case, why = elsewhere.record(
        matter.desk, matter.message, matter.classification, matter.reading.keys, mailbox,
        lambda case: matter.record(case, public=True, stream=False, outgoing=True), signals,
        by=matter.entry.login or "" if matter.entry.door is Door.IMPORT else "",
    )  # fmt: skip
    if case is None:
        return matter.end("ignored", reason=why)
    return matter.end("answer", case=case.number, event="case.updated")


def bounce(matter: Matter, mailbox: str) -> Settled:
    """A bounce counts only if it answers something that we sent: an event on its case, told to the assignee.

    It meets the rules that name its kind: they may discard, hold or forward it, or change its case.
    """
    report = matter.classification.bounce
    named, case = _returned(matter, report)
    thread = Thread(case=case, by="signed id" if case else "")
    decision = decide(matter.office.ruleset, facts.gather(matter, mailbox, thread))
    if decision.rules:
        matter.trace["decision"] = decision
    match decision.disposition:
        case Disposition.DISCARD:
            return matter.end("discarded", reason=decision.reason)
        case Disposition.HOLD:
            return held(matter, decision, mailbox)
        case Disposition.FORWARD:
            return forwarded(matter, decision)
    if report is None:
        return matter.end("ignored", reason="a delivery report that says nothing")
    shown = "; ".join(
        f"{one.address}: {one.action} {one.status} {'for good' if one.hard else 'for now'} {one.reason}".strip()
        for one in report.recipients
    )
    if case is None:
        matter.trace["threading"] = ["the returned message is none of ours"]
        return matter.end("ignored", reason=f"a bounce of nothing that we sent ({shown})")
    matter.trace["threading"] = [f"the returned message is ours: case {case.number}"]
    _mark_undeliverable(matter, report, [named, case.number])
    number = matter.record(case, public=False, stream=False)
    case = answering.applied(matter, case, decision)
    event = StreamEntry(matter.now, StreamType.BOUNCED, "maild", False, shown[:2000], {"recipients": len(report.recipients)}, number)
    cases.add_stream(matter.connection, case.number, [event])
    cases.save_case(matter.connection, replace(case, updated_at=matter.now))
    contact = people.contact(matter.connection, case.contact_id) if case.contact_id else None
    who = matter.desk.hears(case, "bounce", cases.followers_of(matter.connection, case.number))
    matter.trace["notified"] = matter.desk.notify(case, contact, "bounce", who, text=shown, internal=True, reason=shown[:300])
    return matter.end("bounce", case=case.number)


def _returned(matter: Matter, report: BounceReport | None) -> tuple[int, Case | None]:
    """The case that the returned mail was about: its number as our signed id has it, and the case that it leads to now."""
    returned = (report.original_message_id, *report.original_references) if report else ()
    for one in (*returned, *matter.reading.keys.ids):
        signed = verify_id(matter.office.keyring, one) if one else None
        if signed is not None and signed.case:
            case = cases.get_final(matter.connection, signed.case, lock=True)
            if case is not None:
                return signed.case, case
    return 0, None


def _mark_undeliverable(matter: Matter, report: BounceReport, numbers: Sequence[int]) -> None:
    """Remember whom mail does not reach: only people whom we wrote to about this case, whatever else the report names.

    Who has a mail of ours can forge a report about anybody.
    """
    ours = {fold_address(one) for one in outbox.written_to(matter.connection, numbers)}
    for one in report.recipients:
        for address in {one.address, one.original} if one.hard else set():
            if fold_address(address) in ours:
                contact = people.contact_by_address(matter.connection, address)
                if contact is not None:
                    people.update_contact(matter.connection, contact.id, {"undeliverable_since": matter.now})


def held(matter: Matter, decision: Decision, mailbox: str) -> Settled:
    """A rule or the mailbox holds it."""
    hold = decision.hold
    until = matter.now + hold.lasting if hold and hold.lasting else None
    return matter.hold(mailbox, decision.reason, until, hold.then if hold else "keep")


def for_postmaster(matter: Matter) -> Settled:
    """Mail to postmaster goes on to the admins; without any it is held."""
    admins = matter.office.settings.main.admins
    if not admins:
        return matter.hold("", "mail to postmaster, and no admins: are set in maild.yaml")
    for admin in admins:
        _send_on(matter, admin, "postmaster", next(iter(matter.office.settings.main.mailboxes)))
    return matter.end("forwarded", reason=f"postmaster: to {', '.join(admins)}")


def forwarded(matter: Matter, decision: Decision) -> Settled:
    """A rule sends the whole mail on to somebody else."""
    _send_on(matter, decision.forward, decision.reason, decision.mailbox)
    return matter.end("forwarded", reason=f"to {decision.forward}")


def _send_on(matter: Matter, address: str, reason: str, mailbox: str) -> None:
    """The whole mail, as it came, enclosed in one of ours."""
    subject = matter.message.subject or "(no subject)"
    whole = PartRef(matter.entry.id, WHOLE_MESSAGE, "message.eml", "message/rfc822", matter.entry.size)
    matter.desk.enqueue(
        Draft(
            kind=OutgoingKind.FORWARD, template="forward", mailbox=mailbox, case=None, to=(Address("", address),),
            names={
                "event": {"type": "forward", "subject": subject, "reason": reason,
                          "actor": matter.author.email if matter.author else (matter.entry.mail_from or "")},
                "now": matter.now,
            },
            title=subject, attachments=(whole,),
        )
    )  # fmt: skip
