"""This is where commands say who has a case: `#take`, `#drop`, `#assign`, `#group`, `#mailbox`."""

from __future__ import annotations

import difflib

from maild import casework
from maild.agents.work import Work, known
from maild.cases.commands import Command
from maild.desk import Desk
from maild.errors import CaseError, UnknownValue
from maild.model.decision import Assign
from maild.store import people


def take(work: Work, command: Command) -> None:
    """`#take`: gives the case to you."""
    work.change({"assignee": work.user})
    work.lines.append("the case is yours")


def drop(work: Work, command: Command) -> None:
    """`#drop`: nobody has the case."""
    work.change({"assignee": None})
    work.lines.append("nobody has the case")


def user_named(desk: Desk, word: str, me: str) -> str | None:
    """The key of the user that a word means: a key, an address, a name, `me`; None for `none`. Raises UnknownValue."""
    users = desk.office.settings.directory.users
    wanted = word.strip().removeprefix("@").casefold()
    if wanted in {"me", "myself"}:
        return me
    if wanted in {"none", "nobody"}:
        return None
    if (by_address := desk.office.addresses.user_of(wanted)) is not None:
        return by_address
    names = {key.casefold(): key for key in users} | {user.name.casefold(): key for key, user in users.items()}
    first: dict[str, list[str]] = {}
    for key, user in users.items():
        first.setdefault(user.name.casefold().partition(" ")[0], []).append(key)
    if wanted in names:
        return names[wanted]
    if len(first.get(wanted, ())) == 1:
        return first[wanted][0]
    near = difflib.get_close_matches(wanted, list(names), 1)
    hint = f"did you mean {names[near[0]]}?" if near else f"one of {', '.join(sorted(users)) or 'none'}"
    raise UnknownValue(f"there is no user {word!r}; {hint}")


def assign(work: Work, command: Command) -> None:
    """`#assign`: gives the case to a user (or round_robin, least_busy, none)."""
    desk, word = work.desk, command.word.casefold().replace(" ", "_")
    if word in {"round_robin", "least_busy"}:
        _, chosen, nobody = casework.pick(desk, Assign(group=work.case.group, how=word))
        if chosen is None:
            raise CaseError(nobody)
    else:
        chosen = user_named(desk, command.word, work.user)
    work.change({"assignee": chosen})
    if chosen is None:
        work.lines.append("nobody has the case")
        return
    users, group = desk.office.settings.directory.users, work.case.group
    hint = ""
    if chosen in people.away(desk.connection, desk.now) | desk.office.settings.away(desk.now):
        hint = ", who is away"
    elif group and chosen not in desk.group_members(group):
        hint = f", who is not in {group}"
    work.lines.append(f"{users[chosen].name} has the case{hint}")


def group(work: Work, command: Command) -> None:
    """`#group`: gives the case to a group."""
    group = known(command.word, list(work.desk.office.settings.directory.groups))
    work.change({"group": group})
    work.lines.append(f"the case is {group}'s")


def mailbox(work: Work, command: Command) -> None:
    """`#mailbox`: moves the case to a mailbox: answers come from there."""
    boxes = work.desk.office.settings.main.mailboxes
    key = work.desk.office.addresses.mailbox_of(command.word) or known(command.word, list(boxes))
    work.change({"mailbox": key})
    work.lines.append(f"answers come from {boxes[key].address}")
