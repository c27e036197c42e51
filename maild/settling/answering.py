"""This is where a message joins a case that is there already, and where rules change a case that is there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from maild import automatic_answers, casework
from maild.cases import lifecycle
from maild.errors import CaseError
from maild.model.case import Case, Status
from maild.model.contact import Contact
from maild.model.decision import Decision
from maild.model.message import MachineSort, MessageKind
from maild.plain.thanks import is_bare_thanks
from maild.schedule import digests
from maild.settling.matter import Matter, Settled
from maild.store import cases, people
from maild.threads import Thread


def answer(matter: Matter, decision: Decision, thread: Thread, others: Sequence[str]) -> Settled:
    """Add the message to its case: what it moves there, what the rules change, who is told."""
    case = thread.case
    assert case is not None
    machine = matter.classification.sort is MachineSort.ANSWER
    internal = machine or matter.kind is MessageKind.AGENT or bool(thread.reader and not thread.takes_part)
    before = case
    day_ago = matter.now - timedelta(days=1)
    reopened_today = 0 if case.status is not Status.RESOLVED else cases.count_reopened(matter.connection, case.number, day_ago)
    case = applied(matter, case, decision)
    matter.record(case, public=not internal)
    if machine or matter.kind is MessageKind.AGENT:
        cases.save_case(matter.connection, replace(case, updated_at=matter.now))
        if not machine:
            who = matter.desk.hears(case, "note", cases.followers_of(matter.connection, case.number))
            contact = people.contact(matter.connection, case.contact_id) if case.contact_id else None
            matter.notify(case, contact, "note", who, [])
        return matter.end("answer", case=case.number, event="case.updated")
    change = lifecycle.customer_wrote(
        case, matter.actor(), matter.now, moves=matter.history is None or case.status is not Status.CLOSED,
        bare_thanks=only_thanks(matter),
        reopened_today=reopened_today, reopen_cap=matter.office.settings.main.cases.reopen.per_day,
    )  # fmt: skip
    case = casework.save(matter.desk, change)
    thanked = _thanked(matter, change)
    if matter.history is None and not thanked:
        casework.asked_again(matter.desk, case, matter.entry.received_at)
    taking = copied = matter.desk.copied_of(case)
    if thread.takes_part and matter.author is not None:
        copied = matter.add_copied(case, matter.author, taking)
    cases.follow(matter.connection, case.number, [*decision.followers, *matter.groups_of(others, case)])
    matter.tell_notes(case, decision.notes)
    contact = people.contact(matter.connection, case.contact_id) if case.contact_id else None
    if contact is not None and contact.undeliverable and matter.written_by(contact):
        people.update_contact(matter.connection, contact.id, {"undeliverable_since": None})
    _reply_on_answer(matter, decision, case, contact, thread)
    reopened = before.status is Status.RESOLVED and case.status is Status.OPEN
    marks = matter.marks()
    if not thread.takes_part and matter.author is not None:
        marks.append(f"from {matter.author.email}, not known in this case")
    if new := [one.email for one in copied if one not in taking]:
        marks.append(f"new on Cc, and your answer goes to them too: {', '.join(new)}; #cc -{new[0]} leaves them out")
    event = "reopened" if reopened else "answer"
    who = matter.concerned(case, event, decision)
    if before.status is case.status is Status.RESOLVED:  # reopened too often: an agent decides
        marks += [f"{entry.text}; answer #reopen to open it" for entry in change.events]
    if thanked:  # no mail for that: the assignee reads it in the digest, if there is one for them
        who = []
        if case.assignee and matter.history is None and digests.reached(matter.office.settings, case.assignee):
            matter.desk.summed(case.assignee, case, "thanks", contact.name if contact else matter.actor(), matter.message.new_text)
    matter.notify(case, contact, event, who, marks, copied=copied)
    return matter.end("answer", case=case.number, event="case.reopened" if reopened else "case.updated")


def _thanked(matter: Matter, change: lifecycle.CaseChange) -> bool:
    return change.after.status is Status.RESOLVED and not change.events and _is_thanks(matter)


def only_thanks(matter: Matter) -> bool:
    """Whether the mail says thanks and nothing more, and such mail is to move nothing."""
    return not matter.message.attachments and _is_thanks(matter)


def _is_thanks(matter: Matter) -> bool:
    if matter.office.settings.main.cases.reopen.thanks == "open":
        return False
    return is_bare_thanks(matter.message.new_text, matter.message.language)


def _reply_on_answer(matter: Matter, decision: Decision, case: Case, contact: Contact | None, thread: Thread) -> None:
    if decision.reply in {None, "none"}:
        matter.trace["answer"] = {"template": "none", "why_not": "an answer gets none unless a rule says so"}
        return
    why = automatic_answers.why_not(matter.desk, case, contact, matter.message, matter.entry.mail_from, matter.classification.automatic)
    if not thread.takes_part:
        why = why or "the sender is not known in the case"
    said = automatic_answers.acknowledge(
        matter.desk, case, contact, matter.message, template=decision.reply or "none", why_not=why,
        authentication=matter.reading.authentication, found=decision.found,
        refused=sorted(set(matter.refused.values())),
    )  # fmt: skip
    matter.trace["answer"] = {"template": decision.reply, "why_not": said}


def applied(matter: Matter, case: Case, decision: Decision) -> Case:
    """What rules change on an existing case: only what they name. A change that is refused never loses the mail."""
    values = decision.values
    wanted: dict[str, Any] = {
        name: value
        for name in ("summary", "status", "priority", "category", "channel", "sla", "resolution", "billable")
        if (value := getattr(values, name)) is not None
    }
    if values.raise_priority is not None:
        wanted["priority"] = lifecycle.raised(wanted.get("priority", case.priority), values.raise_priority)
    if values.assign is not None and values.assign.how is None:
        wanted |= {"group": values.assign.group} if values.assign.group else {}
        wanted |= {"assignee": values.assign.user} if values.assign.user else {}
    if values.tags:
        wanted["tags"] = tuple(dict.fromkeys((*case.tags, *values.tags)))
    if values.fields:
        wanted["fields"] = dict(values.fields)
    return changed(matter, case, wanted, decision.rules)


def changed(matter: Matter, case: Case, wanted: dict[str, Any], rules: Sequence[str]) -> Case:
    """The case with these values, each by itself: one that the lifecycle refuses is said in the stream, the others stand."""
    actor = f"rule:{rules[-1]}" if rules else "maild"
    for name, value in wanted.items():
        try:
            case = casework.save(matter.desk, lifecycle.change(case, {name: value}, actor, matter.now))
        except CaseError as error:
            matter.tell_notes(case, [f"{actor}: {error}"])
    return case
