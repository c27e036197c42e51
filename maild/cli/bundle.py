"""This is where `maild bundle` is: a report for a bug, with the words of the message blotted out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maild.cli import show
from maild.cli.context import invocation
from maild.cli.spool import NO_BYTES


def register(app: typer.Typer) -> None:
    """Add `bundle` to the command line."""
    app.command("bundle")(bundle)


def bundle(
    ctx: typer.Context,
    message: Annotated[str, typer.Argument(metavar="MESSAGE-ID", help="A Message-ID or spool id.")],
    file: Annotated[Path | None, typer.Argument(help="The zip file to write; - is standard output.")] = None,
) -> None:
    """Write a report for a bug: the message with its words blotted out, its trace, versions. Sends nothing."""
    from maild.office import open_office
    from maild.store import installation, spool
    from maild.workbench import bundle as making

    found = invocation(ctx)
    target = file or Path.cwd() / "maild-bundle.zip"
    settings, store = found.main_with_sla(), found.store()
    made = None
    if store is not None:
        with store.read() as connection:
            entry = spool.find(connection, message)
            if entry is not None and not entry.raw:
                show.error(NO_BYTES)
                raise typer.Exit(1)
            if entry is not None:
                office = open_office(settings, installation.keyring(connection))
                made = making.build(spool.details(connection, entry.seq), entry.raw, office)
                if file is None:
                    target = Path.cwd() / f"maild-bundle-{entry.id}.zip"
    if made is None:
        show.error(f"no accepted message is known by {message!r}; maild trace finds it by subject or address")
        raise typer.Exit(1)
    if str(target) == "-":
        typer.get_binary_stream("stdout").write(made)
        return
    target.write_bytes(made)
    show.line(f"{target}: read message.eml in it before you send it on")
