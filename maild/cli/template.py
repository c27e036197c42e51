"""This is where `maild template` is: which templates there are, how yours differ from the package's, how a mail would read."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maild.cli import show
from maild.cli.context import invocation

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from maild.desk import Desk
    from maild.outbound.templates import Templates

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer, noun: Callable[[str], typer.Typer]) -> None:
    group = noun("Templates of mails: list, diff, preview, test.")
    app.add_typer(group, name="template")
    group.command("list")(list_)
    group.command("diff")(diff)
    group.command("preview")(preview)
    group.command("test")(test)


def _folder(ctx: typer.Context) -> Path:
    """The configuration directory; a name that is none is refused, before the package's templates are taken for its own."""
    from maild.plain.layers import within

    found = invocation(ctx)
    if not within(found.folder, "maild.yaml").exists():
        found.settings()
    return found.folder


def _templates(folder: Path) -> Templates:
    from maild.outbound.templates import Templates
    from maild.plain.layers import below

    return Templates(*below(folder, "templates"))


def _own(folder: Path) -> dict[str, Path]:
    """The template files of a configuration, by their name below `templates/`."""
    from maild.plain.layers import below

    return {path.relative_to(own).as_posix(): path for own in below(folder, "templates") for path in sorted(own.rglob("*.j2"))}


def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the templates, their languages, and which of your files take the place of the package's."""
    folder = _folder(ctx)
    templates, own = _templates(folder), _own(folder)
    rows: list[dict[str, Any]] = [
        {
            "name": name, "languages": list(templates.languages(name)),
            "yours": [file for file in own if file.rpartition("/")[2].split(".")[0] == name],
        }
        for name in templates.names()
    ]  # fmt: skip
    if json:
        show.as_json(rows)
    else:
        show.table(["name", "languages", "yours"], [[r["name"], ", ".join(r["languages"]), ", ".join(r["yours"])] for r in rows])


def diff(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Only this template; by default every one of yours.")] = "",
) -> None:
    """Show how your templates differ from those in the package now; exit 1 when one does."""
    from maild.outbound.templates import PACKAGED

    differs = False
    for file, path in _own(_folder(ctx)).items():
        bare = file.rpartition("/")[2]
        if name and bare.split(".")[0] != name:
            continue
        packaged = PACKAGED / bare
        text = difference(packaged.read_text(encoding="utf-8") if packaged.exists() else "", path.read_text(encoding="utf-8"),
                          f"package/{bare}", str(path))  # fmt: skip
        differs = differs or bool(text)
        if text:
            show.block(text)
    if differs:
        raise typer.Exit(1)
    show.line("your templates say what the package's do" if not name else f"{name}: no difference")


def difference(before: str, after: str, before_name: str, after_name: str) -> str:
    """A unified diff, '' where nothing differs."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), before_name, after_name, lineterm="")
    return "\n".join(lines)


def preview(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The template's name, as `template list` shows it.")],
    case: Annotated[int | None, typer.Option("--case", help="Fill it in from this case; without it from a sample.")] = None,
    language: Annotated[str, typer.Option("--language", help="In this language; by default the contact's.")] = "",
    html: Annotated[bool, typer.Option("--html", help="Print the HTML part.")] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Show how a mail of this template would read; nothing is sent."""
    from maild.errors import CaseError
    from maild.outbound.names import SAMPLE

    found = invocation(ctx)
    settings = found.settings()
    templates = _templates(found.folder)
    _known_name(templates, name)
    mailbox = next(iter(settings.main.mailboxes))
    names: Any = dict(SAMPLE)
    if case is not None:
        store = found.store()
        if store is None:
            raise CaseError(f"there is no case {case}")
        mailbox, spoken, names = _of_case(store, settings, case, names)
        language = language or spoken
    rendered = templates.render(name, mailbox, language or settings.main.language, names)
    if json:
        show.as_json({"subject": rendered.subject, "text": rendered.text, "html": rendered.html})
    elif html:
        show.block(rendered.html)
    else:
        show.line(f"Subject: {rendered.subject}")
        show.line()
        show.block(rendered.text)


def test(
    ctx: typer.Context, name: Annotated[str, typer.Argument(help="Only this template; by default every one.")] = "",
) -> None:  # fmt: skip
    """Fill in every template with sample data, in every language; exit 1 when one has a fault."""
    from maild.cli.check import print_fault
    from maild.cli.check import templates as faults_of

    found = invocation(ctx)
    known = _known_name(_templates(found.folder), name) if name else ""
    faults = [one for one in faults_of(found.settings()) if not known or Path(one.file).name.split(".")[0] == known]
    for fault in faults:
        print_fault(fault)
    if faults:
        raise typer.Exit(1)
    show.line(f"{known or 'every template'}: no faults")


def _known_name(templates: Templates, name: str) -> str:
    """The name, if there is such a template; else says which is near, and exits."""
    if name not in templates.names():
        close = difflib.get_close_matches(name, templates.names(), 1)
        show.error(f"there is no template {name!r}; {f'did you mean {close[0]!r}?' if close else 'maild template lists them'}")
        raise typer.Exit(1)
    return name


def _of_case(store: Any, settings: Any, number: int, sample: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """The mailbox and language of a case, and the names that a template about it may use."""
    from maild import clock
    from maild.desk import Desk
    from maild.errors import NoSuchCase
    from maild.office import open_office
    from maild.store import cases, installation, people

    now = clock.now()
    with store.read() as connection:
        found = cases.get(connection, number)
        if found is None:
            raise NoSuchCase(f"there is no case {number}")
        desk = Desk(open_office(settings, installation.keyring(connection)), connection, now)
        contact = people.contact(connection, found.contact_id) if found.contact_id else None
        names = desk.names(found, contact, _first_mail(connection, desk, number))
    spoken = (contact.language if contact else "") or settings.main.mailboxes[found.mailbox].language or ""
    return found.mailbox, spoken, {**sample, **{key: value for key, value in names.items() if value is not None}}


def _first_mail(connection: Connection, desk: Desk, number: int) -> Any:
    """The mail that the case began with, read again; None where it began without one."""
    from maild.ingest.parse import parse
    from maild.store import cases, decided

    for row in cases.messages_of(connection, number):
        if row.direction == "in" and row.spool_seq is not None:
            loaded = decided.load(connection, [row.spool_seq])
            return parse(loaded[0][1]) if loaded else None
    return None
