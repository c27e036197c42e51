"""This is where the commands on stored mails are: `maild message …`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import invocation
from maild.cli.given import moment
from maild.cli.spool import NO_BYTES, _found, as_json


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Stored mails: list, show, make-case.")
    app.add_typer(group, name="message")

    @group.command("list")
    def list_(
        ctx: typer.Context, since: Annotated[str | None, typer.Option(help="Come since: 2d, 4h, or 2026-11-01.")] = None,
        limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:  # fmt: skip
        """List the newest accepted mails and what became of each; `maild trace` tells why."""
        from maild.store import tracing

        store = invocation(ctx).store()
        rows: list[dict[str, Any]] = []
        if store is not None:
            with store.read() as connection:
                rows = tracing.newest(connection, limit, moment(since) if since else None)
        if json:
            show.as_json(rows)
            return
        show.table(
            ("id", "received", "became", "case", "door", "from", "subject"),
            [
                (r["id"], show.instant(r["received_at"]), r["disposition"] or r["state"], r["case"], r["door"], r["mail_from"], r["subject"])
                for r in rows
            ],
        )  # fmt: skip

    @group.command("show")
    def show_(
        ctx: typer.Context, which: Annotated[str, typer.Argument(help="A spool id or a Message-ID.")],
        raw: Annotated[bool, typer.Option("--raw", help="The bytes as they came.")] = False,
        attachment: Annotated[int | None, typer.Option("--attachment", help="The bytes of the N-th attachment, from 1.")] = None,
        json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:  # fmt: skip
        """Show a stored mail: what maild reads in it, its raw bytes, or one attachment."""
        from maild.ingest.parse import attachment_bytes, parse

        entry, row = _found(invocation(ctx), which)
        if (raw or attachment is not None) and not entry.raw:
            show.error(NO_BYTES)
            raise typer.Exit(1)
        if raw:
            sys.stdout.buffer.write(entry.raw)
            return
        message = parse(entry.raw)
        if attachment is not None:
            if not 1 <= attachment <= len(message.attachments):
                show.error(f"it has {len(message.attachments)} attachments; --attachment 1 is the first")
                raise typer.Exit(1)
            sys.stdout.buffer.write(attachment_bytes(entry.raw, message.attachments[attachment - 1].part))
            return
        shown = as_json(entry) | {
            "kind": row.kind, "automatic": row.automatic, "case": entry.case, "disposition": entry.disposition or None,
            "from": [{"name": a.name, "email": a.email} for a in message.from_],
            "to": [{"name": a.name, "email": a.email} for a in message.to],
            "cc": [{"name": a.name, "email": a.email} for a in message.cc],
            "date": show.instant(message.date), "text": message.text, "new_text": message.new_text,
            "attachments": [{"name": a.name, "type": a.type, "size": a.size, "sha256": a.sha256} for a in message.attachments],
        }  # fmt: skip
        if json:
            show.as_json(shown)
            return
        for name in ("id", "state", "case", "kind", "subject", "received_at", "reason"):
            if shown[name] not in (None, ""):
                show.line(f"{name:12} {shown[name]}")
        for writer in message.from_:
            show.line(f"{'from':12} {f'{writer.name} <{writer.email}>'.strip()}")
        for number, a in enumerate(message.attachments, 1):
            show.line(f"{'attachment':12} {number}: {a.name} ({a.type}, {a.size} bytes)")
        show.line()
        show.block(message.text if entry.raw else NO_BYTES)

    @group.command("make-case")
    def make_case(ctx: typer.Context, which: Annotated[str, typer.Argument(help="A spool id or a Message-ID.")]) -> None:
        """Make a case out of a stored mail by hand: held, discarded and ignored ones too."""
        from maild import clock
        from maild.office import open_office
        from maild.reading import read
        from maild.settling.way import settle
        from maild.store import installation, spool

        found = invocation(ctx)
        entry, _row = _found(found, which)
        if entry.case is not None:
            show.error(f"it is in case {entry.case} already; maild case show {entry.case}")
            raise typer.Exit(3)
        if not entry.raw:
            show.error(NO_BYTES)
            raise typer.Exit(3)
        store = found.store()
        assert store is not None
        office = open_office(found.main_with_sla(), installation.ensure_key(store, clock.now()))
        with store.write() as connection:
            spool.release(connection, entry.seq, found.who)
            (entry,) = spool.load(connection, [entry.seq])
            settled = settle(connection, office, entry, read(office, entry), clock.now(), by_hand=True)
        found.wake()
        show.line(f"case {settled.case} made" if settled.case else f"no case: {settled.reason}")
        raise typer.Exit(0 if settled.case else 3)
