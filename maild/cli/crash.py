"""This is where the details of a fault of our own are kept, so that the terminal shows one line and no traceback."""

from __future__ import annotations

import os
import tempfile


def write_report(text: str) -> str:
    """Write the traceback into a new private file; returns its path."""
    handle, path = tempfile.mkstemp(prefix="maild-fault-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    return path
