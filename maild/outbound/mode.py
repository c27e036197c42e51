"""This is where maild keeps mail from going out to real people: `outbound.mode`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from maild.model.outbox import OutgoingMessage
from maild.outbound import headers
from maild.settings.models import Only, Redirect

Mode = Literal["live", "hold"] | Redirect | Only
_modes: TypeAdapter[Mode] = TypeAdapter(Mode)


def read_mode(text: str) -> Mode:
    """A mode as it is written on the command line: live, hold, redirect:ADDRESS, only:PATTERN,PATTERN. Raises ValueError."""
    name, _, value = (part.strip() for part in text.partition(":"))
    written: Any = {name: value if name == "redirect" else value.split(",")} if value else name
    try:
        return _modes.validate_python(written)
    except ValidationError:
        known = "live, hold, redirect:me@example.com or only:*@example.com,*@example.org"
        raise ValueError(f"{text!r} is no mode of outgoing mail: write {known}") from None


def in_words(mode: Mode) -> str:
    """A mode in words."""
    match mode:
        case Redirect(redirect=address):
            return f"redirect: {address}"
        case Only(only=patterns):
            return f"only: {', '.join(patterns)}"
        case _:
            return mode


def apply_mode(mode: Mode, recipients: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """To whom a mail may go, and, where that is not all of ``recipients``, the reason as one line ('' in live mode).

    ``hold`` gives nobody; ``redirect`` the one address; ``only`` those that fit a pattern (``*@example.com``).
    """
    everybody = tuple(recipients)
    match mode:
        case "live":
            return everybody, ""
        case "hold":
            return (), "outbound.mode is hold: approve it with `maild outbox approve`, or set the mode to live"
        case Redirect(redirect=address):
            return (address,), f"outbound.mode sends all mail to {address}"
        case Only(only=patterns):
            allowed = tuple(one for one in everybody if any(fnmatchcase(one.lower(), p.lower()) for p in patterns))
            rest = [one for one in everybody if one not in allowed]
            return allowed, f"outbound.mode allows no mail to {', '.join(rest)}" if rest else ""


def redirected(message: OutgoingMessage, recipients: Sequence[str]) -> OutgoingMessage:
    """The message with its real recipients named in the subject, as it goes to the address of `redirect`."""
    note = f"[to {', '.join(recipients)}]"
    subject = f"{note} {message.subject}"
    fields = tuple(
        headers.field(name, headers.unstructured(subject)) if name == "Subject" else (name, value)
        for name, value in message.headers
    )
    return dataclasses.replace(message, subject=subject, headers=fields)
