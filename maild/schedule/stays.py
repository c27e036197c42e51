"""This is where workflows act on cases that have been in a status for a time.

How long a case stays is asked of the database at each beat, so nothing must be remembered and nothing is missed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from maild.cases import workflows as plans
from maild.desk import Desk
from maild.log import get_logger
from maild.model.case import Case, Status
from maild.office import Office
from maild.plain.thanks import is_bare_thanks
from maild.schedule import effects
from maild.schedule.acting import BATCH, Acting, day, held_back, lasted, mails_of, paused
from maild.schedule.effects import Done
from maild.settings.models import Action, Workflow
from maild.settings.values import lasting
from maild.store import cases, due, put_off
from maild.store.savepoint import apart
from maild.store.unit_of_work import Store

log = get_logger("workflow")

PAGE = 500


@dataclass(frozen=True, slots=True)
class Stay:
    """A case that has been in a status for as long as a workflow wants; ``steps`` are the actions that are due."""

    workflow: Workflow
    number: int
    since: datetime
    steps: tuple[int, ...]


def act(store: Store, office: Office, now: datetime, limit: int | None = None) -> list[Done]:
    """Do what is due for cases that stay in a status; at most ``limit`` cases where the clock has jumped."""
    with store.read() as connection:
        if paused(connection, now):
            return []
        found = due_stays(Acting(Desk(office, connection, now)))
        mails: dict[str, int] = {}
        for stay in found:
            name = stay.workflow.name
            mails[name] = mails.get(name, 0) + mails_of(stay.workflow.do[step] for step in stay.steps)
        held = held_back(connection, office, mails, now)
    done: list[Done] = []
    found = found[:limit]
    for start in range(0, len(found), BATCH):
        part = found[start : start + BATCH]
        with store.write() as connection:
            acting = Acting(Desk(office, connection, now))
            free = due.lock_free(connection, [stay.number for stay in part])
            for stay in (one for one in part if one.number in free):
                acting.desk.hold_back = held.get(stay.workflow.name, "")
                with apart(connection, partial(_failed, acting.desk, stay)):
                    _on_stay(acting, stay)
            done += acting.done
    return done


def _failed(desk: Desk, stay: Stay, error: Exception) -> None:
    """A stay whose steps failed is looked at again, a while later."""
    put_off.add(desk.connection, _named(stay.workflow, stay.number), desk.now)
    log.error("workflow.failed", case=stay.number, workflow=stay.workflow.name, reason=error, exc_info=error)


def _named(workflow: Workflow, number: int) -> str:
    return f"workflow {workflow.name[:200]} {number}"


def timed(office: Office, now: datetime) -> list[Workflow]:
    """The workflows that start from the time that a case is in a status."""
    today = day(office, now)
    return [
        one for one in office.settings.workflows.workflows
        if one.event is None and one.schedule is None and one.when.for_ is not None and plans.active(one, today)
    ]  # fmt: skip


def due_stays(acting: Acting) -> list[Stay]:
    """Every case that a workflow is due for now, workflow by workflow, the longest stay first."""
    found = []
    later = put_off.waiting(acting.connection, acting.now)
    for workflow in timed(acting.office, acting.now):
        if workflow.send_within is not None and not acting.office.calendars[workflow.send_within].is_open(acting.now):
            continue
        steps: dict[tuple[int, datetime], list[int]] = {}
        for step, action in enumerate(workflow.do):
            for number, since in _staying(acting, workflow, step, action):
                steps.setdefault((number, since), []).append(step)
        for (number, since), wanted in steps.items():
            case = cases.get(acting.connection, number) if _named(workflow, number) not in later else None
            if case is None or why_not(acting, workflow, case) is not None:
                continue
            if open_ := [step for step in wanted if not acting.over(workflow, step, case, stays=True)]:
                found.append(Stay(workflow, number, since, tuple(open_)))
    return found


def _staying(acting: Acting, workflow: Workflow, step: int, action: Action) -> Iterable[tuple[int, datetime]]:
    for_, every = workflow.when.for_, action.every or workflow.every
    assert for_ is not None
    # what the database can tell of working days: the last may close up to a day before its time, an hour is for summer time
    least = for_ if isinstance(for_, timedelta) else timedelta(days=for_.count - 1, hours=-1)
    after: tuple[datetime, int] | None = None
    while True:
        page = due.staying(
            acting.connection, workflow.name, step, workflow.when.status, acting.now - least,
            acting.now - every if every is not None else None, after, PAGE,
        )  # fmt: skip
        for row in page:
            if lasted(acting.office, workflow, for_, row.status_since) > acting.now:
                return  # who came later stays longer
            yield row.number, row.status_since
        if len(page) < PAGE:
            return
        after = (page[-1].status_since, page[-1].number)


def why_not(acting: Acting, workflow: Workflow, case: Case) -> str | None:
    """Why a workflow on a stay does not act on this case now; None where it does."""
    if not acting.matches(workflow, case):
        return "its conditions do not fit"
    closes = closing(workflow)
    if closes or any(action.survey for action in workflow.do):
        contact = effects.contact_of(acting.desk, case)
        if (contact is not None and contact.undeliverable) or due.undelivered(acting.connection, case.number):
            return "a mail could not be delivered"
    if closes and case.status_since is not None and workflow.when.for_ is not None:
        for row in due.words_since(acting.connection, case.number, case.status_since):
            if row.kind != "answer" and is_bare_thanks(row.text, case.language):
                continue
            return "somebody wrote since" if lasted(acting.office, workflow, workflow.when.for_, row.at) > acting.now else None
    return None


def closing(workflow: Workflow) -> bool:
    """Whether the workflow closes cases: what people write puts that off."""
    return any(action.set.get("status") == Status.CLOSED for action in workflow.do)


def _on_stay(acting: Acting, stay: Stay) -> None:
    """A case that stays in a status; looked at again, since its row is locked only now."""
    case = cases.get(acting.connection, stay.number, lock=True)
    if case is None or case.status_since != stay.since or why_not(acting, stay.workflow, case) is not None:
        return
    for_ = stay.workflow.when.for_
    assert for_ is not None and case.status_since is not None
    reason = f"{case.status} since {case.status_since:%Y-%m-%d %H:%M} UTC, for {lasting(for_)}"
    reason += acting.late(lasted(acting.office, stay.workflow, for_, stay.since))
    keys: dict[int, str] = {}
    for step in stay.steps:
        turn = 0  # a step that is repeated in a stay is named after the time before
        if stay.workflow.do[step].every or stay.workflow.every:
            last = due.last_run(acting.connection, stay.workflow.name, step, case.number, stay.since)
            turn = 0 if last is None else int(last.timestamp())
        keys[step] = f"stay:{case.number}:{stay.since:%Y%m%dT%H%M%S%f}:{turn}"
    acting.run(stay.workflow, case, keys, reason, stays=True)
