"""This is where the commands are that write rules out of what there is: sample mails, Sieve scripts, procmail recipes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from maild.cli import given, show
from maild.cli.context import invocation
from maild.cli.given import Json


def add(group: typer.Typer) -> None:
    """Add fields, draft and import to `maild rules`."""
    group.command("fields")(fields)
    group.command("draft")(draft)
    group.command("import")(import_)


def fields(
    file: Annotated[Path, typer.Argument(help="A message, or a text file with a sample body; - is standard input.")],
    delimiter: Annotated[list[str] | None, typer.Option("--delimiter", help="What stands between label and value.")] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Find the key:value pairs in a sample body, as a block ready to paste into a rule."""
    from maild.ingest.parse import parse
    from maild.rules.autofill import as_block, find_pairs

    raw = given.content(file)
    message = parse(raw)
    text, html = message.new_text or message.text, message.html
    if not message.from_ and not message.to:  # a bare body, without a header
        text, html = raw.decode("utf-8", "replace"), ""
    delimiters = delimiter or [":"]
    pairs = find_pairs(text, html, delimiters)
    if json:
        show.as_json([{"label": label, "value": value} for label, value in pairs])
    elif pairs:
        show.block(as_block(pairs, delimiters))
    else:
        show.error(f"no line has a label, {' or '.join(map(repr, delimiters))} and a value; name another --delimiter")
        raise typer.Exit(1)


class Dialect(StrEnum):
    SIEVE = "sieve"
    PROCMAIL = "procmail"


def draft(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE.eml…", help="Sample mails of one kind.")],
) -> None:
    """Draft a rule from sample mails: what they share, the labels found, and a test of each with addresses replaced."""
    from maild.ingest.parse import parse
    from maild.workbench import draft as drafting

    settings = invocation(ctx).main()
    samples = []
    for file in files:
        samples.append(drafting.Sample(file.name, parse(given.content(file))))
    show.block(drafting.draft(samples, settings).rstrip("\n"))


def import_(
    dialect: Annotated[Dialect, typer.Argument(help="What the file is written in.")],
    file: Annotated[Path, typer.Argument(help="The script; - is standard input.")],
) -> None:
    """Translate a Sieve script or a .procmailrc into rules; each line that has no translation is named on stderr."""
    from maild.workbench import procmail, sieve

    text = given.content(file).decode("utf-8", "replace")
    imported = sieve.read(text) if dialect is Dialect.SIEVE else procmail.read(text)
    show.block(imported.text(file.name).rstrip("\n"))
    for one in imported.left:
        show.error(f"{file}: not translated: {one}")
    show.error(f"{len(imported.rules)} rules, {len(imported.left)} lines not translated; read them before they go live")
