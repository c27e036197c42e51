"""This is where the commands on work done are: `maild time`, `maild faq`, and `maild case time|timer|faq|resolve|close|
reopen|split|spam`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from maild.cli import show
from maild.cli.context import invocation
from maild.cli.ticket import Json, Number, _case, _defused, _desk, _told, moment

if TYPE_CHECKING:
    from maild.agents.acts import Work

Since = Annotated[str | None, typer.Option(help="Begun since: 2d, 4h, or 2026-11-01.")]


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    for group in [one.typer_instance for one in app.registered_groups if one.name == "case"]:
        assert group is not None
        _case_commands(group)
    times = noun("Time spent on cases: list, export.")
    app.add_typer(times, name="time")
    faqs = noun("Questions and answers: list, show, edit, publish, retire.")
    app.add_typer(faqs, name="faq")
    _time_commands(times)
    _faq_commands(faqs)


def _case_commands(group: typer.Typer) -> None:
    @group.command("time")
    def time_(
        ctx: typer.Context, number: Number, spent: Annotated[str, typer.Argument(help="25m, 1h30m, 1:30")],
        text: Annotated[list[str] | None, typer.Argument(help="What was done.")] = None, json: Json = False,
    ) -> None:  # fmt: skip
        """Write down time spent on a case."""
        from maild.agents.acts import log_time
        from maild.cases.commands import span_at_start

        found = span_at_start(spent)
        if found is None or found[1] != len(spent):
            raise typer.BadParameter(f"{spent!r} is no time: write 25m, 1h30m or 1:30")
        with _work(ctx, number) as work:
            log_time(work, found[0], " ".join(text or ()))
        _done(ctx, work, number, json)

    @group.command()
    def timer(
        ctx: typer.Context, number: Number, action: Annotated[str, typer.Argument(help="start, pause, resume or stop")],
        json: Json = False,
    ) -> None:  # fmt: skip
        """Your stop-watch on a case; one runs at a time."""
        from maild.agents import acts

        if action not in {"start", "pause", "resume", "stop"}:
            raise typer.BadParameter(f"{action!r}: start, pause, resume or stop")
        with _work(ctx, number) as work:
            acts.timer(work, action)
        _done(ctx, work, number, json)

    @group.command("faq")
    def faq_(
        ctx: typer.Context, number: Number, question: Annotated[str | None, typer.Argument(help="Its title if not given.")] = None,
        json: Json = False,
    ) -> None:  # fmt: skip
        """Make a draft FAQ entry of a case."""
        from maild.agents.acts import faq_draft

        with _work(ctx, number) as work:
            made = faq_draft(work.desk, work.case, work.user, question or work.case.title)
            work.lines.append(f"FAQ draft {made}; read it, then: maild faq publish {made}")
        _done(ctx, work, number, json)

    @group.command()
    def resolve(
        ctx: typer.Context, number: Number, resolution: Annotated[str, typer.Argument(help="What solved it.")] = "",
        json: Json = False,
    ) -> None:  # fmt: skip
        """Resolve a case, through open where it must."""
        from maild.agents import acts

        with _work(ctx, number) as work:
            acts.resolve(work, resolution)
        _done(ctx, work, number, json)

    @group.command()
    def close(
        ctx: typer.Context, number: Number,
        reason: Annotated[str, typer.Argument(help="Of an unresolved one: spam, duplicate or no_answer_needed.")] = "",
        json: Json = False,
    ) -> None:  # fmt: skip
        """Close a case, which is final."""
        from maild.agents import acts

        with _work(ctx, number) as work:
            acts.close(work, reason)
        _done(ctx, work, number, json)

    @group.command()
    def spam(ctx: typer.Context, number: Number, json: Json = False) -> None:
        """Close a case as spam."""
        from maild.agents import acts

        with _work(ctx, number) as work:
            acts.close(work, "spam")
        _done(ctx, work, number, json)

    @group.command()
    def reopen(ctx: typer.Context, number: Number, json: Json = False) -> None:
        """Open a resolved or waiting case again."""
        from maild.model.case import Status

        with _work(ctx, number) as work:
            work.change({"status": Status.OPEN})
            work.lines.append("open again")
        _done(ctx, work, number, json)

    @group.command()
    def split(ctx: typer.Context, number: Number, json: Json = False) -> None:
        """Make a case of its own out of the newest mail of a case."""
        from maild.agents import acts

        with _work(ctx, number) as work:
            new = acts.split(work.desk, work.case, work.user)
            work.lines.append(f"its newest mail is case {new.number} now: {new.title}")
        _done(ctx, work, new.number, json)


@contextmanager
def _work(ctx: typer.Context, number: int) -> Iterator[Work]:
    """A case in the hands of who runs this command."""
    from maild.agents.acts import Work
    from maild.cases.commands import Block

    found = invocation(ctx)
    with _desk(found) as desk:
        yield Work(desk, found.who, _case(desk, number), Block())


def _done(ctx: typer.Context, work: Any, number: int, json: bool) -> None:
    found = invocation(ctx)
    found.wake()
    _told(found, number, json, f"case {work.case.number}: {'; '.join(work.lines)}")


# --- maild time -------------------------------------------------------------------------------------------------

_TIME_COLUMNS = ("id", "case", "user", "state", "seconds", "text", "billable", "organisation", "service", "rate", "charge", "created_at")


def _time_commands(group: typer.Typer) -> None:
    @group.command("list")
    def list_(
        ctx: typer.Context, user: Annotated[str | None, typer.Option()] = None,
        mine: Annotated[bool, typer.Option("--mine", help="Your own.")] = False,
        case: Annotated[int | None, typer.Option()] = None, organisation: Annotated[str | None, typer.Option()] = None,
        since: Since = None, month: Annotated[str | None, typer.Option(help="2026-11")] = None, json: Json = False,
    ) -> None:  # fmt: skip
        """Time spent, oldest first."""
        rows = _times(ctx, user or (invocation(ctx).who if mine else None), case, organisation, since, month)
        if json:
            show.as_json(rows)
            return
        from maild.outbound.words import duration

        show.table(
            ("case", "user", "state", "time", "text", "organisation", "service"),
            [(r["case"], r["user"], r["state"], duration(r["seconds"]), r["text"], r["organisation"], r["service"]) for r in rows],
        )

    @group.command()
    def export(
        ctx: typer.Context, user: Annotated[str | None, typer.Option()] = None,
        case: Annotated[int | None, typer.Option()] = None, organisation: Annotated[str | None, typer.Option()] = None,
        since: Since = None, month: Annotated[str | None, typer.Option(help="2026-11")] = None,
        csv: Annotated[bool, typer.Option("--csv", help="CSV, which is what it is anyway without --json.")] = True,
        json: Json = False,
    ) -> None:  # fmt: skip
        """Time spent with service, rate and what to charge, as CSV that no program takes for formulas."""
        rows = _times(ctx, user, case, organisation, since, month)
        show.as_json(rows) if json else _print_csv(_TIME_COLUMNS, rows)


def _times(
    ctx: typer.Context, user: str | None, case: int | None, organisation: str | None, since: str | None, month: str | None
) -> list[dict[str, Any]]:
    from zoneinfo import ZoneInfo

    from maild import clock
    from maild.cases.shape import instant
    from maild.store import timelogs

    store = invocation(ctx).store()
    if store is None:
        return []
    filters: dict[str, Any] = {"user": user, "case": case, "organisation": organisation, "since": moment(since) if since else None}
    if month:
        zone = ZoneInfo(invocation(ctx).main().main.timezone)
        try:
            begin = datetime.strptime(month, "%Y-%m").replace(tzinfo=zone)
        except ValueError:
            raise typer.BadParameter(f"{month!r} is no month: write 2026-11") from None
        filters |= {"since": begin, "until": begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)}
    now = clock.now()
    with store.read() as connection:
        found = timelogs.listed(connection, filters)
    return [
        {
            "id": log.id, "case": log.case, "user": log.user, "state": log.state, "seconds": log.spent(now), "text": log.text,
            "billable": log.billable, "organisation": name, "service": row.name if row else None,
            "rate": (row.rate or None) if row else None, "charge": charge(log.spent(now), row.rate, row.per) if row and log.billable else None,
            "created_at": instant(log.created_at),
        }
        for log, name, row in found
    ]  # fmt: skip


def charge(seconds: int, rate: str, per: str) -> str | None:
    """What to charge: hours times rate, in the rate's currency (`80 EUR`); None where the rate is no number an hour."""
    import re
    from decimal import ROUND_HALF_UP, Decimal

    match = re.fullmatch(r"\s*(\D*?)\s*(\d+(?:[.,]\d+)?)\s*(\D*?)\s*", rate or "")
    if match is None or per not in {"hour", "h", ""}:
        return None
    amount = (Decimal(match[2].replace(",", ".")) * seconds / 3600).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"{amount} {match[1] or match[3]}".strip()


