"""This is where the commands on accepted messages are: `maild spool …`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import Invocation, invocation

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ids = Annotated[list[str], typer.Argument(help="Ids as `maild spool` shows them (the beginning is enough), or a Message-ID.")]


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Accepted messages that are not done: list, show, retry, discard, approve.")
    app.add_typer(group, name="spool")

    @group.command("list")
    def list_(
        ctx: typer.Context, json: Json = False,
        every: Annotated[bool, typer.Option("--all", help="Also those that were given up.")] = False,
    ) -> None:  # fmt: skip
        """Everything that waits, is being processed or is held, with the reason."""
        from maild.model.spool import SpoolState
        from maild.store import spool

        store = invocation(ctx).store()
        rows: list[dict[str, Any]] = []
        if store is not None:
            with store.read() as connection:
                wanted = set(SpoolState) - {SpoolState.DONE, SpoolState.ERASED} - (set() if every else {SpoolState.DEAD})
                rows = [as_json(entry) for entry in spool.waiting(connection, states=sorted(wanted))]
        if json:
            show.as_json(rows)
        else:
            columns = ("id", "state", "mailbox", "from", "subject", "attempts", "reason")
            show.table(columns, [(r["id"], r["state"], r["mailbox"], r["mail_from"], r["subject"], r["attempts"], r["reason"]) for r in rows])

    @group.command("show")
    def show_(ctx: typer.Context, which: Annotated[str, typer.Argument(help="An id or a Message-ID.")], json: Json = False) -> None:
        """Show one accepted message: its envelope, state, reason, and what was decided."""
        from maild.ingest.classify import verification_details
        from maild.ingest.parse import parse

        entry, row = _found(invocation(ctx), which)
        shown = as_json(entry) | {
            "case": entry.case, "disposition": entry.disposition or None, "kind": row.kind, "automatic": row.automatic,
            "trace": row.trace, "sealed": (row.trace or {}).get("sealed"), "signs": (row.trace or {}).get("signs"),
        }  # fmt: skip
        if row.kind == "verification" or not row.kind:
            details = verification_details(parse(entry.raw)) if entry.raw else ()
            shown["verification"] = list(details)
        if json:
            show.as_json(shown)
            return
        for name, value in shown.items():
            if name != "trace" and value not in (None, "", []):
                show.line(f"{name:13} {', '.join(map(str, value)) if isinstance(value, list) else value}")
        show.line(f"{'raw':13} maild message show {entry.id} --raw")

    @group.command()
    def retry(ctx: typer.Context, ids: Ids) -> None:
        """Process held or given-up messages again: by the rules as they are now."""
        _each(invocation(ctx), ids, "retry")

    @group.command()
    def approve(ctx: typer.Context, ids: Ids) -> None:
        """Let held messages become cases, whatever the rules say."""
        _each(invocation(ctx), ids, "approve")

    @group.command()
    def discard(ctx: typer.Context, ids: Ids) -> None:
        """Give held messages up; their bytes are kept until retention ends."""
        _each(invocation(ctx), ids, "discard")

    @group.command()
    def never(ctx: typer.Context, json: Json = False) -> None:
        """The addresses from which no mail is taken any more, because somebody said #never."""
        from maild.store import held

        store = invocation(ctx).store()
        rows: list[Any] = []
        if store is not None:
            with store.read() as connection:
                rows = held.refused(connection)
        if json:
            show.as_json([{"address": row.address, "by": row.by, "at": show.instant(row.at)} for row in rows])
        else:
            show.table(["address", "by", "since"], [[row.address, row.by, show.instant(row.at)] for row in rows])

    @group.command()
    def welcome(ctx: typer.Context, address: str) -> None:
        """Take mail from an address again."""
        take_again(invocation(ctx), address)


def take_again(found: Invocation, address: str) -> None:
    """Mail from an address that is blocked is taken again."""
    from maild import clock
    from maild.plain.domains import fold_address
    from maild.store import held, installation

    store, there = found.store(), False
    if store is not None:
        with store.write() as connection:
            there = held.welcome(connection, fold_address(address))
            if there:
                installation.note_change(connection, found.who, f"mail from {address} is taken again", clock.now())
    if not there:
        show.error(f"nobody said #never to {address}; maild spool never lists those there are")
        raise typer.Exit(1)
    show.line(f"mail from {address} is taken again")


def as_json(entry: Any) -> dict[str, Any]:
    """A spool entry as `maild spool list --json` prints it."""
    return {
        "id": entry.id, "state": entry.state.value, "mailbox": entry.mailboxes[0] if entry.mailboxes else None,
        "door": entry.door.value, "mail_from": entry.mail_from, "rcpt_to": list(entry.rcpt_tos),
        "message_id": entry.message_id or None, "subject": entry.subject, "size": entry.size,
        "received_at": show.instant(entry.received_at), "attempts": entry.attempts, "reason": entry.reason or None,
    }  # fmt: skip


NO_BYTES = "its bytes are kept no longer (erased, or past retention.raw); maild trace still tells where it went"


def _found(found: Invocation, which: str) -> Any:
    from maild.store import spool

    store = found.store()
    if store is not None:
        with store.read() as connection:
            entry = spool.find(connection, which)
            if entry is not None:
                return entry, spool.details(connection, entry.seq)
    show.error(f"no accepted message is known by {which!r} (an id must be unique); maild spool lists those not done")
    raise typer.Exit(1)


def _each(found: Invocation, ids: list[str], what: str) -> None:
    from maild import clock
    from maild.model.spool import SpoolState
    from maild.store import installation, spool

    store = found.store()
    missing = 0
    for one in ids:
        entry, _row = _found(found, one) if store is not None else (None, None)
        if entry is None or entry.state not in {SpoolState.HELD, SpoolState.DEAD}:
            show.error(f"{one}: is {entry.state if entry else 'not there'}, not held; nothing was done")
            missing += 1
            continue
        if not entry.raw and what != "discard":
            show.error(f"{one}: {NO_BYTES}")
            missing += 1
            continue
        assert store is not None
        with store.write() as connection:
            if what == "discard":
                spool.give_up(connection, entry.seq, f"discarded by {found.who}", clock.now())
            else:
                spool.release(connection, entry.seq, found.who if what == "approve" else None)
            installation.note_change(connection, found.who, f"spool {what} {entry.id}", clock.now())
        show.line(f"{entry.id}: {'given up' if what == 'discard' else 'goes on'}")
    found.wake()
    raise typer.Exit(1 if missing else 0)
