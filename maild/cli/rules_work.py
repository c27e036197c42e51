"""This is where the commands are that show what rules would do: tests beside rules, replay, canary, versions."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import Invocation, invocation

if TYPE_CHECKING:
    from maild.settings.models import Settings
    from maild.store.unit_of_work import Store

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add(group: typer.Typer) -> None:
    """Add test, replay, canary, history, rollback, draft and import to `maild rules`."""
    group.command("test")(test)
    group.command("replay")(replay)
    group.command("canary")(canary)
    group.command("history")(history)
    group.command("rollback")(rollback)
    group.command("draft")(draft)
    group.command("import")(import_)


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
        _replayed(again.Replayed(), json)
        return
    before, _ = live(disk, store)
    sides = again.Sides.of(before, other, "history" if against == "history" else "live")
    with show.progress("replaying", None) as done:
        result = again.run(sides, store, since=start, jobs=jobs, progress=done, total=lambda n: done(0, n))
    if html is not None:
        html.write_text(page.page(result, f"Rules replayed {clock.now():%Y-%m-%d %H:%M} UTC"), encoding="utf-8")
    if not json and rules is None and against == "live" and other.hash == before.hash and not result.changed:
        show.error("the rules on disk are the live ones: name others with --rules DIR, or compare with --against history")
    _replayed(result, json)
    if result.changed:
        raise typer.Exit(1)


def _replayed(result: Any, json: bool) -> None:
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


# --- canary -----------------------------------------------------------------------------------------------------


def canary(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(metavar="DIR|report|promote|stop", help="A folder of rule files, or what to do with the canary.")] = "report",
    html: Annotated[Path | None, typer.Option("--html", help="With report: also write a page for a review.")] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Run other rules beside the live ones on all new mail; they are compared and never applied."""
    from maild import clock
    from maild.store import versions
    from maild.workbench import files

    found = invocation(ctx)
    now = clock.now()
    match what:
        case "report":
            _canary_report(found, html, json)
        case "stop":
            store = found.store()
            stopped = False
            if store is not None:
                with store.write() as connection:
                    stopped = versions.stop_canary(connection, now)
            if not stopped:
                show.error("no canary runs")
                raise typer.Exit(1)
            show.line("stopped; what it found stays: maild rules canary report")
        case "promote":
            _promote(found, now)
        case _:
            wanted = files.rules_in(Path(what))
            files.prove(found.folder, wanted)
            store = found.store(make=True)
            assert store is not None
            with store.write() as connection:
                number = versions.start_canary(connection, Path(what).resolve(), wanted, found.who, now)
            show.line(f"canary {number} runs beside the live rules on all new mail ({len(wanted)} files of {what})")
            show.line("see: maild rules canary report; then maild rules canary promote, or stop")


def _canary_report(found: Invocation, html: Path | None, json: bool) -> None:
    from maild.workbench import canary as running
    from maild.workbench import page

    store = found.store()
    had = running.report(store) if store is not None else None
    if had is None:
        show.error("no canary has run; begin one: maild rules canary DIR")
        raise typer.Exit(1)
    row, result = had
    if html is not None:
        html.write_text(page.page(result, f"Canary {row.id}"), encoding="utf-8")
    if json:
        state = {"canary": row.id, "source": row.source, "started_at": row.started_at, "started_by": row.started_by,
                 "stopped_at": row.stopped_at, "fault": row.fault}  # fmt: skip
        show.as_json({**state, **result.as_json()})
        return
    until = f", stopped {show.instant(row.stopped_at)}" if row.stopped_at else ", running"
    show.line(f"canary {row.id} of {row.source}, since {show.instant(row.started_at)}{until}")
    if row.fault:
        show.error(f"it rests: {row.fault}")
    _replayed(result, False)


def _promote(found: Invocation, now: datetime) -> None:
    """The canary's rules become the rules on disk, and live where a daemon runs."""
    content = _asked(found, "--canary")
    if content is None:
        show.error("no canary runs; begin one: maild rules canary DIR")
        raise typer.Exit(1)
    _put(found, content, now, "the canary's rules")


# --- versions ---------------------------------------------------------------------------------------------------


