"""This is where maild puts a message into a file until the daemon takes it: written whole or not at all, and durable.

A file in ``state_dir/incoming/`` is a line of JSON (``from``, ``to``, ``received_at``), then the message.
Names that begin with a dot are not finished. Imports next to nothing: `maild deliver` starts for each message.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = "incoming"


def write(folder: Path, header: Mapping[str, Any], raw: bytes) -> Path:
    """Store a message; when this returns it survives a power cut. Raises OSError, and then leaves nothing behind."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}"
    path = folder / name
    replace_file(path, json.dumps(dict(header)).encode() + b"\n" + raw)
    return path


def read(path: Path) -> tuple[dict[str, Any], bytes]:
    """The header and the bytes of a stored message. Raises OSError; ValueError where it is no such file."""
    head, newline, raw = path.read_bytes().partition(b"\n")
    header = json.loads(head)
    if not newline or not isinstance(header, dict):
        raise ValueError("it does not begin with a line of JSON")
    return header, raw


def replace_file(path: Path, content: bytes, mode: int = 0o640) -> None:
    """Write a file so that at any moment the old or the new one is there, whole and durable. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
