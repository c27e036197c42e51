"""This is where `maild import` is: old mail filed as history, silently; and taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import Invocation, invocation
from maild.cli.given import moment


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    @app.command("import")
    def import_(
        ctx: typer.Context,
        path: Annotated[Path | None, typer.Argument(help="An mbox, a Maildir, or a folder of .eml files; `undo` takes an import back.")] = None,
        number: Annotated[int | None, typer.Argument(help="Of undo: the import's number.")] = None,
        to: Annotated[str, typer.Option("--to", help="The mailbox's address.")] = "",
        status: Annotated[str, typer.Option(help="The status that cases end in.")] = "closed",
        open_since: Annotated[str | None, typer.Option(help="Cases with mail since then end open: 30d, or 2026-11-01.")] = None,
        as_agent: Annotated[str | None, typer.Option(help="A folder of sent mail: all of it is this user's answers.")] = None,
        live: Annotated[bool, typer.Option("--live", help="Treat the mails as arriving now: answers go out.")] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Yes, send mail for --live.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would become of them.")] = False,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:  # fmt: skip
        """File old mail as history: no mail goes out, no clock starts, dates are the mails'; again imports nothing twice.

        Without a path it lists the imports; `maild import undo 3` takes the third back.
        """
        from maild import history
        from maild.cases.lifecycle import status_of

        found = invocation(ctx)
        if path is None:
            _list(found, json)
            return
        if str(path) == "undo":
            _undo(found, number, json)
            return
        if number is not None:
            raise typer.BadParameter(f"one path at a time: {number} is too much")
        if not path.exists():
            raise typer.BadParameter(f"{path} is not there")
        if live and not (yes or dry_run):
            raise typer.BadParameter("--live sends acknowledgements and notifications for every mail; add --yes if that is meant")
        if found.addresses().mailbox_of(to) is None:
            raise typer.BadParameter(f"--to: {to!r} is no address of a mailbox; maild mailbox lists them")
        how: dict[str, Any] = {
            "status": status_of(status), "live": live, "by": found.who, "path": path.absolute(),
            "open_since": moment(open_since) if open_since else None,
            "agent": _user(found, as_agent) if as_agent else "",
        }  # fmt: skip
        messages = history.find(path)
        settings = found.main_with_sla()
        made: int | None = None
        with show.progress("importing", len(messages)) as done:
            if dry_run:
                counts = history.foretell(settings, found.store(), messages, to, progress=done, **{**how, "live": False})
            else:
                store = found.store(make=True)
                assert store is not None
                made, counts = history.run(settings, store, messages, to, progress=done, **how)
        found.wake()
        if json:
            show.as_json({"import": made, **counts})
            return
        show.line(_told(counts, live and not dry_run))
        if made is not None and not live:
            show.line(f"import {made}; to take it back: maild import undo {made}")


def _told(counts: dict[str, int], live: bool) -> str:
    if live:
        return f"{counts['messages']} messages: {counts['messages'] - counts['repeated']} go to the mailroom, {counts['repeated']} already known"
    return (
        f"{counts['messages']} messages: {counts['cases']} cases, {counts['answers']} answers, {counts['held']} held, "
        f"{counts['other']} without a case, {counts['repeated']} already known, {counts['failed']} failed"
    )


def _user(found: Invocation, named: str) -> str:
    """The user of directory.yaml by this address or name."""
    user = found.addresses().user_of(named) or (named if named in found.main().directory.users else None)
    if user is None:
        raise typer.BadParameter(f"--as-agent: {named!r} is no user's address; maild user lists them")
    return user


def _list(found: Invocation, json: bool) -> None:
    from maild.store import imports

    store = found.store()
    rows: list[dict[str, Any]] = []
    if store is not None:
        with store.read() as connection:
            rows = [
                {"import": row.id, "at": show.instant(row.at), "by": row.by, "path": row.path, **imports.figures(row)}
                for row in imports.listed(connection)
            ]
    if json:
        show.as_json(rows)
    else:
        show.records(rows)


def _undo(found: Invocation, number: int | None, json: bool) -> None:
    from maild import clock
    from maild.store import imports

    if number is None:
        raise typer.BadParameter("say which: maild import undo NUMBER; maild import lists them")
    store, undone = found.store(), None
    if store is not None:
        with store.write() as connection:
            undone = imports.undo(connection, number, found.who, clock.now())
    if undone is None:
        show.error(f"there is no import {number} that could be taken back; maild import lists them")
        raise typer.Exit(1)
    if json:
        show.as_json({"cases": undone.cases, "messages": undone.messages, "kept": list(undone.kept)})
        return
    show.line(f"import {number} taken back: {undone.cases} cases, {undone.messages} messages")
    if undone.kept:
        show.line(f"worked on since, and kept: {', '.join(map(str, undone.kept))}")
