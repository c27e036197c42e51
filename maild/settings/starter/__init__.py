"""This is where maild keeps the configuration that `maild init` writes, and writes it from."""

from __future__ import annotations

import json
from pathlib import Path

SCHEMA = "rules.schema.json"

_HERE = Path(__file__).parent


def files() -> list[str]:
    """The names of the files, within the directory that is made."""
    return sorted(
        str(path.relative_to(_HERE))
        for path in _HERE.rglob("*")
        if path.is_file() and path.suffix in {".yaml", ".txt", ".md", ".csv", ".j2"}
    )


def text(name: str) -> str:
    """What would be written to the file of this name."""
    return (_HERE / name).read_text(encoding="utf-8")


def write(folder: Path) -> list[Path]:
    """Write the files into ``folder`` (made where it is not there), the rule files' schema for editors among them, and
    give their paths. Writes nothing and raises FileExistsError where one of them is there already."""
    from maild.settings.schema import schema

    names = files()
    for name in (*names, SCHEMA):
        if (folder / name).exists():
            raise FileExistsError(17, "exists", str(folder / name))
    written = []
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as stream:
            stream.write((_HERE / name).read_bytes())
        written.append(target)
    (folder / SCHEMA).write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")
    written.append(folder / SCHEMA)
    return written
