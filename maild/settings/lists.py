"""This is where maild reads the files that `in_list` names: a text file with an entry a line, or a column of a CSV."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from pathlib import Path

from maild.plain.layers import site, within
from maild.settings.faults import nearest

_LIST = re.compile(r"(?P<file>.+\.csv):(?P<column>[^:/]+)\Z")


def read(folder: Path, name: str) -> tuple[str, str, tuple[str, ...]]:
    """The file within ``folder``, its SHA-256, and its entries in lower case, each once.

    ``name`` is `lists/vip.txt` (an entry a line, # begins a comment), `lists/vip.csv` (the first column) or
    `lists/vip.csv:domain` (the column of that name, the first line holding the names). Columns are parted by commas, or by
    semicolons or tabs where the first line has no comma; in a CSV "# " begins a comment line. Raises ValueError in a sentence; what follows a
    line break in it is the hint.
    """
    match = _LIST.match(name)
    file = match["file"] if match else name
    path = within(folder, file)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"the list {path} is not UTF-8\nsave it as UTF-8 (in Excel: CSV UTF-8)") from None
    except OSError as error:
        near = [each.relative_to(site(folder)).as_posix() for each in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(file, near) or "paths are relative to the configuration directory"
        raise ValueError(f"the list {path} cannot be read: {(error.strerror or str(error)).lower()}\n{hint}") from None
    if path.suffix.lower() == ".csv":
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("# "))
        head = text.partition("\n")[0]
        parted = next((sign for sign in ",;\t" if sign in head), ",")
        entries = _column(list(csv.reader(io.StringIO(text, newline=""), delimiter=parted)), match["column"] if match else "", path)
    else:
        entries = [line.split(" #")[0] for line in text.splitlines() if not line.lstrip().startswith("#")]
    found = dict.fromkeys(entry.strip().lower() for entry in entries if entry.strip())
    return file, hashlib.sha256(raw).hexdigest(), tuple(found)


def _column(rows: list[list[str]], name: str, path: Path) -> list[str]:
    column = 0
    if name:
        head = [cell.strip().lower() for cell in rows[0]] if rows else []
        if name.strip().lower() not in head:
            raise ValueError(f"the list {path} has no column {name!r}; its first line has: {', '.join(head)}\n{nearest(name, head)}")
        column, rows = head.index(name.strip().lower()), rows[1:]
    return [row[column] for row in rows if len(row) > column]
