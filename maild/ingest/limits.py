"""This is where maild counts what a door bears: connections in all and from one client, and mail held in memory."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable

from maild.settings.models import DoorLimits

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TOO_MANY = "421 4.3.2 Too many connections at the moment; please try again later"
TOO_MANY_FROM_YOU = "421 4.7.0 Too many connections from your address; please use fewer or try again later"


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks written as `10.0.0.0/8`, `::1` or a single address. Raises ValueError that names the wrong one."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)


def client_address(host: str) -> str:
    """A peer's address as text: without a zone, IPv4 as such also where it came through an IPv6 socket."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def is_inside(client: str, known: Iterable[Network]) -> bool:
    """Whether this address lies in one of the networks; '' (a Unix socket) never does."""
    if not client:
        return False
    address = ipaddress.ip_address(client)
    return any(address in network for network in known)


def is_loopback(client: str) -> bool:
    """Whether the peer is on this machine: a loopback address, or a Unix socket ('')."""
    return not client or ipaddress.ip_address(client).is_loopback


class Load:
    """What one listener carries now. Loopback and trusted networks do not count as one client."""

    def __init__(self, limits: DoorLimits, trusted: Iterable[Network]) -> None:
        self._limits = limits
        self._trusted = tuple(trusted)
        self._clients: Counter[str] = Counter()
        self.connections = 0
        self.octets = 0

    def enter(self, client: str) -> str | None:
        """Count a connection; returns None, or the reply that refuses it (then it is not counted)."""
        if self.connections >= self._limits.connections:
            return TOO_MANY
        if (
            self._clients[client] >= self._limits.connections_per_client
            and not is_loopback(client)
            and not is_inside(client, self._trusted)
        ):
            return TOO_MANY_FROM_YOU
        self.connections += 1
        self._clients[client] += 1
        return None

    def leave(self, client: str) -> None:
        """A counted connection has ended."""
        self.connections -= 1
        self._clients[client] -= 1
        if self._clients[client] <= 0:
            del self._clients[client]

    def take(self, octets: int) -> bool:
        """Room for mail that is coming in; False where all sessions together would hold too much."""
        if self.octets + octets > self._limits.memory:
            return False
        self.octets += octets
        return True

    def give(self, octets: int) -> None:
        """This much mail is no longer held."""
        self.octets -= octets
