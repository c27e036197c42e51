"""How many connections a door bears, and whose."""

from __future__ import annotations

import pytest

from maild.ingest.limits import TOO_MANY, TOO_MANY_FROM_YOU, Load, client_address, is_inside, is_loopback, networks
from maild.settings.models import DoorLimits


def test_one_client_may_have_so_many_connections_and_all_together_so_many() -> None:
    load = Load(DoorLimits(connections=4, connections_per_client=2), ())
    assert [load.enter("192.0.2.1") for _ in range(3)] == [None, None, TOO_MANY_FROM_YOU]
    assert [load.enter("192.0.2.2"), load.enter("192.0.2.3"), load.enter("192.0.2.4")] == [None, None, TOO_MANY]
    load.leave("192.0.2.1")
    assert load.enter("192.0.2.1") is None


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "", "10.1.2.3"])
def test_this_machine_and_trusted_networks_are_no_single_client(client: str) -> None:
    load = Load(DoorLimits(connections_per_client=1), networks(["10.0.0.0/8"]))
    assert [load.enter(client) for _ in range(5)] == [None] * 5


def test_mail_in_memory_is_bounded() -> None:
    load = Load(DoorLimits(memory=100), ())
    assert [load.take(60), load.take(60), load.take(40)] == [True, False, True]
    load.give(60)
    assert load.take(50)


@pytest.mark.parametrize(
    ("host", "client"),
    [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("", ""), ("x", "")],
)
def test_a_peers_address(host: str, client: str) -> None:
    assert client_address(host) == client


def test_networks() -> None:
    known = networks(["127.0.0.0/8", "::1", "192.0.2.7/24"])
    assert [is_inside(one, known) for one in ("127.9.9.9", "::1", "192.0.2.200", "198.51.100.1", "")] == [
        True, True, True, False, False]  # fmt: skip
    assert [is_loopback(one) for one in ("127.0.0.1", "::1", "", "192.0.2.1")] == [True, True, True, False]
    with pytest.raises(ValueError, match="nonsense"):
        networks(["nonsense"])
