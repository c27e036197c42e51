"""This is where an address is found in the configuration: whose mailbox, whose user, whose organisation it is."""

from __future__ import annotations

from maild.model.contact import Organisation
from maild.plain.domains import candidates, fold_address, to_ascii
from maild.settings.models import Settings


class Addresses:
    """Look-ups over one configuration; made once when it is loaded."""

    def __init__(self, settings: Settings) -> None:
        self._mailboxes: dict[str, str] = {}
        for key, mailbox in settings.main.mailboxes.items():
            for address in (mailbox.address, *mailbox.aliases, *mailbox.receives):
                self._mailboxes.setdefault(fold_address(address), key)
        self._users: dict[str, str] = {}
        for key, user in settings.directory.users.items():
            for address in user.email:
                self._users.setdefault(fold_address(address), key)
        self._domains: dict[str, str] = {}
        for name, organisation in settings.directory.organisations.items():
            for domain in organisation.domains:
                self._domains.setdefault(to_ascii(domain.lower()), name)
        self._settings = settings
        self.domains = frozenset(address.rpartition("@")[2] for address in self._mailboxes)
        self.own = frozenset(self._mailboxes)
        self.agents = frozenset(self._users)
        self.list_ids = frozenset(
            mailbox.list_id.lower() for mailbox in settings.main.mailboxes.values() if mailbox.list_id
        )

    def mailbox_of(self, address: str) -> str | None:
        """The mailbox that this address belongs to (also as ``local+detail@``), or None."""
        folded = fold_address(address)
        if folded in self._mailboxes:
            return self._mailboxes[folded]
        local, at, domain = folded.rpartition("@")
        return self._mailboxes.get(f"{local.partition('+')[0]}{at}{domain}") if "+" in local else None

    def is_postmaster(self, address: str) -> bool:
        """Whether this is ``postmaster``, bare or at a mailbox's domain (RFC 5321, 4.5.1)."""
        local, _, domain = fold_address(address).partition("@")
        return local == "postmaster" and (not domain or domain in self.domains)

    def accepts(self, address: str) -> bool:
        """Whether mail to this address is taken."""
        return self.mailbox_of(address) is not None or self.is_postmaster(address)

    def mailboxes_of(self, recipients: tuple[str, ...]) -> tuple[str, ...]:
        """The mailboxes of these recipients, each once, in order."""
        return tuple(dict.fromkeys(key for one in recipients if (key := self.mailbox_of(one)) is not None))

    def user_of(self, address: str) -> str | None:
        """The key of the user whose address this is, or None."""
        return self._users.get(fold_address(address))

    def organisation_of(self, domain: str) -> Organisation | None:
        """The organisation of directory.yaml with this domain: exactly, else the nearest parent above the public suffix."""
        for one in candidates(domain):
            name = self._domains.get(one)
            if name is not None:
                return self.organisation(name)
        return None

    def organisation(self, name: str) -> Organisation | None:
        """The organisation of this name in directory.yaml, or None."""
        entry = self._settings.directory.organisations.get(name)
        if entry is None:
            return None
        return Organisation(
            name=name, domains=entry.domains, sla=entry.sla or "", tags=entry.tags, group=entry.group or "",
            user=entry.user or "", language=entry.language or "",
        )  # fmt: skip

    def known(self) -> list[str]:
        """Every address that mail is taken for, for the doors that work without the daemon."""
        return sorted({*self._mailboxes, "postmaster", *(f"postmaster@{domain}" for domain in self.domains)})
