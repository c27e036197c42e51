"""This is where a message becomes a new case: whose it is, how it begins, what the customer is answered, who is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from maild import automatic_answers, casework
from maild.cases import lifecycle
from maild.model.case import Case, Channel, LinkType, Priority, Status
from maild.model.contact import Contact, Organisation
from maild.model.decision import Decision
from maild.model.message import Address, Automatic, MessageKind
from maild.settling.matter import Matter, Settled
from maild.store import cases, people
from maild.threads import Thread


def open_case(
    matter: Matter, decision: Decision, thread: Thread, follow_up_of: Case | None, others: Sequence[str]
) -> Settled:
    """Make a case of the message, answer and tell whom it concerns; ``others`` are the further mailboxes it was for."""
    known = follow_up_of is None or thread.takes_part
    contact, address, organisation = _whose(matter, decision, follow_up_of, known)
    case = _composed(matter, decision, contact, organisation, follow_up_of)
    group, user, nobody = casework.pick(matter.desk, decision.values.assign)
    if follow_up_of is not None and not user:
        user = follow_up_of.assignee if _is_active(matter, follow_up_of.assignee) else None
    case = replace(case, group=group or case.group, assignee=user or case.assignee)
    if decision.values.assign is None and organisation is not None and follow_up_of is None:
        wanted = organisation.user if _is_active(matter, organisation.user) else None
        case = replace(case, group=organisation.group or case.group, assignee=wanted or case.assignee)
    actor = f"rule:{decision.rules[0]}" if decision.rules else "maild"
    since = matter.entry.received_at if matter.kind is not MessageKind.AGENT or matter.behalf else None
    case = casework.begin(matter.desk, case, actor, since=since, import_id=matter.entry.import_id)
    if address is not None:
        people.add_participant(matter.connection, case.number, address.email, address.name, "contact")
    copied = matter.add_copied(case, address, []) if known else []
    goes_on = known and follow_up_of is not None and follow_up_of.contact_id is not None
    if goes_on and matter.author is not None and not matter.user and address is not None and not matter.wrote(address):
        people.add_participant(matter.connection, case.number, matter.author.email, matter.author.name)
        copied.append(matter.author)
    matter.record(case, public=matter.kind is not MessageKind.AGENT or matter.behalf is not None)
    matter.tell_notes(case, [*decision.notes, *([nobody] if nobody else [])])
    cases.follow(matter.connection, case.number, [*decision.followers, *matter.groups_of(others, case)])
    if follow_up_of is not None:
        cases.link(matter.connection, case.number, LinkType.FOLLOWS, follow_up_of.number)
    if thread.mentions is not None:
        cases.link(matter.connection, case.number, LinkType.MENTIONS, thread.mentions)
    _answer_automatically(matter, decision, case, contact, address, follow_up_of, known)
    _notify_new(matter, decision, case, contact, thread, follow_up_of, copied)
    if matter.history is not None:
        _file_away(matter, case)
    return matter.end("follow_up" if follow_up_of else "case", case=case.number, event="case.created")


def _whose(
    matter: Matter, decision: Decision, follow_up_of: Case | None, known: bool
) -> tuple[Contact | None, Address | None, Organisation | None]:
    """Whose case it is: the contact, the address they are written to, their organisation.

    A follow-up goes on with the closed case's contact; a sender who had no part in that is nobody's contact (not ``known``).
    """
    organisation = matter.organisation_of_author()
    contact: Contact | None
    address: Address | None
    if follow_up_of is not None and (old := _old_contact(matter, follow_up_of)) is not None:
        contact, address = old
        if not matter.wrote(address):
            organisation = matter.organisation_named(follow_up_of.organisation) if follow_up_of.organisation else None
    else:
        address = _person(matter, decision) if known else None
        contact = _contact(matter, decision, address)
        if address is not None and not matter.wrote(address):
            organisation = matter.organisation(address.email)
    if contact is not None and contact.organisation:
        organisation = matter.organisation_named(contact.organisation) or organisation
    mailbox = matter.office.settings.main.mailboxes[decision.mailbox]
    wanted = mailbox.match_organisation if decision.match_organisation is None else decision.match_organisation
    return contact, address, organisation if wanted else None


def _old_contact(matter: Matter, old: Case) -> tuple[Contact, Address] | None:
    contact = people.contact(matter.connection, old.contact_id) if old.contact_id else None
    if contact is None:
        return None
    if matter.author is not None and matter.written_by(contact):
        return contact, matter.author
    return contact, Address(contact.name, contact.email)


def _person(matter: Matter, decision: Decision) -> Address | None:
    """Whom the case is from, as the rule says; None where nobody is (alerts, agents, no identity)."""
    if matter.behalf is not None:
        return matter.behalf
    if decision.contact.source == "none":
        return None
    if decision.contact.address:
        return Address(decision.contact.name, decision.contact.address)
    if matter.kind is MessageKind.AGENT:
        return None
    if matter.author is not None and matter.office.addresses.mailbox_of(matter.author.email):
        return None
    return matter.author


def _contact(matter: Matter, decision: Decision, address: Address | None) -> Contact | None:
    if address is None:
        return None
    if matter.wrote(address):
        contact = matter.writer
    else:
        contact = people.contact_by_address(matter.connection, address.email)
    values = decision.values.contact
    if contact is None:
        mailbox = matter.office.settings.main.mailboxes[decision.mailbox]
        create = mailbox.create_contact if decision.create_contact is None else decision.create_contact
        organisation = matter.organisation(address.email)
        contact = Contact(
            id=0, name=values.get("name") or address.name, emails=(address.email,), phone=values.get("phone", ""),
            language=values.get("language") or (organisation.language if organisation else "") or matter.message.language,
            organisation=organisation.name if organisation else "",
        )  # fmt: skip
        return people.create_contact(matter.connection, contact, matter.now) if create else contact
    fill = {name: values[name] for name in ("name", "phone", "language") if values.get(name) and not getattr(contact, name)}
    if not contact.name and "name" not in fill and address.name:
        fill["name"] = address.name
    if contact.undeliverable and matter.wrote(address):
        people.update_contact(matter.connection, contact.id, {"undeliverable_since": None})
        contact = replace(contact, undeliverable=False)
    if fill:
        people.update_contact(matter.connection, contact.id, dict(fill))
        return people.contact(matter.connection, contact.id)
    return contact


def _composed(
    matter: Matter, decision: Decision, contact: Contact | None, organisation: Organisation | None, old: Case | None
) -> Case:
    """The case as it would begin; a follow-up has the old one's mailbox, contact, group, category and fields."""
    values = decision.values
    mailbox = matter.office.settings.main.mailboxes[old.mailbox if old else decision.mailbox]
    priority = values.priority or Priority.MEDIUM
    if values.raise_priority is not None:
        priority = lifecycle.raised(priority, values.raise_priority)
    sla = values.sla or (contact.sla if contact else "") or (organisation.sla if organisation else "") or mailbox.sla
    return Case(
        number=0, title=decision.title or "(no subject)", mailbox=old.mailbox if old else decision.mailbox,
        status=values.status or Status.NEW, priority=priority, channel=values.channel or Channel.EMAIL,
        summary=values.summary or "", category=values.category or (old.category if old else mailbox.category),
        contact_id=(contact.id or None) if contact else (old.contact_id if old else None),
        organisation=organisation.name if organisation else (old.organisation if old else None),
        group=(old.group if old else None) or mailbox.group,
        owner=matter.user, sla=sla or (old.sla if old else None), tags=tuple(dict.fromkeys(values.tags)),
        fields={**(old.fields if old else {}), **values.fields}, resolution=values.resolution,
        billable=bool(values.billable), language=matter.message.language,
    )  # fmt: skip


