"""Daemons on several machines wake each other through PostgreSQL."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from maild.store import announce
from maild.store.unit_of_work import Store


def test_new_mail_is_heard_by_who_listens(store: Store) -> None:
    if store.sqlite:
        announce.announce(store)  # nothing to do
        announce.listen(store, lambda: None, threading.Event())
        return
    rung, stop = threading.Semaphore(0), threading.Event()
    thread = threading.Thread(target=announce.listen, args=(store, rung.release, stop))
    thread.start()
    try:
        assert rung.acquire(timeout=10)  # it listens, and says so
        for _ in range(3):
            announce.announce(store)
            assert rung.acquire(timeout=10)
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_who_cannot_listen_tries_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if store.sqlite:
        pytest.skip("SQLite has one machine")
    monkeypatch.setattr(announce, "AGAIN_SECONDS", 0.0)
    real, tries, stop, heard = psycopg.connect, [], threading.Event(), threading.Event()

    def refused_twice(*given: Any, **how: Any) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise psycopg.OperationalError("connection refused")
        return real(*given, **how)

    monkeypatch.setattr(psycopg, "connect", refused_twice)
    thread = threading.Thread(target=announce.listen, args=(store, heard.set, stop))
    thread.start()
    assert heard.wait(10)
    stop.set()
    thread.join(10)
    assert len(tries) == 3
