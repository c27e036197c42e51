"""This is where it is kept what workflows have looked at and done, and in which times no daemon ran.

Every step that a workflow takes is a row with a key of its own: of two daemons, or after a restart, one takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, exists, func, or_, select, tuple_, update
from sqlalchemy.engine import Row

from maild.model.case import Status, StreamEntry, StreamType
from maild.store.inserting import insert_or_ignore
from maild.store.installation import get_meta, set_meta
from maild.store.people import insert_if_new
from maild.store.schema import cases, downtimes, imports, messages, outbox, spool, stream, workflow_runs

_HEARD = "heard_at"
_PEOPLE = ("customer", "list", "answer")

# --- events -----------------------------------------------------------------------------------------------------


def pending(connection: Connection, limit: int) -> list[Row[Any]]:
    """Events that no workflow has looked at, oldest first; those that another daemon looks at now are left out."""
    query = select(stream).where(stream.c.pending).order_by(stream.c.id).limit(limit)
    return list(connection.execute(query.with_for_update(skip_locked=True)))


def any_pending(connection: Connection) -> bool:
    """Whether there is an event to look at."""
    return connection.execute(select(stream.c.id).where(stream.c.pending).limit(1)).scalar() is not None


def pending_by(connection: Connection, actor: str) -> list[Row[Any]]:
    """Events that no workflow has looked at, of actors whose name begins so."""
    query = select(stream).where(stream.c.pending, stream.c.actor.startswith(actor, autoescape=True))
    return list(connection.execute(query.order_by(stream.c.id)))


def looked_at(connection: Connection, numbers: Iterable[int] | None = None) -> None:
    """These events (None: all) have been looked at."""
    query = update(stream).where(stream.c.pending).values(pending=False)
    connection.execute(query if numbers is None else query.where(stream.c.id.in_(list(numbers))))


def newest_event(connection: Connection) -> int:
    """The number of the newest event of all cases."""
    return connection.execute(select(func.max(stream.c.id))).scalar() or 0


def caused(connection: Connection, numbers: Iterable[int], after: int) -> list[Row[Any]]:
    """The events of these cases that came after this one and were not looked at yet."""
    query = select(stream).where(stream.c.pending, stream.c.id > after, stream.c.case_number.in_(list(numbers)))
    return list(connection.execute(query.order_by(stream.c.id)))


def entry_of(row: Row[Any]) -> StreamEntry:
    """A row of the stream as what happened."""
    return StreamEntry(row.at, StreamType(row.type), row.actor, row.public, row.text, row.data, row.message)


def first_message(connection: Connection, number: int) -> int | None:
    """The number of the first message of a case."""
    return connection.execute(select(func.min(messages.c.id)).where(messages.c.case_number == number)).scalar()


def last_status_by(connection: Connection, number: int) -> str:
    """Who changed the case's status last."""
    query = select(stream.c.actor).where(stream.c.case_number == number, stream.c.type == "status")
    return connection.execute(query.order_by(stream.c.id.desc()).limit(1)).scalar() or ""


# --- runs -------------------------------------------------------------------------------------------------------


def take(
    connection: Connection, workflow: str, step: int, key: str, at: datetime, *, case: int | None = None,
    contact: int | None = None, organisation: str | None = None, said: str = "",
) -> bool:  # fmt: skip
    """Write down that this step is taken; returns False where it was taken before. ``said``: why nothing was done."""
    values = {
        "workflow": workflow[:200], "step": step, "key": key, "case_number": case, "contact_id": contact,
        "organisation": organisation, "at": at, "said": said,
    }  # fmt: skip
    return insert_if_new(connection, workflow_runs, values)


def say_why(connection: Connection, workflow: str, step: int, key: str, said: str) -> None:
    """Nothing came of a step that was taken: it does not count for `at_most`."""
    runs = workflow_runs.c
    connection.execute(
        update(workflow_runs).where(runs.workflow == workflow[:200], runs.step == step, runs.key == key).values(said=said)
    )


def times_run(
    connection: Connection, workflow: str, step: int | None, since: datetime | None, *, case: int | None = None,
    contact: int | None = None, organisation: str | None = None,
) -> int:  # fmt: skip
    """How often a workflow (or one step of it) acted since then, for a case, contact or organisation."""
    runs = workflow_runs.c
    query = select(func.count(runs.key.distinct() if step is None else runs.id)).where(
        runs.workflow == workflow[:200], runs.said == ""
    )
    if step is not None:
        query = query.where(runs.step == step)
    if since is not None:
        query = query.where(runs.at > since)
    for column, wanted in ((runs.case_number, case), (runs.contact_id, contact), (runs.organisation, organisation)):
        if wanted is not None:
            query = query.where(column == wanted)
    return connection.execute(query).scalar_one()


def staying(
    connection: Connection, workflow: str, step: int, statuses: Sequence[Status], entered: datetime,
    again: datetime | None, after: tuple[datetime, int] | None = None, limit: int = 500,
) -> list[Row[Any]]:  # fmt: skip
    """(number, status_since) of cases in these statuses since ``entered`` or before, for which the step was not taken
    in this stay, or for the last time before ``again``. In order; ``after`` is the last of the page before.

    A stay that an import began does not count: history sets nothing off.
    """
    runs, case = workflow_runs.c, cases.c
    run = exists().where(
        runs.case_number == case.number, runs.workflow == workflow[:200], runs.step == step, runs.at >= case.status_since
    )
    if again is not None:
        run = run.where(runs.at > again)
    filed = exists().where(imports.c.id == case.import_id, imports.c.at >= case.status_since)
    query = select(case.number, case.status_since).where(
        case.status.in_([status.value for status in statuses]), case.status_since <= entered, ~run,
        or_(case.import_id.is_(None), ~filed),
    )  # fmt: skip
    if after is not None:
        query = query.where(tuple_(case.status_since, case.number) > after)
    return list(connection.execute(query.order_by(case.status_since, case.number).limit(limit)))


