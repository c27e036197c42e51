"""This is where the commands on the installation are: keys, db, backup, restore."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maild.cli import show
from maild.cli.context import invocation

if TYPE_CHECKING:
    from maild.settings.models import Settings
    from maild.store.unit_of_work import Store

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    keys = noun("Signing keys of Message-IDs: list, rotate.")
    app.add_typer(keys, name="keys")

    @keys.command("list")
    def list_(ctx: typer.Context, json: Json = False) -> None:
        """List the keys (not their secrets)."""
        from maild.store import installation

        store = invocation(ctx).store()
        rows = []
        if store is not None:
            with store.read() as connection:
                rows = [
                    {"id": row.id, "created_at": show.instant(row.created_at), "retired_at": show.instant(row.retired_at),
                     "signs": row.retired_at is None}
                    for row in installation.list_keys(connection)
                ]  # fmt: skip
        if json:
            show.as_json(rows)
        else:
            show.table(("id", "created", "retired", "signs"), [tuple(row.values()) for row in rows])

    @keys.command()
    def rotate(ctx: typer.Context) -> None:
        """Make a new key; ids signed with the old ones go on being understood. Live after a reload."""
        from maild import clock
        from maild.store import installation

        found = invocation(ctx)
        store = found.store(make=True)
        assert store is not None
        with store.write() as connection:
            name = installation.rotate_key(connection, clock.now())
            installation.note_change(connection, found.who, f"signing key {name} made", clock.now())
        show.line(f"{name} signs from the next reload on: maild reload")

    db = noun("The database: check, upgrade.")
    app.add_typer(db, name="db")

    @db.command()
    def check(ctx: typer.Context) -> None:
        """Say which schema the database has, and whether it is sound."""
        from sqlalchemy import text

        from maild.store import migrate

        store = invocation(ctx).store()
        if store is None:
            show.line("there is no database yet: maild run makes it")
            return
        have, want = migrate.versions(store)
        problem = ""
        if store.sqlite:
            with store.read() as connection:
                said = connection.execute(text("PRAGMA integrity_check")).scalars().all()
            problem = "" if said == ["ok"] else f"; damaged: {said[0]}"
        show.line(f"schema {have or 'none'}, this maild needs {want}" + (problem or "; sound"))
        if have != want or problem:
            newer = "the database is newer: upgrade maild here too" if have and have > want else "run: maild db upgrade"
            show.error(newer if not problem else "stop maild and restore a backup")
            raise typer.Exit(1)

    @db.command()
    def upgrade(
        ctx: typer.Context,
        plan: Annotated[bool, typer.Option("--plan", help="Change nothing: say what would be done, what it locks and for how long.")] = False,
    ) -> None:  # fmt: skip
        """Bring the database to the schema that this maild needs (make a backup first)."""
        from maild.cli.context import become_owner
        from maild.office import open_store

        found = invocation(ctx)
        if plan:
            _plan(found.store())
            return
        become_owner(found.main().state_dir)
        show.line(open_store(found.main()).create_or_upgrade() or "the schema is up to date")

    @app.command()
    def backup(
        ctx: typer.Context, file: Annotated[Path, typer.Argument(help="The file to write.")],
        verify: Annotated[bool, typer.Option("--verify", help="Open the copy and run the audit over it.")] = False,
    ) -> None:  # fmt: skip
        """Write a consistent copy of the database while the daemon runs."""
        from maild.store import copies

        found = invocation(ctx)
        store = found.store()
        if store is None:
            show.error("there is no database to copy")
            raise typer.Exit(1)
        if not store.sqlite:
            url = store.url.render_as_string(hide_password=True).replace("+psycopg", "")
            show.line(f"on PostgreSQL use its own tool: pg_dump --format=custom --file={file} {url}")
            raise typer.Exit(2)
        size = copies.backup(store, file)
        show.line(f"{file}: {size} bytes, with cases, mail and signing keys; not the configuration, not credentials")
        if verify:
            _verify(file, store.state_dir)

    @app.command()
    def restore(
        ctx: typer.Context, file: Annotated[Path, typer.Argument(help="A file that maild backup wrote.")],
        to: Annotated[Path | None, typer.Option("--to", help="A new state directory for it; what is there now stays as it is, and in use.")] = None,
    ) -> None:  # fmt: skip
        """Bring a copy back; the daemon must be stopped, but with --to. Starts nothing, and leaves the outbox paused."""
        from maild import clock
        from maild.cli.context import become_owner
        from maild.daemon import lock
        from maild.office import open_store
        from maild.store import copies, installation

        found = invocation(ctx)
        settings = found.main()
        source = file.absolute()
        source.open("rb").close()  # says so where it is not there, before anything is begun
        if to is not None:
            if to.exists() and any(to.iterdir()):
                raise typer.BadParameter(f"--to: {to} is not empty; name a new directory")
            settings = _elsewhere(settings, to.absolute())
        become_owner(settings.state_dir)
        lock(settings.state_dir)
        store = open_store(settings)
        if not store.sqlite:
            show.error("on PostgreSQL restore with pg_restore, then run: maild pause outbox")
            raise typer.Exit(2)
        kept = copies.restore(store, source)
        with store.write() as connection:
            installation.pause(connection, "outbox", None, f"restored from {source.name}", found.who, clock.now())
        show.line(f"restored {source}" + (f"; what was there is kept as {kept}" if kept else ""))
        _in_doubt(store, to)


def _elsewhere(settings: Settings, to: Path) -> Settings:
    """The settings with this new directory as state_dir, which belongs to the owner of the other one, and the database in it."""
    to.mkdir(mode=0o750, parents=True, exist_ok=True)
    if os.geteuid() == 0 and settings.state_dir.exists():
        owner = settings.state_dir.stat()
        os.chown(to, owner.st_uid, owner.st_gid)
    scheme, mark, path = settings.main.database.url.partition(":///")
    url = f"{scheme}{mark}{to / Path(path.partition('?')[0]).name}" if scheme.startswith("sqlite") else settings.main.database.url
    database = settings.main.database.model_copy(update={"url": url})
    return settings.model_copy(update={"state_dir": to, "main": settings.main.model_copy(update={"database": database})})


def _verify(file: Path, state_dir: Path) -> None:
    """Prove the copy: every message and mail in it is in exactly one state."""
    from maild.store import audit as proof
    from maild.store.unit_of_work import Store

    copy = Store(f"sqlite:///{file.absolute()}", state_dir)
    try:
        with copy.read() as connection:
            checked, faults = proof.run(connection)
    finally:
        copy.close()
    for fault in faults:
        show.error(f"{fault['what']} {fault['id']}: {fault['fault']}")
    if faults:
        raise typer.Exit(1)
    show.line(f"verified: {checked['spool']} accepted, {checked['outbox']} outgoing, {checked['cases']} cases, each in exactly one state")


def _in_doubt(store: Store, to: Path | None) -> None:
    """What waited when the copy was made may have gone out since: a person decides, with the commands at hand."""
    from maild.model.outbox import OutboxState
    from maild.store import outbox

    waiting = [OutboxState.PENDING, OutboxState.SENDING, OutboxState.DEFERRED, OutboxState.HELD]
    with store.read() as connection:
        doubtful = outbox.listed(connection, states=waiting)
    if doubtful:
        show.line(f"in doubt: {len(doubtful)} mails waited when the copy was made, and may have gone out since (the smarthost's log knows)")
        columns = ("id", "kind", "to", "subject", "created")
        show.table(
            columns,
            [(one.id, one.message.kind.value, ", ".join(one.message.recipients), one.message.subject, show.instant(one.created_at)) for one in doubtful],
        )
    if to is not None:
        show.line("nothing was started, its outbox is paused, and what is in use was left alone. To look at it, or to go on with it:")
        show.line(f"  state_dir: {to.absolute()}     # in maild.yaml, or in a copy of the configuration")
        return
    show.line("nothing was started, and the outbox is paused. Next:")
    if doubtful:
        show.line("  maild outbox discard ID …     # those that did go out")
    show.line("  systemctl start maild         # or: maild run")
    show.line("  maild resume outbox")


def _plan(store: Store | None) -> None:
    """Say what an upgrade would do."""
    from maild.store import migrate

    if store is None:
        show.line("there is no database yet: maild run makes it")
        return
    have, want = migrate.versions(store)
    steps = migrate.plan(store)
    if not steps:
        show.line(f"schema {have}: nothing to do")
        return
    oldest = max(one.works_with for one in steps)
    beside = have is not None and have >= oldest
    show.line(f"from schema {have} to {want}, in one transaction:")
    for one in steps:
        show.line(f"  {one.version}  {one.what.rstrip('.')}: {one.locks}")
    show.line(
        "daemons of the version before may go on meanwhile: upgrade the machines one by one" if beside
        else f"stop every daemon first: what needs a schema below {oldest} cannot work with the new one"
    )  # fmt: skip
    show.line("first: maild backup FILE --verify; then: maild db upgrade (or start the new maild, which does it)")
