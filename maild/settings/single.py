"""This is where maild checks one file: a draft, an editor's buffer on standard input, or a file of a directory."""

from __future__ import annotations

from pathlib import Path

from maild.errors import Fault
from maild.settings import faults as wanting
from maild.settings import renamed
from maild.settings.load import MODELS, Reading, load_with_warnings, rule_model
from maild.settings.reader import read_bytes, read_file
from maild.settings.source import Document

_TOP_KEYS = {
    "rules": "rules/", "conditions": "rules/", "workflows": "workflows.yaml", "calendars": "sla.yaml", "policies": "sla.yaml",
    "users": "directory.yaml", "groups": "directory.yaml", "organisations": "directory.yaml",
    "organizations": "directory.yaml",
}  # fmt: skip


def check_file(path: Path) -> tuple[Fault, ...]:
    """The faults of this file: with those against the other files where it is part of a configuration directory."""
    folder, name = within(path)
    if (folder / "maild.yaml").exists() and (name in MODELS or (name.startswith("rules/") and path.suffix == ".yaml")):
        _, found = load_with_warnings(folder)
        same = str(folder / name)
        return tuple(fault for fault in found if fault.file == same)
    return _alone(read_file(path, str(path)), path.name)


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
    kind = name if name in MODELS else next((_TOP_KEYS[key] for key in keys if key in _TOP_KEYS), "maild.yaml")
    return kind if kind in MODELS else "rules/-"


def _alone(document: Document, name: str) -> tuple[Fault, ...]:
    if document.value is None:
        return tuple(document.faults)
    if not isinstance(document.value, dict):
        return (*document.faults, Fault(document.file, 1, 1, "this must hold keys (key: value)", "", wanting.PAGE))
    kind = _kind(document, name)
    reading = Reading.of_document(kind, document, MODELS.get(kind) or rule_model())
    reading.faults += renamed.faults(document)
    return tuple(sorted(reading.faults, key=lambda fault: (fault.line, fault.column)))
