"""This is where the commands are that change which rules are live: canary, history, rollback."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import Invocation, invocation
from maild.cli.given import Json
from maild.cli.rules_trial import replayed

if TYPE_CHECKING:
    from maild.store.unit_of_work import Store


def add(group: typer.Typer) -> None:
    """Add canary, history and rollback to `maild rules`."""
    group.command("canary")(canary)
    group.command("history")(history)
    group.command("rollback")(rollback)


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
            if not _stopped(found, now):
                show.error("no canary runs")
                raise typer.Exit(1)
            show.line("stopped; what it found stays: maild rules canary report")
        case "promote":
            _promote(found, now)
        case _:
            wanted = files.rules_in(Path(what))
            files.prove(found.folder, wanted, str(files.rules_place(Path(what))))
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
    replayed(result, False)


def _stopped(found: Invocation, now: datetime) -> bool:
    """End the canary; False where none runs."""
    from maild.store import versions

    store = found.store()
    if store is None:
        return False
    with store.write() as connection:
        return versions.stop_canary(connection, now)


def _promote(found: Invocation, now: datetime) -> None:
    """The canary's rules become the rules on disk, and live where a daemon runs; there is nothing more to compare then."""
    content = _asked(found, "--canary")
    if content is None:
        show.error("no canary runs; begin one: maild rules canary DIR")
        raise typer.Exit(1)
    _put(found, content, now, "the canary's rules")
    if _stopped(found, now):
        show.line("the canary is stopped; what it found stays: maild rules canary report")


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
        if answer.returncode == 2:
            raise typer.Exit(2)
        return None
    files: dict[str, str] = json.loads(answer.stdout)
    return files


def _put(found: Invocation, content: dict[str, str], now: datetime, what: str) -> None:
    from maild.plain import control
    from maild.plain.layers import site
    from maild.workbench import files

    rules = {name: text for name, text in content.items() if name.startswith("rules/")}
    files.prove(found.folder, rules, what)
    kept = files.put(site(found.folder), rules, now)
    show.line(f"{what} are in {site(found.folder) / 'rules'}" + (f"; the ones before are kept in {kept}" if kept else ""))
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
