"""This is where it stands who of the users may see and command a case: one table of roles.

`docs/reference/commands.md` shows it, `maild user permissions` says what it means for one user, and `Rights.may` decides by
it. A group's manager counts as its member. What may be seen may be commanded.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from maild.model.case import Case
from maild.settings.models import Settings


class Which(StrEnum):
    """How a user stands to a case: the rows of the table."""

    OWN_GROUPS = "cases of their own groups, or of no group"
    INVOLVED = "cases assigned to them, owned or followed by them, or that they were notified of"
    OTHERS = "cases of other groups"


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    NOT_PRIVATE = "yes, but not in private mailboxes"


TABLE: dict[Which, dict[str, Answer]] = {
    Which.OWN_GROUPS: {"agent": Answer.YES, "manager": Answer.YES, "admin": Answer.YES},
    Which.INVOLVED: {"agent": Answer.YES, "manager": Answer.YES, "admin": Answer.YES},
    Which.OTHERS: {"agent": Answer.NO, "manager": Answer.NOT_PRIVATE, "admin": Answer.YES},
}


@dataclass(frozen=True, slots=True)
class Rights:
    """What one user may do: their role, and the groups that they belong to or manage."""

    user: str
    role: str
    groups: frozenset[str]

    def may(self, case: Case, *, private: bool = False, followers: Collection[str] = (), told: bool = False) -> bool:
        """Whether they may see and command this case. ``private`` says that its mailbox is, ``told`` that they were
        notified of it."""
        if case.group is None or case.group in self.groups:
            which = Which.OWN_GROUPS
        elif told or self.user in {case.assignee, case.owner} or self.user in followers:
            which = Which.INVOLVED
        else:
            which = Which.OTHERS
        answer = TABLE[which][self.role]
        return answer is Answer.YES or (answer is Answer.NOT_PRIVATE and not private)


def rights_of(settings: Settings, user: str) -> Rights:
    """The rights of a user of directory.yaml; one that is not there has an agent's, without groups."""
    entry = settings.directory.users.get(user)
    groups = frozenset(
        key for key, group in settings.directory.groups.items() if user in group.members or group.manager == user
    )
    return Rights(user, entry.role if entry else "agent", groups)
