"""This is where the commands on mail to be sent are: `maild outbox …`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import Invocation, invocation

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ids = Annotated[list[int], typer.Argument(help="Numbers as `maild outbox` shows them.")]


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Mail to be sent: list, show, retry, discard, approve.")
    app.add_typer(group, name="outbox")

    @group.command("list")
    def list_(
        ctx: typer.Context, all_: Annotated[bool, typer.Option("--all", help="Sent and discarded ones too.")] = False,
        case: Annotated[int | None, typer.Option(help="Only of this case.")] = None, json: Json = False,
    ) -> None:  # fmt: skip
        """What waits, is deferred, held or has failed, and why."""
        from maild.model.outbox import OutboxState
        from maild.store import outbox

        store = invocation(ctx).store()
        rows: list[dict[str, Any]] = []
        if store is not None:
            with store.read() as connection:
                states = tuple(OutboxState) if all_ else ()
                rows = [as_json(entry) for entry in outbox.listed(connection, states=states, case=case)]
        if json:
            show.as_json(rows)
        else:
            columns = ("id", "state", "case", "kind", "to", "subject", "attempts", "next", "reason")
            show.table(columns, [(r["id"], r["state"], r["case"], r["kind"], ", ".join(r["to"]), r["subject"], r["attempts"], r["next_at"], r["reason"]) for r in rows])  # fmt: skip

    @group.command("show")
    def show_(ctx: typer.Context, number: Annotated[int, typer.Argument(help="Of `maild outbox list`.")], json: Json = False) -> None:
        """Show one mail to be sent, with its headers and text."""
        from maild.store import outbox

        store = invocation(ctx).store()
        found = []
        if store is not None:
            with store.read() as connection:
                found = outbox.entries(connection, [number])
        if not found:
            show.error(f"there is no mail {number} in the outbox; maild outbox list --all shows all")
            raise typer.Exit(1)
        entry = found[0]
        if json:
            show.as_json(as_json(entry) | {"headers": [list(h) for h in entry.message.headers], "text": entry.message.text, "html": entry.message.html})
            return
        for name, value in entry.message.headers:
            show.line(f"{name}: {value}")
        show.line()
        show.block(entry.message.text)
        show.line(f"-- {entry.state}: {entry.reason}" if entry.reason else f"-- {entry.state}")

    @group.command()
    def retry(ctx: typer.Context, ids: Ids) -> None:
        """Try failed or deferred mails again at once."""
        _each(invocation(ctx), ids, "retry")

    @group.command()
    def approve(
        ctx: typer.Context, ids: Annotated[list[int] | None, typer.Argument(help="Numbers of `maild outbox list`.")] = None,
        all_: Annotated[bool, typer.Option("--all", help="All that are held.")] = False,
    ) -> None:  # fmt: skip
        """Let held mails go out."""
        from maild.model.outbox import OutboxState
        from maild.store import outbox

        found = invocation(ctx)
        store = found.store()
        if all_ and store is not None:
            with store.read() as connection:
                ids = [entry.id for entry in outbox.listed(connection, states=[OutboxState.HELD])]
            if not ids:
                show.line("nothing is held")
        elif not ids:
            raise typer.BadParameter("name mails by their number, or --all; maild outbox lists them")
        _each(found, ids or [], "approve")

    @group.command()
    def discard(ctx: typer.Context, ids: Ids) -> None:
        """Never send these."""
        _each(invocation(ctx), ids, "discard")


def as_json(entry: Any) -> dict[str, Any]:
    """An outbox entry as `maild outbox list --json` prints it."""
    return {
        "id": entry.id, "state": entry.state.value, "case": entry.message.case, "kind": entry.message.kind.value,
        "to": list(entry.message.recipients), "subject": entry.message.subject, "message_id": entry.message.message_id,
        "attempts": entry.attempts, "next_at": show.instant(entry.next_at), "reason": entry.reason or None,
    }  # fmt: skip


def _each(found: Invocation, ids: list[int], what: str) -> None:
    from maild import clock
    from maild.model.outbox import OutboxState
    from maild.store import installation, outbox

    store = found.store()
    missing = 0
    for number in ids:
        done = False
        if store is not None:
            state = OutboxState.DISCARDED if what == "discard" else OutboxState.PENDING
            with store.write() as connection:
                done = outbox.set_state(
                    connection, number, state, clock.now(), f"discarded by {found.who}" if what == "discard" else "",
                    approved_by=found.who if what == "approve" else None,
                )  # fmt: skip
                if done:
                    installation.note_change(connection, found.who, f"outbox {what} {number}", clock.now())
        if done:
            show.line(f"{number}: {'never sent' if what == 'discard' else 'goes out'}")
        else:
            show.error(f"{number}: is not there, on its way or sent already; nothing was done")
            missing += 1
    found.wake()
    raise typer.Exit(1 if missing else 0)
