"""This is where the tests of the running daemon get one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from running import Daemon


@pytest.fixture(scope="session", autouse=True)
def commands() -> Iterator[None]:
    """Ends the process that runs commands, where one was begun."""
    yield
    from running import Daemon

    Daemon.commands.close()


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes installations with configurations of these parts (see `builders.configuration`); none is running yet."""
    from running import Daemon

    made: list[Daemon] = []

    def make(**parts: Any) -> Daemon:
        folder = tmp_path / f"d{len(made)}"
        folder.mkdir()
        made.append(Daemon(folder, **parts))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One running daemon for all tests of a module, with its smarthost up."""
    from running import Daemon

    one = Daemon(tmp_path_factory.mktemp("shared"))
    try:
        one.sink.up()
        one.start()
        yield one
    finally:
        one.close()
