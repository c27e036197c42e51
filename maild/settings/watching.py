"""This is where maild notices that files of a configuration directory have changed, for `watch: true` and `rules test --watch`."""

from __future__ import annotations

from pathlib import Path

from maild.plain.layers import below, layers

SUFFIXES = frozenset({".yaml", ".csv", ".txt", ".j2", ".eml"})
SECONDS = 2.0  # between two looks


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Name -> (time of the last change in ns, size) of each file that a configuration may consist of."""
    found: dict[str, tuple[int, int]] = {}
    places = [place for name in ("rules", "templates", "lists") for place in below(folder, name)]
    for path in [*(path for one in layers(folder) for path in one.iterdir()), *(path for place in places for path in place.rglob("*"))]:
        if path.suffix in SUFFIXES and path.name[0] != ".":
            try:
                status = path.stat()
            except OSError:
                continue
            found[str(path)] = (status.st_mtime_ns, status.st_size)
    return found


class Watch:
    """Says once of each change that it has come to rest: the same at two looks, so that no half-written file is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = self._seen = self._look()
        self._next = 0.0

    def _look(self) -> dict[str, tuple[int, int]]:
        try:
            return snapshot(self._folder)
        except OSError:
            return {}

    def changed(self, monotonic: float) -> bool:
        """Whether there is a change to act on; looks at most every two seconds of this clock."""
        if monotonic < self._next:
            return False
        self._next = monotonic + SECONDS
        before, self._seen = self._seen, self._look()
        if self._seen == self._known or self._seen != before or not self._seen:
            return False
        self._known = self._seen
        return True
