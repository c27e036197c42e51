"""This is where a command finds its configuration, its database and the name of who runs it."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

if TYPE_CHECKING:
    from maild.settings.addresses import Addresses
    from maild.settings.models import Settings
    from maild.store.unit_of_work import Store


def default_folder() -> Path:
    """$MAILD_CONFIG, else /etc/maild where it is, else ./config."""
    named = os.environ.get("MAILD_CONFIG")
    if named:
        return Path(named)
    system = Path("/etc/maild")
    return system if (system / "maild.yaml").exists() else Path("config")


def login() -> str:
    """The login name of who runs this command (the one behind sudo, where there is one)."""
    for name in ("SUDO_USER", "USER"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


@dataclass
class Invocation:
    """One run of the command line: where the configuration is, and in whose name changes are written down."""

    folder: Path
    who: str
    _settings: dict[str, Settings] = field(default_factory=dict)

    def settings(self) -> Settings:
        """The whole configuration. Raises ConfigError."""
        return self._load("all")

    def main(self) -> Settings:
        """maild.yaml and directory.yaml alone: enough for most commands, whatever else is broken. Raises ConfigError.

        Where directory.yaml is broken, it serves as it last went live, and stderr says so.
        """
        from maild.errors import ConfigError

        try:
            return self._load("main")
        except ConfigError as broken:
            found = self.last_loaded("directory.yaml")
            if found is None:
                raise
            from maild.cli import show

            show.error(f"{broken.faults[0]}; going on with directory.yaml as it last went live")
            return found

    def last_loaded(self, *names: str) -> Settings | None:
        """maild.yaml and directory.yaml, those of these names as they last went live; None where that does not help."""
        from maild.cli.deliver import Failed, state_dir_of
        from maild.errors import ConfigError
        from maild.settings.last_loaded import kept
        from maild.settings.load import load

        try:
            instead = kept(state_dir_of(self.folder), *names)
            self._settings["main"] = load(self.folder, files="main", instead=instead)
        except (Failed, ConfigError, OSError):
            return None
        return self._settings["main"]

    def main_with_sla(self) -> Settings:
        """As much of the configuration as is sound: all of it, else maild.yaml and directory.yaml. Raises ConfigError."""
        from maild.errors import ConfigError

        try:
            return self._load("all")
        except ConfigError:
            return self.main()

    def _load(self, files: str) -> Settings:
        if files not in self._settings:
            from maild.settings.load import load

            self._settings[files] = load(self.folder, files=files)  # type: ignore[arg-type]
        return self._settings[files]

    def addresses(self) -> Addresses:
        from maild.settings.addresses import Addresses

        return Addresses(self.main())

    def store(self, *, make: bool = False) -> Store | None:
        """The database, opened beside the daemon; None where there is none yet (unless ``make``)."""
        from maild.office import open_store

        become_owner(self.main().state_dir)
        store = open_store(self.main())
        if make:
            store.create_or_upgrade(upgrade=self.main().main.database.upgrade == "auto")
            return store
        if store.path is not None and not store.path.exists() and (store.state_dir / "mark").exists():
            store.create_or_upgrade()  # says that the database was lost
        return store if store.exists() else None

    def wake(self) -> None:
        """Tell a running daemon that there is something new; without one nothing happens (it looks by itself)."""
        from contextlib import suppress

        from maild.plain import control

        with suppress(OSError):
            control.ask(self.main().state_dir, {"do": "wake"}, timeout=2)


def become_owner(state_dir: Path) -> None:
    """As root: go on as the owner of state_dir, so that the daemon can still write what we leave there."""
    if os.geteuid() != 0 or not state_dir.exists():
        return
    owner = state_dir.stat()
    if owner.st_uid != 0:
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def invocation(ctx: typer.Context) -> Invocation:
    """The invocation that this command belongs to."""
    return cast(Invocation, ctx.find_root().obj)
