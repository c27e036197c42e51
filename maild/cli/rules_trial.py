"""This is where the commands are that show what rules would do before they are live: tests beside rules, and replay."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import invocation
from maild.cli.given import Json

if TYPE_CHECKING:
    from maild.settings.models import Settings


def add(group: typer.Typer) -> None:
    """Add test and replay to `maild rules`."""
    group.command("test")(test)
    group.command("replay")(replay)


# --- tests beside rules -----------------------------------------------------------------------------------------


def test(
    ctx: typer.Context,
    only: Annotated[str, typer.Argument(help="Only tests whose rule or name contains this.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Run again whenever a file of the configuration changes.")] = False,
    coverage: Annotated[bool, typer.Option("--coverage", help="Also name rules and branches that no test reaches.")] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Run the tests beside the rules: each mail through the mailroom, in a database of its own. Nothing is kept or sent."""
    from maild.errors import ConfigError
    from maild.settings.load import load
    from maild.settings.watching import snapshot

    folder = invocation(ctx).folder
    if not watch:
        raise typer.Exit(0 if _tested(load(folder), only, coverage, json) else 1)
    seen: dict[str, tuple[int, int]] = {}
    while True:
        now = snapshot(folder)
        if now != seen:
            seen = now
            try:
                _tested(load(folder), only, coverage, json)
            except ConfigError as error:
                for fault in error.faults:
                    show.error(fault)
            show.line("waiting for a change; Ctrl-C ends")
        time.sleep(0.5)


def _tested(settings: Settings, only: str, coverage: bool, json: bool) -> bool:
    from maild.workbench import coverage as covering
    from maild.workbench import testing

    report = testing.run(settings, only=only)
    if json:
        show.as_json(report.as_json(settings))
        return report.ok
    for one in report.failed:
        for line in one.lines():
            show.line(line)
    for one in report.results:
        if one.skipped:
            show.line(f"skipped {one.place}: {one.rule}, {one.test}: {one.skipped}")
    if coverage:
        for line in covering.lines(report.coverage.report(settings)):
            show.line(line)
    if not report.results:
        show.line(f"no test {'is called ' + repr(only) if only else 'stands beside a rule yet'}; maild rules draft writes one from a mail")
        return not only
    many = f"{len(report.results)} test{'' if len(report.results) == 1 else 's'}"
    show.line(f"{many}, {len(report.failed) or 'none'} failed ({report.seconds:.1f} s)")
    return report.ok


# --- replay -----------------------------------------------------------------------------------------------------


def replay(
    ctx: typer.Context,
    since: Annotated[str | None, typer.Option("--since", help="How far back: 7d, 12h; without it everything stored.")] = None,
    rules: Annotated[Path | None, typer.Option("--rules", help="A folder of rule files; by default those on disk.")] = None,
    against: Annotated[str, typer.Option("--against", help="live: what the live rules decide now; history: what was decided then.")] = "live",
    html: Annotated[Path | None, typer.Option("--html", help="Also write a page for a review.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes; by default one a core.", min=0)] = 0,
    json: Json = False,
) -> None:  # fmt: skip
    """Decide about stored mail again by other rules and say what would differ; exit 1 when anything does."""
    from maild import clock
    from maild.settings.load import load
    from maild.settings.values import duration
    from maild.workbench import files, page
    from maild.workbench import replay as again
    from maild.workbench.live import live

    found = invocation(ctx)
    if against not in ("live", "history"):
        raise typer.BadParameter(f"--against {against}: live or history")
    try:
        start = clock.now() - duration(since) if since else None
    except ValueError as error:
        raise typer.BadParameter(f"--since: {error}") from None
    disk = found.settings()
    other = load(found.folder, rules=files.rules_place(rules)) if rules is not None else disk
    if rules is not None:
        files.rules_in(rules)
    store = found.store()
    if store is None:
        replayed(again.Replayed(), json)
        return
    before, _ = live(disk, store)
    sides = again.Sides.of(before, other, "history" if against == "history" else "live")
    with show.progress("replaying", None) as done:
        result = again.run(sides, store, since=start, jobs=jobs, progress=done, total=lambda n: done(0, n))
    if html is not None:
        html.write_text(page.page(result, f"Rules replayed {clock.now():%Y-%m-%d %H:%M} UTC"), encoding="utf-8")
    if not json and rules is None and against == "live" and other.hash == before.hash and not result.changed:
        show.error("the rules on disk are the live ones: name others with --rules DIR, or compare with --against history")
    replayed(result, json)
    if result.changed:
        raise typer.Exit(1)


def replayed(result: Any, json: bool) -> None:
    """Print what a replay, or a canary, found."""
    if json:
        show.as_json(result.as_json())
        return
    for one in result.changed[:50]:
        what = "; ".join(f"{name}: {_cut(before)} → {_cut(after)}" for name, before, after in one.differences)
        show.line(f"{show.instant(one.received_at)}  {one.sender}  {_cut(one.subject)}: {what} (rule {one.rule_after or 'none'})")
    if len(result.changed) > 50:
        show.line(f"… and {len(result.changed) - 50:,} more: --json or --html FILE lists every one")
    for line in result.sentences():
        show.line(line)
    if result.passed_over:
        show.line(f"{result.passed_over:,} were met by no rule (bounces, mail to postmaster) and are left out")
    if result.seconds:
        show.line(f"{result.messages / result.seconds:,.0f} messages a second")


def _cut(value: Any) -> str:
    from maild.workbench.comparing import shown

    text = " ".join(shown(value).split())
    return text if len(text) <= 60 else f"{text[:59]}…"