def _answer_automatically(
    matter: Matter, decision: Decision, case: Case, contact: Contact | None, address: Address | None,
    follow_up_of: Case | None, known: bool,
) -> None:  # fmt: skip
    mailbox = matter.office.settings.main.mailboxes[case.mailbox]
    usual = mailbox.acknowledge.at(matter.office.closed_calendars(matter.entry.received_at))
    template = decision.reply or ("follow_up" if follow_up_of and usual != "none" else usual)
    later = None if decision.reply or not mailbox.acknowledge.after else matter.now + mailbox.acknowledge.after
    if matter.kind is MessageKind.AGENT:
        template = "none"
    to = contact or (Contact(0, address.name, (address.email,)) if address else None)
    automatic = _automatic_of(matter, decision)
    why = automatic_answers.why_not(matter.desk, case, to, matter.message, matter.entry.mail_from, automatic)
    why = why if known else "the sender is not known in the case"
    said = automatic_answers.acknowledge(
        matter.desk, case, to, matter.message, template=template, why_not=why, authentication=matter.reading.authentication,
        previous=follow_up_of.number if follow_up_of else None, found=decision.found, not_before=later,
        refused=sorted(set(matter.refused.values())),
    )  # fmt: skip
    matter.trace["answer"] = {"template": template, "why_not": said}


def _automatic_of(matter: Matter, decision: Decision) -> Automatic:
    """How automatic the mail is of the person found: a form's no-reply sender says nothing of who filled it in."""
    named = bool(decision.contact.address) and decision.contact.source in {"reply_to", "field", "forwarded"}
    return Automatic.NO if named and matter.classification.only_no_reply else matter.classification.automatic


def _notify_new(
    matter: Matter, decision: Decision, case: Case, contact: Contact | None, thread: Thread, follow_up_of: Case | None,
    copied: Sequence[Address],
) -> None:  # fmt: skip
    marks = matter.marks()
    if thread.mentions is not None:
        marks.append(f"mentions case {thread.mentions}; answer #merge {thread.mentions} if it is the same person")
    if follow_up_of is not None:
        marks.append(f"follows case {follow_up_of.number}: {follow_up_of.title}")
        if follow_up_of.resolution:
            marks.append(f"it was resolved with: {follow_up_of.resolution}")
        if not thread.takes_part and matter.author is not None:
            marks.append(f"from {matter.author.email}, not known in this case")
    event = "follow_up" if follow_up_of else "new_case"
    who = matter.concerned(case, event, decision)
    if follow_up_of is not None and cases.recent_follow_ups(matter.connection, follow_up_of.number, matter.now) >= 3:
        who = [*who, *matter.desk.named(case, ["manager"])]
    named = Address(decision.contact.name, decision.contact.address) if decision.contact.address else None
    matter.notify(case, contact, event, who, marks, follow_up_of.number if follow_up_of else 0, named, copied)


def _is_active(matter: Matter, user: str | None) -> bool:
    users = matter.office.settings.directory.users
    return bool(user) and user in users and users[user or ""].active


def _file_away(matter: Matter, case: Case) -> None:
    """History ends in the status asked for, by the ways that the lifecycle allows."""
    if matter.history is None or case.status is matter.history:
        return
    ended = replace(
        case, status=matter.history, status_since=matter.now,
        closed_at=matter.now if matter.history is Status.CLOSED else None,
        resolved_at=matter.now if matter.history in {Status.CLOSED, Status.RESOLVED} else None,
    )  # fmt: skip
    cases.save_case(matter.connection, ended)
