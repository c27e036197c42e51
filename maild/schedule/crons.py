"""This is where workflows on a schedule run: once for each time that their cron line fired, however often it did.

When a line fired last is kept in the database, together with the line itself: one that was changed counts from now on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from maild.cases import workflows as plans
from maild.desk import Desk
from maild.log import get_logger
from maild.model.case import Status
from maild.office import Office
from maild.schedule.acting import BATCH, Acting, day, held_back, mails_of, paused
from maild.schedule.effects import Done
from maild.schedule.ticker import next_fire
from maild.settings.models import Workflow
from maild.store import cases, clocks, due, installation
from maild.store.savepoint import apart
from maild.store.unit_of_work import Store

log = get_logger("workflow")


def run(store: Store, office: Office, now: datetime) -> list[Done]:
    """Run the workflows whose cron line fired since they ran last."""
    done: list[Done] = []
    zone = office.settings.main.timezone
    for workflow in office.settings.workflows.workflows:
        if workflow.schedule is None or not plans.active(workflow, day(office, now)):
            continue
        with store.read() as connection:
            last = fired(connection, workflow, zone, now)
            if last is None and last_ran(connection, workflow) is not None:
                continue
            if paused(connection, now) or (last is not None and _others_at_work(connection, now)):
                continue
            numbers = due.open_of(connection, _statuses(workflow)) if last is not None else []
        if last is not None:
            done += _run(store, office, now, workflow, last, numbers)
        with store.write() as connection:
            installation.set_meta(connection, _key(workflow), f"{workflow.schedule}\t{(last or now).isoformat()}")
    return done


def _run(
    store: Store, office: Office, now: datetime, workflow: Workflow, last: datetime, numbers: Sequence[int]
) -> list[Done]:
    done: list[Done] = []
    with store.write() as connection:
        acting = Acting(Desk(office, connection, now))
        with apart(connection, partial(_failed, workflow, None)):
            _on_time(acting, workflow, last, None)
        done += acting.done
    if not any(plans.needs_case(action) for action in workflow.do):
        return done
    with store.read() as connection:
        acting = Acting(Desk(office, connection, now))
        meant = [number for number in numbers if _is_for(acting, workflow, number)]
        held = held_back(connection, office, {workflow.name: len(meant) * mails_of(workflow.do)}, now)
    for start in range(0, len(meant), BATCH):
        with store.write() as connection:
            acting = Acting(Desk(office, connection, now, hold_back=held.get(workflow.name, "")))
            for number in meant[start : start + BATCH]:
                with apart(connection, partial(_failed, workflow, number)):
                    _on_time(acting, workflow, last, number)
            done += acting.done
    return done


def _failed(workflow: Workflow, number: int | None, error: Exception) -> None:
    log.error("workflow.failed", case=number, workflow=workflow.name, reason=error, exc_info=error)


def _others_at_work(connection: Connection, now: datetime) -> bool:
    """Whether another daemon still takes steps that were due before: a digest tells of cases as they are after those."""
    return bool(clocks.waiting(connection, now - timedelta(seconds=1), 1))


def _on_time(acting: Acting, workflow: Workflow, last: datetime, number: int | None) -> None:
    """A cron line that fired: the steps about cases for one case, the others (``number`` None) once."""
    case = cases.get(acting.connection, number, lock=True) if number is not None else None
    if number is not None and (case is None or not acting.matches(workflow, case)):
        return
    key = f"time:{last:%Y-%m-%dT%H:%MZ}" + (f":{number}" if number is not None else "")
    steps = [step for step, action in enumerate(workflow.do) if plans.needs_case(action) == (case is not None)]
    acting.run(workflow, case, dict.fromkeys(steps, key), f"scheduled {workflow.schedule}" + acting.late(last))


def _is_for(acting: Acting, workflow: Workflow, number: int) -> bool:
    case = cases.get(acting.connection, number)
    return case is not None and acting.matches(workflow, case)


def _statuses(workflow: Workflow) -> list[str]:
    return [status.value for status in (workflow.when.status or (one for one in Status if one is not Status.CLOSED))]


def _key(workflow: Workflow) -> str:
    return f"cron {workflow.name}"[:60]


def last_ran(connection: Connection, workflow: Workflow) -> datetime | None:
    """When a workflow with a cron line ran last, or was first seen; None before that."""
    line, _, at = (installation.get_meta(connection, _key(workflow)) or "").partition("\t")
    return datetime.fromisoformat(at) if at and line == workflow.schedule else None


def fired(connection: Connection, workflow: Workflow, zone: str, now: datetime) -> datetime | None:
    """When the workflow's cron line fired last since it ran, None where it did not."""
    last = last_ran(connection, workflow)
    if last is None:
        return None
    found, after = None, last
    while (fire := next_fire(workflow.schedule or "", zone, after)) is not None and fire <= now:
        found = after = fire
    return found
