"""This is where agents write down their time, and say when they want to be reminded and until when they are away."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from maild.agents.letters import Letter
from maild.agents.proofs import believed
from maild.agents.work import Work
from maild.cases.commands import Command, day_named
from maild.desk import Desk
from maild.errors import CaseError
from maild.ingest.absence_until import last_day
from maild.model.case import StreamType
from maild.outbound.words import duration
from maild.store import people, reminders, timelogs

DAY_ENDS = time(23, 59, 59)
MORNING, EVENING = time(9), time(17)  # when a reminder for a day comes; for today it cannot be the morning


def log_time(work: Work, spent: timedelta, text: str) -> None:
    """Write down time spent."""
    number = timelogs.add(
        work.desk.connection, work.case.number, work.user, spent, text, work.case.billable, work.desk.now
    )
    work.journal.times.append(number)
    shown = duration(spent.total_seconds())
    work.stream(StreamType.TIME, shown + (f": {text}" if text else ""), seconds=int(spent.total_seconds()), time=number)
    work.lines.append(f"{shown} written down" + (f": {text}" if text else ""))


def time_(work: Work, command: Command) -> None:
    """`#time`: writes down time spent."""
    assert command.span is not None
    log_time(work, command.span, command.text)


def timer(work: Work, action: str) -> None:
    """Start, pause, resume or stop the user's watch on this case. Raises CaseError where there is none."""
    connection, now = work.desk.connection, work.desk.now
    watch = timelogs.current(connection, work.user, work.case.number)
    if action == "start":
        if watch is not None and watch.state == "working":
            raise CaseError(f"your timer on case {work.case.number} is running already")
        if watch is not None:
            action = "resume"
        else:
            paused = timelogs.start(connection, work.case.number, work.user, work.case.billable, now)
            work.stream(StreamType.TIME, "timer started")
            work.lines.append("timer started" + (f"; the one on case {paused} is paused" if paused else ""))
            return
    if watch is None:
        raise CaseError(f"you have no timer on case {work.case.number}; #timer start begins one")
    other = None
    if action == "resume":
        if watch.state == "working":
            raise CaseError(f"your timer on case {work.case.number} is running already")
        other = timelogs.pause_running(connection, work.user, now)
    elif action == "pause" and watch.state == "paused":
        raise CaseError(f"your timer on case {work.case.number} is paused already")
    timelogs.set_state(connection, watch, {"pause": "paused", "resume": "working", "stop": "completed"}[action], now)
    shown = duration(watch.spent(now))
    said = {"pause": "timer paused at", "resume": "timer goes on from", "stop": "timer stopped at"}[action]
    work.stream(StreamType.TIME, f"{said} {shown}", seconds=watch.spent(now), time=watch.id)
    work.lines.append(f"{said} {shown}" + (f"; the one on case {other} is paused" if other else ""))


def timer_(work: Work, command: Command) -> None:
    """`#timer`: your stop-watch on this case."""
    timer(work, command.word)


def moment(desk: Desk, user: str, command: Command, at: time) -> datetime:
    """When a command means: so long from now, or at ``at`` of the day named if it names no time. Raises CaseError for
    the past."""
    zone = desk.zone_of(user)
    day = day_named(command.day_word, desk.now.astimezone(zone).date()) if command.day_word else command.day
    if day is not None:
        when = datetime.combine(day, command.clock or at, zone).astimezone(UTC)
    else:
        assert command.span is not None
        when = desk.now + command.span
    if when <= desk.now:
        raise CaseError(f"{command.line}: that is past")
    return when


def remind(work: Work, command: Command) -> None:
    """`#remind`: reminds you."""
    due = moment(work.desk, work.user, command, EVENING if command.day_word == "today" else MORNING)
    number = reminders.add(work.desk.connection, work.case.number, work.user, due, command.text, work.desk.now)
    work.journal.reminders.append(number)
    local = due.astimezone(work.desk.zone_of(work.user))
    work.stream(StreamType.FIELD, f"reminder for {work.user}: {local:%Y-%m-%d %H:%M}" + (f", {command.text}" if command.text else ""))
    work.lines.append(f"you will be reminded on {local:%Y-%m-%d at %H:%M}" + (f": {command.text}" if command.text else ""))


def away(desk: Desk, user: str, command: Command) -> str:
    """Remember that a user is away, or back; returns the line that says so. Raises CaseError."""
    if command.word == "back":
        people.set_away(desk.connection, user, None)
        return "you are back"
    until = moment(desk, user, command, DAY_ENDS)
    people.set_away(desk.connection, user, until)
    return f"you are away until {until.astimezone(desk.zone_of(user)):%Y-%m-%d}, and get no new cases"


def away_(work: Work, command: Command) -> None:
    """`#away`: you get no cases until then; #away back ends it."""
    work.lines.append(away(work.desk, work.user, command))


def note_absence(letter: Letter) -> None:
    """An agent's mail answers by itself: so they are away, until the day that it names if it names one.

    Only what is proven to be theirs, or answers what was sent to them alone, is taken for it.
    """
    desk, user = letter.desk, letter.user
    mine = letter.thread.reader == people.reader_number(desk.connection, user)
    if not mine and not believed(letter).by:
        return
    zone = desk.zone_of(user)
    said = f"{letter.message.subject}\n{letter.message.new_text or letter.message.text}"
    last = last_day(said, desk.now.astimezone(zone).date())
    until = datetime.combine(last, DAY_ENDS, zone).astimezone(UTC) if last is not None else None
    people.answers_by_itself(desk.connection, user, desk.now, until)
    if until is not None and desk.office.settings.main.agents.away_from_auto_reply:
        people.set_away(desk.connection, user, until)
