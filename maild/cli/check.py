"""This is where maild checks a configuration before anything runs on it: `maild check`, each fault with its place."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maild.cli import show

if TYPE_CHECKING:
    from maild.errors import Fault
    from maild.settings.models import Settings

# What else proves a configuration: module and function, called with the settings, giving faults. Absent ones are left
# out. The tests beside the rules come last, and only where all they run on is sound.
CHECKS = ("maild.settings.named_files:faults", "maild.settings.named_files:accounts", "maild.rules.lint:lint", "maild.cli.check:templates")
TESTS = "maild.workbench.gate:faults"


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def register(app: typer.Typer) -> None:
    """Add `check` to the command line."""
    app.command("check")(check)


def check(
    ctx: typer.Context,
    path: Annotated[
        Path | None, typer.Argument(help="A directory, one file, or - for standard input.", show_default=False)
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as faults.")] = False,
    connect: Annotated[bool, typer.Option("--connect", help="Also try IMAP, smarthost, database and sockets.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Read and compare the files only, as before a start.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="First write renamed keys under their present names; comments stay.")] = False,
    format: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Validate every configuration file; say each fault with file:line:column."""
    if as_json:
        format = Format.JSON
    target = path or ctx.obj.folder
    if fix:
        _fix(target)
    settings, faults, unused = _read(target, quick)
    lines: list[dict[str, Any]] = []
    if connect and settings is not None:
        from maild.cli.connect import attempts

        lines = [attempt.as_dict() for attempt in attempts(settings)]
    _print(target, settings, faults, unused, lines, format)
    wrong = [fault for fault in faults if strict or fault.severity == "error"]
    raise typer.Exit(1 if wrong or any(not line["ok"] for line in lines) else 0)


def _fix(target: Path) -> None:
    """Write the renamed keys of this file, or of every file of this directory, under their present names."""
    from maild.plain.layers import layers
    from maild.plain.replacing import replace
    from maild.settings import renamed, single
    from maild.settings.load import Reading

    if str(target) == "-":
        raise typer.BadParameter("--fix writes files, and standard input is none")
    if target.is_file():
        documents = [single.document(target)]
    else:
        documents = [one for folder in layers(target) for one in Reading(folder).documents.values()]
    for document in documents:
        edits = renamed.edits(document)
        if edits:
            begins = b"\xef\xbb\xbf" if Path(document.file).read_bytes().startswith(b"\xef\xbb\xbf") else b""
            replace(Path(document.file), begins + renamed.fixed(document).encode())
        for edit in reversed(edits):
            show.error(f"{document.file}:{edit.line}: {edit.path[-1]} is written {edit.now}")


def _read(target: Path, quick: bool) -> tuple[Settings | None, Sequence[Fault], list[str]]:
    """The settings (None for one file, or where there is a fault), what was found, and the keys without effect yet."""
    from maild.settings import single
    from maild.settings.load import Reading
    from maild.settings.unused import unused

    if str(target) == "-":
        return None, single.check_text(typer.get_binary_stream("stdin").read()), []
    if target.is_file():
        folder, name = single.within(target)
        if not single.belongs(folder, name):
            return None, single.check_file(target), []
        _, found, _ = _read(folder, quick)
        return None, [fault for fault in found if Path(fault.file).absolute() == target.absolute()], []
    try:
        reading = Reading(target)
    except OSError as error:
        show.error(f"{target} cannot be read: {error.strerror}; check its owner and mode, or run as the user maild")
        raise typer.Exit(2) from None
    if not reading.documents:
        for fault in reading.faults:
            show.error(fault)
        raise typer.Exit(2)
    settings = reading.settings()
    faults = list(reading.found())
    if settings is not None and not quick:
        for name in (*CHECKS, TESTS):
            if name != TESTS or not any(fault.severity == "error" for fault in faults):
                faults += (_named_alike(fault, target) for fault in _others(name)(settings))
    faults.sort(key=lambda fault: (fault.file, fault.line, fault.column))
    return settings, faults, unused({name: document.value for name, document in reading.documents.items()})


def templates(settings: Settings) -> list[Fault]:
    """The faults of the templates: syntax, names that there are not, what fails with sample data."""
    from maild.errors import ConfigError, Fault
    from maild.outbound.templates import Templates
    from maild.plain.layers import below

    try:
        found = Templates(*below(settings.named, "templates")).check(mailboxes=settings.main.mailboxes)
    except ConfigError as error:
        return list(error.faults)
    page = "docs/reference/templates.md"
    return [Fault(file, line, 1 if line else 0, message, "", page) for file, line, message in found]


