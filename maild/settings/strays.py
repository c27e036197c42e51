"""This is where maild looks at what else lies in the configuration directory: templates, and files it does not read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from maild.errors import Fault
from maild.plain.layers import below, layers, within
from maild.settings.faults import nearest, whole

if TYPE_CHECKING:
    from maild.settings.load import Reading

_TEMPLATE_FILE = re.compile(
    r"(?P<name>[^.]+)(?:\.(?P<language>[a-z]{2,3}(?:-[A-Za-z]+)?))?\.(?P<part>subject|txt|html)\.j2\Z"
)


def template_names(named: Path) -> frozenset[str]:
    """The names of the templates there are: those of the package and those in templates/."""
    shipped = Path(__file__).parent.parent / "outbound" / "templates"
    paths = (path for place in (shipped, *below(named, "templates")) for path in place.rglob("*.j2"))
    matches = (_TEMPLATE_FILE.match(path.name) for path in paths)
    return frozenset(match["name"] for match in matches if match is not None and match["part"] == "txt")


def templates(reading: Reading) -> Iterator[Fault]:
    """Files in templates/ that are none, and folders that belong to no mailbox; notes the hash of each template.

    What a template says is proved where it is rendered (`outbound.templates`).
    """
    main = reading.models.get("maild.yaml")
    for folder, path in [(one, path) for one in below(reading.named, "templates") for path in sorted(one.rglob("*"))]:
        if path.is_dir() or path.name.startswith(".") or path.name.upper().startswith("README"):
            continue
        inside = path.relative_to(folder).parts
        if path.suffix != ".j2":
            why = "this file is not read: a template is NAME[.LANG].{subject,txt,html}.j2"
            yield whole(path, why, "rename or move it", "warning")
            continue
        if main is not None and (len(inside) > 2 or (len(inside) == 2 and inside[0] not in main.mailboxes)):
            yield whole(path, f"templates/{inside[0]} is no mailbox's folder", nearest(inside[0], main.mailboxes))
        try:
            reading.hashes[str(path.relative_to(folder.parent))] = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            yield whole(path, f"cannot be read: {(error.strerror or '').lower()}", "check its owner and mode")


_QUIET = frozenset({".md", ".txt", ".csv"})
_OTHER_YAML = frozenset({".yml", ".YAML", ".YML"})


def not_read(reading: Reading) -> Iterator[Fault]:
    """Files beside the rules that look like rules and are not read."""
    read = {name.removeprefix("rules/") for name in reading.documents}
    for path in [path for folder in below(reading.named, "rules") for path in sorted(folder.iterdir())]:
        if path.is_dir() or path.name in read or path.name.startswith(".") or path.suffix in _QUIET:
            continue
        hint = f"name it {path.stem}.yaml" if path.suffix in _OTHER_YAML else "remove it, or move it elsewhere"
        yield whole(path, "this file is not read: rules are in rules/*.yaml", hint, "warning")
    for name in reading.below():
        if name not in reading.documents:
            why = "this file is not read: no rule file includes it"
            hint = f"write - include: {name.removeprefix('rules/')} under rules: of a file in rules/, or remove it"
            where = within(reading.named, name) if reading.rules is None else reading.rules / name.removeprefix("rules/")
            yield whole(where, why, hint, "warning")
    for path in [path for folder in layers(reading.named) for path in sorted(folder.glob("*.yml"))]:
        yield whole(path, "this file is not read", f"name it {path.stem}.yaml", "warning")
