"""This is where maild says how it is: the figures of `maild status`, and which of them need a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from maild import __version__, clock, fetching
from maild.cases.shape import instant
from maild.errors import TransientError
from maild.outbound.mode import in_words
from maild.settings.models import Settings
from maild.store import cases, installation, outbox, spool
from maild.store.unit_of_work import Store

TOO_OLD = timedelta(minutes=10)
LOW_ROOM = 200 * 1024**2
LONG_LOG = 256 * 1024**2  # of SQLite, which keeps it at a few MiB as long as it can


def status(settings: Settings, store: Store | None) -> dict[str, Any]:
    """Everything that `maild status --json` prints; ``needs`` are sentences on what a person should do."""
    now = clock.now()
    shown: dict[str, Any] = {
        "spool": {"pending": 0, "processing": 0, "held": 0, "oldest_seconds": 0},
        "outbox": {"pending": 0, "deferred": 0, "failed": 0, "held": 0, "oldest_seconds": 0},
        "cases": {},
        "listeners": [],
        "configuration": {"loaded_at": None, "hash": None, "fault": None},
        "paused": [],
        "mailboxes": {key: {"last_fetch": None, "fault": None} for key, one in settings.main.mailboxes.items() if one.imap},
        "mode": in_words(settings.main.outbound.mode),
        "mode_forced": False,
        "version": __version__,
        "needs": [],
    }
    if store is None:
        shown["needs"].append("there is no database yet: start the daemon (maild run)")
        return shown
    try:
        with store.read() as connection:
            shown["spool"] = spool.figures(connection, now)
            shown["outbox"] = outbox.figures(connection, now)
            shown["cases"] = cases.counts_by_status(connection)
            shown["paused"] = [
                {"what": row.what, "until": instant(row.until), "reason": row.reason, "by": row.by}
                for row in installation.paused(connection, now)
            ]
            for key, (at, fault) in fetching.states(connection, settings).items():
                shown["mailboxes"][key] = {"last_fetch": instant(at), "fault": fault}
            living = installation.living(connection, now)
            last = living[0] if living else installation.last_daemon(connection)
            smarthost = installation.get_meta(connection, "smarthost_fault")
            if living and (mode := installation.get_meta(connection, installation.FORCED_MODE)):
                shown["mode"], shown["mode_forced"] = mode, True
    except TransientError as error:
        shown["needs"].append(str(error))
        return shown
    if last is not None:
        shown["configuration"] = {
            "loaded_at": instant(last.config_loaded_at), "hash": last.config_hash, "fault": last.config_fault,
        }  # fmt: skip
    if living:
        shown["listeners"] = list(living[0].listeners)
    shown["needs"] = _needs(shown, store, bool(living), smarthost, installation.differ(living, now))
    return shown


def nodes(store: Store) -> tuple[list[dict[str, Any]], bool]:
    """The daemons on this database, as `maild status --nodes --json` prints them, and whether their configurations differ."""
    now = clock.now()
    with store.read() as connection:
        living = installation.living(connection, now)
        rows = installation.daemons_known(connection)
    heard = {row.node for row in living}
    return [
        {
            "node": row.node, "state": "running" if row.node in heard else "silent", "version": row.version,
            "configuration": row.config_hash, "shared": row.shared_hash, "loaded_at": instant(row.config_loaded_at), "fault": row.config_fault,
            "pid": row.pid, "started_at": instant(row.started_at), "seen_at": instant(row.seen_at),
            "listeners": list(row.listeners),
        }
        for row in rows
    ], installation.differ(living, now)  # fmt: skip


def _needs(shown: dict[str, Any], store: Store, living: bool, smarthost: str | None, differ: bool) -> list[str]:
    needs: list[str] = []
    if not living:
        needs.append("no daemon runs: start it (systemctl start maild, or maild run)")
    if shown["configuration"]["fault"]:
        needs.append(f"the configuration on disk is refused, the one before it is live: {shown['configuration']['fault'].splitlines()[0]}")
    if differ:
        needs.append("daemons on this database run different configurations: maild status --nodes, then maild reload on each")
    if shown["spool"]["held"]:
        needs.append(f"{shown['spool']['held']} held: maild spool")
    if shown["spool"]["oldest_seconds"] > TOO_OLD.total_seconds():
        needs.append(f"the oldest message has waited {shown['spool']['oldest_seconds']} s for the mailroom: maild spool")
    if shown["outbox"]["failed"]:
        needs.append(f"{shown['outbox']['failed']} outgoing failed: maild outbox")
    if shown["outbox"]["held"]:
        needs.append(f"{shown['outbox']['held']} outgoing held: maild outbox, then maild outbox approve")
    if smarthost:
        since, _, reason = smarthost.partition(" ")
        needs.append(f"the smarthost cannot be used since {since[:16]}: {reason}")
    needs += [f"mailbox {key}: {one['fault']}" for key, one in shown["mailboxes"].items() if one["fault"]]
    needs += [_paused(one) for one in shown["paused"]]
    size, room = store.size_and_room()
    if room < max(LOW_ROOM, size // 50):
        needs.append(f"the disk of the database has {room // 1024**2} MiB left: make room")
    if (log := store.log_size()) > LONG_LOG:
        needs.append(
            f"the database's log has grown to {log // 1024**2} MiB, since a program reads {store.path} without an end: "
            f"find it (fuser {store.path}) and end it"
        )
    return needs


def _paused(one: dict[str, Any]) -> str:
    until, reason = one["until"], one["reason"]
    said = f"paused by {one['by']}" + (f" until {until}" if until else "") + (f" ({reason})" if reason else "")
    return f"{one['what']} is {said}: maild resume {one['what']}"


def lines(shown: dict[str, Any]) -> list[str]:
    """The status for people; the first line is a sentence."""
    needs = shown["needs"]
    first = "all is well" if not needs else f"{len(needs)} thing{'s' if len(needs) > 1 else ''} need{'' if len(needs) > 1 else 's'} a person: {needs[0]}"
    whence = "by maild run --force-mode" if shown["mode_forced"] else "outbound.mode"
    mode = "" if shown["mode"] == "live" else f"outgoing mail is not live ({whence} {shown['mode']}); "
    found = [f"maild {shown['version']}: {mode}{first.rstrip('.')}."]
    found += [f"  ! {one}" for one in needs]
    box, out, configuration = shown["spool"], shown["outbox"], shown["configuration"]
    found.append(f"spool          {box['pending']} pending, {box['processing']} processing, {box['held']} held, oldest {box['oldest_seconds']} s")
    found.append(f"outbox         {out['pending']} pending, {out['deferred']} deferred, {out['failed']} failed, oldest {out['oldest_seconds']} s")
    counts = ", ".join(f"{n} {name}" for name, n in shown["cases"].items() if n)
    found.append(f"cases          {counts or 'none'}")
    found.append(f"listening on   {', '.join(shown['listeners']) or 'nothing'}")
    found.append(f"configuration  {(configuration['hash'] or 'none')[:12]} loaded {configuration['loaded_at'] or 'never'}")
    for key, one in shown["mailboxes"].items():
        found.append(f"mailbox        {key}: last fetch {one['last_fetch'] or 'never'}")
    return found


