"""A support team's week through mail alone: told once, and the same whatever the database, whoever is killed, however
many daemons share the work.

`week/story.yaml` is the story, `week/config` the configuration, `week/expected.txt` what must come of it: every case with
its stream, and every mail that went out. After a change that is meant: `PYTHONPATH=tests python tests/e2e/scripted_week.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from scripted_week import Daemons, InProcess, Playing, difference, read_story, shim

STORY = read_story()
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.service)]
EVERY = 10  # mails from one SIGKILL to the next

Url = Callable[[str], str]


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Url]:
    """Names an empty database of an engine."""

    def made(engine: str) -> str:
        if engine == "sqlite":
            return f"sqlite:///{tmp_path / 'maild.db'}"
        server = request.getfixturevalue("postgres")
        return str(server.url(server.fresh()))

    yield made


def ends_as_told(playing: Playing) -> None:
    if found := difference(playing):
        pytest.fail(found, pytrace=False)


def test_the_story_is_one_of_a_team() -> None:
    assert STORY.mails >= 60
    assert {scene.who for scene in STORY.scenes if scene.who} >= set(STORY.people)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_week_in_one_process_with_an_injected_clock(engine: str, url: Url, tmp_path: Path) -> None:
    with closing(InProcess(STORY, tmp_path, url(engine))) as stage:
        playing = Playing(STORY, stage)
        playing.play()
        ends_as_told(playing)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_week_of_a_daemon_that_is_killed_at_every_tenth_mail(engine: str, url: Url, tmp_path: Path) -> None:
    with closing(Daemons(STORY, tmp_path, url(engine))) as stage:
        playing, kills = Playing(STORY, stage), []

        def kill(count: int) -> None:
            if count % EVERY == 0:
                stage.kill()
                kills.append(count)

        playing.play(kill)
        assert len(kills) == STORY.mails // EVERY
        ends_as_told(playing)


@pytest.mark.service
def test_the_week_of_three_daemons_on_one_database(url: Url, tmp_path: Path) -> None:
    with closing(Daemons(STORY, tmp_path, url("postgresql"), count=3)) as stage:
        playing = Playing(STORY, stage)
        playing.play()
        ends_as_told(playing)


@pytest.mark.service
def test_the_week_with_the_machines_clock_moved_while_maild_is_down(url: Url, tmp_path: Path) -> None:
    library = shim(tmp_path)
    if library is None:
        pytest.skip("needs a C compiler: make test-services")
    with closing(Daemons(STORY, tmp_path, url("sqlite"), library=library)) as stage:
        playing = Playing(STORY, stage)
        before = [scene for scene in STORY.scenes if scene.at.isoformat() < "2026-03-28"]
        for scene in before:
            playing.scene(scene)
        stage.stop()  # on Friday evening; it is started again in the night to Sunday
        after = STORY.scenes[len(before) :]
        stage.clock.set(after[0].at)
        stage.start()
        for scene in after:
            playing.scene(scene)
        ends_as_told(playing)
