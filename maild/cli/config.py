"""This is where maild shows the configuration that is in force: `maild config show`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from maild.cli import show


def register(app: typer.Typer) -> None:
    """Add `config` to the command line."""
    group = typer.Typer(help="The configuration in force.", rich_markup_mode=None)
    group.callback(invoke_without_command=True)(_alone)
    group.command("show")(show_config)
    app.add_typer(group, name="config")


def _alone(ctx: typer.Context) -> None:
    """The configuration in force."""
    if ctx.invoked_subcommand is None:
        show_config(ctx)


def show_config(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="As a list of file, key, value, origin.")] = False,
) -> None:
    """Every value, defaults included, with the file and line it stands in; secrets are hidden."""
    from dataclasses import asdict

    from maild.settings.origin import effective

    values = effective(ctx.find_root().obj.folder)
    if as_json:
        show.as_json([asdict(each) for each in values])
        return
    file = ""
    for each in values:
        if each.file != file:
            file = each.file
            show.line(f"# {file}")
        show.line(f"{each.key}: {_written(each.value)}   # {each.origin}")


def _written(value: Any) -> str:
    import json

    if (
        isinstance(value, str)
        and value
        and value == value.strip()
        and not any(sign in value for sign in ":#{}[],&*!|>'\"%@`")
    ):
        return value
    return json.dumps(value, ensure_ascii=False)
