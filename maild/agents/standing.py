"""This is where commands say where a case stands: `#status`, `#wait`, `#resolve`, `#reopen`, `#close`, `#spam`."""

from __future__ import annotations

from typing import Any

from maild.agents.work import Work, short
from maild.cases.commands import Command
from maild.model.case import Status


def status(work: Work, command: Command) -> None:
    """`#status`: sets the status."""
    work.change({"status": Status(command.word)})
    work.lines.append(f"status {work.case.status}")


def wait(work: Work, command: Command) -> None:
    """`#wait`: waits for the customer, or for a third party."""
    third = command.word == "third_party"
    work.change({"status": Status.WAIT_FOR_THIRD_PARTY if third else Status.WAIT_FOR_CUSTOMER})
    work.lines.append("waiting for a third party" if third else "waiting for the customer")


def resolve(work: Work, resolution: str) -> None:
    """Resolve the case, through `open` where it must; a resolution that is empty leaves the one it has."""
    if work.case.status not in {Status.OPEN, Status.RESOLVED, Status.CLOSED}:
        work.change({"status": Status.OPEN})
    values: dict[str, Any] = {"status": Status.RESOLVED}
    if resolution:
        values["resolution"] = resolution
    work.change(values)
    work.lines.append("resolved" + (f": {short(resolution)}" if resolution else ""))


def resolve_(work: Work, command: Command) -> None:
    """`#resolve`: resolves it; without TEXT the answer is the resolution."""
    resolve(work, command.text or work.text.strip())


def reopen(work: Work, command: Command) -> None:
    """`#reopen`: opens a resolved or waiting case."""
    work.change({"status": Status.OPEN})
    work.lines.append("open again")


def close(work: Work, reason: str | None) -> None:
    """Close the case; one that is not resolved needs a reason."""
    work.change({"status": Status.CLOSED}, reason=reason or None)
    work.lines.append("closed" + (f": {reason.replace('_', ' ')}" if reason else ""))


def close_(work: Work, command: Command) -> None:
    """`#close`: closes it; an unresolved case needs spam, duplicate or no_answer_needed."""
    close(work, command.word)


def spam(work: Work, command: Command) -> None:
    """`#spam`: closes it as spam."""
    close(work, "spam")
