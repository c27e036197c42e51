"""This is where a workflow acts in one transaction: whether it is for a case, and each step once.

Every step taken is a row with a key of its own, written together with what it does: once, however many daemons there are.
`events`, `stays` and `crons` say when and by which key; `steps` carries a step out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from maild.cases import workflows as plans
from maild.desk import Desk
from maild.errors import CaseError, ConfigError
from maild.ingest.parse import parse
from maild.log import get_logger
from maild.model.case import Case
from maild.model.contact import Contact
from maild.model.message import Automatic, Message, MessageKind
from maild.office import Office
from maild.plain.sandbox import TemplateFault
from maild.rules.conditions import compile_node
from maild.rules.facts import CaseFacts, ContactFacts, Facts, OrganisationFacts
from maild.rules.operators import Context
from maild.rules.view import View
from maild.schedule import effects, steps
from maild.schedule.effects import Done
from maild.settings.models import Action, Workflow
from maild.settings.values import WorkingDays, lasting
from maild.store import due, installation, outbox, people, spool
from maild.threads import organisation_name

log = get_logger("workflow")

BATCH = 20  # cases or events a transaction
SAME_BATCH = timedelta(minutes=10)
_OF_THE_CASE = frozenset({"case", "mailbox", "organisation", "contact"})


class Acting:
    """Workflows acting in one transaction; ``done`` is what they did, ``made`` the cases that the last one began."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.office, self.connection, self.now = desk.office, desk.connection, desk.now
        self.done: list[Done] = []
        self.made: list[int] = []
        self._checks: dict[int, Any] = {}

    # --- whether ---------------------------------------------------------------------------------------------

    def matches(self, workflow: Workflow, case: Case) -> bool:
        """Whether the case is one that the workflow is for, now."""
        seen: list[View] = []

        def fits(criterion: Any) -> bool:
            if not seen:
                seen.append(View(self._facts(case, workflow)))
            check = self._checks.get(id(criterion))
            if check is None:
                check = self._checks[id(criterion)] = compile_node(criterion, Context(self.office.ruleset.lists))
            return bool(check.holds(seen[0]))

        return case.merged_into is None and plans.matches(
            workflow.when, case, self.now, fits, partial(lasted, self.office, workflow)
        )  # fmt: skip

    def explained(self, workflow: Workflow, case: Case) -> list[tuple[str, bool, str]]:
        """Each criterion of a workflow on a case: what it says, whether it holds, what was seen."""
        view = View(self._facts(case, workflow))
        looks = [compile_node(one, Context(self.office.ruleset.lists)).look(view) for one in plans.criteria(workflow.when)]
        return [(look.text, look.held, look.seen) for look in looks]

    def _facts(self, case: Case, workflow: Workflow) -> Facts:
        message, kind, automatic, sent_from = Message(subject=case.title), MessageKind.CUSTOMER, Automatic.NO, None
        of_mail = {one.field.partition(".")[0] for one in plans.criteria(workflow.when) if hasattr(one, "field")}
        seq = due.last_mail_in(self.connection, case.number) if of_mail - _OF_THE_CASE else None
        if seq is not None:
            (entry,) = spool.load(self.connection, [seq])
            row = spool.details(self.connection, seq)
            message, sent_from = parse(entry.raw), entry.mail_from
            kind = MessageKind(row.kind) if row.kind else kind
            automatic = Automatic(row.automatic) if row.automatic else automatic
        contact = effects.contact_of(self.desk, case)
        person = None
        if contact is not None:
            person = ContactFacts(
                known=True, email=contact.email, name=contact.name, phone=contact.phone, language=contact.language,
                sla=contact.sla, tags=contact.tags,
            )  # fmt: skip
        return Facts(
            message=message, mailbox=case.mailbox, received_at=self.now, kind=kind, automatic=automatic,
            envelope_from=sent_from, outside=self.office.closed_calendars(self.now), contact=person,
            organisation=self._organisation(case, contact), is_answer=True,
            case=CaseFacts(
                number=case.number, status=case.status, priority=case.priority, group=case.group or "",
                category=case.category or "", tags=case.tags, sla=case.sla or "", assignee=case.assignee or "",
                fields=case.fields,
            ),
        )  # fmt: skip

    def _organisation(self, case: Case, contact: Contact | None) -> OrganisationFacts | None:
        name = case.organisation
        if name is None and contact is not None and contact.email:
            name = organisation_name(self.connection, self.office, contact.email)
        if name is None:
            return None
        found = self.office.addresses.organisation(name) or people.organisation(self.connection, name)
        if found is None:
            return OrganisationFacts(name)
        return OrganisationFacts(found.name, found.tags, found.sla, found.domains)

    def over(self, workflow: Workflow, step: int, case: Case | None, *, stays: bool = False) -> str:
        """Why a step may not be taken again yet; '' where it may."""
        action = workflow.do[step]
        for limit, one in ((workflow.at_most, None), (action.at_most, step)):
            if limit is None or case is None:
                continue
            since = self.now - limit.window if limit.window is not None else None
            whose: dict[str, Any] = {"case": case.number}
            if limit.per == "contact" and case.contact_id is not None:
                whose = {"contact": case.contact_id}
            elif limit.per == "organisation" and case.organisation is not None:
                whose = {"organisation": case.organisation}
            if due.times_run(self.connection, workflow.name, one, since, **whose) >= limit.count:
                return f"at most {limit}"
        every = action.every or workflow.every
        if every is not None and not stays and case is not None:
            if due.times_run(self.connection, workflow.name, step, self.now - every, case=case.number):
                return f"once every {lasting(every)}"
        return ""

    # --- doing -----------------------------------------------------------------------------------------------

    def run(
        self, workflow: Workflow, case: Case | None, keys: Mapping[int, str], reason: str, *, stays: bool = False
    ) -> None:
        """Take these steps (numbers in `do`), each by its key and in a savepoint of its own."""
        allowed = {step: self.over(workflow, step, case, stays=stays) for step in keys}
        self.made = []
        for step, key in keys.items():
            action, why_not = workflow.do[step], allowed[step]
            owner: dict[str, Any] = {}
            if case is not None:
                owner = {"case": case.number, "contact": case.contact_id, "organisation": case.organisation}
            said = f"not done: {why_not}" if why_not else ""
            if not due.take(self.connection, workflow.name, step, key, self.now, said=said, **owner):
                continue
            if why_not:
                if case is not None and (action.survey or action.reply):
                    effects.note(self.desk, case, f"workflow {workflow.name}: not sent: {why_not}")
                continue
            mails = len(self.desk.mails)
            try:
                with self.connection.begin_nested():
                    taken = steps.take(self.desk, workflow, action, case)
            except (CaseError, ConfigError, TemplateFault) as error:
                if case is not None:
                    effects.note(self.desk, case, f"workflow {workflow.name}: {error}")
                log.error("workflow.failed", workflow=workflow.name, case=case.number if case else None, reason=str(error))
                continue
            case, did = taken.case, "; ".join(taken.did)
            if taken.not_sent:
                due.say_why(self.connection, workflow.name, step, key, taken.not_sent)
            self.made += taken.made
            log.info("workflow.ran", workflow=workflow.name, case=case.number if case else None, did=did, reason=reason)
            if not did:
                continue  # a digest of nothing
            if self.desk.hold_back and len(self.desk.mails) > mails:
                did += " (held: maild outbox approve)"
            self.done.append(Done(self.now, case.number if case else None, f"workflow:{workflow.name}", did, reason))

    def late(self, fell_due: datetime) -> str:
        """What a reason says of a moment that fell into downtime; '' for any other."""
        gone = due.downtime_at(self.connection, fell_due)
        return f", late: no maild ran from {gone[0]:%Y-%m-%d %H:%M} to {gone[1]:%Y-%m-%d %H:%M} UTC" if gone else ""