def _named_alike(fault: Fault, target: Path) -> Fault:
    """The same fault with its file named as the person named the directory."""
    from dataclasses import replace

    from maild.plain.layers import layers

    where = Path(fault.file).absolute()
    for folder in layers(target):
        if where.is_relative_to(folder.absolute()):
            return replace(fault, file=str(folder / where.relative_to(folder.absolute())))
    return fault


def _others(name: str) -> Callable[[Any], Sequence[Fault]]:
    module, _, function = name.partition(":")
    try:
        found: Callable[[Any], Sequence[Fault]] = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError:
        return lambda _: ()
    return found


def _print(
    target: Path,
    settings: Settings | None,
    faults: Sequence[Fault],
    unused: list[str],
    lines: list[dict[str, Any]],
    format: Format,
) -> None:
    errors = sum(fault.severity == "error" for fault in faults)
    warnings = len(faults) - errors
    refused = [line for line in lines if not line["ok"]]
    if format is Format.JSON:
        from dataclasses import asdict

        show.as_json(
            {
                "ok": not errors and not refused,
                "errors": errors,
                "warnings": warnings,
                "faults": [asdict(fault) for fault in faults],
                "hash": settings.hash if settings else None,
                "without_effect": unused,
                "connections": lines,
            }
        )
        return
    if format is Format.GITHUB:
        for fault in faults:
            place = f"file={fault.file}" + (f",line={fault.line},col={fault.column}" if fault.line else "")
            text = f"{fault.message}{f' ({fault.hint})' if fault.hint else ''}".replace("%", "%25")
            show.line(f"::{fault.severity} {place}::{text}")
        for line in refused:
            show.line(f"::error ::{line['what']}: {line['text']}".replace("%", "%25"))
        return
    for fault in faults:
        print_fault(fault)
    for line in lines:
        show.line(f"{'ok   ' if line['ok'] else 'FAULT'} {line['what']}: {line['text']}")
    if unused:
        show.line(f"accepted, without effect in this version: {', '.join(unused)}")
    counted = ", ".join(
        f"{n} {word}{'' if n == 1 else 's'}"
        for n, word in ((errors, "error"), (warnings, "warning"), (len(refused), "connection fault")) if n
    )  # fmt: skip
    if settings is not None and not errors:
        main, directory = settings.main, settings.directory
        many = ", ".join(
            f"{n} {word if n == 1 else words}"
            for n, word, words in (
                (len(main.mailboxes), "mailbox", "mailboxes"), (len(directory.groups), "group", "groups"),
                (len(settings.rules), "rule", "rules"),
            )
        )  # fmt: skip
        show.line(f"{target}: {counted or 'no faults'} ({many}; {settings.hash[:12]})")
    elif counted:
        show.error(f"{target}: {counted}; nothing of it goes live until the errors are gone")
    else:
        show.line(f"{target}: no faults")


def print_fault(fault: Fault) -> None:
    """One fault: its place and sentence, the line as it stands with a caret below, where to read on."""
    place = f"{fault.file}:{fault.line}:{fault.column}" if fault.line else fault.file
    show.line(f"{place}: {fault.severity}: {fault.message}{f' ({fault.hint})' if fault.hint else ''}")
    shown = _source(fault)
    if shown is not None:
        number = str(fault.line)
        shown, column = _around(shown, fault.column)
        show.block(f"  {number} | {shown}\n  {' ' * len(number)} | {' ' * (column - 1)}^")
    if fault.page:
        show.line(f"  see {fault.page}")


def _around(line: str, column: int, width: int = 120) -> tuple[str, int]:
    """What of a long line stands around this column, and the column in it."""
    if len(line) <= width:
        return line, column
    start = max(0, min(column - width // 2, len(line) - width))
    piece = line[start : start + width]
    return f"{'…' if start else ''}{piece}{'…' if start + width < len(line) else ''}", column - start + (1 if start else 0)


def _source(fault: Fault) -> str | None:
    """The line of the fault, with what may be a secret blotted out; None where there is none to show."""
    import re

    if not fault.line or fault.file == "-":
        return None
    try:
        text = Path(fault.file).read_bytes().decode("utf-8", "replace").removeprefix("\ufeff")
    except OSError:
        return None
    lines = text.splitlines()
    if fault.line > len(lines):
        return None
    line = lines[fault.line - 1].replace("\t", " ")
    line = re.sub(r"((?:password|client_secret|secret|key)\s*:\s+)(?!\{)[^,}]+", r"\1…", line)
    return re.sub(r"(://[^/@:\s]*:)[^/@\s]+@", r"\1…@", line)
