"""This is where maild keeps maild.yaml and directory.yaml as they last went live, beside the daemon's state.

While one of them is broken on disk, the commands go on with these: `maild status` must say what is wrong, and a case must
be found, though somebody is in the middle of an edit. Neither file holds a secret.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from maild.plain import incoming
from maild.settings.models import Settings

FOLDER = "loaded"
NAMES = ("maild.yaml", "directory.yaml")


def keep(settings: Settings) -> None:
    """Keep the two files of settings that are live now. A file that changed meanwhile is left out. Raises OSError."""
    folder = settings.state_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        path = settings.folder / name
        content = path.read_bytes() if path.exists() else None
        if content is None or name not in settings.files:
            (folder / name).unlink(missing_ok=True)
        elif hashlib.sha256(content).hexdigest() == settings.files[name]:
            incoming.replace_file(folder / name, content)


def kept(state_dir: Path, *names: str) -> dict[str, Path]:
    """Where the files of these names are as they last went live, those that are kept."""
    return {name: path for name in names if (path := state_dir / FOLDER / name).exists()}
