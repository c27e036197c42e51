"""This is where a case goes out as a whole: into a zip file for somebody, or for good."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maild.cli import show
from maild.cli.context import Invocation, invocation
from maild.cli.given import Number
from maild.cli.hands import at_desk, case_of, no_case


def add(group: typer.Typer) -> None:
    """Add export and delete to `maild case`."""
    group.command("export")(export)
    group.command("delete")(delete)


def export(
    ctx: typer.Context, number: Number,
    file: Annotated[Path | None, typer.Argument(help="The zip file to write; case-NUMBER.zip if none is named.")] = None,
) -> None:  # fmt: skip
    """Write a case with all its mails into a zip file: case.json as `case show --json`, and every mail as an .eml file."""
    import json
    import zipfile

    from maild import clock, parts, views
    from maild.outbound.bytes import serialise
    from maild.store import cases, outbox, spool

    found = invocation(ctx)
    store = found.store()
    if store is None:
        no_case(number)
    with store.read() as connection:
        shown = views.case(connection, found.main_with_sla(), number, clock.now())
        rows = cases.messages_of(connection, number)
        came = {one.seq: one.raw for one in spool.load(connection, [row.spool_seq for row in rows if row.spool_seq])}
        sent = {one.id: one.message for one in outbox.entries(connection, [row.outbox_id for row in rows if row.outbox_id])}
    if shown is None:
        no_case(number)
    file = file or Path(f"case-{number}.zip")
    mails = 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("case.json", json.dumps(shown, indent=2, ensure_ascii=False))
        for row in rows:
            raw = came.get(row.spool_seq, b"")
            if row.outbox_id in sent:
                raw = serialise(sent[row.outbox_id], lambda ref: parts.read(store, ref))
            if raw:
                mails += 1
                archive.writestr(f"mails/{mails:03}-{row.direction}.eml", raw)
    show.line(f"{file}: case {number} with {mails} mails")


def delete(
    ctx: typer.Context, number: Number,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:  # fmt: skip
    """Remove a case with all its mail for good; the contact stays, and so does the proof that each mail was handled."""
    from maild.store import erasure

    found = invocation(ctx)
    _only_admins(found, number)
    with at_desk(found) as desk:
        case_of(desk, number)
        merged = erasure.merged_into(desk.connection, number)
        counts = erasure.of_case(desk.connection, number).counts()
    if merged:
        show.error(f"case {merged[0]} was merged into it, and would lead nowhere: delete that first")
        raise typer.Exit(3)
    show.line(f"case {number}: {counts['messages']} messages, {counts['accepted']} accepted mails, {counts['outgoing']} outgoing mails, its stream and time logs")
    if dry_run:
        return
    if not yes:
        typer.confirm(f"Remove case {number} for good?", abort=True)
    with at_desk(found) as desk:
        case_of(desk, number)
        erasure.delete_case(desk.connection, number, found.who, desk.now)
    show.line(f"case {number} is deleted; an answer to one of its mails becomes a case of its own")


def _only_admins(found: Invocation, number: int) -> None:
    """A user of directory.yaml needs the role; who is in no directory has the rights to the database, and runs the machine."""
    user = found.main().directory.users.get(found.who)
    if user is not None and user.role != "admin":
        show.error(f"{found.who} is no admin (role: {user.role} in directory.yaml), and only admins delete; maild case close {number} keeps it")
        raise typer.Exit(3)
