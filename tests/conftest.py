"""This is where every test gets what needs a program: databases on both engines, and the count of what was skipped."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:  # a test of one module must not need all others
    from builders import Room

    from maild.store.unit_of_work import Store

# The gate tries the same examples each time, so that it says the same of the same code; people's runs look further.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("look", deadline=None)
settings.load_profile("gate" if os.environ.get("CI") else "look")

_NO_SKIPS = "MAILD_NO_SKIPPED_SERVICES"
_skipped: dict[str, int] = {}


# --- what was skipped for want of a program ---------------------------------------------------------------------


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and "service" in report.keywords and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        _skipped[reason] = _skipped.get(reason, 0) + 1


def pytest_terminal_summary(terminalreporter: Any) -> None:
    count = sum(_skipped.values())
    if count:
        terminalreporter.write_sep("-", f"{count} service tests skipped")
        for reason, number in sorted(_skipped.items()):
            terminalreporter.write_line(f"{number:5}  {reason}")
        if os.environ.get(_NO_SKIPS):
            terminalreporter.write_line(f"{_NO_SKIPS} is set: that is a failure", red=True)
    else:
        terminalreporter.write_line("0 service tests skipped")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _skipped and os.environ.get(_NO_SKIPS) and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


# --- PostgreSQL -------------------------------------------------------------------------------------------------


def _postgres_programs() -> Path | None:
    """The folder of initdb and postgres: Debian's newest, else where they are on the path."""
    for found in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: -int(p.parent.name)):
        if (found / "initdb").exists() and (found / "postgres").exists():
            return found
    named = shutil.which("initdb")
    return Path(named).parent if named and shutil.which("postgres") else None


def _end_with_parent() -> None:
    """PR_SET_PDEATHSIG: a run that is killed leaves no server behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGINT)


class Postgres:
    """A PostgreSQL of our own: a throw-away cluster, on a loopback port and a socket in its folder."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        # initdb refuses to run as root; a socket's path must be short.
        self.who: dict[str, Any] = {}
        self.user = pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            self.who = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
            self.user = "postgres"
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = int(one.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None
        self.databases = 0

    def start(self) -> None:
        if not (self.folder / "data").exists():
            subprocess.run(
                [self.programs / "initdb", "-D", self.folder / "data", "-U", "maild", "-A", "trust", "-E", "UTF8",
                 "--locale=C.UTF-8", "--no-sync"],
                check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **self.who,
            )  # fmt: skip
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), "-k", str(self.folder),
             "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off",
             "-c", "max_connections=80", "-c", "shared_buffers=32MB", "-c", "autovacuum=off"],
            stdout=log, stderr=log, cwd="/", preexec_fn=_end_with_parent, **self.who,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                self.run("SELECT 1", "postgres")
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def run(self, statement: str, database: str = "postgres") -> None:
        """One statement outside of a transaction. Raises OSError while nothing answers."""
        import psycopg

        try:
            with psycopg.connect(self.url(database, "postgresql"), autocommit=True, connect_timeout=5) as connection:
                connection.execute(statement)  # type: ignore[arg-type]
        except psycopg.OperationalError as error:
            raise OSError(str(error)) from error

    def url(self, database: str, scheme: str = "postgresql+psycopg") -> str:
        return f"{scheme}://maild@127.0.0.1:{self.port}/{database}"

    def fresh(self, template: str = "template1") -> str:
        """A new database; returns its name."""
        self.databases += 1
        name = f"test{self.databases}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)
        self.process = None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's own PostgreSQL; skips by name where there is none."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL: make test-services")
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1 << 30
    folder = Path(tempfile.mkdtemp(prefix="maild-pg-", dir=memory if roomy else "/tmp"))
    server = Postgres(programs, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


# --- databases --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with our tables, to be copied."""
    from maild.store.unit_of_work import Store

    folder = tmp_path_factory.mktemp("template")
    store = Store(f"sqlite:///{folder / 'maild.db'}", folder)
    store.create_or_upgrade()
    with store.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    return folder / "maild.db"


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    from maild.store.unit_of_work import Store

    postgres.run("CREATE DATABASE maild_template")
    store = Store(postgres.url("maild_template"), tmp_path_factory.mktemp("pg"))
    store.create_or_upgrade()
    store.close()
    return "maild_template"


ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.service)]


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A database with our tables and nothing in them, once on each engine."""
    if request.param == "postgresql":
        request.getfixturevalue("postgres")
    made = new_store(request, request.param, tmp_path / "state")
    yield made
    made.close()
    if not made.sqlite:
        request.getfixturevalue("postgres").run(f"DROP DATABASE {made.url.database} WITH (FORCE)")


@pytest.fixture
def sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The same on SQLite alone."""
    made = new_store(request, "sqlite", tmp_path / "state")
    yield made
    made.close()


def new_store(request: pytest.FixtureRequest, engine: str, state_dir: Path) -> Store:
    from maild.store.unit_of_work import Store

    state_dir.mkdir(exist_ok=True)
    if engine == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), state_dir / "maild.db")
        made = Store(f"sqlite:///{state_dir / 'maild.db'}", state_dir)
    else:
        server: Postgres = request.getfixturevalue("postgres")
        made = Store(server.url(server.fresh(request.getfixturevalue("postgres_template"))), state_dir)
    made.mark()
    return made


@pytest.fixture
def rooms(tmp_path: Path) -> Callable[..., Room]:
    """Makes a mailroom on a store, with a configuration of these parts (see `builders.configuration`)."""
    from builders import NOW, Room, office

    def make(store: Store, **parts: Any) -> Room:
        return Room(store, office(tmp_path / "config", store, **parts), NOW)

    return make
