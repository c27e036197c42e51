"""This is where maild reads the fields of a delivery report: message/delivery-status, whole, broken, or pasted into a text."""

from __future__ import annotations

from dataclasses import dataclass, field

import re2

MAX_LINES = 20_000
MAX_RECIPIENTS = 1_000

_FIELD = re2.compile(r"^[ \t>|]{0,8}([A-Za-z][A-Za-z0-9-]{2,40})[ \t]*:[ \t]*(.*)$")
_ADDRESS = re2.compile(r"[^\s<>()\[\],:;\"|]+@[^\s<>()\[\],:;\"|@]+")
_PER_RECIPIENT = frozenset(
    {
        "final-recipient", "original-recipient", "action", "status", "diagnostic-code", "remote-mta", "last-attempt-date",
        "will-retry-until", "final-log-id", "x-actual-recipient", "x-display-name", "x-supplementary-info", "x-smtp-server",
    }
)  # fmt: skip
_PER_MESSAGE = frozenset(
    {"reporting-mta", "received-from-mta", "arrival-date", "dsn-gateway", "original-envelope-id", "x-original-message-id"}
)
_RECIPIENT = ("final-recipient", "original-recipient", "x-actual-recipient")


@dataclass(slots=True)
class StatusGroup:
    """The fields that a report gives for one recipient: names in lower case, values unfolded."""

    fields: dict[str, str] = field(default_factory=dict)

    @property
    def final(self) -> str:
        """The address that was tried last, '' where it is none (X.400, a bare user name is kept)."""
        return address_of(self.fields.get("final-recipient", ""))

    @property
    def original(self) -> str:
        """The address that the sender wrote to, '' where the report does not say."""
        return address_of(self.fields.get("original-recipient", ""))

    @property
    def address(self) -> str:
        """The recipient that failed: the final address, else the original one, else a bare name."""
        names = (self.final, self.original, address_of(self.fields.get("x-actual-recipient", "")))
        return next((name for name in names if "@" in name), "") or next(filter(None, names), "")


def address_of(value: str) -> str:
    """The address in ``rfc822; <jo@a.example>`` (RFC 3464, 2.3.1); '' for X.400 and for nothing."""
    found = _ADDRESS.search(value)
    if found:
        return str(found.group(0)).strip(".'`*")
    kind, semicolon, rest = value.partition(";")
    if not semicolon:
        kind, rest = "", value
    if kind.strip().lower() not in ("", "rfc822", "local", "unknown", "utf-8") or "=" in rest or "/" in rest:
        return ""
    rest = rest.strip().strip("<>\"'")
    return "" if " " in rest else rest


def read_groups(text: str) -> tuple[dict[str, str], list[StatusGroup]]:
    """The fields of the message and of each recipient in ``text`` (RFC 3464, 2.1), as far as they can be made out.

    Takes what the field has: missing blank lines between groups, blank lines within one, fields in any order,
    continuation lines that were not indented, and lines of prose in between, which are skipped.
    """
    message: dict[str, str] = {}
    groups: list[StatusGroup] = []
    current = StatusGroup()
    last = ""  # the field that a continuation belongs to
    fresh = True  # a blank line came just before
    for line in text.splitlines()[:MAX_LINES]:
        if not line.strip():
            fresh, last = True, ""
            continue
        found = _FIELD.match(line) if line[0] not in " \t" or not last else None
        name, value = (found.group(1).lower(), found.group(2).strip()) if found else ("", "")
        if name in _PER_MESSAGE:
            message.setdefault(name, value)
            last = ""
        elif name in _PER_RECIPIENT:
            if _starts_another(current, name, fresh):
                groups.append(current)
                current = StatusGroup()
            current.fields.setdefault(name, value)
            last, fresh = name, False
        elif last and (not found or (last == "diagnostic-code" and not name.startswith("x-"))):
            if len(current.fields[last]) < 4_000:
                current.fields[last] += " " + line.strip()
        else:
            last = ""
        if len(groups) >= MAX_RECIPIENTS:
            break
    groups.append(current)
    return message, [group for group in groups if any(name in group.fields for name in _RECIPIENT)]


def _starts_another(current: StatusGroup, name: str, fresh: bool) -> bool:
    """Whether this field opens the next recipient: it was there already, or a new block names a new recipient."""
    if name in current.fields:
        return True
    if not fresh or not current.fields:
        return False
    has_recipient = any(key in current.fields for key in _RECIPIENT)
    complete = "action" in current.fields or "status" in current.fields
    return has_recipient and complete
