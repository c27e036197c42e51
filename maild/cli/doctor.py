"""This is where `maild doctor` is: what the world knows of the mailboxes' domains, and how this machine stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maild.cli import show
from maild.cli.context import invocation

if TYPE_CHECKING:
    from maild.workbench.doctor import Finding

_MARKS = {"ok": "ok   ", "warning": "look ", "fault": "FAULT"}


def register(app: typer.Typer) -> None:
    @app.command()
    def doctor(ctx: typer.Context, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
        """Look at what mail depends on, each with its fix: DNS, certificates, sign-ins, clock, disk, servers; exit 1 for faults."""
        from maild import clock
        from maild.cli.connect import attempts
        from maild.errors import ConfigError, TransientError
        from maild.ingest.dns import records
        from maild.office import open_store
        from maild.workbench.doctor import Finding, State, examine

        settings = invocation(ctx).main()
        store = None
        seen: list[Finding] = []
        try:
            store = open_store(settings)  # not opened, only its place is looked at: as root, secrets stay readable
        except (TransientError, ConfigError) as error:
            seen.append(Finding("database", State.FAULT, str(error), "bring it back, then look again"))
            _line(seen[-1], json)
        for one in examine(settings, store, records, clock.now()):
            seen.append(one)
            _line(one, json)
        for tried in attempts(settings):
            fix = "" if tried.ok else "mend it, then: maild check --connect"
            seen.append(Finding(tried.what, State.OK if tried.ok else State.FAULT, tried.text, fix))
            _line(seen[-1], json)
        if json:
            show.as_json([one.as_dict() for one in seen])
        raise typer.Exit(1 if any(one.state is State.FAULT for one in seen) else 0)


def _line(one: Finding, json: bool) -> None:
    if json:
        return
    show.line(f"{_MARKS[one.state]} {one.what}: {one.text}", alarm=one.state == "fault")
    if one.fix:
        show.line(f"      {one.fix}")
