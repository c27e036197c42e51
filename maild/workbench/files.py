"""This is where maild puts rule files in place: proved beside the rest of the configuration first, and with a copy of what
was there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from maild.errors import ConfigError, Fault
from maild.settings.load import load
from maild.settings.models import Settings

KEPT = ".kept"


def rules_in(folder: Path) -> dict[str, str]:
    """The rule files of a folder (or of `rules/` in it, where it is a whole configuration), as `rules/NAME` -> text.

    Raises ConfigError where there are none.
    """
    place = rules_place(folder)
    found = {
        f"rules/{path.name}": path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(place.glob("*.yaml")) if path.name[0] != "."
    } if place.is_dir() else {}  # fmt: skip
    if not found:
        raise ConfigError([Fault(str(folder), 0, 0, "there are no rule files (*.yaml) here", "name a folder of rule files")])
    return found


def rules_place(folder: Path) -> Path:
    """The folder of rule files that is meant: the folder itself, or `rules` in a configuration directory."""
    return folder / "rules" if (folder / "maild.yaml").exists() or (folder / "rules").is_dir() else folder


@contextmanager
def spread(files: Mapping[str, str]) -> Iterator[Path]:
    """These rule files (`rules/NAME` -> text) in a folder that is gone afterwards; yields the folder."""
    with tempfile.TemporaryDirectory(prefix="maild-rules-") as name:
        folder = Path(name)
        for file, text in files.items():
            if file.startswith("rules/"):
                (folder / Path(file).name).write_text(text, encoding="utf-8")
        yield folder


def with_rules(folder: Path, files: Mapping[str, str]) -> Settings:
    """The configuration in ``folder`` with these rule files in place of its own. Raises ConfigError with every fault."""
    with spread(files) as rules:
        return load(folder, rules=rules)


def prove(folder: Path, files: Mapping[str, str]) -> None:
    """Refuse rule files that could not go live here: faults, or tests of their own that fail. Raises ConfigError."""
    from maild.office import prove as proved

    with spread(files) as rules:
        proved(load(folder, rules=rules))


def put(folder: Path, files: Mapping[str, str], now: datetime) -> Path | None:
    """Make these the rule files of a configuration directory; returns where the ones before are kept (None: none were).

    They are written beside and renamed, so that nobody reads half a file; those not among ``files`` are taken away. A
    reload in between is refused or complete, never wrong: it takes effect only when asked for.
    """
    rules = folder / "rules"
    rules.mkdir(exist_ok=True)
    before = {path.name: path.read_bytes() for path in sorted(rules.glob("*.yaml")) if path.name[0] != "."}
    kept: Path | None = None
    if before:
        kept = folder / KEPT / f"rules-{now:%Y%m%d-%H%M%S}"
        kept.mkdir(parents=True)
        for name, raw in before.items():
            (kept / name).write_bytes(raw)
    wanted = {Path(name).name: text.encode() for name, text in files.items() if name.startswith("rules/")}
    for name, raw in wanted.items():
        if before.get(name) == raw:
            continue
        beside = rules / f".{name}.new"
        with beside.open("wb") as handle:
            handle.write(raw)
            handle.flush()
            os.fsync(handle.fileno())
        if name in before:
            beside.chmod((rules / name).stat().st_mode & 0o777)
        beside.replace(rules / name)
    for name in before.keys() - wanted.keys():
        (rules / name).unlink()
    return kept
