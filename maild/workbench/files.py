"""This is where maild puts rule files in place: proved beside the rest of the configuration first, and with a copy of what
was there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace as replace_in
from datetime import datetime
from pathlib import Path

from maild.errors import ConfigError, Fault
from maild.plain.replacing import replace
from maild.settings.load import load
from maild.settings.models import Settings

KEPT = ".kept"


def rules_in(folder: Path) -> dict[str, str]:
    """The rule files of a folder (or of `rules/` in it, where it is a whole configuration), as `rules/NAME` -> text.

    Raises ConfigError where there are none.
    """
    place = rules_place(folder)
    found = {f"rules/{name}": path.read_text(encoding="utf-8", errors="replace") for name, path in _below(place).items()}
    if not found:
        why = "there are no rule files (*.yaml) here" if place.is_dir() else "there is no such folder"
        raise ConfigError([Fault(str(folder), 0, 0, why, "name a folder of rule files")])
    return found


def _below(rules: Path) -> dict[str, Path]:
    """The rule files of a folder and of those below it (which others include), by their path within it."""
    found = sorted(rules.rglob("*.yaml")) if rules.is_dir() else []
    names = {path.relative_to(rules): path for path in found if path.is_file()}
    return {name.as_posix(): path for name, path in names.items() if not any(part.startswith(".") for part in name.parts)}


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
                path = folder / file.removeprefix("rules/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        yield folder


def with_rules(folder: Path, files: Mapping[str, str]) -> Settings:
    """The configuration in ``folder`` with these rule files in place of its own. Raises ConfigError with every fault."""
    with spread(files) as rules:
        return load(folder, rules=rules)


def prove(folder: Path, files: Mapping[str, str], named: str) -> None:
    """Refuse rule files that could not go live here: faults, or tests of their own that fail. ``named`` is where they come
    from, for people. Raises ConfigError."""
    from maild.office import prove as proved

    with spread(files) as rules:
        try:
            proved(load(folder, rules=rules))
        except ConfigError as error:
            raise ConfigError([_at_home(fault, rules, named) for fault in error.faults]) from None


def _at_home(fault: Fault, spread_in: Path, named: str) -> Fault:
    """The fault with its file named as people know it, not as the copy that was proved."""
    path = Path(fault.file)
    return replace_in(fault, file=f"{named}/{path.relative_to(spread_in)}") if path.is_relative_to(spread_in) else fault


def put(folder: Path, files: Mapping[str, str], now: datetime) -> Path | None:
    """Make these the rule files of a configuration directory; returns where the ones before are kept (None: none were).

    They are written beside and renamed, so that nobody reads half a file; those not among ``files`` are taken away. A
    reload in between is refused or complete, never wrong: it takes effect only when asked for.
    """
    rules = folder / "rules"
    before = {name: path.read_bytes() for name, path in _below(rules).items()}
    kept: Path | None = None
    if before:
        kept = folder / KEPT / f"rules-{now:%Y%m%d-%H%M%S}"
        for name, raw in before.items():
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            (kept / name).write_bytes(raw)
    wanted = {name.removeprefix("rules/"): text.encode() for name, text in files.items() if name.startswith("rules/")}
    for name, raw in wanted.items():
        if before.get(name) != raw:
            replace(rules / name, raw)
    for name in before.keys() - wanted.keys():
        (rules / name).unlink()
    return kept
