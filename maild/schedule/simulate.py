"""This is where it is foretold what maild will do by itself if no mail comes: the same beats, on a copy, with times of
its own. Nothing is written to the database and nothing is sent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from maild.cases import workflows as plans
from maild.office import Office, open_office
from maild.schedule import absent, beats, digests, retention, stays
from maild.schedule.acting import day, lasted
from maild.schedule.effects import Done
from maild.schedule.ticker import next_fire
from maild.settings.models import Settings
from maild.store import clocks, copies, due, installation, reminders
from maild.store.unit_of_work import Store

_A_MOMENT = timedelta(seconds=1)  # a deadline has passed when it is over, not when it is reached


def run(
    settings: Settings, store: Store, now: datetime, until: datetime, progress: Callable[[datetime], None] = lambda at: None
) -> list[Done]:
    """Everything that would be done from ``now`` to ``until``, in order of time."""
    wanted = [one for workflow in settings.workflows.workflows for one in plans.criteria(workflow.when)]
    raw = any(not str(getattr(one, "field", "")).startswith(("case.", "mailbox", "organisation")) for one in wanted)
    with tempfile.TemporaryDirectory(prefix="maild-simulate-") as folder:
        copy = copies.extract(store, Path(folder), raw=raw)
        try:
            with copy.write() as connection:
                installation.resume(connection, "workflows", "simulate", now)
            office = open_office(settings, installation.ensure_key(copy, now))
            done = _through(copy, office, now, until, progress)
        finally:
            copy.close()
    return done + retention.foretold(store, settings.main.retention, until)


def _through(
    store: Store, office: Office, now: datetime, until: datetime, progress: Callable[[datetime], None]
) -> list[Done]:
    done = beats.beat(store, office, now)
    at = now
    while (following := _next(store, office, at)) is not None and following <= until:
        at = following
        done += beats.beat(store, office, at)
        progress(at)
    return done


def _next(store: Store, office: Office, after: datetime) -> datetime | None:
    with store.read() as connection:
        step = clocks.next_due(connection, after - _A_MOMENT)
        workflow = _next_workflow(office, connection, after)
        summed = [at for at in digests.due(connection, office).values() if at is not None and at > after]
        summed += [at for at in absent.due(connection, office, after).values() if at > after]
        reminder = reminders.next_due(connection, after)
    found = [one for one in (step + _A_MOMENT if step is not None else None, workflow, reminder, *summed) if one is not None]
    return min(found, default=None)


def _next_workflow(office: Office, connection: Connection, after: datetime) -> datetime | None:
    """When a workflow may next be due after this moment, None for never."""
    found: list[datetime] = []
    for workflow in office.settings.workflows.workflows:
        if workflow.schedule is not None and plans.active(workflow, day(office, after)):
            fire = next_fire(workflow.schedule, office.settings.main.timezone, after)
            found += [fire] if fire is not None else []
    for workflow in stays.timed(office, after):
        for_ = workflow.when.for_
        assert for_ is not None
        moments = {lasted(office, workflow, for_, row.status_since) for row in due.in_status(connection, workflow.when.status)}
        if stays.closing(workflow):
            moments |= {lasted(office, workflow, for_, at) for at in due.words_within(connection, workflow.when.status)}
        for step, action in enumerate(workflow.do):
            if (every := action.every or workflow.every) is not None:
                moments |= {at + every for at in due.last_runs(connection, workflow.name, step)}
        if workflow.send_within is not None:
            calendar = office.calendars[workflow.send_within]
            moments = {moment if calendar.is_open(moment) else calendar.next_opening(moment) for moment in moments}
        found += [moment for moment in moments if moment > after]
    return min(found, default=None)
