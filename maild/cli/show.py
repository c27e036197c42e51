"""This is where maild prints: the only module that does, so that text from outside is never taken for markup.

Lists and records go to stdout, faults and what to do next to stderr. Off a terminal nothing is wrapped or coloured.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import typer

WIDEST = 60  # characters that a cell may take from every other row
GAP = 2  # between columns
SHORT = 12  # no column gets less, if it needs as much
WORD = 24  # a word up to here is not broken
SHOWN = 200  # characters of a cell on a terminal


def clean(text: object) -> str:
    """The text without control characters (they are shown as U+FFFD), fit for one line of a terminal."""
    return "".join(c if c.isprintable() else " " if c in "\n\r\t" else "\ufffd" for c in str(text))


def line(text: object = "", *, alarm: bool = False) -> None:
    """One line on stdout, as it is; with ``alarm`` in red on a terminal (unless $NO_COLOR is set)."""
    red = alarm and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    typer.echo(typer.style(clean(text), fg="red") if red else clean(text))


def block(text: str) -> None:
    """Several lines on stdout; control characters but newline and tab are shown as U+FFFD."""
    typer.echo("".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text.replace("\r\n", "\n")))


def error(text: object) -> None:
    """One line on stderr that says what is wrong and what to do."""
    typer.echo(clean(text), err=True)


def event(record: Mapping[str, Any]) -> None:
    """A line of maild's log on stdout, coloured by its level on a terminal (unless $NO_COLOR is set)."""
    from maild.log_output import as_text

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    typer.echo(as_text(dict(record), colour).decode("utf-8", "replace").rstrip("\n"), color=colour)


def instant(value: datetime | None) -> str | None:
    """ISO 8601 in UTC ending in Z, without fractions of a second."""
    return None if value is None else value.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def as_json(value: Any, *, lines: bool = False) -> None:
    """The value as JSON in ASCII on stdout: indented, or with ``lines`` on one line."""
    typer.echo(json.dumps(value, default=_plain, ensure_ascii=True, indent=None if lines else 2))


def csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows as CSV on stdout, in which no value can be taken for a formula (OWASP, CSV injection)."""
    import csv as library

    writer = library.writer(sys.stdout)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in columns])


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("email") or "; ".join(f"{key}={one}" for key, one in value.items())
    elif isinstance(value, list):
        value = " ".join(str(one) for one in value)
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _shown(value: object) -> str:
    return "" if value is None else "yes" if value is True else "no" if value is False else clean(value)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A plain table on stdout, fitted to the terminal, where very long cells are cut. Without rows stdout stays empty.

    A terminal too narrow for it does without the columns that are empty; one too narrow for short words gets whole lines.
    Off a terminal nothing is cut: a very long cell pushes what is right of it, and widens no other row.
    """
    cells = [[_shown(cell) for cell in row] for row in rows]
    if not cells:
        if sys.stdout.isatty():  # a person would wonder whether it ran at all
            error("nothing to list")
        return
    if not sys.stdout.isatty():
        _wide_table([list(columns), *cells])
        return
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    whole = [list(columns), *([cell if len(cell) <= SHOWN else f"{cell[: SHOWN - 1]}…" for cell in row] for row in cells)]
    if sum(_widest(column) + GAP for column in zip(*whole, strict=True)) - GAP > console.width:
        filled = [at for at in range(len(columns)) if any(row[at] for row in cells)]
        whole = [[row[at] for at in filled] for row in whole]
    least = [min(_widest(column), max(SHORT, *(min(cell_len(word), WORD) for cell in column for word in cell.split() or [""]))) for column in zip(*whole, strict=True)]
    if sum(width + GAP for width in least) - GAP > console.width:
        _wide_table(whole)
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name, width in zip(whole[0], least, strict=True):
        drawn.add_column(name, overflow="fold", min_width=width)
    for row in whole[1:]:
        drawn.add_row(*map(Text, row))
    console.print(drawn)


def _widest(column: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, column))


def records(rows: Sequence[Mapping[str, object]]) -> None:
    """A table of rows that have the same keys: its columns."""
    table(list(rows[0]) if rows else (), [list(row.values()) for row in rows])


def _wide_table(rows: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len

    widths = [min(max(map(cell_len, column)), WIDEST) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        line("  ".join(padded).rstrip())


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Any]:
    """A progress bar on stderr while the block runs; yields a function that is called with the number of steps done."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done, total=total: bar.update(task, completed=done, total=total)
