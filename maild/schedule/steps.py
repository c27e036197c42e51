"""This is where one step of a workflow is carried out: its values set, its mails written, its case made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from maild import casework
from maild.desk import Desk
from maild.model.case import Case, LinkType, Priority, Status
from maild.model.outbox import OutgoingKind
from maild.schedule import effects, surveys
from maild.schedule.digests import send as send_digest
from maild.schedule.reporting import send as send_report
from maild.settings.models import Action, Workflow
from maild.settings.workflow_models import NewCase
from maild.store import cases, people


@dataclass(slots=True)
class Taken:
    """A step that was taken: the case as it is then, what was ``did``, the numbers of cases ``made``; ``not_sent`` is why
    the mail that it is for did not go to the customer."""

    case: Case | None
    did: list[str] = field(default_factory=list)
    made: list[int] = field(default_factory=list)
    not_sent: str = ""


def take(desk: Desk, workflow: Workflow, action: Action, case: Case | None) -> Taken:
    """Do one step. Raises CaseError, ConfigError or TemplateFault: then the caller's savepoint undoes all of it."""
    actor = f"workflow:{workflow.name}"
    taken = Taken(case)
    told = taken.did.append
    if case is not None:
        case = taken.case = _change(desk, actor, action, case, told)
        if action.notify:
            who = desk.notify(
                case, effects.contact_of(desk, case), "workflow", desk.named(case, action.notify),
                text=case.summary or "", template=action.template or "notification",
                reason=f"{workflow.name}: case {case.number} is {case.status}.",
            )  # fmt: skip
            if not who:
                effects.told_nobody(desk, case, action.notify, actor)
            told(f"notify {', '.join(who) or 'nobody'}")
        not_before = _not_before(desk, workflow)
        if action.reply:
            why = _reply(desk, actor, action.reply, case, not_before)
            taken.not_sent = why
            told(f"{action.reply} to {_address(desk, case)}" if not why else f"no {action.reply}: {why}")
        if action.survey:
            why = surveys.send(desk, case, action.survey, actor, not_before)
            taken.not_sent = why
            told(f"survey {action.survey}" if not why else f"no survey: {why}")
    if action.webhook:
        effects.webhook(desk, case, action.webhook, actor, f"workflow.{workflow.event or 'ran'}")
        told(f"webhook {action.webhook}")
    if action.digest is not None:
        if readers := send_digest(desk, action.digest):
            told(f"digest to {', '.join(readers)}")
    if action.report is not None:
        told(f"report to {', '.join(send_report(desk, action.report)) or 'nobody'}")
    if action.case is not None:
        made = _make(desk, actor, action.case, case)
        taken.made.append(made.number)
        told(f"case {made.number} {made.title!r}")
    return taken


def _change(desk: Desk, actor: str, action: Action, case: Case, told: Callable[[str], None]) -> Case:
    if action.resolve is not None:
        values = {"resolution": action.resolve, "status": Status.RESOLVED.value}
        case = effects.set_values(desk, case, values, actor)
        told("resolve")
    if action.set:
        case = effects.set_values(desk, case, action.set, actor)
        told("set " + " ".join(f"{name}={value}" for name, value in action.set.items()))
    if action.assign is not None:
        case = effects.assign(desk, case, action.assign.group, action.assign.user, actor)
        told(f"assign {case.assignee or case.group or 'nobody'}")
    if action.tag:
        case = effects.tag(desk, case, action.tag, actor)
        told(f"tag {', '.join(action.tag)}")
    return case


def _reply(desk: Desk, actor: str, template: str, case: Case, not_before: datetime | None) -> str:
    """Write to the case's contact; returns why not, '' where that was done."""
    contact = effects.contact_of(desk, case)
    why = effects.why_not_write(desk, case, contact)
    if why or contact is None:
        effects.note(desk, case, f"{actor}: no {template}: {why}")
        return why or "the case has no contact"
    link = {"unsubscribe": surveys.unsubscribe_link(desk.office, contact.email)}
    effects.write(desk, case, contact, template, OutgoingKind.REMINDER, actor, link=link, not_before=not_before)
    return ""


def _address(desk: Desk, case: Case) -> str:
    contact = effects.contact_of(desk, case)
    return contact.email if contact is not None else ""


def _not_before(desk: Desk, workflow: Workflow) -> datetime | None:
    if workflow.send_within is None:
        return None
    calendar = desk.office.calendars[workflow.send_within]
    return None if calendar.is_open(desk.now) else calendar.next_opening(desk.now)


def _make(desk: Desk, actor: str, wanted: NewCase, case: Case | None) -> Case:
    month = desk.now.astimezone(ZoneInfo(desk.office.settings.main.timezone)).strftime("%Y-%m")
    mailbox = desk.office.settings.main.mailboxes[wanted.mailbox]
    same = case is not None and wanted.contact == "same"
    values = casework.check_names(
        desk, {"group": wanted.group or mailbox.group, "assignee": None, "category": wanted.category or mailbox.category}
    )
    new = Case(
        number=0, title=effects.rendered(desk, case, wanted.title, month=month), mailbox=wanted.mailbox,
        summary=effects.rendered(desk, case, wanted.summary, month=month), group=values["group"],
        category=values["category"], priority=wanted.priority or Priority.MEDIUM, sla=mailbox.sla, tags=wanted.tags,
        fields=dict(wanted.fields), contact_id=case.contact_id if case is not None and same else None,
        organisation=case.organisation if case is not None and same else None,
    )  # fmt: skip
    made = casework.begin(desk, new, actor, since=None)
    contact = effects.contact_of(desk, made)
    if contact is not None:
        people.add_participant(desk.connection, made.number, contact.email, contact.name, "contact")
    if wanted.user:
        made = effects.assign(desk, made, wanted.group, wanted.user, actor)
    if case is not None and wanted.link is not None:
        kind = LinkType.PARENT if wanted.link == "parent" else LinkType.LINKED
        cases.link(desk.connection, made.number, kind, case.number)
    if not made.assignee:
        who = desk.hears(made, "new_case", ())
        desk.notify(made, contact, "new_case", who, text=made.summary or made.title, actor=actor)
    return made
