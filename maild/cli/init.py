"""This is where maild writes a configuration to start from: `maild init DIR`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maild.cli import show


def register(app: typer.Typer) -> None:
    """Add `init` to the command line."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write it; made if it is not there.")],
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing: show how DIR differs from what would be written.")] = False,
) -> None:
    """Write a commented configuration that passes `maild check` and sends nothing until you say so."""
    from maild.settings.starter import write

    if diff:
        raise typer.Exit(1 if _differs(folder) else 0)
    try:
        there = write(folder)
    except FileExistsError as error:
        show.error(f"{error.filename} is there already; nothing was written. Name an empty directory, or move it away")
        raise typer.Exit(2) from None
    except OSError as error:
        show.error(
            f"{error.filename or folder} cannot be written: {(error.strerror or str(error)).lower()}; "
            "check its owner and mode"
        )
        raise typer.Exit(2) from None
    for path in there:
        show.line(path)
    show.line(f"written. Next: maild --config {folder} check, then maild --config {folder} run")
    show.line(
        "mail is accepted and nothing goes out: outbound.mode is hold. "
        "To go live write mode: live in maild.yaml, then maild reload"
    )


def _differs(folder: Path) -> bool:
    """Print how the files in ``folder`` differ from this version's; returns whether one does."""
    from maild.cli.template import difference
    from maild.settings import starter

    differs = False
    for name in starter.files():
        path = folder / name
        before = starter.text(name)
        text = difference(before, path.read_text(encoding="utf-8", errors="replace") if path.exists() else "", f"maild/{name}", str(path))
        differs = differs or bool(text)
        if text and path.exists():
            show.block(text)
        elif text:
            show.line(f"not in {folder}: {name}")
    if not differs:
        show.line(f"{folder} is what this version of maild would write")
    return differs
