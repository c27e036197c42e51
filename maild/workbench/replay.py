"""This is where other rules are tried over stored mail: each message's facts as they were, decided again, and compared.

Parsing is the cost, so it is done in several processes; only what comes out goes back. Nothing is written or sent.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from maild.rules.ruleset import Ruleset, compile_rules
from maild.rules.view import View
from maild.settings.models import Settings
from maild.store import decided
from maild.store.unit_of_work import Store
from maild.workbench.comparing import shown
from maild.workbench.deciding import Memory, Outcome, Surroundings, compared, facts_of, of_json, outcome

CHUNK = 50
CHUNK_BYTES = 4 * 1024**2
Against = Literal["live", "history"]
# What is told of a value that differs: `37 of 12,400 would move from support to billing`.
_SAID = {
    "becomes": "would be {after} instead of {before}", "mailbox": "would move from {before} to {after}",
    "group": "would go to the group {after} instead of {before}", "user": "would be assigned to {after} instead of {before}",
    "priority": "would have priority {after} instead of {before}", "category": "would be in category {after} instead of {before}",
    "sla": "would have SLA {after} instead of {before}", "reply": "would be answered with {after} instead of {before}",
    "notify": "would notify {after} instead of {before}", "tags": "would have tags {after} instead of {before}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Changed:
    """One message that would go another way."""

    spool_id: str
    message_id: str
    subject: str
    sender: str
    received_at: datetime
    rule_before: str
    rule_after: str
    differences: tuple[tuple[str, Any, Any], ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.spool_id, "message_id": self.message_id, "subject": self.subject, "from": self.sender,
            "received_at": self.received_at, "rule": {"before": self.rule_before or None, "after": self.rule_after or None},
            "differences": [{"what": what, "before": before, "after": after} for what, before, after in self.differences],
        }  # fmt: skip


@dataclass(slots=True)
class Replayed:
    """What a replay found. ``passed_over``: messages that no rule was asked about (bounces, mail to postmaster, mail
    from before facts were kept)."""

    messages: int = 0
    passed_over: int = 0
    changed: list[Changed] = field(default_factory=list)
    sums: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, one: Changed) -> None:
        """Count a message that would go another way."""
        self.changed.append(one)
        for what, before, after in one.differences:
            self.sums[(what, shown(before), shown(after))] += 1

    def as_json(self) -> dict[str, Any]:
        return {
            "messages": self.messages, "passed_over": self.passed_over, "differ": len(self.changed),
            "seconds": round(self.seconds, 2),
            "sums": [{"what": w, "before": b, "after": a, "count": n} for (w, b, a), n in self.sums.most_common()],
            "changed": [one.as_json() for one in self.changed],
        }  # fmt: skip

    def sentences(self, limit: int = 20) -> list[str]:
        """The differences summed, for people; the most frequent first."""
        if not self.changed:
            return [f"nothing differs in {self.messages:,} messages"]
        found = [f"{len(self.changed):,} of {self.messages:,} messages would go another way:"]
        for (what, before, after), count in self.sums.most_common(limit):
            found.append(f"  {count:,} {said(what, before, after)}")
        if len(self.sums) > limit:
            found.append(f"  and {len(self.sums) - limit:,} more kinds of difference: --json or --html FILE has them all")
        return found


def said(what: str, before: str, after: str) -> str:
    """One difference as a sentence without its subject."""
    if what == "becomes" and before in ("case", "update") and after not in ("case", "update", "answer"):
        return f"would open no case: {after} instead"
    if what == "becomes" and after == "case" and before not in ("update", "answer"):
        return f"would open a case: {before} now"
    return _SAID.get(what, "would have {what} {after} instead of {before}").format(what=what, before=before, after=after)


# --- one message ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compared:
    """One message as both sides decide it; ``before`` is None where no rule was asked. ``person``: address, organisation."""

    seq: int
    spool_id: str
    message_id: str
    subject: str
    sender: str
    received_at: datetime
    before: Outcome | None
    after: Outcome | None
    person: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Sides:
    """Two sets of rules on one configuration; ``live`` is None where what was decided then is the other side."""

    settings: Settings
    other_settings: Settings
    live: Ruleset | None
    other: Ruleset
    around: Surroundings

    @classmethod
    def of(cls, live: Settings, other: Settings, against: Against = "live") -> Sides:
        """``live`` and ``other`` are configurations that differ in their rules."""
        return cls(
            live, other, compile_rules(live) if against == "live" else None, compile_rules(other), Surroundings.of(other)
        )


def compare(row: Any, raw: bytes, sides: Sides) -> Compared:
    """Decide one stored message by both sides."""
    facts = facts_of(row, raw, sides.around)
    head = (row.seq, row.id, row.message_id, row.subject, row.sender, row.received_at)
    if facts is None:
        return Compared(*head, None, None)
    view = View(facts)
    after = outcome(sides.other, facts, sides.other_settings, view)
    if sides.live is not None:
        before = outcome(sides.live, facts, sides.settings, view)
    else:
        then = (row.trace or {}).get("decision")
        if not then:
            return Compared(*head, None, None)
        before = of_json(then, facts, sides.settings)
    organisation = facts.organisation.name if facts.organisation is not None else ""
    return Compared(*head, before, after, (facts.contact.email.lower() if facts.contact else "", organisation))


class Reader:
    """Puts compared messages together in their order: answers `update` requests from memory, counts, sums."""

    def __init__(self) -> None:
        self.before, self.after = Memory(), Memory()
        self.result = Replayed()

    def take(self, one: Compared) -> Changed | None:
        """Count one message; returns what differs, None where nothing does."""
        self.result.messages += 1
        if one.before is None or one.after is None:
            self.result.passed_over += 1
            return None
        before = self.before.settled(one.before, one.person, one.received_at)
        after = self.after.settled(one.after, one.person, one.received_at)
        differs = tuple(compared(before, after))
        if not differs:
            return None
        changed = Changed(
            one.spool_id, one.message_id, one.subject, one.sender, one.received_at, before.rule, after.rule, differs
        )
        self.result.add(changed)
        return changed


# --- many messages ----------------------------------------------------------------------------------------------

_shared: tuple[Sides, Store] | None = None  # what a child process inherits by fork


def run(
    sides: Sides, store: Store, *, since: datetime | None = None, jobs: int = 0,
    progress: Callable[[int], None] = lambda _: None, total: Callable[[int], None] = lambda _: None,
) -> Replayed:  # fmt: skip
    """Replay every stored message since then by both sides; ``jobs`` processes (default: one a core)."""
    global _shared
    started = time.monotonic()
    with store.read() as connection:
        every = decided.numbers(connection, since)
    store.close()  # connections do not survive a fork
    total(len(every))
    reader = Reader()
    _shared = (sides, store)
    try:
        for done in _in_order(list(chunks(every)), jobs or os.cpu_count() or 1):
            for one in done:
                reader.take(one)
            progress(reader.result.messages)
    finally:
        _shared = None
    reader.result.seconds = time.monotonic() - started
    return reader.result


def chunks(every: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """The messages in pieces bounded by their number and by their bytes."""
    piece: list[int] = []
    room = CHUNK_BYTES
    for seq, size in every:
        if piece and (len(piece) >= CHUNK or size > room):
            yield piece
            piece, room = [], CHUNK_BYTES
        piece.append(seq)
        room -= size
    if piece:
        yield piece


def _in_order(pieces: list[list[int]], jobs: int) -> Iterator[list[Compared]]:
    if jobs == 1 or len(pieces) == 1:
        yield from map(_compare_piece, pieces)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork")) as pool:
        yield from pool.map(_compare_piece, pieces)


def _compare_piece(seqs: list[int]) -> list[Compared]:
    assert _shared is not None
    sides, store = _shared
    with store.read() as connection:
        rows = decided.load(connection, seqs)
    return [compare(row, raw, sides) for row, raw in rows]
