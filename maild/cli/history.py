"""This is where `maild import` is: old mail filed as history, silently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from maild.cli import show
from maild.cli.context import invocation


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    @app.command("import")
    def import_(
        ctx: typer.Context,
        path: Annotated[Path, typer.Argument(help="An mbox, a Maildir, or a folder of .eml files.")],
        to: Annotated[str, typer.Option("--to", help="The mailbox's address.")],
        status: Annotated[str, typer.Option(help="The status that cases end in.")] = "closed",
        live: Annotated[bool, typer.Option("--live", help="Treat the mails as arriving now: answers go out.")] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Yes, send mail for --live.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:  # fmt: skip
        """File old mail as history: no mail goes out, no clock starts, dates are the mails'; again imports nothing twice."""
        from maild import history
        from maild.cases.lifecycle import status_of

        found = invocation(ctx)
        if not path.exists():
            raise typer.BadParameter(f"{path} is not there")
        if live and not yes:
            show.error("--live sends acknowledgements and notifications for every mail; add --yes if that is meant")
            raise typer.Exit(2)
        if not found.addresses().accepts(to):
            show.error(f"{to} is no address of a mailbox; maild mailbox lists them")
            raise typer.Exit(2)
        messages = history.find(path)
        if dry_run:
            show.line(f"{len(messages)} messages in {path}")
            return
        settings = found.main_with_sla()
        store = found.store(make=True)
        assert store is not None
        with show.progress("importing", len(messages)) as done:
            counts = history.run(
                settings, store, messages, to, status=status_of(status), live=live, by=found.who, path=path, progress=done
            )
        found.wake()
        if json:
            show.as_json(counts)
            return
        show.line(
            f"{counts['messages']} messages: {counts['cases']} cases, {counts['answers']} answers, {counts['held']} held, "
            f"{counts['other']} without a case, {counts['repeated']} already known, {counts['failed']} failed"
        )
