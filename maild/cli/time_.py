"""This is where the commands about what happens by itself are: simulate, workflow, sla, calendar, report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import Invocation, invocation

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Since = Annotated[str, typer.Option(help="How far back: 30d, 12w, or a date.")]


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    _simulate(app)
    _workflow(app, noun)
    _sla(app, noun)
    _report(app)


def _simulate(app: typer.Typer) -> None:
    @app.command()
    def simulate(
        ctx: typer.Context, until: Annotated[str, typer.Option(help="How far ahead: +30d, or a date.")] = "+30d",
        json: Json = False,
    ) -> None:  # fmt: skip
        """Show all that would happen by itself if no mail came; nothing is written or sent."""
        from maild import clock, log
        from maild.schedule import simulate as foretelling

        found = invocation(ctx)
        settings, store, now = found.settings(), found.store(), clock.now()
        end = _moment(found, until, now, ahead=True)
        log.configure("text", "error")
        done: list[Any] = []
        if store is not None:
            days = max(int((end - now) / timedelta(days=1)), 1)
            with show.progress("simulating", days) as step:
                done = foretelling.run(settings, store, now, end, lambda at: step(int((at - now) / timedelta(days=1))))
        if json:
            show.as_json([one.as_json() for one in done])
        elif not done:
            show.line(f"nothing would happen until {show.instant(end)}")
        else:
            show.table(
                ["time", "case", "by", "action", "reason"],
                [(show.instant(one.at), one.case, one.by, one.action, one.reason) for one in done],
            )


def _workflow(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Workflows: list, try on a case, the webhooks' secret.")
    app.add_typer(group, name="workflow")

    @group.command("list")
    def list_(ctx: typer.Context, json: Json = False) -> None:
        """List the workflows: what starts each, and what it does."""
        from maild.cases.workflows import described

        rows = [
            {
                "name": one.name, "enabled": one.enabled, "start": _start(one),
                "do": "; ".join(described(action) for action in one.do),
                "at_most": str(one.at_most) if one.at_most is not None else None, "send_within": one.send_within,
            }
            for one in invocation(ctx).settings().workflows.workflows
        ]  # fmt: skip
        if json:
            show.as_json(rows)
        else:
            show.table(["name", "enabled", "start", "do"], [(r["name"], r["enabled"], r["start"], r["do"]) for r in rows])

    @group.command("try")
    def try_(ctx: typer.Context, number: Annotated[int, typer.Argument(help="A case.")], json: Json = False) -> None:
        """Say of each workflow whether its conditions fit a case now, and why; nothing is done."""
        from maild import clock
        from maild.desk import Desk
        from maild.office import open_office
        from maild.schedule import stays
        from maild.schedule.acting import Acting
        from maild.store import cases, installation

        found = invocation(ctx)
        settings, store = found.settings(), found.store()
        if store is None:
            show.error(f"there is no case {number}; maild case list shows those there are")
            raise typer.Exit(1)
        office = open_office(settings, installation.ensure_key(store, clock.now()))
        rows: list[dict[str, Any]] = []
        with store.read() as connection:
            case = cases.get(connection, number)
            if case is None:
                show.error(f"there is no case {number}; maild case list shows those there are")
                raise typer.Exit(1)
            acting = Acting(Desk(office, connection, clock.now()))
            for one in settings.workflows.workflows:
                why = None if one.enabled else "switched off"
                rows.append(
                    {
                        "name": one.name, "start": _start(one), "why_not": why or stays.why_not(acting, one, case),
                        "criteria": [
                            {"text": text, "held": held, "seen": seen} for text, held, seen in acting.explained(one, case)
                        ],
                    }
                )  # fmt: skip
        if json:
            show.as_json(rows)
            return
        for row in rows:
            show.line(f"{row['name']} ({row['start']}): {'would act' if row['why_not'] is None else row['why_not']}")
            for criterion in row["criteria"]:
                show.line(f"    {'yes' if criterion['held'] else 'no '}  {criterion['text']}   (saw: {criterion['seen']})")

    @group.command()
    def secret(ctx: typer.Context) -> None:
        """Print the secret by which receivers verify webhooks (standardwebhooks.com)."""
        from maild.store import webhooks

        store = invocation(ctx).store(make=True)
        assert store is not None
        with store.write() as connection:
            show.line(webhooks.secret(connection))


def _start(workflow: Any) -> str:
    """`event status_changed, status resolved`, `status resolved for 15d`, `schedule 0 8 * * mon-fri`."""
    from maild.settings.values import lasting

    said = [f"event {workflow.event}"] if workflow.event is not None else []
    said += [f"schedule {workflow.schedule}"] if workflow.schedule is not None else []
    when = workflow.when
    if when.status:
        said.append(f"status {' or '.join(when.status)}" + (f" for {lasting(when.for_)}" if when.for_ is not None else ""))
    said += [f"{one.field} …" for one in when.criteria if hasattr(one, "field")]
    return ", ".join(said)


def _sla(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Service levels: report, try.")
    app.add_typer(group, name="sla")

    @group.command("list")
    def list_(ctx: typer.Context, json: Json = False) -> None:
        """List the SLA policies with their targets."""
        rows = [
            {"policy": name, "calendar": policy.calendar, "priority": priority.value,
             "first_response": target.first_response, "next_response": target.next_response, "resolution": target.resolution}
            for name, policy in invocation(ctx).settings().sla.policies.items() for priority, target in policy.targets.items()
        ]  # fmt: skip
        if json:
            show.as_json(rows)
        else:
            show.records(rows)

    @group.command()
    def report(ctx: typer.Context, since: Since = "30d", json: Json = False) -> None:
        """How promises were kept: by policy, priority and clock; what is overdue now; when no daemon ran."""
        from maild import clock
        from maild.reports import figures

        found = invocation(ctx)
        made = figures.sla_report(found.settings(), found.store(), _moment(found, since, clock.now()), clock.now())
        if json:
            show.as_json(made)
            return
        columns = ["policy", "priority", "clock", "cases", "fulfilled", "violated", "running", "escalated", "kept"]
        show.table(columns, [[_percent(row[name]) if name == "kept" else row[name] for name in columns] for row in made["policies"]])
        if not made["policies"]:
            show.line("no case with an SLA since then")
        if made["overdue"]:
            show.line()
            show.line(f"overdue now: {len(made['overdue'])}")
            names = ["number", "title", "clock", "due_at", "group", "assignee"]
            show.table(names, [[row[name] for name in names] for row in made["overdue"]])
        for gone in made["downtimes"]:
            show.line(f"no daemon ran from {gone['since']} to {gone['until']}: what fell due is marked late")

    @group.command("try")
    def try_(
        ctx: typer.Context, policy: Annotated[str, typer.Argument(help="Of sla.yaml.")],
        priority: Annotated[str, typer.Argument(help="urgent, high, medium or low.")],
        at: Annotated[str, typer.Argument(help='When the case begins: "2026-12-23 16:00", in the calendar\'s zone.')] = "now",
        json: Json = False,
    ) -> None:  # fmt: skip
        """Print each deadline of a case that begins then, and why."""
        from maild import clock
        from maild.reports import figures

        found = invocation(ctx)
        settings = found.settings()
        if policy not in settings.sla.policies:
            show.error(f"there is no SLA {policy!r}; one of {', '.join(settings.sla.policies) or 'none'}")
            raise typer.Exit(1)
        name = settings.sla.policies[policy].calendar
        zone = settings.sla.calendars[name].timezone if name else settings.main.timezone
        begins = clock.now() if at == "now" else _local(at, zone)
        rows = figures.tried(settings, policy, priority, begins)
        if json:
            show.as_json(rows)
        elif rows:
            show.table(["clock", "step", "when", "does", "why"], [(r["clock"], r["step"], r["local"], r["does"], r["why"]) for r in rows])
        else:
            show.line(f"{policy} has no targets for priority {priority}")

    calendars = noun("Working calendars: list, show a month.")
    app.add_typer(calendars, name="calendar")

    @calendars.command("list")
    def list_calendars(ctx: typer.Context, json: Json = False) -> None:
        """List the calendars."""
        found = invocation(ctx).settings().sla.calendars
        if json:
            show.as_json([{"name": name, "timezone": one.timezone} for name, one in found.items()])
        else:
            show.table(["name", "timezone"], [(name, one.timezone) for name, one in found.items()])

    @calendars.command("show")
    def show_(
        ctx: typer.Context, name: Annotated[str, typer.Argument(help="Of sla.yaml.")],
        month: Annotated[str, typer.Argument(help="2026-12; this month by default.")] = "",
        json: Json = False,
    ) -> None:  # fmt: skip
        """Print the working hours of each day of a month."""
        from datetime import date
        from zoneinfo import ZoneInfo

        from maild import clock
        from maild.sla.calendar import from_settings

        found = invocation(ctx).settings().sla.calendars
        if name not in found:
            show.error(f"there is no calendar {name!r}; one of {', '.join(found) or 'none'}")
            raise typer.Exit(1)
        zone = ZoneInfo(found[name].timezone)
        try:
            day = date.fromisoformat(f"{month}-01") if month else clock.now().astimezone(zone).date().replace(day=1)
        except ValueError:
            raise typer.BadParameter(f"{month!r} is no month; write 2026-12") from None
        calendar, first = from_settings(found[name], name), day
        rows = []
        while day.month == first.month:
            spans = [f"{a.astimezone(zone):%H:%M}-{b.astimezone(zone):%H:%M}" for a, b in calendar.day(day)]
            rows.append({"day": day.isoformat(), "weekday": f"{day:%a}", "hours": spans})
            day += timedelta(days=1)
        if json:
            show.as_json(rows)
        else:
            show.table(["day", "", "hours"], [(r["day"], r["weekday"], ", ".join(r["hours"]) or "closed") for r in rows])


def _report(app: typer.Typer) -> None:
    @app.command()
    def report(
        ctx: typer.Context, since: Since = "30d",
        html: Annotated[Path | None, typer.Option("--html", help="Write a page with charts to this file.")] = None,
        json: Json = False,
    ) -> None:  # fmt: skip
        """How much came in, how fast it was answered, how it was rated: in all, by group, agent and organisation."""
        from maild import clock
        from maild.outbound.words import duration
        from maild.reports import figures

        found = invocation(ctx)
        made = figures.report(found.settings(), found.store(), _moment(found, since, clock.now()), clock.now())
        if html is not None:
            from maild.reports import charts

            html.write_text(charts.page(made), encoding="utf-8")
            if not json:
                show.line(f"written: {html}")
        if json:
            show.as_json(made)
        elif html is None:
            columns = ["name", "created", "resolved", "open", "first_response_median", "resolution_median", "sla_kept", "rating", "time_spent"]
            times = {"first_response_median", "resolution_median", "time_spent"}
            totals = {"name": "all", **made["totals"]}
            show.line(f"mails in {totals['mails_in']}, out {totals['mails_out']}")
            for title, rows in (("", [totals]), *((name, made[name]) for name in ("by_group", "by_agent", "by_organisation"))):
                show.line(title.replace("_", " "))
                show.table(
                    [name.replace("_", " ") for name in columns],
                    [
                        [
                            duration(row[name]) if name in times and row[name] is not None
                            else _percent(row[name]) if name == "sla_kept" else row[name] or ("none" if name == "name" else row[name])
                            for name in columns
                        ]
                        for row in rows
                    ],
                )  # fmt: skip


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value * 100:.0f} %"


def _moment(found: Invocation, text: str, now: datetime, *, ahead: bool = False) -> datetime:
    """A moment so far ahead or back (`+30d`, `12w`), or a date in the configuration's zone. Raises BadParameter."""
    from maild.settings.values import duration

    try:
        span = duration(text.removeprefix("+").removeprefix("-"))
    except ValueError:
        return _local(text, found.main().main.timezone)
    return now + span if ahead else now - span


def _local(text: str, zone: str) -> datetime:
    from zoneinfo import ZoneInfo

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f'{text!r} is no moment; write "2026-12-23 16:00", or +30d') from None
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
