"""This is where workflows react to what happened to cases.

Events are the entries of streams that nobody looked at yet: they were written with the change itself, so none is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from maild.cases import workflows as plans
from maild.desk import Desk
from maild.log import get_logger
from maild.model.case import Case, StreamEntry
from maild.office import Office
from maild.schedule import effects
from maild.schedule.acting import BATCH, Acting, day, held_back, mails_of, paused
from maild.schedule.effects import Done
from maild.settings.models import Event, Workflow
from maild.store import cases, due
from maild.store.savepoint import apart
from maild.store.unit_of_work import Store

log = get_logger("workflow")


def react(store: Store, office: Office, now: datetime) -> list[Done]:
    """Look at what happened to cases since the last time, and do what workflows are for."""
    done: list[Done] = []
    listening = [one for one in office.settings.workflows.workflows if one.enabled and one.event is not None]
    held: dict[str, str] | None = None
    while True:
        with store.read() as connection:
            if not due.any_pending(connection) or paused(connection, now):
                return done
            if held is None:
                held = held_back(
                    connection, office, _mails_of_its_own(Acting(Desk(office, connection, now)), listening), now
                )
        with store.write() as connection:
            if not listening:
                due.looked_at(connection)
                return done
            rows = due.pending(connection, BATCH)
            due.looked_at(connection, [row.id for row in rows])
            acting = Acting(Desk(office, connection, now))
            for row in rows:
                with apart(connection, partial(_failed, acting, row.case_number)):
                    _on_event(acting, row, held)
            done += acting.done
        if len(rows) < BATCH:
            return done


def _mails_of_its_own(acting: Acting, listening: Sequence[Workflow]) -> dict[str, int]:
    """How many mails each workflow would send now for what workflows have done (all the cases that one resolved at once)."""
    writing = {one.name: mails_of(one.do) for one in listening if mails_of(one.do)}
    found: dict[str, int] = {}
    for row in due.pending_by(acting.connection, "workflow:") if writing else ():
        entry = due.entry_of(row)
        event, case = plans.event_of(entry), cases.get(acting.connection, row.case_number)
        if event is None or case is None or plans.stale(entry, event, case):
            continue
        for workflow in listening:
            if workflow.event is event and workflow.name in writing and acting.matches(workflow, case):
                found[workflow.name] = found.get(workflow.name, 0) + writing[workflow.name]
    return found


def _on_event(acting: Acting, row: Any, held: Mapping[str, str], depth: int = 0) -> None:
    """An entry of a stream (row): act, and then on what that caused, until nothing more comes of it.

    ``held`` says of which workflows the mails wait for approval, where a workflow caused the event.
    """
    connection, office = acting.connection, acting.office
    entry = due.entry_of(row)
    first = entry.message is not None and entry.message == due.first_message(connection, row.case_number)
    event = plans.event_of(entry, first=first)
    if event is None:
        return
    for workflow in office.settings.workflows.workflows:
        if workflow.event is not event or not plans.active(workflow, day(office, acting.now)):
            continue
        if entry.actor == f"workflow:{workflow.name}":
            continue  # nothing sets itself off
        case = cases.get(connection, row.case_number, lock=True)
        if case is None or plans.stale(entry, event, case) or not acting.matches(workflow, case):
            continue
        if depth >= plans.MAX_DEPTH:
            _cut(acting, workflow, case)
            continue
        before = due.newest_event(connection)
        keys = dict.fromkeys(range(len(workflow.do)), f"event:{row.id}")
        acting.desk.hold_back = held.get(workflow.name, "") if entry.actor.startswith("workflow:") else ""
        acting.run(workflow, case, keys, _why(event, entry))
        caused = due.caused(connection, [case.number, *acting.made], before)
        due.looked_at(connection, [one.id for one in caused])
        for one in caused:
            _on_event(acting, one, held, depth + 1)


def _failed(acting: Acting, number: int, error: Exception) -> None:
    """An event that workflows broke on is not looked at again: the case's stream and the log say so."""
    log.error("workflow.failed", case=number, reason=error, exc_info=error)
    case = cases.get(acting.connection, number)
    if case is not None:
        effects.note(acting.desk, case, f"workflows failed here, a fault of maild's own: {type(error).__name__}; see the log")


def _cut(acting: Acting, workflow: Workflow, case: Case) -> None:
    text = f"workflow {workflow.name} was cut: workflows set each other off {plans.MAX_DEPTH} times"
    effects.note(acting.desk, case, text)
    log.error("workflow.cut", workflow=workflow.name, case=case.number, reason=text)
    if due.take(acting.connection, workflow.name, -1, f"cut:{acting.now:%Y-%m-%d}", acting.now, said="cut"):
        acting.desk.tell_admins(text, f"see case {case.number}, then: maild workflow list")


def _why(event: Event, entry: StreamEntry) -> str:
    return f"{event}: {entry.text.splitlines()[0][:120] if entry.text else ''}".rstrip(": ")
