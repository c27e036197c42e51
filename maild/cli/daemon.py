"""This is where `run` and `reload` are."""

from __future__ import annotations

from typing import Annotated

import typer

from maild.cli import show
from maild.cli.context import become_owner, invocation


def register(app: typer.Typer) -> None:
    @app.command()
    def run(
        ctx: typer.Context,
        force_mode: Annotated[
            str,
            typer.Option(metavar="MODE", help="live, hold, redirect:me@example.com or only:*@example.com: wins over outbound.mode."),
        ] = "",
    ) -> None:
        """Run the daemon in the foreground: SIGTERM drains, SIGHUP reloads."""
        from maild import daemon
        from maild.outbound.mode import read_mode

        try:
            mode = read_mode(force_mode) if force_mode else None
        except ValueError as error:
            show.error(f"--force-mode: {error}")
            raise typer.Exit(2) from None
        raise typer.Exit(daemon.run(invocation(ctx).folder, mode))

    @app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
    def deliver(ctx: typer.Context) -> None:
        """Take one message from a pipe (Postfix pipe, .forward, procmail); exits 0, 67 or 75."""
        from maild.cli import deliver as pipe

        raise typer.Exit(pipe.main(["deliver", *ctx.args]))  # `maild.__main__` comes before; this is for the list of commands

    @app.command()
    def reload(
        ctx: typer.Context,
        wait: Annotated[bool, typer.Option("--wait", help="Kept for systemd; reload always waits.")] = False,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Check the configuration, make it live, and say what is live now or why not."""
        from maild.cli.deliver import Failed, state_dir_of
        from maild.errors import ConfigError
        from maild.plain import control
        from maild.settings.load import load

        found = invocation(ctx)
        try:
            state_dir = state_dir_of(found.folder)  # the daemon itself refuses what is at fault, and remembers why
            become_owner(state_dir)
            answer = control.ask(state_dir, {"do": "reload"}, timeout=60)
        except Failed as error:
            show.error(str(error))
            raise typer.Exit(2) from None
        except OSError as error:
            try:
                load(found.folder)
            except ConfigError as broken:
                for fault in broken.faults:
                    show.error(fault)
            show.error(f"no daemon runs here: {error}; start it: maild run")
            raise typer.Exit(1) from None
        if json:
            show.as_json(answer)
        elif answer.get("ok"):
            show.line(f"live now: configuration {str(answer['hash'])[:12]}")
            if answer.get("waits"):
                show.line(f"waits for a restart: {', '.join(answer['waits'])}")
        else:
            for fault in answer.get("faults", ["refused"]):
                show.error(fault)
            show.error(f"still live: configuration {str(answer.get('hash', ''))[:12]}")
        raise typer.Exit(0 if answer.get("ok") else 1)
