"""This is where a file gets other content whole or not at all, so that nobody ever reads half of it."""

from __future__ import annotations

import os
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Write this content beside the file and rename it; a file that is there keeps its mode and its owner. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    if path.exists():
        before = path.stat()
        beside.chmod(before.st_mode & 0o777)
        if (before.st_uid, before.st_gid) != (beside.stat().st_uid, beside.stat().st_gid):
            os.chown(beside, before.st_uid, before.st_gid)
    beside.replace(path)
