"""This is where a configuration stands in several folders: `BASE:SITE`, where the later one wins.

Of maild.yaml, directory.yaml, sla.yaml and workflows.yaml the mappings are merged (`settings.source.overlaid`); every other
file is the one of the last folder that has it. Relative paths are below the last folder.
"""

from __future__ import annotations

from pathlib import Path


def layers(named: Path) -> tuple[Path, ...]:
    """The folders that `BASE:SITE` names, the base first; a path that is there is one folder, whatever its name."""
    if ":" not in str(named) or named.exists():
        return (named,)
    return tuple(Path(one) for one in str(named).split(":") if one) or (named,)


def site(named: Path) -> Path:
    """The last folder: what maild writes stands there."""
    return layers(named)[-1]


def within(named: Path, name: str) -> Path:
    """The file of this name in the last folder that has it; where there is none, where it would be in the last."""
    there = [path for folder in layers(named) if (path := folder / name).exists() or path.is_symlink()]
    return there[-1] if there else site(named) / name


def below(named: Path, name: str) -> list[Path]:
    """The folders of this name that there are, the base's first."""
    return [path for folder in layers(named) if (path := folder / name).exists()]
