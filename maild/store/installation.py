"""This is where the installation keeps what concerns it as a whole: keys, pauses, running daemons, refusals, IMAP cursors."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update
from sqlalchemy.engine import Row

from maild.model.spool import Cursor
from maild.plain.tokens import Keyring
from maild.store.inserting import insert_or_ignore
from maild.store.people import upsert
from maild.store.schema import (
    changes,
    daemons,
    imap_cursors,
    imap_folders,
    meta,
    pauses,
    refusals,
    signing_keys,
)
from maild.store.unit_of_work import Store

KEEP_REFUSALS = timedelta(days=7)
FORCED_MODE = "forced_mode"  # the mode of outgoing mail that `maild run --force-mode` was given, in words; else ''


def get_meta(connection: Connection, key: str) -> str | None:
    """A value kept for the installation as a whole, or None."""
    return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()


def set_meta(connection: Connection, key: str, value: str) -> None:
    """Keep a value for the installation as a whole."""
    upsert(connection, meta, ["key"], {"key": key, "value": value})


# --- signing keys -----------------------------------------------------------------------------------------------


def keyring(connection: Connection) -> Keyring:
    """All signing keys; the newest that is not retired signs, every one verifies. Raises LookupError without any."""
    rows = connection.execute(select(signing_keys).order_by(signing_keys.c.created_at, signing_keys.c.id)).all()
    current = [row.id for row in rows if row.retired_at is None]
    if not current:
        raise LookupError("no signing key")
    return Keyring(current=current[-1], keys={row.id: bytes(row.secret) for row in rows})


def list_keys(connection: Connection) -> list[Row[Any]]:
    """The keys without their secrets, oldest first."""
    columns = (signing_keys.c.id, signing_keys.c.created_at, signing_keys.c.retired_at)
    return list(connection.execute(select(*columns).order_by(signing_keys.c.created_at, signing_keys.c.id)))


def rotate_key(connection: Connection, now: datetime) -> str:
    """Make a new signing key and retire the others, which go on verifying; returns its id."""
    number = len(list_keys(connection)) + 1
    connection.execute(update(signing_keys).where(signing_keys.c.retired_at.is_(None)).values(retired_at=now))
    connection.execute(
        insert(signing_keys), {"id": f"k{number}", "secret": secrets.token_bytes(32), "created_at": now}
    )
    return f"k{number}"


def ensure_key(store: Store, now: datetime) -> Keyring:
    """The keyring; the first key is made when there is none (of two daemons that try at once, one wins)."""
    with store.write() as connection:
        if not list_keys(connection):
            insert_or_ignore(
                connection, signing_keys, {"id": "k1", "secret": secrets.token_bytes(32), "created_at": now}
            )
        return keyring(connection)


# --- pauses -----------------------------------------------------------------------------------------------------


def pause(connection: Connection, what: str, until: datetime | None, reason: str, by: str, now: datetime) -> None:
    """Pause ``automatic``, ``outbox``, ``workflows`` or ``mailbox NAME``, for a time or until resumed."""
    upsert(
        connection, pauses, ["what"], {"what": what, "until": until, "reason": reason, "by": by, "since": now}
    )
    note_change(connection, by, f"paused {what}" + (f": {reason}" if reason else ""), now)


def resume(connection: Connection, what: str, by: str, now: datetime) -> bool:
    """End a pause; returns whether there was one."""
    ended = bool(connection.execute(delete(pauses).where(pauses.c.what == what)).rowcount)
    if ended:
        note_change(connection, by, f"resumed {what}", now)
    return ended


_paused = select(pauses).where(or_(pauses.c.until.is_(None), pauses.c.until > bindparam("now"))).order_by(pauses.c.what)


def paused(connection: Connection, now: datetime) -> list[Row[Any]]:
    """The pauses in force now."""
    return list(connection.execute(_paused, {"now": now}))


def note_change(connection: Connection, by: str, what: str, now: datetime) -> None:
    """Write down who changed what outside of a case."""
    connection.execute(insert(changes), {"at": now, "by": by, "what": what})


# --- daemons ----------------------------------------------------------------------------------------------------


def heartbeat(connection: Connection, values: dict[str, Any]) -> None:
    """Say that this daemon lives: node, pid, version, config_hash, config_loaded_at, config_fault, listeners …"""
    upsert(connection, daemons, ["node"], values)


def living(connection: Connection, now: datetime, within: timedelta = timedelta(seconds=60)) -> list[Row[Any]]:
    """The daemons that were heard of lately, the newest first."""
    return list(
        connection.execute(select(daemons).where(daemons.c.seen_at > now - within).order_by(daemons.c.seen_at.desc()))
    )


def daemons_known(connection: Connection) -> list[Row[Any]]:
    """Every daemon that did not end in order, also those that were not heard of for long, by name."""
    return list(connection.execute(select(daemons).order_by(daemons.c.node)))


def differ(rows: Sequence[Row[Any]], now: datetime, within: timedelta = timedelta(seconds=60)) -> bool:
    """Whether these daemons run different configurations (but for what is a machine's own), and did so before the last ``within``: a reload goes from
    machine to machine."""
    loaded = [row.config_loaded_at for row in rows if row.config_loaded_at]
    return len({row.shared_hash for row in rows if row.shared_hash}) > 1 and (not loaded or max(loaded) <= now - within)


def last_daemon(connection: Connection) -> Row[Any] | None:
    """The daemon that was heard of last, living or not."""
    return connection.execute(select(daemons).order_by(daemons.c.seen_at.desc()).limit(1)).one_or_none()


def set_fault(connection: Connection, row: dict[str, Any], fault: str | None) -> None:
    """What is wrong with the configuration on disk, while the one before it stays live; None: nothing. ``row`` is the
    daemon's heartbeat, for where there was none yet."""
    insert_or_ignore(connection, daemons, row)
    connection.execute(update(daemons).where(daemons.c.node == row["node"]).values(config_fault=fault))


def gone(connection: Connection, node: str) -> None:
    """This daemon ended in order."""
    connection.execute(delete(daemons).where(daemons.c.node == node))


# --- what the doors refused -------------------------------------------------------------------------------------


def note_refusals(connection: Connection, rows: Sequence[dict[str, Any]], now: datetime) -> None:
    """Keep refusals for seven days, for `maild trace`."""
    if rows:
        connection.execute(insert(refusals), list(rows))
    connection.execute(delete(refusals).where(refusals.c.at < now - KEEP_REFUSALS))


def find_refusals(connection: Connection, what: str) -> list[Row[Any]]:
    """Refusals that name this address or client, newest first."""
    wanted = what.lower()
    return list(
        connection.execute(
            select(refusals)
            .where(or_(refusals.c.mail_from.contains(wanted), refusals.c.rcpt.contains(wanted), refusals.c.client == what))
            .order_by(refusals.c.at.desc())
            .limit(50)
        )
    )


# --- IMAP -------------------------------------------------------------------------------------------------------


def load_cursor(connection: Connection, mailbox: str, folder: str) -> Cursor | None:
    """How far a folder has been fetched, or None."""
    row = connection.execute(
        select(imap_cursors).where(imap_cursors.c.mailbox == mailbox, imap_cursors.c.folder == folder)
    ).one_or_none()
    return Cursor(uidvalidity=row.uidvalidity, uid=row.uid, skipped=tuple(row.skipped)) if row else None


def save_cursor(connection: Connection, mailbox: str, folder: str, cursor: Cursor) -> None:
    """Remember how far a folder has been fetched."""
    upsert(
        connection, imap_cursors, ["mailbox", "folder"],
        {"mailbox": mailbox, "folder": folder, "uidvalidity": cursor.uidvalidity, "uid": cursor.uid,
         "skipped": list(cursor.skipped)},
    )  # fmt: skip


def lease_folder(store: Store, mailbox: str, folder: str, who: str, seconds: float) -> bool:
    """Whether this daemon may fetch from the folder for the next ``seconds``."""
    clock = store.clock()
    with store.write() as connection:
        insert_or_ignore(connection, imap_folders, {"mailbox": mailbox, "folder": folder})
        return bool(
            connection.execute(
                update(imap_folders)
                .where(
                    imap_folders.c.mailbox == mailbox, imap_folders.c.folder == folder,
                    or_(imap_folders.c.leased_by.is_(None), imap_folders.c.leased_by == who,
                        imap_folders.c.lease_until < clock),
                )
                .values(leased_by=who, lease_until=clock + seconds)
            ).rowcount
        )  # fmt: skip


def folder_state(connection: Connection, mailbox: str, folder: str, values: dict[str, Any]) -> None:
    """Write down the last fetch or the fault of a folder."""
    upsert(connection, imap_folders, ["mailbox", "folder"], {"mailbox": mailbox, "folder": folder, **values})


def folders(connection: Connection) -> list[Row[Any]]:
    """Every IMAP folder with its last fetch and fault."""
    return list(connection.execute(select(imap_folders)))
