"""This is where maild finds the rules that are live: those of the configuration that a daemon loaded last, as it was kept."""

from __future__ import annotations

from maild.errors import ConfigError
from maild.settings.models import Settings
from maild.store import versions
from maild.store.unit_of_work import Store
from maild.workbench.files import with_rules


def live(settings: Settings, store: Store) -> tuple[Settings, str]:
    """(the configuration with the live rules, its hash). Where no daemon has loaded one yet, or the live rules do not fit
    the rest of the configuration any more, it is the one on disk, and the hash is ''.
    """
    with store.read() as connection:
        digest = versions.live_hash(connection)
        files = versions.files_of(connection, digest) if digest else None
    if digest is None or files is None or digest == settings.hash:
        return settings, digest if digest == settings.hash and digest else ""
    try:
        return with_rules(settings.named, files), digest
    except ConfigError:
        return settings, ""
