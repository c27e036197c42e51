"""This is where workflows act: on events of cases, on cases that stay in a status, and by the clock.

Events are the entries of streams that nobody looked at yet (written with the change itself); how long a case stays, and
which cron line is due, is asked of the database. Every step taken is a row with a key of its own, written together with
what it does: once, however many daemons there are. `cases.workflows` decides; `effects` carries out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from maild import casework
from maild.cases import workflows as plans
from maild.desk import Desk
from maild.errors import CaseError, ConfigError
from maild.ingest.parse import parse
from maild.log import get_logger
from maild.model.case import Case, LinkType, Priority, Status, StreamEntry
from maild.model.contact import Contact
from maild.model.message import Automatic, Message, MessageKind
from maild.model.outbox import OutgoingKind
from maild.office import Office
from maild.plain.sandbox import TemplateFault
from maild.plain.thanks import is_bare_thanks
from maild.rules.conditions import compile_node
from maild.rules.facts import CaseFacts, ContactFacts, Facts, OrganisationFacts
from maild.rules.operators import Context
from maild.rules.view import View
from maild.schedule import effects, surveys
from maild.schedule.digests import send as send_digest
from maild.schedule.effects import Done
from maild.schedule.reporting import send as send_report
from maild.schedule.ticker import next_fire
from maild.settings.models import Action, Event, Workflow
from maild.store import cases, due, installation, people, spool
from maild.store.unit_of_work import Store
from maild.threads import organisation_name

log = get_logger("workflow")

BATCH = 20  # cases or events a transaction
PAGE = 500
_OF_THE_CASE = frozenset({"case", "mailbox", "organisation", "contact"})
_HUMAN = "somebody wrote since"


# --- events -----------------------------------------------------------------------------------------------------


def react(store: Store, office: Office, now: datetime) -> list[Done]:
    """Look at what happened to cases since the last time, and do what workflows are for."""
    done: list[Done] = []
    listening = [one for one in office.settings.workflows.workflows if one.enabled and one.event is not None]
    while True:
        with store.read() as connection:
            if not due.any_pending(connection) or _paused(connection, now):
                return done
        with store.write() as connection:
            if not listening:
                due.looked_at(connection)
                return done
            rows = due.pending(connection, BATCH)
            due.looked_at(connection, [row.id for row in rows])
            acting = Acting(Desk(office, connection, now))
            for row in rows:
                try:
                    with connection.begin_nested():
                        acting.on_event(row)
                except Exception as error:  # one event must not stop the others
                    log.error("workflow.failed", case=row.case_number, reason=error, exc_info=error)
            done += acting.done
        if len(rows) < BATCH:
            return done


# --- stays ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stay:
    """A case that has been in a status for as long as a workflow wants; ``steps`` are the actions that are due."""

    workflow: Workflow
    number: int
    since: datetime
    steps: tuple[int, ...]


def stays(store: Store, office: Office, now: datetime, limit: int | None = None) -> list[Done]:
    """Do what is due for cases that stay in a status; at most ``limit`` cases where the clock has jumped."""
    with store.read() as connection:
        if _paused(connection, now):
            return []
        found = due_stays(Acting(Desk(office, connection, now)))
    held = _too_many(office, found)
    done: list[Done] = []
    found = found[:limit]
    for start in range(0, len(found), BATCH):
        part = found[start : start + BATCH]
        with store.write() as connection:
            acting = Acting(Desk(office, connection, now))
            free = due.lock_free(connection, [stay.number for stay in part])
            for stay in (one for one in part if one.number in free):
                acting.desk.hold_back = held.get(stay.workflow.name, "")
                try:
                    with connection.begin_nested():
                        acting.on_stay(stay)
                except Exception as error:  # one case must not stop the others; it is looked at again
                    log.error("workflow.failed", case=stay.number, workflow=stay.workflow.name, reason=error, exc_info=error)
            done += acting.done
    return done


def due_stays(acting: Acting) -> list[Stay]:
    """Every case that a workflow is due for now, workflow by workflow, the longest stay first."""
    found = []
    for workflow in acting.timed():
        if workflow.send_within is not None and not acting.office.calendars[workflow.send_within].is_open(acting.now):
            continue
        steps: dict[tuple[int, datetime], list[int]] = {}
        for step, action in enumerate(workflow.do):
            for number, since in _staying(acting, workflow, step, action):
                steps.setdefault((number, since), []).append(step)
        for (number, since), wanted in steps.items():
            case = cases.get(acting.connection, number)
            if case is None or acting.why_not_stay(workflow, case) is not None:
                continue
            if open_ := [step for step in wanted if not acting.over(workflow, step, case, stays=True)]:
                found.append(Stay(workflow, number, since, tuple(open_)))
    return found


def _staying(acting: Acting, workflow: Workflow, step: int, action: Action) -> Iterable[tuple[int, datetime]]:
    for_, every = workflow.when.for_, action.every or workflow.every
    assert for_ is not None
    after: tuple[datetime, int] | None = None
    while True:
        page = due.staying(
            acting.connection, workflow.name, step, workflow.when.status, acting.now - for_,
            acting.now - every if every is not None else None, after, PAGE,
        )  # fmt: skip
        yield from ((row.number, row.status_since) for row in page)
        if len(page) < PAGE:
            return
        after = (page[-1].status_since, page[-1].number)


def _too_many(office: Office, found: Sequence[Stay]) -> dict[str, str]:
    """The workflows that would send more mails at once than `limits.batch`: why theirs wait for approval."""
    counts: dict[str, int] = {}
    for stay in found:
        mails = sum(bool(action.reply or action.survey or action.notify) for action in _steps(stay))
        counts[stay.workflow.name] = counts.get(stay.workflow.name, 0) + mails
    most = office.settings.main.limits.batch
    held = {}
    for name, count in counts.items():
        if count > most:
            held[name] = f"workflow {name!r} would send {count} mails at once (limits.batch is {most})"
            log.warning("outbox.held", workflow=name, mails=count, reason=held[name])
    return held


def _steps(stay: Stay) -> list[Action]:
    return [stay.workflow.do[step] for step in stay.steps]


# --- schedules --------------------------------------------------------------------------------------------------


def schedules(store: Store, office: Office, now: datetime) -> list[Done]:
    """Run the workflows whose cron line fired since they ran last (once, however often it did)."""
    done: list[Done] = []
    zone = office.settings.main.timezone
    for workflow in office.settings.workflows.workflows:
        if workflow.schedule is None or not plans.active(workflow, _day(office, now)):
            continue
        with store.read() as connection:
            fired = _fired(connection, workflow, zone, now)
            if fired is None and _last(connection, workflow) is not None:
                continue
            if _paused(connection, now):
                continue
            numbers = due.open_of(connection, _statuses(workflow)) if fired is not None else []
        if fired is not None:
            done += _scheduled(store, office, now, workflow, fired, numbers)
        with store.write() as connection:
            installation.set_meta(connection, _cron_key(workflow), f"{workflow.schedule}\t{(fired or now).isoformat()}")
    return done


def _scheduled(
    store: Store, office: Office, now: datetime, workflow: Workflow, fired: datetime, numbers: Sequence[int]
) -> list[Done]:
    done: list[Done] = []
    with store.write() as connection:
        acting = Acting(Desk(office, connection, now))
        with connection.begin_nested():
            acting.on_time(workflow, fired, None)
        done += acting.done
    if not any(plans.needs_case(action) for action in workflow.do):
        return done
    with store.read() as connection:
        acting = Acting(Desk(office, connection, now))
        meant = [number for number in numbers if acting.meant(workflow, number)]
    steps = tuple(range(len(workflow.do)))
    held = _too_many(office, [Stay(workflow, number, fired, steps) for number in meant])
    for start in range(0, len(meant), BATCH):
        with store.write() as connection:
            acting = Acting(Desk(office, connection, now, hold_back=held.get(workflow.name, "")))
            for number in meant[start : start + BATCH]:
                try:
                    with connection.begin_nested():
                        acting.on_time(workflow, fired, number)
                except Exception as error:  # one case must not stop the others
                    log.error("workflow.failed", case=number, workflow=workflow.name, reason=error, exc_info=error)
            done += acting.done
    return done


def _statuses(workflow: Workflow) -> list[str]:
    return [status.value for status in (workflow.when.status or (one for one in Status if one is not Status.CLOSED))]


def _cron_key(workflow: Workflow) -> str:
    return f"cron {workflow.name}"[:60]


def _last(connection: Any, workflow: Workflow) -> datetime | None:
    line, _, at = (installation.get_meta(connection, _cron_key(workflow)) or "").partition("\t")
    return datetime.fromisoformat(at) if at and line == workflow.schedule else None


def _fired(connection: Any, workflow: Workflow, zone: str, now: datetime) -> datetime | None:
    """When the cron line fired last since the workflow ran, None where it did not."""
    last = _last(connection, workflow)
    if last is None:
        return None
    found, after = None, last
    while (fire := next_fire(workflow.schedule or "", zone, after)) is not None and fire <= now:
        found = after = fire
    return found


# --- acting -----------------------------------------------------------------------------------------------------


class Acting:
    """Workflows acting in one transaction; ``done`` is what they did."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.office, self.connection, self.now = desk.office, desk.connection, desk.now
        self.done: list[Done] = []
        self._checks: dict[int, Any] = {}
        self._created: list[int] = []

    def timed(self) -> list[Workflow]:
        """The workflows that start from the time that a case is in a status."""
        day = _day(self.office, self.now)
        return [
            one for one in self.office.settings.workflows.workflows
            if one.event is None and one.schedule is None and one.when.for_ is not None and plans.active(one, day)
        ]  # fmt: skip

    # --- what starts them ------------------------------------------------------------------------------------

    def on_event(self, row: Any, depth: int = 0) -> None:
        """An entry of a stream (row): act, and then on what that caused, until nothing more comes of it."""
        entry = due.entry_of(row)
        first = entry.message is not None and entry.message == due.first_message(self.connection, row.case_number)
        event = plans.event_of(entry, first=first)
        if event is None:
            return
        for workflow in self.office.settings.workflows.workflows:
            if workflow.event is not event or not plans.active(workflow, _day(self.office, self.now)):
                continue
            if entry.actor == f"workflow:{workflow.name}":
                continue  # nothing sets itself off
            case = cases.get(self.connection, row.case_number, lock=True)
            if case is None or plans.stale(entry, event, case) or not self._matches(workflow, case):
                continue
            if depth >= plans.MAX_DEPTH:
                self._cut(workflow, case)
                continue
            before = due.newest_event(self.connection)
            self._created = []
            keys = dict.fromkeys(range(len(workflow.do)), f"event:{row.id}")
            self._run(workflow, case, keys, _why(event, entry))
            touched = [case.number, *self._created]
            caused = due.caused(self.connection, touched, before)
            due.looked_at(self.connection, [one.id for one in caused])
            for one in caused:
                self.on_event(one, depth + 1)

    def on_stay(self, stay: Stay) -> None:
        """A case that stays in a status; looked at again, since its row is locked only now."""
        case = cases.get(self.connection, stay.number, lock=True)
        if case is None or case.status_since != stay.since or self.why_not_stay(stay.workflow, case) is not None:
            return
        for_ = stay.workflow.when.for_
        assert for_ is not None and case.status_since is not None
        reason = f"{case.status} since {case.status_since:%Y-%m-%d %H:%M} UTC, for {plans.lasting(for_)}"
        reason += self._late(stay.since + for_)
        keys = {}
        for step in stay.steps:
            turn = 0  # a step that is repeated in a stay is named after the time before
            if stay.workflow.do[step].every or stay.workflow.every:
                last = due.last_run(self.connection, stay.workflow.name, step, case.number, stay.since)
                turn = 0 if last is None else int(last.timestamp())
            keys[step] = f"stay:{case.number}:{stay.since:%Y%m%dT%H%M%S%f}:{turn}"
        self._run(stay.workflow, case, keys, reason, stays=True)

    def on_time(self, workflow: Workflow, fired: datetime, number: int | None) -> None:
        """A cron line that fired: the steps about cases for one case, the others (``number`` None) once."""
        case = cases.get(self.connection, number, lock=True) if number is not None else None
        if number is not None and (case is None or not self._matches(workflow, case)):
            return
        key = f"time:{fired:%Y-%m-%dT%H:%MZ}" + (f":{number}" if number is not None else "")
        steps = [step for step, action in enumerate(workflow.do) if plans.needs_case(action) == (case is not None)]
        self._run(workflow, case, dict.fromkeys(steps, key), f"scheduled {workflow.schedule}" + self._late(fired))

    def meant(self, workflow: Workflow, number: int) -> bool:
        """Whether a scheduled workflow is for this case now."""
        case = cases.get(self.connection, number)
        return case is not None and self._matches(workflow, case)

    # --- whether ---------------------------------------------------------------------------------------------

    def why_not_stay(self, workflow: Workflow, case: Case) -> str | None:
        """Why a workflow on a stay does not act on this case now; None where it does."""
        if not self._matches(workflow, case):
            return "its conditions do not fit"
        closes = any(action.set.get("status") == Status.CLOSED for action in workflow.do)
        if closes or any(action.survey for action in workflow.do):
            contact = effects.contact_of(self.desk, case)
            if (contact is not None and contact.undeliverable) or due.undelivered(self.connection, case.number):
                return "a mail could not be delivered"
        if closes and case.status_since is not None and workflow.when.for_ is not None:
            for row in due.words_since(self.connection, case.number, case.status_since):
                if row.kind != "answer" and is_bare_thanks(row.text, case.language):
                    continue
                return _HUMAN if self.now - row.at < workflow.when.for_ else None
        return None

    def _matches(self, workflow: Workflow, case: Case) -> bool:
        seen: list[View] = []

        def fits(criterion: Any) -> bool:
            if not seen:
                seen.append(View(self._facts(case, workflow)))
            check = self._checks.get(id(criterion))
            if check is None:
                check = self._checks[id(criterion)] = compile_node(criterion, Context(self.office.ruleset.lists))
            return bool(check.holds(seen[0]))

        return case.merged_into is None and plans.matches(workflow.when, case, self.now, fits)

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
                return f"once every {plans.lasting(every)}"
        return ""

    # --- doing -----------------------------------------------------------------------------------------------

    def _run(
        self, workflow: Workflow, case: Case | None, keys: Mapping[int, str], reason: str, *, stays: bool = False
    ) -> None:
        """Take these steps, each by its key and in a savepoint of its own."""
        allowed = {step: self.over(workflow, step, case, stays=stays) for step in keys}
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
            try:
                with self.connection.begin_nested():
                    did, case = self._act(workflow, action, case)
            except (CaseError, ConfigError, TemplateFault) as error:
                if case is not None:
                    effects.note(self.desk, case, f"workflow {workflow.name}: {error}")
                log.error("workflow.failed", workflow=workflow.name, case=case.number if case else None, reason=str(error))
                continue
            log.info("workflow.ran", workflow=workflow.name, case=case.number if case else None, did=did, reason=reason)
            if not did:
                continue  # a digest of nothing
            if self.desk.hold_back:
                did += " (held: maild outbox approve)"
            self.done.append(Done(self.now, case.number if case else None, f"workflow:{workflow.name}", did, reason))

    def _act(self, workflow: Workflow, action: Action, case: Case | None) -> tuple[str, Case | None]:
        """One step; returns what it did. Raises CaseError, ConfigError or TemplateFault: then nothing of it is kept."""
        actor, desk = f"workflow:{workflow.name}", self.desk
        did: list[str] = []
        told = did.append
        if case is not None:
            case = self._change(actor, action, case, told)
            if action.notify:
                who = desk.notify(
                    case, effects.contact_of(desk, case), "workflow", desk.named(case, action.notify),
                    text=case.summary or "", template=action.template or "notification",
                    reason=f"{workflow.name}: case {case.number} is {case.status}.",
                )  # fmt: skip
                told(f"notify {', '.join(who) or 'nobody'}")
            not_before = self._not_before(workflow)
            if action.reply:
                told(self._reply(actor, action.reply, case, not_before))
            if action.survey:
                why = surveys.send(desk, case, action.survey, actor, not_before)
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
            made = self._make(actor, action, case)
            told(f"case {made.number} {made.title!r}")
        return "; ".join(did), case

    def _change(self, actor: str, action: Action, case: Case, told: Callable[[str], None]) -> Case:
        desk = self.desk
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

    def _reply(self, actor: str, template: str, case: Case, not_before: datetime | None) -> str:
        contact = effects.contact_of(self.desk, case)
        why = effects.why_not_write(self.desk, case, contact)
        if why or contact is None:
            effects.note(self.desk, case, f"{actor}: no {template}: {why}")
            return f"no {template}: {why}"
        link = {"unsubscribe": surveys.unsubscribe_link(self.office, contact.email)}
        effects.write(
            self.desk, case, contact, template, OutgoingKind.REMINDER, actor, link=link, not_before=not_before
        )
        return f"{template} to {contact.email}"

    def _not_before(self, workflow: Workflow) -> datetime | None:
        if workflow.send_within is None:
            return None
        calendar = self.office.calendars[workflow.send_within]
        return None if calendar.is_open(self.now) else calendar.next_opening(self.now)

    def _make(self, actor: str, action: Action, case: Case | None) -> Case:
        wanted, desk = action.case, self.desk
        assert wanted is not None
        month = self.now.astimezone(ZoneInfo(self.office.settings.main.timezone)).strftime("%Y-%m")
        mailbox = self.office.settings.main.mailboxes[wanted.mailbox]
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
        self._created.append(made.number)
        contact = effects.contact_of(desk, made)
        if contact is not None:
            people.add_participant(self.connection, made.number, contact.email, contact.name, "contact")
        if wanted.user:
            made = effects.assign(desk, made, wanted.group, wanted.user, actor)
        if case is not None and wanted.link is not None:
            kind = LinkType.PARENT if wanted.link == "parent" else LinkType.LINKED
            cases.link(self.connection, made.number, kind, case.number)
        if not made.assignee:
            who = desk.hears(made, "new_case", ())
            desk.notify(made, contact, "new_case", who, text=made.summary or made.title, actor=actor)
        return made

    def _cut(self, workflow: Workflow, case: Case) -> None:
        text = f"workflow {workflow.name} was cut: workflows set each other off {plans.MAX_DEPTH} times"
        effects.note(self.desk, case, text)
        log.error("workflow.cut", workflow=workflow.name, case=case.number, reason=text)
        if due.take(self.connection, workflow.name, -1, f"cut:{self.now:%Y-%m-%d}", self.now, said="cut"):
            self.desk.tell_admins(text, f"see case {case.number}, then: maild workflow list")

    def _late(self, fell_due: datetime) -> str:
        gone = due.downtime_at(self.connection, fell_due)
        return f", late: no maild ran from {gone[0]:%Y-%m-%d %H:%M} to {gone[1]:%Y-%m-%d %H:%M} UTC" if gone else ""


