"""This is where maild shows the configuration that is in force, and what on disk differs from it: `maild config show`, `diff`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import invocation


def register(app: typer.Typer) -> None:
    """Add `config` to the command line."""
    group = typer.Typer(help="The configuration in force: show, diff.", rich_markup_mode=None)
    group.callback(invoke_without_command=True)(_alone)
    group.command("show")(show_config)
    group.command("diff")(diff)
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


def diff(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="As a list of file, change (added, removed, changed).")] = False,
) -> None:
    """What a reload would change: the files on disk against those that went live last. Exit 1 where they differ."""
    from difflib import unified_diff

    from maild.plain.layers import within
    from maild.settings.load import Reading
    from maild.store import versions

    found = invocation(ctx)
    reading = Reading(found.folder)
    reading.settings()  # a fault does not matter here, but looks at templates and lists as well
    store, digest, live, texts = found.store(), None, None, None
    if store is not None:
        with store.read() as connection:
            digest = versions.live_hash(connection)
            live, texts = versions.hashes_of(connection, digest or ""), versions.files_of(connection, digest or "")
    if digest is None or live is None:
        show.error("no daemon has loaded a configuration yet: maild run")
        raise typer.Exit(1)
    changed = [name for name in sorted(live.keys() | reading.hashes.keys()) if live.get(name) != reading.hashes.get(name)]
    kinds = {name: "added" if name not in live else "removed" if name not in reading.hashes else "changed" for name in changed}
    if as_json:
        show.as_json([{"file": name, "change": kind} for name, kind in kinds.items()])
    for name, kind in kinds.items() if not as_json else ():
        show.line(f"{kind}: {name}")
        path = within(found.folder, name)
        here = path.read_text(encoding="utf-8", errors="replace") if kind != "removed" else ""
        if texts is not None:
            was, now = texts.get(name, "").splitlines(), here.splitlines()
            for line in unified_diff(was, now, f"{name} (live)", f"{name} (on disk)", lineterm=""):
                show.line(line)
    if not changed and not as_json:
        show.line(f"nothing differs: what is on disk went live ({digest[:12]})")
    if changed:
        raise typer.Exit(1)


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
