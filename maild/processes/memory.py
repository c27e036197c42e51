"""This is where a process that has nothing to do gives back the memory that its last burst of work took.

glibc keeps what was freed for itself; a worker that once read a mail of megabytes would hold them for ever.
"""

from __future__ import annotations

import ctypes

_libc = ctypes.CDLL(None)


def give_back() -> None:
    """Hand freed memory to the system, where the C library can (glibc; a few milliseconds)."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)