def in_status(connection: Connection, statuses: Sequence[Status]) -> list[Row[Any]]:
    """(number, status_since) of all cases in these statuses."""
    wanted = [status.value for status in statuses]
    return list(connection.execute(select(cases.c.number, cases.c.status_since).where(cases.c.status.in_(wanted))))


def last_run(connection: Connection, workflow: str, step: int, case: int, since: datetime) -> datetime | None:
    """When this step was taken last for the case, not before ``since``."""
    runs = workflow_runs.c
    return connection.execute(
        select(func.max(runs.at)).where(
            runs.workflow == workflow[:200], runs.step == step, runs.case_number == case, runs.at >= since
        )
    ).scalar()


def last_runs(connection: Connection, workflow: str, step: int) -> list[datetime]:
    """When this step was taken last, for each case."""
    runs = workflow_runs.c
    query = select(func.max(runs.at)).where(runs.workflow == workflow[:200], runs.step == step).group_by(runs.case_number)
    return list(connection.execute(query).scalars())


# --- what people said and what came back ------------------------------------------------------------------------


def words_since(connection: Connection, number: int, since: datetime) -> list[Row[Any]]:
    """What people wrote on a case after that moment, publicly: (at, kind, text), newest first."""
    return list(
        connection.execute(
            select(messages.c.at, messages.c.kind, messages.c.text)
            .where(messages.c.case_number == number, messages.c.at > since, messages.c.public, messages.c.kind.in_(_PEOPLE))
            .order_by(messages.c.id.desc())
        )
    )  # fmt: skip


def words_within(connection: Connection, statuses: Sequence[Status]) -> list[datetime]:
    """When people wrote on cases in these statuses, publicly, since they are in them."""
    query = select(messages.c.at).join_from(messages, cases, cases.c.number == messages.c.case_number).where(
        cases.c.status.in_([status.value for status in statuses]), messages.c.at > cases.c.status_since,
        messages.c.public, messages.c.kind.in_(_PEOPLE),
    )  # fmt: skip
    return list(connection.execute(query).scalars())


def undelivered(connection: Connection, number: int) -> bool:
    """Whether a mail of this case to people outside could not be delivered, and the customer did not write since."""
    heard = (
        select(func.max(messages.c.at)).where(messages.c.case_number == number, messages.c.direction == "in")
        .scalar_subquery()
    )  # fmt: skip
    return connection.execute(
        select(outbox.c.id).where(
            outbox.c.case_number == number, outbox.c.state == "failed",
            outbox.c.kind.in_(["acknowledgement", "answer", "survey", "reminder", "status"]),
            or_(heard.is_(None), outbox.c.created_at > heard),
        ).limit(1)
    ).scalar() is not None  # fmt: skip


def first_mail(connection: Connection, number: int) -> tuple[str, str | None, int] | None:
    """(kind, how automatic, spool number) of the first mail that came in on a case, None where none did."""
    row = connection.execute(
        select(messages.c.kind, spool.c.automatic, messages.c.spool_seq)
        .join_from(messages, spool, spool.c.seq == messages.c.spool_seq)
        .where(messages.c.case_number == number, messages.c.direction == "in").order_by(messages.c.id).limit(1)
    ).one_or_none()  # fmt: skip
    return (row.kind, row.automatic, row.spool_seq) if row is not None else None


def last_mail_in(connection: Connection, number: int) -> int | None:
    """The spool number of the last mail of a customer on a case."""
    query = select(messages.c.spool_seq).where(
        messages.c.case_number == number, messages.c.direction == "in", messages.c.kind.in_(["customer", "list"])
    )
    return connection.execute(query.order_by(messages.c.id.desc()).limit(1)).scalar()


# --- times in which nobody was there ----------------------------------------------------------------------------


def heard(connection: Connection, now: datetime, gap: timedelta, *, jumped: bool = False) -> tuple[datetime, datetime] | None:
    """A daemon lives: where none was heard of for longer than ``gap``, that time is downtime (returned, and kept).

    After a jump of the clock (``jumped``) the time between was none.
    """
    last = get_meta(connection, _HEARD)
    set_meta(connection, _HEARD, now.isoformat())
    if last is None or jumped:
        return None
    since = datetime.fromisoformat(last)
    if now - since <= gap:
        return None
    insert_or_ignore(connection, downtimes, {"since": since, "until": now})
    return since, now


def downtime_at(connection: Connection, at: datetime) -> tuple[datetime, datetime] | None:
    """The time without a daemon that this moment lies in, or None."""
    query = select(downtimes).where(downtimes.c.since <= at, downtimes.c.until >= at)
    row = connection.execute(query.order_by(downtimes.c.since.desc()).limit(1)).one_or_none()
    return (row.since, row.until) if row is not None else None


def all_downtimes(connection: Connection, since: datetime) -> list[tuple[datetime, datetime]]:
    """The times without a daemon since then."""
    rows = connection.execute(select(downtimes).where(downtimes.c.until > since).order_by(downtimes.c.since))
    return [(row.since, row.until) for row in rows]


def open_of(connection: Connection, statuses: Sequence[str]) -> list[int]:
    """The numbers of the cases in these statuses."""
    return list(
        connection.execute(select(cases.c.number).where(cases.c.status.in_(statuses)).order_by(cases.c.number)).scalars()
    )


def lock_free(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """Lock these cases' rows; those that somebody else works on now are left out."""
    query = select(cases.c.number).where(cases.c.number.in_(list(numbers))).order_by(cases.c.number)
    return set(connection.execute(query.with_for_update(skip_locked=True)).scalars())
