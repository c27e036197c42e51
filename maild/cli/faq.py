"""This is where the commands on questions and answers are: `maild faq …`."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, NoReturn

import typer

from maild.cli import show
from maild.cli.context import invocation
from maild.cli.given import Json, words_of
from maild.cli.hands import at_desk


class Standing(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    RETIRED = "retired"


Entry = Annotated[int, typer.Argument(help="The entry's number.")]


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Questions and answers: list, show, edit, publish, retire.")
    app.add_typer(group, name="faq")

    @group.command("list")
    def list_(
        ctx: typer.Context, status: Annotated[Standing | None, typer.Option(help="Only these.")] = None,
        category: Annotated[str, typer.Option(help="Only of this one.")] = "", json: Json = False,
    ) -> None:  # fmt: skip
        """Questions and answers."""
        from maild.store import faq

        store = invocation(ctx).store()
        entries = []
        if store is not None:
            with store.read() as connection:
                entries = faq.listed(connection, status=status.value if status else "", category=category)
        rows = [_faq_json(one) for one in entries]
        if json:
            show.as_json(rows)
            return
        show.table(("number", "status", "category", "question", "case"), [tuple(r[n] for n in ("number", "status", "category", "question", "case")) for r in rows])

    @group.command("show")
    def show_(ctx: typer.Context, number: Entry, json: Json = False) -> None:
        """One entry."""
        from maild.store import faq

        store = invocation(ctx).store()
        entry = None
        if store is not None:
            with store.read() as connection:
                entry = faq.get(connection, number)
        if entry is None:
            _no_entry(number)
        if json:
            show.as_json(_faq_json(entry))
            return
        show.line(f"{entry.id}  {entry.status}  {entry.question}")
        show.block(entry.answer)

    @group.command()
    def edit(
        ctx: typer.Context, number: Entry, question: Annotated[str | None, typer.Option(help="What customers ask.")] = None,
        answer: Annotated[str | None, typer.Option(help="- reads standard input.")] = None,
        category: Annotated[str | None, typer.Option(help="Any word.")] = None,
    ) -> None:  # fmt: skip
        """Change question, answer or category."""
        values = {"question": question, "answer": None if answer is None else words_of(answer), "category": category}
        given = {name: value for name, value in values.items() if value is not None}
        if not given:
            raise typer.BadParameter("give --question, --answer or --category")
        _change(ctx, number, given, "changed")

    @group.command()
    def publish(ctx: typer.Context, number: Entry, yes: Annotated[bool, typer.Option("--yes", help="Names and numbers may stay.")] = False) -> None:
        """Show an entry to customers; what is marked ⟦…⟧ has to go first."""
        from maild.errors import CaseError
        from maild.store import faq

        with at_desk(invocation(ctx)) as desk:
            entry = faq.get(desk.connection, number)
            if entry is not None and "⟦" in entry.question + entry.answer:
                if not yes:
                    raise CaseError(f"FAQ {number} still has names or numbers marked ⟦…⟧; maild faq edit {number}, or --yes")
                plain = {name: getattr(entry, name).replace("⟦", "").replace("⟧", "") for name in ("question", "answer")}
                faq.change(desk.connection, number, plain, desk.now)
        _change(ctx, number, {"status": "published"}, "published")

    @group.command()
    def retire(ctx: typer.Context, number: Entry) -> None:
        """Show an entry to nobody any more."""
        _change(ctx, number, {"status": "retired"}, "retired")


def _change(ctx: typer.Context, number: int, values: dict[str, Any], said: str) -> None:
    from maild.store import faq

    with at_desk(invocation(ctx)) as desk:
        there = faq.change(desk.connection, number, values, desk.now)
    if not there:
        _no_entry(number)
    show.line(f"FAQ {number} {said}")


def _no_entry(number: int) -> NoReturn:
    show.error(f"there is no FAQ entry {number}; maild faq list shows those there are")
    raise typer.Exit(1)


def _faq_json(entry: Any) -> dict[str, Any]:
    from maild.cases.shape import instant

    return {
        "number": entry.id, "question": entry.question, "answer": entry.answer, "status": entry.status,
        "category": entry.category, "language": entry.language or None, "case": entry.case, "by": entry.by,
        "created_at": instant(entry.created_at), "updated_at": instant(entry.updated_at),
    }  # fmt: skip
