"""This is where the commands on people are: organisation, contact, user, group, mailbox."""

from __future__ import annotations

import csv as csv_module
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from maild.cli import show
from maild.cli.context import Invocation, invocation

if TYPE_CHECKING:
    from maild.model.contact import Organisation

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    _organisations(app, noun)
    _contacts(app, noun)
    _directory(app, noun)


def _print(rows: list[dict[str, Any]], json: bool) -> None:
    if json:
        show.as_json(rows)
    else:
        show.records([{name: _flat(value) for name, value in row.items()} for row in rows])


def _flat(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else "" if value is None else str(value)


def _one(rows: list[dict[str, Any]], key: str, name: str, what: str, json: bool) -> None:
    found = next((row for row in rows if str(row[key]).lower() == name.lower()), None)
    if found is None:
        show.error(f"there is no {what} {name!r}; maild {what} lists those there are")
        raise typer.Exit(1)
    if json:
        show.as_json(found)
        return
    for label, value in found.items():
        show.line(f"{label:14} {_flat(value)}")


def _organisations(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Organisations, of directory.yaml and imported: list, show, import.")
    app.add_typer(group, name="organisation")
    app.add_typer(group, name="organization", hidden=True)

    def rows(ctx: typer.Context) -> list[dict[str, Any]]:
        from maild.store import people

        found = invocation(ctx)
        listed = [
            {"name": name, "domains": list(entry.domains), "sla": entry.sla, "tags": list(entry.tags), "source": "directory.yaml"}
            for name, entry in found.main().directory.organisations.items()
        ]
        store = found.store()
        if store is not None:
            with store.read() as connection:
                listed += [
                    {"name": one.name, "domains": list(one.domains), "sla": one.sla or None, "tags": list(one.tags), "source": "imported"}
                    for one in people.all_organisations(connection)
                ]  # fmt: skip
        return listed

    @group.command("list")
    def list_(ctx: typer.Context, json: Json = False) -> None:
        """List organisations with their domains."""
        _print(rows(ctx), json)

    @group.command("show")
    def show_(ctx: typer.Context, name: Annotated[str, typer.Argument(help="As the list shows it.")], json: Json = False) -> None:
        """Show one organisation."""
        _one(rows(ctx), "name", name, "organisation", json)

    @group.command("import")
    def import_(
        ctx: typer.Context, file: Annotated[Path, typer.Argument(help="CSV with the columns name, domains, sla, tags.")],
        to_yaml: Annotated[bool, typer.Option("--to-yaml", help="Print YAML for directory.yaml instead.")] = False,
    ) -> None:  # fmt: skip
        """Import organisations from CSV; the same name again replaces."""
        from maild.model.contact import Organisation
        from maild.store import people

        found = invocation(ctx)
        wanted: list[Organisation] = []
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv_module.DictReader(lines)
            if reader.fieldnames is None or "name" not in [one.strip().lower() for one in reader.fieldnames]:
                raise typer.BadParameter(f"{file}: the first line must name the columns: name, domains, sla, tags")
            for number, line in enumerate(reader, 2):
                row = {str(key).strip().lower(): (value or "").strip() for key, value in line.items() if key}
                if not row.get("name"):
                    raise typer.BadParameter(f"{file}:{number}: the name is empty")
                split = [one.lower() for one in row.get("domains", "").replace(";", " ").replace(",", " ").split()]
                tags = tuple(row.get("tags", "").replace(";", " ").split())
                wanted.append(Organisation(row["name"], tuple(split), row.get("sla", ""), tags))
        if to_yaml:
            import yaml

            entries = {
                one.name: {key: list(value) if isinstance(value, tuple) else value
                           for key, value in (("domains", one.domains), ("sla", one.sla), ("tags", one.tags)) if value}
                for one in wanted
            }  # fmt: skip
            show.block(yaml.safe_dump({"organisations": entries}, allow_unicode=True, sort_keys=False))
            return
        for number, one in enumerate(wanted, 2):
            if wrong := _misfit(found, one):
                show.error(f"{file}:{number}: {wrong}. Nothing was imported")
                raise typer.Exit(1)
        store = found.store(make=True)
        assert store is not None
        with store.write() as connection:
            new = sum(people.save_organisation(connection, one) for one in wanted)
        show.line(f"{len(wanted)} organisations: {new} new, {len(wanted) - new} replaced")


def _misfit(found: Invocation, wanted: Organisation) -> str:
    """What keeps this organisation from being imported beside the configuration, '' if nothing does."""
    settings = found.main_with_sla()
    if wanted.name in settings.directory.organisations:
        return f"{wanted.name!r} is in directory.yaml too; keep it in one place"
    for name, one in settings.directory.organisations.items():
        if shared := set(wanted.domains) & set(one.domains):
            return f"the domain {min(shared)} is {name!r}'s in directory.yaml; keep it in one place"
    if wanted.sla and settings.sla.policies and wanted.sla not in settings.sla.policies:
        return f"there is no SLA {wanted.sla!r}; one of {', '.join(settings.sla.policies)}"
    return ""


def _contacts(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Contacts, the people who write: list, show, merge, reachable, export, block.")
    app.add_typer(group, name="contact")

    def as_json(one: Any) -> dict[str, Any]:
        return {
            "id": one.id, "name": one.name or None, "email": one.email, "emails": list(one.emails), "phone": one.phone or None,
            "language": one.language or None, "organisation": one.organisation or None, "sla": one.sla or None,
            "tags": list(one.tags), "undeliverable": one.undeliverable,
        }  # fmt: skip

    @group.command("list")
    def list_(
        ctx: typer.Context, search: Annotated[str, typer.Option(help="A part of a name or address.")] = "", json: Json = False
    ) -> None:
        """List contacts."""
        from maild.store import people

        store = invocation(ctx).store()
        rows: list[dict[str, Any]] = []
        if store is not None:
            with store.read() as connection:
                rows = [as_json(one) for one in people.all_contacts(connection, search=search)]
        if json:
            _print(rows, True)
        else:
            _print([{key: row[key] for key in ("id", "name", "emails", "organisation", "language")} for row in rows], False)

    @group.command("show")
    def show_(ctx: typer.Context, who: Annotated[str, typer.Argument(help="An address or a number.")], json: Json = False) -> None:
        """Show one contact with the numbers of their cases."""
        from maild.store import cases

        contact = _contact(ctx, who)
        store = invocation(ctx).store()
        assert store is not None
        with store.read() as connection:
            theirs = [case.number for case, _, _ in cases.search(connection, {"contact": contact.email})]
        _one([as_json(contact) | {"cases": theirs}], "email", contact.email, "contact", json)

    @group.command()
    def merge(
        ctx: typer.Context, source: Annotated[str, typer.Argument(help="The one that goes.")],
        target: Annotated[str, typer.Argument(help="The one that stays.")],
    ) -> None:  # fmt: skip
        """Make two contacts one: addresses and cases of the first become the second's."""
        from maild import clock
        from maild.store import installation, people

        found = invocation(ctx)
        one, other = _contact(ctx, source), _contact(ctx, target)
        if one.id == other.id:
            show.error("these are the same contact already")
            raise typer.Exit(3)
        store = found.store()
        assert store is not None
        with store.write() as connection:
            people.merge_contacts(connection, one.id, other.id)
            installation.note_change(connection, found.who, f"contact {one.email} merged into {other.email}", clock.now())
        show.line(f"{', '.join(one.emails)} now belongs to {other.name or other.email}")

    @group.command()
    def reachable(ctx: typer.Context, who: Annotated[str, typer.Argument(help="An address.")]) -> None:
        """Mail to this contact can be delivered again: clears the mark that a bounce set."""
        from maild.store import people

        contact = _contact(ctx, who)
        store = invocation(ctx).store()
        assert store is not None
        with store.write() as connection:
            people.update_contact(connection, contact.id, {"undeliverable_since": None})
        show.line(f"{contact.email} counts as reachable")

    @group.command()
    def export(
        ctx: typer.Context, who: Annotated[str, typer.Argument(help="An address or a number.")],
        file: Annotated[Path, typer.Argument(help="The zip file to write.")],
    ) -> None:  # fmt: skip
        """Write everything stored of a person into a zip file, for them: data.json and their mails."""
        import json
        import zipfile

        from maild.store import erasure, spool

        contact = _contact(ctx, who)
        store = invocation(ctx).store()
        assert store is not None
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, store.read() as connection:
            data = erasure.export(connection, contact)
            for one in data.pop("accepted"):
                entry = spool.find(connection, one)
                if entry is not None and entry.raw:
                    archive.writestr(f"mails/{one}.eml", entry.raw)
            archive.writestr("data.json", json.dumps(data, indent=2, default=str, ensure_ascii=False))
        show.line(f"{file}: {len(data['cases'])} cases, {len(data['messages'])} messages")

    @group.command()
    def block(
        ctx: typer.Context, address: Annotated[str, typer.Argument(help="An address; without one, those that are blocked.")] = "",
        json: Json = False,
    ) -> None:  # fmt: skip
        """Discard mail from an address from now on, as `#never` does; it stays in the store, and `maild trace` finds it."""
        from maild import clock
        from maild.plain.domains import fold_address
        from maild.store import held, installation

        found = invocation(ctx)
        if not address:
            store = found.store()
            rows: list[Any] = []
            if store is not None:
                with store.read() as connection:
                    rows = held.refused(connection)
            _print([{"address": row.address, "by": row.by, "at": show.instant(row.at)} for row in rows], json)
            return
        if address.count("@") != 1 or found.addresses().mailbox_of(address) or found.addresses().user_of(address):
            raise typer.BadParameter(f"{address!r}: name an address of somebody outside")
        store = found.store(make=True)
        assert store is not None
        with store.write() as connection:
            held.refuse_from(connection, fold_address(address), found.who, clock.now())
            installation.note_change(connection, found.who, f"mail from {address} is discarded", clock.now())
        show.line(f"mail from {address} is discarded from now on; to undo: maild contact unblock {address}")

    @group.command()
    def unblock(ctx: typer.Context, address: str) -> None:
        """Take mail from an address again."""
        from maild.cli.spool import take_again

        take_again(invocation(ctx), address)

    @app.command()
    def erase(
        ctx: typer.Context, who: Annotated[str, typer.Argument(help="An address or a number.")],
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:  # fmt: skip
        """Remove a person's data for good, leaving anonymous figures."""
        from maild import clock
        from maild.store import erasure

        found = invocation(ctx)
        contact = _contact(ctx, who)
        store = found.store()
        assert store is not None
        with store.read() as connection:
            theirs = erasure.find(connection, contact)
        for name, count in theirs.counts().items():
            show.line(f"{name.replace('_', ' '):26} {count}")
        if dry_run:
            return
        if not yes:
            typer.confirm(f"Remove all of {contact.email} for good?", abort=True)
        with store.write() as connection:
            erasure.erase(connection, contact, found.who, clock.now())
        show.line(f"erased; {theirs.quoted_in} messages of others quote this address and were left alone")

    def _contact(ctx: typer.Context, who: str) -> Any:
        from maild.store import people

        store = invocation(ctx).store()
        if store is not None:
            with store.read() as connection:
                one = people.contact(connection, int(who)) if who.isdigit() else people.contact_by_address(connection, who)
            if one is not None:
                return one
        show.error(f"there is no contact {who!r}; maild contact list --search finds by name")
        raise typer.Exit(1)


def _directory(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    users, groups, mailboxes = noun("Users, of directory.yaml."), noun("Groups, of directory.yaml."), noun("Mailboxes, of maild.yaml.")
    app.add_typer(users, name="user")
    app.add_typer(groups, name="group")
    app.add_typer(mailboxes, name="mailbox")

    def user_rows(ctx: typer.Context) -> list[dict[str, Any]]:
        from maild import clock
        from maild.store import people

        found = invocation(ctx)
        settings, now = found.main(), clock.now()
        directory, away = settings.directory, settings.away(now)
        load: dict[str, int] = {}
        store = found.store()
        if store is not None:
            with store.read() as connection:
                away |= people.away(connection, now)
                load = people.open_cases_by_user(connection, list(directory.users))
        return [
            {
                "user": key, "name": user.name, "email": list(user.email), "role": user.role,
                "groups": [name for name, one in directory.groups.items() if key in one.members],
                "active": user.active, "away": key in away, "open_cases": load.get(key, 0),
            }
            for key, user in directory.users.items()
        ]  # fmt: skip

    def group_rows(ctx: typer.Context) -> list[dict[str, Any]]:
        return [
            {"group": key, "members": list(one.members), "manager": one.manager, "calendar": one.calendar}
            for key, one in invocation(ctx).main().directory.groups.items()
        ]

    def mailbox_rows(ctx: typer.Context) -> list[dict[str, Any]]:
        return [
            {
                "mailbox": key, "address": one.address, "aliases": list(one.aliases), "mailroom_address": list(one.receives),
                "name": one.name, "group": one.group, "sla": one.sla, "unmatched": one.unmatched, "acknowledge": one.acknowledge.template,
            }
            for key, one in invocation(ctx).main().main.mailboxes.items()
        ]  # fmt: skip

    for group, rows, what in ((users, user_rows, "user"), (groups, group_rows, "group"), (mailboxes, mailbox_rows, "mailbox")):
        _list_and_show(group, rows, what)

    @users.command("permissions")
    def permissions(ctx: typer.Context, user: Annotated[str, typer.Argument(help="A user of directory.yaml.")], json: Json = False) -> None:
        """What a user may see and command, by their role and groups."""
        from maild.cases.permissions import TABLE, Which, rights_of

        settings = invocation(ctx).main()
        if user not in settings.directory.users:
            _no_user(user)
        rights = rights_of(settings, user)
        others = sorted(set(settings.directory.groups) - rights.groups)
        private = sorted(key for key, mailbox in settings.main.mailboxes.items() if mailbox.private)
        if json:
            table = {which.name.lower(): TABLE[which][rights.role] for which in Which}
            show.as_json({"user": user, "role": rights.role, "active": settings.directory.users[user].active, "groups": sorted(rights.groups),
                          "other_groups": others, "private_mailboxes": private, "may": table})  # fmt: skip
            return
        show.line(f"{user}: {rights.role}, of {', '.join(sorted(rights.groups)) or 'no group'}")
        if not settings.directory.users[user].active:
            show.line("has left (active: false): nothing of theirs is believed")
        show.table(["may see and command", ""], [(which, TABLE[which][rights.role]) for which in Which])
        show.line(f"other groups: {', '.join(others) or 'none'}; private mailboxes: {', '.join(private) or 'none'}")

    @users.command("away")
    def away(
        ctx: typer.Context, user: Annotated[str, typer.Argument(help="A user of directory.yaml.")],
        until: Annotated[str | None, typer.Option(help="The last day, 2026-12-01; without it the user is back.")] = None,
    ) -> None:  # fmt: skip
        """Say that a user is away until a day; round robin and least busy pass over them."""
        from datetime import date, datetime, time, timedelta
        from zoneinfo import ZoneInfo

        from maild import clock
        from maild.store import installation, people

        found = invocation(ctx)
        if user not in found.main().directory.users:
            _no_user(user)
        last = None
        if until:
            try:
                day = datetime.combine(date.fromisoformat(until), time.min, ZoneInfo(found.main().main.timezone))
            except ValueError:
                raise typer.BadParameter(f"{until!r} is no day: write 2026-12-01") from None
            last = day + timedelta(days=1)
            if last <= clock.now():
                raise typer.BadParameter(f"{until} has passed; without --until the user is back")
        store = found.store(make=True)
        assert store is not None
        with store.write() as connection:
            people.set_away(connection, user, last)
            said = f"user {user} is {f'away until {until}' if until else 'back'}"
            installation.note_change(connection, found.who, said, clock.now())
        show.line(f"{user} is away until {until}" if until else f"{user} is back")


def _no_user(user: str) -> NoReturn:
    show.error(f"there is no user {user!r}; maild user lists those there are")
    raise typer.Exit(1)


def _list_and_show(group: typer.Typer, rows: Callable[[typer.Context], list[dict[str, Any]]], what: str) -> None:
    @group.command("list", help=f"List every {what}.")
    def list_(ctx: typer.Context, json: Json = False) -> None:
        _print(rows(ctx), json)

    @group.command("show", help=f"Show one {what}.")
    def show_(ctx: typer.Context, name: Annotated[str, typer.Argument(help="As the list shows it.")], json: Json = False) -> None:
        _one(rows(ctx), what, name, what, json)
