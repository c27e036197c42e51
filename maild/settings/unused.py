"""This is where maild says which keys it takes and does nothing with yet, so that nobody waits for their effect.

Each line is a path as it stands in the file, `*` for any name or position; `check` prints those that are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

# file, path of the key
UNUSED: tuple[tuple[str, str], ...] = (
    ("directory.yaml", "groups.*.calendar"),
    ("directory.yaml", "groups.*.name"),
)


def unused(documents: dict[str, Any], table: tuple[tuple[str, str], ...] = UNUSED) -> list[str]:
    """The keys in use that do nothing yet (`maild.yaml: mailboxes.*.banners`); ``documents``: values by file name."""
    found = []
    for file, pattern in table:
        if any(fnmatchcase(path, pattern) for path in _paths(documents.get(file), "")):
            found.append(f"{file}: {pattern.removesuffix('.*')}")
    return found


def _paths(value: Any, above: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield f"{above}{key}"
            yield from _paths(each, f"{above}{key}.")
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield f"{above}{position}"
            yield from _paths(each, f"{above}{position}.")
            yield from _paths(each, above)  # one block or a list of them: the same keys
