"""This is where maild says who must act when something goes wrong.

    MaildError
    ├── ConfigError            the operator: carries every fault found, each with its place
    ├── MessageError           nobody at once: this one message is held or refused, the daemon goes on
    ├── TransientError         nobody: it is tried again later (SMTP 4xx)
    │   ├── StoreUnavailable       the database does not answer, is locked or its disk is full
    │   │   └── StoreFull              its disk has no room (SMTP 452)
    │   ├── MailboxUnavailable     an IMAP account cannot be reached or refuses us
    │   └── SmarthostUnavailable   the smarthost as a whole cannot be used
    └── CaseError              the caller: refused by the rules of cases
        ├── IllegalTransition      the status cannot change in this way
        ├── UnknownValue           a user, group, field … of this name does not exist
        └── NoSuchCase             there is no case of this number

Outcomes that are expected are values, not exceptions: no case found is ``None``, a smarthost's no is ``Refused``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class MaildError(Exception):
    """The root of everything maild raises on purpose. ``str(error)`` is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in the configuration: where it is, what is wrong, and what would be right.

    ``line`` and ``column`` count from 1; 0 means that the fault is the file's as a whole.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    page: str = ""
    severity: str = "error"  # error | warning

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {self.message}{hint}"


class ConfigError(MaildError):
    """The configuration has faults; the operator mends them. Carries all of them, not only the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class MessageError(MaildError):
    """This message cannot be handled; it is held with this reason and the next one goes on."""


class TransientError(MaildError):
    """Something outside does not answer now; the work is kept and tried again."""


class StoreUnavailable(TransientError):
    """The database does not answer, is locked for too long, or has no room."""


class StoreFull(StoreUnavailable):
    """The disk that the database is on has no room; nothing was stored."""


class MailboxUnavailable(TransientError):
    """An IMAP account cannot be reached or refuses us."""


class SmarthostUnavailable(TransientError):
    """The smarthost as a whole cannot be used: unreachable, login refused, TLS fault."""


class CaseError(MaildError):
    """The rules of cases refuse this; nothing was changed."""


class IllegalTransition(CaseError):
    """The status cannot change in this way; the message names what is possible from here."""


class UnknownValue(CaseError):
    """A user, group, field, category or SLA of this name does not exist; the message names the nearest."""


class NoSuchCase(CaseError):
    """There is no case of this number."""
