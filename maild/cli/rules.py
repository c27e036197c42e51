"""This is where the commands on rules are: try, fields, list, schema (and `rules lint`, which is `check`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from maild.cli import given, rules_live, rules_trial, rules_write, show
from maild.cli.context import invocation
from maild.cli.given import Json


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Mailroom rules: list, try, test, replay, canary, history, rollback, draft, import, fields, schema.")
    app.add_typer(group, name="rules")
    for part in (rules_trial, rules_live, rules_write):
        part.add(group)

    @group.command("list")
    def list_(ctx: typer.Context, json: Json = False) -> None:
        """List the rules in the order in which they are tried."""
        from maild.settings.load import rule_documents

        settings = invocation(ctx).settings()
        documents = rule_documents(settings)
        rows = [
            {
                "position": place, "name": rule.name, "file": file, "line": documents[file].place(("rules", number))[0],
                "enabled": rule.enabled, "continue": rule.continue_, "applies_to": rule.applies_to, "tests": len(rule.tests),
            }
            for place, (rule, (file, number)) in enumerate(zip(settings.rules, settings.rule_places, strict=True), 1)
        ]  # fmt: skip
        if json:
            show.as_json(rows)
        else:
            show.records(rows)

    @group.command("try")
    def try_(
        ctx: typer.Context,
        file: Annotated[Path | None, typer.Argument(help="A message; - reads standard input.")] = None,
        to: Annotated[list[str] | None, typer.Option("--to", help="The recipient; by default what the mail says.")] = None,
        sender: Annotated[str | None, typer.Option("--from", help="The envelope sender.")] = None,
        message_id: Annotated[str | None, typer.Option("--message-id", help="A stored message instead of a file.")] = None,
        json: Json = False,
    ) -> None:  # fmt: skip
        """Show what the mailroom would do with a message, and why; nothing is written or sent."""
        from maild import trial

        found = invocation(ctx)
        raw = None
        if message_id is None:
            if file is None:
                raise typer.BadParameter("name a file, -, or --message-id")
            raw = given.content(file)
        settings = found.settings()
        result = trial.run(settings, found.store, raw=raw, stored=message_id, to=tuple(to or ()), mail_from=sender)
        if json:
            show.as_json(result.as_json())
        else:
            for line in result.lines():
                show.line(line)

    @group.command()
    def schema() -> None:
        """Print the JSON Schema of rule files, for editors."""
        from maild.settings.schema import schema as rule_schema

        show.as_json(rule_schema())

    @group.command(hidden=True)
    def lint(ctx: typer.Context) -> None:
        """The same as `maild check`."""
        os.execv(sys.executable, [sys.executable, "-P", "-m", "maild", "--config", str(invocation(ctx).folder), "check"])
