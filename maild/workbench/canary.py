"""This is where a second set of rules runs beside the live one: decided on every new message, compared, never applied.

It goes over what the mailroom is done with, with the facts that were kept, so that the live way neither waits for it
nor can be hurt by it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from maild.errors import ConfigError
from maild.log import get_logger
from maild.plain.jsontext import plain
from maild.rules.ruleset import compile_rules
from maild.settings.models import Settings
from maild.store import decided, versions
from maild.store.unit_of_work import Store
from maild.workbench.deciding import Surroundings
from maild.workbench.files import with_rules
from maild.workbench.replay import Changed, Reader, Replayed, Sides, compare

log = get_logger(__name__)

AT_ONCE = 200  # messages that one look takes, so that other sweeps get their turn


class Canary:
    """The canary of one daemon: kept compiled between looks. The daemon's rules are the live ones that it compares with."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._number: int | None = None
        self._sides: Sides | None = None
        self._reader = Reader()

    def look(self, now: datetime) -> bool:
        """Decide about what is new since the last look; returns whether there was anything."""
        with self._store.read() as connection:
            row = versions.canary(connection)
            if row is None:
                self._number = self._sides = None
                return False
            fresh = decided.numbers(connection, after=row.last_seq, limit=AT_ONCE)
            if not fresh:
                return False
            rows = decided.load(connection, [seq for seq, _ in fresh])
        if self._number != row.id:
            self._number, self._sides, self._reader = row.id, self._compiled(row), Reader()
        if self._sides is None:
            return False
        passed_over = 0
        kept: list[dict[str, Any]] = []
        for one, raw in rows:
            compared = compare(one, raw, self._sides)
            changed = self._reader.take(compared)
            if compared.after is None:
                passed_over += 1
                continue
            kept.append({
                "seq": one.seq,
                "decision": plain({"becomes": compared.after.becomes, "rule": compared.after.rule, "values": compared.after.values}),
                "differences": plain([list(each) for each in changed.differences]) if changed else None,
            })  # fmt: skip
        with self._store.write() as connection:
            versions.note_decisions(connection, row.id, kept, last_seq=fresh[-1][0], passed_over=passed_over)
        return True

    def _compiled(self, row: Any) -> Sides | None:
        """The two sides; a canary whose rules no longer fit the configuration says so, and rests."""
        try:
            other = with_rules(self._settings.named, versions.unpack(row.content))
        except ConfigError as error:
            with self._store.write() as connection:
                versions.canary_fault(connection, row.id, str(error.faults[0]))
            log.warning("canary.refused", reason=str(error.faults[0]))
            return None
        other = replace_main(other, self._settings)
        return Sides(self._settings, other, compile_rules(self._settings), compile_rules(other), Surroundings.of(self._settings))


def replace_main(other: Settings, live: Settings) -> Settings:
    """The canary's rules on all that is live beside them."""
    return other.model_copy(update={"main": live.main, "directory": live.directory, "sla": live.sla})


def report(store: Store) -> tuple[Any, Replayed] | None:
    """The newest canary's row and what it found; None where there never was one."""
    with store.read() as connection:
        row = versions.canary(connection, running=False)
        if row is None:
            return None
        found = Replayed(messages=row.messages, passed_over=row.passed_over)
        for one in versions.canary_differences(connection, row.id):
            then = ((one.trace or {}).get("decision") or {}).get("rule") or ""
            found.add(
                Changed(
                    one.id, one.message_id, one.subject, one.sender, one.received_at, then, one.decision.get("rule") or "",
                    tuple((what, before, after) for what, before, after in one.differences),
                )
            )
    return row, found


