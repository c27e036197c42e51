"""This is where `status`, `pause`, `resume` and `audit` are: is all well, and what needs a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import Invocation, invocation

if TYPE_CHECKING:
    from maild.store.unit_of_work import Store

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PARTS = ("automatic", "outbox", "workflows")
PAUSABLE = (*PARTS, "mailbox NAME", "everything")


def register(app: typer.Typer) -> None:
    @app.command()
    def status(
        ctx: typer.Context, json: Json = False,
        nodes: Annotated[bool, typer.Option("--nodes", help="The daemons on this database; exit 1 when their configurations differ.")] = False,
    ) -> None:  # fmt: skip
        """Health in one screen; exit 1 when something needs a person."""
        from maild import health
        from maild.errors import ConfigError, TransientError

        found = invocation(ctx)
        faults: list[str] = []
        try:
            settings = found.main()
        except ConfigError as broken:
            last = found.last_loaded("maild.yaml", "directory.yaml")
            if last is None:
                raise
            settings, faults = last, [str(one) for one in broken.faults]
        if nodes:
            _nodes(found.store(), json)
            return
        try:
            shown = health.status(settings, found.store())
        except TransientError as silent:
            shown = health.status(settings, None)
            shown["needs"] = [str(silent)]
        except ConfigError as lost:
            if not json:
                raise
            shown = health.status(settings, None)
            shown["needs"] = [str(one) for one in lost.faults]
        if faults and not shown["configuration"]["fault"]:
            shown["configuration"]["fault"] = "\n".join(faults)
            shown["needs"].insert(0, f"the configuration on disk has a fault, the one before it is live: {faults[0]}")
        if json:
            show.as_json(shown)
            return
        for line in health.lines(shown):
            show.line(line, alarm=line.startswith("  !"))
        raise typer.Exit(1 if shown["needs"] else 0)

    @app.command()
    def pause(
        ctx: typer.Context, what: Annotated[list[str], typer.Argument(help="automatic | outbox | workflows | mailbox NAME | everything")],
        for_: Annotated[str | None, typer.Option("--for", help="How long: 2h, 1d. Without it, until resumed.")] = None,
        reason: Annotated[str, typer.Option("--reason", help="Shown by `maild status`.")] = "",
    ) -> None:  # fmt: skip
        """Stop a part; mail is always accepted."""
        from maild import clock
        from maild.settings.values import duration
        from maild.store import installation

        found = invocation(ctx)
        named = _named(found, what)
        until = None
        if for_:
            try:
                until = clock.now() + duration(for_)
            except ValueError as error:
                raise typer.BadParameter(f"--for: {error}") from None
        store = found.store(make=True)
        assert store is not None
        with store.write() as connection:
            for part in PARTS if named == "everything" else (named,):
                installation.pause(connection, part, until, reason, found.who, clock.now())
        found.wake()
        show.line(f"paused: {named}" + (f" until {show.instant(until)}" if until else "") + f"; go on with: maild resume {named}")

    @app.command()
    def resume(ctx: typer.Context, what: Annotated[list[str], typer.Argument(help="What was paused.")]) -> None:
        """Let a paused part go on."""
        from maild import clock
        from maild.store import installation

        found = invocation(ctx)
        named = " ".join(what)
        store = found.store()
        ended = False
        if store is not None:
            with store.write() as connection:
                parts = [row.what for row in installation.paused(connection, clock.now())] if named == "everything" else [named]
                for part in parts:
                    ended = installation.resume(connection, part, found.who, clock.now()) or ended
        found.wake()
        if not ended:
            show.error(f"{named} is not paused; maild status shows what is")
            raise typer.Exit(1)
        show.line(f"goes on: {named}")

    @app.command()
    def audit(ctx: typer.Context, json: Json = False) -> None:
        """Prove that every accepted and every outgoing message ended in exactly one state; list what did not."""
        from maild.store import audit as proof

        store = invocation(ctx).store()
        if store is None:
            checked: dict[str, int] = {}
            faults: list[dict[str, Any]] = []
        else:
            with store.read() as connection:
                checked, faults = proof.run(connection)
        if json:
            show.as_json({"checked": checked, "faults": faults})
        else:
            show.line(f"checked {checked.get('spool', 0)} accepted, {checked.get('outbox', 0)} outgoing, {checked.get('cases', 0)} cases: "
                      + (f"{len(faults)} faults" if faults else "each in exactly one state"))  # fmt: skip
            for fault in faults:
                show.line(f"  {fault['what']} {fault['id']}: {fault['fault']}")
        raise typer.Exit(1 if faults else 0)


def _named(found: Invocation, what: list[str]) -> str:
    named = " ".join(what)
    if named in {*PARTS, "everything"}:
        return named
    if len(what) == 2 and what[0] == "mailbox":
        if what[1] in found.main().main.mailboxes:
            return named
        raise typer.BadParameter(f"there is no mailbox {what[1]!r}; one of {', '.join(found.main().main.mailboxes)}")
    raise typer.BadParameter(f"{named!r} cannot be paused; one of {', '.join(PAUSABLE)}")


def _nodes(store: Store | None, json: bool) -> None:
    """List the daemons; exit 1 when their configurations differ."""
    from maild import health

    rows, differ = health.nodes(store) if store is not None else ([], False)
    if json:
        show.as_json(rows)
    else:
        show.table(
            ["node", "state", "version", "configuration", "in common", "loaded", "heard of"],
            [[one["node"], one["state"], one["version"], one["configuration"][:12], (one["shared"] or "")[:12], one["loaded_at"], one["seen_at"]]
             for one in rows],
        )
        if differ:
            show.error("they run different configurations: bring the same files to each machine and run there: maild reload")
        raise typer.Exit(1 if differ else 0)
