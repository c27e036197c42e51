"""This is where maild puts rules that come from elsewhere into a rule file, with a line for all that was not translated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from maild.workbench import yamltext


@dataclass(frozen=True, slots=True)
class Left:
    """Something that has no translation: its line in the file that was read, what stands there, and why."""

    line: int
    text: str
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {' '.join(self.text.split())[:80]}: {self.why}"


@dataclass(slots=True)
class Imported:
    """Rules as mappings for YAML, in order, and what was left."""

    rules: list[dict[str, Any]] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def text(self, source: str) -> str:
        """A rule file."""
        head = [f"# From {source}. Read each rule: the first that matches ends the search, `continue: true` goes on."]
        head += [f"# not translated: {one}" for one in self.left]
        return "\n".join(head) + "\n" + yamltext.dump({"rules": self.rules} if self.rules else {"rules": []})


def joined(how: str, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several criteria as one: `all`, `any` or `none` of them; one alone stands for itself."""
    parts = [part for part in parts if part]
    if how != "none" and len(parts) == 1:
        return dict(parts[0])
    keys = [key for part in parts for key in part]
    if how == "all" and len(set(keys)) == len(keys):
        return {key: value for part in parts for key, value in part.items()}
    return {how: [dict(part) for part in parts]} if parts else {}


def spam(name: str) -> bool:
    """Whether a folder is called as one for spam is."""
    return any(word in name.lower() for word in ("spam", "junk", "bulk", "trash"))


def filed(folder: str) -> dict[str, Any]:
    """What filing into a folder becomes: spam is held, everything else gets the folder's name as a tag."""
    if spam(folder):
        return {"hold": {"reason": f"filed into {folder} before", "for": "14d", "then": "discard"}}
    name = folder.strip("/").replace(".", "/").removeprefix("INBOX/").strip("/").rpartition("/")[2]
    return {"case": {"tags": [name.lower().replace(" ", "-")]}} if name and name.upper() != "INBOX" else {}
