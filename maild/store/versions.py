"""This is where maild keeps each configuration that went live, with its files, and the canaries that run beside it."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.engine import Row

from maild.plain.layers import within
from maild.settings.models import Settings
from maild.store.inserting import insert_or_ignore
from maild.store.schema import canaries, canary_decisions, configurations, spool, went_live

LARGEST = 16 * 1024**2  # bytes of all files together that are kept


def pack(files: Mapping[str, str]) -> bytes:
    """Files (name -> text) as they are kept."""
    return zlib.compress(json.dumps(dict(files), ensure_ascii=False, sort_keys=True).encode())


def unpack(content: bytes) -> dict[str, str]:
    """The files again."""
    found: dict[str, str] = json.loads(zlib.decompress(content))
    return found


# --- what was live when -----------------------------------------------------------------------------------------


def note_live(connection: Connection, node: str, settings: Settings, now: datetime) -> None:
    """This configuration is live on this node from now on; it is kept with its files."""
    insert_or_ignore(connection, configurations, {"hash": settings.hash, "loaded_at": now, "files": settings.files})
    kept = connection.execute(select(configurations.c.content).where(configurations.c.hash == settings.hash)).scalar()
    if kept is None and (files := _files(settings)) is not None:
        connection.execute(
            update(configurations).where(configurations.c.hash == settings.hash).values(content=pack(files))
        )
    last = connection.execute(
        select(went_live.c.hash).where(went_live.c.node == node).order_by(went_live.c.id.desc()).limit(1)
    ).scalar()
    if last != settings.hash:
        connection.execute(insert(went_live), {"at": now, "node": node, "hash": settings.hash})


def _files(settings: Settings) -> dict[str, str] | None:
    """The files as they were loaded; None where they have changed since, or are too large to be kept."""
    found: dict[str, str] = {}
    for name, digest in settings.files.items():
        try:
            raw = within(settings.named, name).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(raw).hexdigest() != digest or sum(map(len, found.values())) + len(raw) > LARGEST:
            return None
        found[name] = raw.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
    return found


def history(connection: Connection, limit: int = 50) -> list[Row[Any]]:
    """What went live when, newest first: at, node, hash, files (name -> hash), ``kept`` (whether the files are there)."""
    return list(
        connection.execute(
            select(
                went_live.c.at, went_live.c.node, went_live.c.hash, configurations.c.files,
                configurations.c.content.is_not(None).label("kept"),
            )
            .join_from(went_live, configurations, configurations.c.hash == went_live.c.hash)
            .order_by(went_live.c.id.desc())
            .limit(limit)
        )
    )  # fmt: skip


def named(connection: Connection, beginning: str) -> list[str]:
    """The hashes of kept configurations that begin so."""
    return list(
        connection.execute(select(configurations.c.hash).where(configurations.c.hash.startswith(beginning, autoescape=True)))
        .scalars()
        .all()
    )


def files_of(connection: Connection, digest: str) -> dict[str, str] | None:
    """The files of a configuration by its whole hash; None where they were not kept."""
    content = connection.execute(select(configurations.c.content).where(configurations.c.hash == digest)).scalar()
    return unpack(content) if content is not None else None


def hashes_of(connection: Connection, digest: str) -> dict[str, str] | None:
    """The SHA-256 of each file of a configuration by its whole hash; None where it never was live."""
    found: dict[str, str] | None = connection.execute(
        select(configurations.c.files).where(configurations.c.hash == digest)
    ).scalar()
    return found


def live_hash(connection: Connection) -> str | None:
    """The hash of the configuration that went live last."""
    return connection.execute(select(went_live.c.hash).order_by(went_live.c.id.desc()).limit(1)).scalar()


# --- canaries ---------------------------------------------------------------------------------------------------


def start_canary(connection: Connection, source: Path, files: Mapping[str, str], by: str, now: datetime) -> int:
    """Begin to run these rules beside the live ones, on mail from now on; one that ran is stopped."""
    stop_canary(connection, now)
    last = connection.execute(select(func.max(spool.c.seq))).scalar() or 0
    return int(
        connection.execute(
            insert(canaries).returning(canaries.c.id),
            {"started_at": now, "started_by": by, "source": str(source), "content": pack(files), "last_seq": last},
        ).scalar_one()
    )


def stop_canary(connection: Connection, now: datetime) -> bool:
    """Stop the canary that runs; returns whether there was one."""
    query = update(canaries).where(canaries.c.stopped_at.is_(None)).values(stopped_at=now)
    return bool(connection.execute(query).rowcount)


def canary(connection: Connection, *, running: bool = True) -> Row[Any] | None:
    """The canary that runs, or (not ``running``) the newest whether it runs or not."""
    query = select(canaries).order_by(canaries.c.id.desc()).limit(1)
    return connection.execute(query.where(canaries.c.stopped_at.is_(None)) if running else query).one_or_none()


def note_decisions(
    connection: Connection, number: int, rows: Sequence[Mapping[str, Any]], *, last_seq: int, passed_over: int
) -> None:
    """Keep what a canary decided about some messages (seq, decision, differences), and how far it has come."""
    if rows:
        insert_or_ignore(connection, canary_decisions, [{"canary_id": number, **row} for row in rows])
    connection.execute(
        update(canaries)
        .where(canaries.c.id == number)
        .values(
            last_seq=last_seq, messages=canaries.c.messages + len(rows) + passed_over,
            passed_over=canaries.c.passed_over + passed_over,
        )
    )  # fmt: skip


def canary_fault(connection: Connection, number: int, fault: str | None) -> None:
    """Why a canary cannot go on."""
    connection.execute(update(canaries).where(canaries.c.id == number).values(fault=fault))


def canary_differences(connection: Connection, number: int) -> list[Row[Any]]:
    """What a canary would have done otherwise: the differences, with what is known of each message."""
    return list(
        connection.execute(
            select(
                canary_decisions.c.decision, canary_decisions.c.differences, spool.c.id, spool.c.message_id,
                spool.c.subject, spool.c.sender, spool.c.received_at, spool.c.trace,
            )
            .join_from(canary_decisions, spool, spool.c.seq == canary_decisions.c.seq)
            .where(canary_decisions.c.canary_id == number, canary_decisions.c.differences.is_not(None))
            .order_by(canary_decisions.c.seq)
        )
    )  # fmt: skip


def forget_canaries(connection: Connection, before: datetime) -> None:
    """Remove canaries that were stopped before then, with all they decided."""
    connection.execute(delete(canaries).where(canaries.c.stopped_at < before))
