"""This is where commands read what people give them: several values, name=value pairs, points in time, a longer text."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Number = Annotated[int, typer.Argument(help="The case's number.")]
Words = Annotated[list[str] | None, typer.Option(help="May be given several times.")]


def split(values: list[str] | None) -> list[str]:
    return [part.strip() for value in values or [] for part in value.split(",") if part.strip()]


def pairs(values: list[str]) -> Iterator[tuple[str, str]]:
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals:
            raise typer.BadParameter(f"{value!r}: write name=value")
        yield name.strip().removeprefix("fields."), rest


def moment(text: str) -> datetime:
    """A point in time as people write it: 2d, 4h (ago), 2026-11-01 or an ISO time. Raises typer.BadParameter."""
    from datetime import UTC

    from maild import clock
    from maild.settings.values import duration

    try:
        return clock.now() - duration(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: write 2d, 4h, or 2026-11-01") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def edited() -> str:
    """What the person writes in $EDITOR."""
    import os
    import shlex
    import subprocess
    import tempfile

    with tempfile.NamedTemporaryFile("r", suffix=".txt", encoding="utf-8") as file:
        subprocess.run([*shlex.split(os.environ.get("EDITOR", "vi")), file.name], check=True)
        return Path(file.name).read_text(encoding="utf-8")


def words_of(value: str | None) -> str:
    return sys.stdin.read() if value in {None, "-"} else str(value)


def content(file: Path) -> bytes:
    """The bytes of a file, or of standard input for `-`. Raises typer.BadParameter where it cannot be read."""
    if str(file) == "-":
        if sys.stdin.isatty():
            typer.echo("type or paste it; Ctrl-D on a line of its own ends it", err=True)
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {(error.strerror or str(error)).lower()}") from None
