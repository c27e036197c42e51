"""This is where a rule's `update` finds the case that a new mail belongs to by its values, and adds the mail to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from maild import casework
from maild.cases import lifecycle
from maild.model.case import Case, Status, StreamType
from maild.model.decision import Decision, Update
from maild.model.message import Automatic
from maild.settling import answering
from maild.settling.matter import Matter, Settled
from maild.store import cases, people
from maild.store.alone import alone


def find(matter: Matter, update: Update, mailbox: str) -> Case | None:
    """The newest case that is not closed and has the values that the rule's ``update`` names, under a lock on them."""
    writer, organisation = matter.writer, matter.organisation_of_author()
    missing = [name for name in update.by if update.values.get(name) in (None, "")]
    if missing:
        matter.trace["update"] = f"no update: {missing[0]} has no value"
        return None
    if update.among == "same_contact" and writer is None:
        matter.trace["update"] = "no update: the sender has no case yet"
        return None
    if update.among == "same_organisation" and organisation is None:
        matter.trace["update"] = "no update: the sender belongs to no organisation"
        return None
    values = {name: str(update.values[name]) for name in update.by}
    alone(matter.connection, mailbox, *(f"{name}={cases.folded(value)}" for name, value in values.items()))
    number = cases.find_for_update(
        matter.connection, mailbox=mailbox, values=values,
        contact_id=writer.id if writer and update.among == "same_contact" else None,
        organisation=organisation.name if organisation and update.among == "same_organisation" else None,
        newer_than=matter.now - update.within if update.within else None,
    )  # fmt: skip
    shown = ", ".join(f"{name}={value}" for name, value in values.items())
    matter.trace["update"] = f"{shown} among {update.among}: " + (f"case {number}" if number else "no case")
    return cases.get(matter.connection, number, lock=True) if number is not None else None


def update(matter: Matter, case: Case, decision: Decision, wanted: Update) -> Settled:
    """The mail goes to the case that has these values; what the case has stays unless `then` says so."""
    matter.record(case, public=True)
    if decision.values.fields:
        case = answering.changed(matter, case, {"fields": dict(decision.values.fields)}, [wanted.rule])
    if wanted.then is not None:
        case = answering.applied(matter, case, replace(decision, values=wanted.then, rules=(wanted.rule,)))
    if wanted.resolve is not None:
        if case.status is not Status.OPEN and case.status is not Status.RESOLVED:
            case = answering.changed(matter, case, {"status": Status.OPEN}, [wanted.rule])
        case = answering.changed(matter, case, {"resolution": wanted.resolve, "status": Status.RESOLVED}, [wanted.rule])
    elif case.status in {Status.RESOLVED, Status.WAIT_FOR_CUSTOMER}:
        case = casework.save(matter.desk, lifecycle.customer_wrote(case, matter.actor(), matter.now, moves=True))
    matter.tell_notes(case, decision.notes)
    contact = people.contact(matter.connection, case.contact_id) if case.contact_id else None
    machine = matter.classification.automatic is Automatic.CERTAIN
    if not (machine and _told_lately(matter, case)):
        who = matter.concerned(case, "answer", decision)
        matter.notify(case, contact, "answer", who, matter.marks())
    matter.trace["answer"] = {"template": "none", "why_not": "an update of a case gets none"}
    return matter.end("update", case=case.number, event="case.updated")


def _told_lately(matter: Matter, case: Case) -> bool:
    hour_ago = matter.now - timedelta(hours=1)
    return any(
        entry.type is StreamType.NOTIFIED and entry.at > hour_ago
        for entry in cases.stream_of(matter.connection, case.number)
    )