def lasted(office: Office, workflow: Workflow, time: timedelta | WorkingDays, since: datetime) -> datetime:
    """When this time is over that began at ``since``; working days are those of the workflow's calendar."""
    if isinstance(time, timedelta):
        return since + time
    assert workflow.calendar is not None
    return office.calendars[workflow.calendar].days_later(since, time.count)


def held_back(connection: Connection, office: Office, mails: Mapping[str, int], now: datetime) -> dict[str, str]:
    """The workflows (by name, with how many mails each would send at once) over `limits.batch`: why theirs wait.

    What did not get its turn in one sweep is of the same batch in the next: it waits with the others.
    """
    most = office.settings.main.limits.batch
    before = outbox.held_since(connection, now - SAME_BATCH)
    held = {}
    for name, count in mails.items():
        said = f"workflow {name!r} would send "
        why = next((one for one in before if one.startswith(said)), "")
        if not why and count > most:
            why = f"{said}{count} mails at once (limits.batch is {most})"
            log.warning("outbox.held", workflow=name, mails=count, reason=why)
        if why:
            held[name] = why
    return held


def mails_of(actions: Iterable[Action]) -> int:
    """How many mails these steps send for one case."""
    return sum(bool(action.reply or action.survey or action.notify) for action in actions)


def paused(connection: Connection, now: datetime) -> bool:
    """Whether workflows are paused."""
    return any(row.what in {"workflows", "everything"} for row in installation.paused(connection, now))


def day(office: Office, now: datetime) -> str:
    """The day where the office is, as 2026-11-24."""
    return now.astimezone(ZoneInfo(office.settings.main.timezone)).date().isoformat()