def history(
    ctx: typer.Context,
    which: Annotated[str, typer.Argument(metavar="[HASH]", help="Show the files of this configuration.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    canary: Annotated[bool, typer.Option("--canary", hidden=True)] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Say which configuration was live when; with a HASH, print its rule files."""
    from maild.store import versions

    store = invocation(ctx).store()
    if which or canary:
        files = _content(store, which, canary)
        if json:
            show.as_json(files)
        else:
            for name, text in files.items():
                show.block(f"# --- {name}\n{text}")
        return
    rows: list[dict[str, Any]] = []
    if store is not None:
        with store.read() as connection:
            live = versions.live_hash(connection)
            found = versions.history(connection, limit + 1)
        for place, row in enumerate(found[:limit]):
            before = next((one for one in found[place + 1 :] if one.node == row.node), None)
            rows.append({
                "hash": row.hash, "live_from": row.at, "node": row.node, "live": row.hash == live and place == 0,
                "kept": bool(row.kept), "files": row.files,
                "changed": sorted(name for name in {*row.files, *(before.files if before else {})}
                                  if before and row.files.get(name) != before.files.get(name)),
            })  # fmt: skip
    if json:
        show.as_json(rows)
    else:
        show.table(
            ["hash", "live from", "node", "", "changed"],
            [[row["hash"][:12], show.instant(row["live_from"]), row["node"], "live" if row["live"] else "" if row["kept"] else "files not kept",
              ", ".join(row["changed"])] for row in rows],
        )  # fmt: skip


def _content(store: Store | None, which: str, canary: bool) -> dict[str, str]:
    from maild.store import versions

    if store is not None:
        with store.read() as connection:
            if canary:
                row = versions.canary(connection)
                if row is not None:
                    return versions.unpack(row.content)
            else:
                hashes = versions.named(connection, which)
                if len(hashes) > 1:
                    show.error(f"{len(hashes)} configurations begin with {which}: write more of the hash")
                    raise typer.Exit(1)
                files = versions.files_of(connection, hashes[0]) if hashes else None
                if hashes and files is None:
                    show.error(f"the files of {hashes[0][:12]} were not kept (they had changed before they were read)")
                    raise typer.Exit(1)
                if files is not None:
                    return files
    show.error("no canary runs" if canary else f"no configuration is known by {which!r}; maild rules history lists them")
    raise typer.Exit(1)


def rollback(
    ctx: typer.Context,
    which: Annotated[str, typer.Argument(metavar="HASH", help="As `maild rules history` shows it; its beginning is enough.")],
) -> None:
    """Bring the rules of an earlier configuration back, and reload a running daemon."""
    from maild import clock

    found = invocation(ctx)
    content = _asked(found, which)
    if content is None:
        raise typer.Exit(1)
    _put(found, content, clock.now(), f"the rules of {which[:12]}")


def _asked(found: Invocation, what: str) -> dict[str, str] | None:
    """The kept files, asked of a process of its own: reading the database gives up root's rights, writing files needs them."""
    import json
    import os

    command = [sys.executable, "-P", "-m", "maild", "--config", str(found.folder), "rules", "history", what, "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    if answer.returncode:
        show.error(answer.stderr.strip() or f"exit {answer.returncode}")
        return None
    files: dict[str, str] = json.loads(answer.stdout)
    return files


def _put(found: Invocation, content: dict[str, str], now: datetime, what: str) -> None:
    from maild.plain import control
    from maild.workbench import files

    rules = {name: text for name, text in content.items() if name.startswith("rules/")}
    files.prove(found.folder, rules)
    kept = files.put(found.folder, rules, now)
    show.line(f"{what} are in {found.folder / 'rules'}" + (f"; the ones before are kept in {kept}" if kept else ""))
    try:
        answer = control.ask(found.main().state_dir, {"do": "reload"}, timeout=60)
    except OSError:
        show.line("no daemon runs here: they go live when it starts")
        return
    if answer.get("ok"):
        show.line(f"live now: configuration {str(answer['hash'])[:12]}")
        return
    for fault in answer.get("faults", ["refused"]):
        show.error(fault)
    raise typer.Exit(1)


# --- drafts and imports -----------------------------------------------------------------------------------------


class Dialect(StrEnum):
    SIEVE = "sieve"
    PROCMAIL = "procmail"


def draft(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE.eml…", help="Sample mails of one kind.")],
) -> None:
    """Draft a rule from sample mails: what they share, the labels found, and a test of each with addresses replaced."""
    from maild.ingest.parse import parse
    from maild.workbench import draft as drafting

    settings = invocation(ctx).main()
    samples = []
    for file in files:
        try:
            samples.append(drafting.Sample(file.name, parse(file.read_bytes())))
        except OSError as error:
            raise typer.BadParameter(f"{file}: {error.strerror}") from None
    show.block(drafting.draft(samples, settings).rstrip("\n"))


def import_(
    dialect: Annotated[Dialect, typer.Argument(help="What the file is written in.")],
    file: Annotated[Path, typer.Argument(help="The script; - is standard input.")],
) -> None:
    """Translate a Sieve script or a .procmailrc into rules; each line that has no translation is named on stderr."""
    from maild.workbench import procmail, sieve

    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from None
    text = raw.decode("utf-8", "replace")
    imported = sieve.read(text) if dialect is Dialect.SIEVE else procmail.read(text)
    show.block(imported.text(file.name).rstrip("\n"))
    for one in imported.left:
        show.error(f"{file}: not translated: {one}")
    show.error(f"{len(imported.rules)} rules, {len(imported.left)} lines not translated; read them before they go live")
