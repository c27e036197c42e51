"""This is where the commands on time spent are: `maild time list|export`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import invocation
from maild.cli.given import Json, moment

Since = Annotated[str | None, typer.Option(help="Begun since: 2d, 4h, or 2026-11-01.")]
_TIME_COLUMNS = ("id", "case", "user", "state", "seconds", "text", "billable", "organisation", "service", "rate", "charge", "created_at")


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Time spent on cases: list, export.")
    app.add_typer(group, name="time")

    @group.command("list")
    def list_(
        ctx: typer.Context, user: Annotated[str | None, typer.Option(help="Whose.")] = None,
        mine: Annotated[bool, typer.Option("--mine", help="Your own.")] = False,
        case: Annotated[int | None, typer.Option(help="On this case.")] = None,
        organisation: Annotated[str | None, typer.Option(help="For this organisation.")] = None,
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
        ctx: typer.Context, user: Annotated[str | None, typer.Option(help="Whose.")] = None,
        case: Annotated[int | None, typer.Option(help="On this case.")] = None,
        organisation: Annotated[str | None, typer.Option(help="For this organisation.")] = None,
        since: Since = None, month: Annotated[str | None, typer.Option(help="2026-11")] = None,
        csv: Annotated[bool, typer.Option("--csv", help="CSV, which is what it is anyway without --json.")] = True,
        json: Json = False,
    ) -> None:  # fmt: skip
        """Time spent with service, rate and what to charge, as CSV that no program takes for formulas."""
        rows = _times(ctx, user, case, organisation, since, month)
        show.as_json(rows) if json else show.csv(_TIME_COLUMNS, rows)


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