def _print_csv(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    import csv
    import sys

    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_defused(row[name]) for name in columns])


# --- maild faq --------------------------------------------------------------------------------------------------


def _faq_commands(group: typer.Typer) -> None:
    @group.command("list")
    def list_(
        ctx: typer.Context, status: Annotated[str, typer.Option(help="draft, published or retired")] = "",
        category: Annotated[str, typer.Option()] = "", json: Json = False,
    ) -> None:  # fmt: skip
        """Questions and answers."""
        from maild.store import faq

        store = invocation(ctx).store()
        entries = []
        if store is not None:
            with store.read() as connection:
                entries = faq.listed(connection, status=status, category=category)
        rows = [_faq_json(one) for one in entries]
        if json:
            show.as_json(rows)
            return
        show.table(("number", "status", "category", "question", "case"), [tuple(r[n] for n in ("number", "status", "category", "question", "case")) for r in rows])

    @group.command("show")
    def show_(ctx: typer.Context, number: Number, json: Json = False) -> None:
        """One entry."""
        from maild.store import faq

        store = invocation(ctx).store()
        entry = None
        if store is not None:
            with store.read() as connection:
                entry = faq.get(connection, number)
        if entry is None:
            _no_entry(number)
        if json:
            show.as_json(_faq_json(entry))
            return
        show.line(f"{entry.id}  {entry.status}  {entry.question}")
        show.block(entry.answer)

    @group.command()
    def edit(
        ctx: typer.Context, number: Number, question: Annotated[str | None, typer.Option()] = None,
        answer: Annotated[str | None, typer.Option(help="- reads standard input.")] = None,
        category: Annotated[str | None, typer.Option()] = None,
    ) -> None:  # fmt: skip
        """Change question, answer or category."""
        import sys

        values = {"question": question, "answer": sys.stdin.read() if answer == "-" else answer, "category": category}
        given = {name: value for name, value in values.items() if value is not None}
        if not given:
            raise typer.BadParameter("give --question, --answer or --category")
        _change(ctx, number, given, "changed")

    @group.command()
    def publish(ctx: typer.Context, number: Number, yes: Annotated[bool, typer.Option("--yes", help="Names and numbers may stay.")] = False) -> None:
        """Show an entry to customers; what is marked ⟦…⟧ has to go first."""
        from maild.errors import CaseError
        from maild.store import faq

        with _desk(invocation(ctx)) as desk:
            entry = faq.get(desk.connection, number)
            if entry is not None and "⟦" in entry.question + entry.answer:
                if not yes:
                    raise CaseError(f"FAQ {number} still has names or numbers marked ⟦…⟧; maild faq edit {number}, or --yes")
                plain = {name: getattr(entry, name).replace("⟦", "").replace("⟧", "") for name in ("question", "answer")}
                faq.change(desk.connection, number, plain, desk.now)
        _change(ctx, number, {"status": "published"}, "published")

    @group.command()
    def retire(ctx: typer.Context, number: Number) -> None:
        """Show an entry to nobody any more."""
        _change(ctx, number, {"status": "retired"}, "retired")


def _change(ctx: typer.Context, number: int, values: dict[str, Any], said: str) -> None:
    from maild.store import faq

    with _desk(invocation(ctx)) as desk:
        there = faq.change(desk.connection, number, values, desk.now)
    if not there:
        _no_entry(number)
    show.line(f"FAQ {number} {said}")


def _no_entry(number: int) -> NoReturn:
    show.error(f"there is no FAQ entry {number}; maild faq list shows those there are")
    raise typer.Exit(1)


def _faq_json(entry: Any) -> dict[str, Any]:
    from maild.cases.shape import instant

    return {
        "number": entry.id, "question": entry.question, "answer": entry.answer, "status": entry.status,
        "category": entry.category, "language": entry.language or None, "case": entry.case, "by": entry.by,
        "created_at": instant(entry.created_at), "updated_at": instant(entry.updated_at),
    }  # fmt: skip
