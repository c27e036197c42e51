"""This is where maild says who people outside are: contacts, and the organisations that they write from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contact:
    """A person who writes. ``emails`` has the address first used first; ``organisation`` is a name or ''."""

    id: int
    name: str
    emails: tuple[str, ...]
    phone: str = ""
    language: str = ""
    organisation: str = ""
    sla: str = ""
    tags: tuple[str, ...] = ()
    undeliverable: bool = False

    @property
    def email(self) -> str:
        return self.emails[0] if self.emails else ""


@dataclass(frozen=True, slots=True)
class Organisation:
    """A company, matched by the domains that its people write from."""

    name: str
    domains: tuple[str, ...] = ()
    sla: str = ""
    tags: tuple[str, ...] = ()
    group: str = ""
    user: str = ""
    language: str = ""
