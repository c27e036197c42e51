"""Several daemons on one database: different rules on each is the failure to expect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import Room, configuration, daemons_at_once

from maild import clock, health
from maild.schedule import nodes
from maild.settings.load import load
from maild.store import installation
from maild.store.unit_of_work import Store

Rooms = Callable[..., Room]


def beat(store: Store, node: str, configuration: str, now: datetime, loaded: datetime) -> None:
    with store.write() as connection:
        installation.heartbeat(connection, {
            "node": node, "pid": 7, "version": "0.1.0", "config_hash": configuration, "shared_hash": configuration, "config_loaded_at": loaded,
            "listeners": [], "started_at": loaded, "seen_at": now,
        })  # fmt: skip


def both(room: Room, one: str, other: str, *, loaded: datetime) -> None:
    beat(room.store, "a:/var/lib/maild", one, room.now, room.now - timedelta(days=1))
    beat(room.store, "b:/var/lib/maild", other, room.now, loaded)


def told(room: Room) -> list[str]:
    nodes.compare(room.store, room.office, room.now)
    return [one.message.subject for one in room.fresh()]


def test_different_hashes_for_more_than_60_s_are_told_to_the_admins_once(store: Store, rooms: Rooms) -> None:
    room = rooms(store)
    reloaded = room.now
    both(room, "1" * 64, "2" * 64, loaded=reloaded)
    assert told(room) == []  # a reload goes from machine to machine
    room.later(seconds=61)
    both(room, "1" * 64, "2" * 64, loaded=reloaded)
    assert told(room) == ["maild: the daemons on this database run different configurations"]
    room.later(seconds=10)
    both(room, "1" * 64, "2" * 64, loaded=reloaded)
    assert told(room) == []
    both(room, "2" * 64, "2" * 64, loaded=reloaded)
    assert told(room) == []
    room.later(hours=1)
    both(room, "3" * 64, "2" * 64, loaded=room.now - timedelta(minutes=2))
    assert len(told(room)) == 1  # another time, another word


def test_of_several_daemons_one_tells_that_they_differ(store: Store, rooms: Rooms) -> None:
    room = rooms(store)
    both(room, "1" * 64, "2" * 64, loaded=room.now - timedelta(minutes=2))
    daemons_at_once(store, lambda one: nodes.compare(one, room.office, room.now))
    assert len(room.fresh()) == 1


def test_a_daemon_that_is_silent_differs_from_none(store: Store, rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    room = rooms(store)
    beat(store, "old:/var/lib/maild", "1" * 64, room.now - timedelta(minutes=2), room.now - timedelta(days=1))
    beat(store, "new:/var/lib/maild", "2" * 64, room.now, room.now - timedelta(minutes=5))
    assert told(room) == []
    monkeypatch.setattr(clock, "now", lambda: room.now)
    rows, differ = health.nodes(store)
    assert [(row["node"], row["state"], row["configuration"]) for row in rows] == [
        ("new:/var/lib/maild", "running", "2" * 64), ("old:/var/lib/maild", "silent", "1" * 64),
    ]  # fmt: skip
    assert not differ


def test_status_names_configurations_that_differ(store: Store, rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    room = rooms(store)
    monkeypatch.setattr(clock, "now", lambda: room.now)
    both(room, "1" * 64, "2" * 64, loaded=room.now - timedelta(seconds=30))
    assert not any("different" in one for one in health.status(room.office.settings, store)["needs"])
    both(room, "1" * 64, "2" * 64, loaded=room.now - timedelta(seconds=90))
    assert any("maild status --nodes" in one for one in health.status(room.office.settings, store)["needs"])
    assert health.nodes(store)[1]


def test_what_is_a_machines_own_may_differ(tmp_path: Path) -> None:
    def shared(name: str, **parts: Any) -> str:
        return load(configuration(tmp_path / name, **parts)).shared_hash

    same = shared("a")
    own = {"ingest": {"smtp": {"listen": "127.0.0.1:2599"}}, "workers": 3, "state_dir": str(tmp_path), "log": {"format": "json"}}
    assert shared("b", main=own) == same
    assert shared("c", main={"language": "de"}) != same
    assert shared("d", rules=[{"name": "A", "when": {"subject": {"contains": "x"}}, "discard": "x"}]) != same
    assert shared("e", directory={"users": {"alice": {"name": "Alice X"}}}) != same
