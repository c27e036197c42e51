"""This is where the commands on the work on a case are: `maild case time|timer|faq|resolve|close|spam|reopen|split`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maild.cli.context import invocation
from maild.cli.given import Json, Number
from maild.cli.hands import at_desk, case_of, told

if TYPE_CHECKING:
    from maild.agents.work import Work


def add(group: typer.Typer) -> None:
    """Add the commands to `maild case`."""

    @group.command("time")
    def time_(
        ctx: typer.Context, number: Number, spent: Annotated[str, typer.Argument(help="25m, 1h30m, 1:30")],
        text: Annotated[list[str] | None, typer.Argument(help="What was done.")] = None, json: Json = False,
    ) -> None:  # fmt: skip
        """Write down time spent on a case."""
        from maild.agents.timekeeping import log_time
        from maild.cases.commands import span_at_start

        found = span_at_start(spent)
        if found is None or found[1] != len(spent):
            raise typer.BadParameter(f"{spent!r} is no time: write 25m, 1h30m or 1:30")
        with _work(ctx, number) as work:
            log_time(work, found[0], " ".join(text or ()))
        _done(ctx, work, number, json)

    @group.command()
    def timer(
        ctx: typer.Context, number: Number, action: Annotated[str, typer.Argument(help="start, pause, resume or stop")],
        json: Json = False,
    ) -> None:  # fmt: skip
        """Your stop-watch on a case; one runs at a time."""
        from maild.agents.timekeeping import timer

        if action not in {"start", "pause", "resume", "stop"}:
            raise typer.BadParameter(f"{action!r}: start, pause, resume or stop")
        with _work(ctx, number) as work:
            timer(work, action)
        _done(ctx, work, number, json)

    @group.command("faq")
    def faq_(
        ctx: typer.Context, number: Number, question: Annotated[str | None, typer.Argument(help="Its title if not given.")] = None,
        json: Json = False,
    ) -> None:  # fmt: skip
        """Make a draft FAQ entry of a case."""
        from maild.agents.asking import faq_draft

        with _work(ctx, number) as work:
            made = faq_draft(work.desk, work.case, work.user, question or work.case.title)
            work.lines.append(f"FAQ draft {made}; read it, then: maild faq publish {made}")
        _done(ctx, work, number, json)

    @group.command()
    def resolve(
        ctx: typer.Context, number: Number, resolution: Annotated[str, typer.Argument(help="What solved it.")] = "",
        json: Json = False,
    ) -> None:  # fmt: skip
        """Resolve a case, through open where it must."""
        from maild.agents.standing import resolve

        with _work(ctx, number) as work:
            resolve(work, resolution)
        _done(ctx, work, number, json)

    @group.command()
    def close(
        ctx: typer.Context, number: Number,
        reason: Annotated[str, typer.Argument(help="Of an unresolved one: spam, duplicate or no_answer_needed.")] = "",
        json: Json = False,
    ) -> None:  # fmt: skip
        """Close a case, which is final."""
        from maild.agents.standing import close

        with _work(ctx, number) as work:
            close(work, reason)
        _done(ctx, work, number, json)

    @group.command()
    def spam(ctx: typer.Context, number: Number, json: Json = False) -> None:
        """Close a case as spam."""
        from maild.agents.standing import close

        with _work(ctx, number) as work:
            close(work, "spam")
        _done(ctx, work, number, json)

    @group.command()
    def reopen(ctx: typer.Context, number: Number, json: Json = False) -> None:
        """Open a resolved or waiting case again."""
        from maild.model.case import Status

        with _work(ctx, number) as work:
            work.change({"status": Status.OPEN})
            work.lines.append("open again")
        _done(ctx, work, number, json)

    @group.command()
    def split(ctx: typer.Context, number: Number, json: Json = False) -> None:
        """Make a case of its own out of the newest mail of a case."""
        from maild.agents.belonging import split

        with _work(ctx, number) as work:
            new = split(work.desk, work.case, work.user)
            work.lines.append(f"its newest mail is case {new.number} now: {new.title}")
        _done(ctx, work, new.number, json)


@contextmanager
def _work(ctx: typer.Context, number: int) -> Iterator[Work]:
    """A case in the hands of who runs this command."""
    from maild.agents.work import Work
    from maild.cases.commands import Block

    found = invocation(ctx)
    with at_desk(found) as desk:
        yield Work(desk, found.who, case_of(desk, number), Block())


def _done(ctx: typer.Context, work: Any, number: int, json: bool) -> None:
    found = invocation(ctx)
    found.wake()
    told(found, number, json, f"case {work.case.number}: {'; '.join(work.lines)}")