# --- when next --------------------------------------------------------------------------------------------------


def next_due(acting: Acting, after: datetime) -> datetime | None:
    """When a workflow may next be due after this moment, None for never; for `maild simulate`."""
    found: list[datetime] = []
    office, connection = acting.office, acting.connection
    for workflow in office.settings.workflows.workflows:
        if workflow.schedule is not None and plans.active(workflow, _day(office, after)):
            fire = next_fire(workflow.schedule, office.settings.main.timezone, after)
            found += [fire] if fire is not None else []
    for workflow in acting.timed():
        for_ = workflow.when.for_
        assert for_ is not None
        moments = {row.status_since + for_ for row in due.in_status(connection, workflow.when.status)}
        if any(action.set.get("status") == Status.CLOSED for action in workflow.do):
            moments |= {at + for_ for at in due.words_within(connection, workflow.when.status)}
        for step, action in enumerate(workflow.do):
            if (every := action.every or workflow.every) is not None:
                moments |= {at + every for at in due.last_runs(connection, workflow.name, step)}
        if workflow.send_within is not None and moments:
            moments.add(office.calendars[workflow.send_within].next_opening(after + timedelta(minutes=1)))
        found += [moment for moment in moments if moment > after]
    return min(found, default=None)


def _paused(connection: Any, now: datetime) -> bool:
    return any(row.what in {"workflows", "everything"} for row in installation.paused(connection, now))


def _day(office: Office, now: datetime) -> str:
    return now.astimezone(ZoneInfo(office.settings.main.timezone)).date().isoformat()


def _why(event: Event, entry: StreamEntry) -> str:
    return f"{event}: {entry.text.splitlines()[0][:120] if entry.text else ''}".rstrip(": ")


__all__ = ["Acting", "Stay", "due_stays", "next_due", "react", "schedules", "stays"]
