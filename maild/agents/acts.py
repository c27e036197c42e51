"""This is where an agent's commands are carried out on a case: one table, a module for each sort of command.

They read the command as understood (`cases.commands`), change the case through `casework`, and say in a line for the
receipt what was done. Any of them may raise CaseError: the caller then rolls everything back, so that a mail with one
wrong command changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from maild.agents import asking, belonging, possession, standing, timekeeping, traits
from maild.agents.work import Work
from maild.cases.commands import Command


def carry_out(work: Work, command: Command) -> None:
    """Do what one command says. Raises CaseError."""
    before = len(work.lines)
    _ACTS[command.name](work, command)
    if len(work.lines) == before:
        work.lines.append(command.line)


_ACTS: dict[str, Callable[[Work, Command], None]] = {
    "take": possession.take, "drop": possession.drop, "assign": possession.assign, "group": possession.group,
    "mailbox": possession.mailbox,
    "status": standing.status, "wait": standing.wait, "resolve": standing.resolve_, "reopen": standing.reopen,
    "close": standing.close_, "spam": standing.spam,
    "priority": traits.priority, "category": traits.category, "organisation": traits.organisation, "sla": traits.sla,
    "title": traits.title, "set": traits.set_,
    "tag": traits.tag, "channel": traits.channel, "billable": traits.billable, "service": traits.service,
    "time": timekeeping.time_, "timer": timekeeping.timer_, "remind": timekeeping.remind, "away": timekeeping.away_,
    "cc": belonging.cc, "bcc": belonging.cc, "contact": belonging.contact,
    "follow": belonging.follow, "unfollow": belonging.unfollow,
    "merge": belonging.merge, "link": belonging.link, "split": belonging.split_,
    "ask": asking.ask, "faq": asking.faq_, "use": asking.use_,
}  # fmt: skip
