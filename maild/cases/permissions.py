"""This is where it stands who of the users may see and command a case: one table of roles.

| | agent | manager | admin |
|---|---|---|---|
| cases of their own groups, or of no group | yes | yes | yes |
| cases assigned to them, owned or followed by them, or that they were notified of | yes | yes | yes |
| cases of other groups | no | yes, but not in private mailboxes | yes |

A group's manager counts as its member. What may be seen may be commanded.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from maild.model.case import Case
from maild.settings.models import Settings


@dataclass(frozen=True, slots=True)
class Rights:
    """What one user may do: their role, and the groups that they belong to or manage."""

    user: str
    role: str
    groups: frozenset[str]

    def may(self, case: Case, *, private: bool = False, followers: Collection[str] = (), told: bool = False) -> bool:
        """Whether they may see and command this case. ``private`` says that its mailbox is, ``told`` that they were
        notified of it."""
        if self.role == "admin" or case.group in self.groups or case.group is None:
            return True
        if told or self.user in {case.assignee, case.owner} or self.user in followers:
            return True
        return self.role == "manager" and not private


def rights_of(settings: Settings, user: str) -> Rights:
    """The rights of a user of directory.yaml; one that is not there has an agent's, without groups."""
    entry = settings.directory.users.get(user)
    groups = frozenset(
        key for key, group in settings.directory.groups.items() if user in group.members or group.manager == user
    )
    return Rights(user, entry.role if entry else "agent", groups)
