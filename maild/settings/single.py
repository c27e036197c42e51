"""This is where maild checks one file: a draft, an editor's buffer on standard input, or a file of a directory."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from maild.errors import Fault
from maild.settings import faults as wanting
from maild.settings import renamed
from maild.settings.load import MODELS, Reading, rule_model
from maild.settings.reader import read_bytes, read_file
from maild.settings.source import Document

_TOP_KEYS = {
    "rules": "rules/", "conditions": "rules/", "workflows": "workflows.yaml", "calendars": "sla.yaml", "policies": "sla.yaml",
    "users": "directory.yaml", "groups": "directory.yaml", "organisations": "directory.yaml",
    "organizations": "directory.yaml",
}  # fmt: skip


def check_file(path: Path) -> tuple[Fault, ...]:
    """The faults of this file alone."""
    return _alone(read_file(path, str(path)), path.name)


def belongs(folder: Path, name: str) -> bool:
    """Whether a file of this name is part of a configuration in this directory."""
    return (folder / "maild.yaml").exists() and (name in MODELS or (name.startswith("rules/") and name.endswith(".yaml")))


def within(path: Path) -> tuple[Path, str]:
    """The configuration directory that a file would be part of, and its name within it."""
    for folder in path.parents:
        if folder.name == "rules":
            return folder.parent, f"rules/{path.relative_to(folder).as_posix()}"
    return path.parent, path.name


def check_text(raw: bytes, shown: str = "-") -> tuple[Fault, ...]:
    """The faults of these bytes alone; which file of a configuration they are is seen by their keys."""
    return _alone(read_bytes(raw, shown), "")


def document(path: Path) -> Document:
    """One file as it is read; which file of a configuration it is is seen by its place, its name or its keys."""
    found = read_file(path, str(path))
    inside = within(path)[1]
    found.name = inside if inside in MODELS or inside.startswith("rules/") else _kind(found, path.name)
    return found


def _kind(document: Document, name: str) -> str:
    """The file of a configuration that this could be."""
    keys = document.value if isinstance(document.value, dict) else {}
    meant = keys if keys.keys() & MODELS["maild.yaml"].model_fields.keys() else _nearly(keys)
    kind = name if name in MODELS else next((_TOP_KEYS[key] for key in meant if key in _TOP_KEYS), "maild.yaml")
    return kind if kind in MODELS else "rules/-"


def _nearly(keys: Iterable[str]) -> list[str]:
    """The keys, each as the one of `_TOP_KEYS` that it is most like."""
    return [close[0] for key in keys if (close := difflib.get_close_matches(key, _TOP_KEYS, 1, 0.7))]


def _alone(document: Document, name: str) -> tuple[Fault, ...]:
    if document.value is None:
        return tuple(document.faults)
    if not isinstance(document.value, dict):
        return (*document.faults, wanting.no_keys(document))
    kind = _kind(document, name)
    reading = Reading.of_document(kind, document, MODELS.get(kind) or rule_model())
    reading.faults += renamed.faults(document)
    return tuple(sorted(reading.faults, key=lambda fault: (fault.line, fault.column)))
