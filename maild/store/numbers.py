"""This is where numbers are given before their rows are written: of cases, contacts, messages and mails in the outbox.

On SQLite a worker reserves a block of each when it leases messages, so that it can settle them before it has the write
lock (`store.recording`). The blocks are noted in SQLite's own `sqlite_sequence`: what others insert goes on behind them. What
was not used is given back, unless somebody took numbers meanwhile. On PostgreSQL sequences do all of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from maild.store.inserting import insert_rows
from maild.store.schema import cases

RESERVED = "maild_reserved"  # the execution option that holds them
CASES = "cases"  # not a row that SQLite writes by itself: cases always come with their number
_sequence = Table("sqlite_sequence", MetaData(), Column("name", String), Column("seq", Integer))
_all = select(_sequence.c.name, _sequence.c.seq)
_highest = select(func.max(cases.c.number))

Taken = list[tuple[str, int]]  # (table, number)


class Reserved:
    """Blocks of numbers that nobody else gets. ``short`` names the tables of which there were too few."""

    def __init__(self, blocks: Mapping[str, range]) -> None:
        self._blocks = dict(blocks)
        self._free = {table: list(reversed(block)) for table, block in blocks.items()}
        self._taken: Taken = []
        self.short: set[str] = set()

    def take(self, table: str) -> int | None:
        """The lowest free number, None when there is none left."""
        if not self._free.get(table):
            self.short.add(table)
            return None
        number = self._free[table].pop()
        self._taken.append((table, number))
        return number

    def collect(self) -> Taken:
        """What was taken since the last time this was asked."""
        taken, self._taken = self._taken, []
        return taken

    def put_back(self, taken: Iterable[tuple[str, int]]) -> None:
        """These are free again: what they were taken for came to nothing."""
        for table, number in taken:
            self._free[table] = sorted([*self._free[table], number], reverse=True)

    def unused(self) -> dict[str, tuple[int, int]]:
        """Of each block with free numbers at its end: (its last number, the last one that is used)."""
        found = {}
        for table, block in self._blocks.items():
            last = top = block.stop - 1
            free = set(self._free[table])
            while last in free:
                last -= 1
            if last != top:
                found[table] = (top, last)
        return found


def reserve(connection: Connection, wanted: Mapping[str, int], first_case: int) -> Reserved:
    """Set so many numbers of each table aside (SQLite); durable with the caller's transaction."""
    have: dict[str, int] = {row.name: row.seq for row in connection.execute(_all)}
    blocks: dict[str, range] = {}
    for table, count in wanted.items():
        begin = _next_case(connection, have, first_case) if table == CASES else have.get(table, 0) + 1
        blocks[table] = range(begin, begin + count)
        if table in have:
            connection.execute(update(_sequence).where(_sequence.c.name == table).values(seq=begin + count - 1))
        else:
            connection.execute(insert(_sequence).values(name=table, seq=begin + count - 1))
    return Reserved(blocks)


def give_back(connection: Connection, reserved: Reserved) -> None:
    """Return what was not used, where nobody took numbers since."""
    for table, (top, last) in reserved.unused().items():
        connection.execute(update(_sequence).where(_sequence.c.name == table, _sequence.c.seq == top).values(seq=last))


def continue_after(connection: Connection, table: Table, last: int) -> None:
    """Numbers of this table's rows go on behind ``last``, whatever rows there are (SQLite)."""
    connection.execute(delete(_sequence).where(_sequence.c.name == table.name))
    connection.execute(insert(_sequence).values(name=table.name, seq=last))


def _next_case(connection: Connection, have: Mapping[str, int], first: int) -> int:
    return max(first, have.get(CASES, 0) + 1, (connection.execute(_highest).scalar() or 0) + 1)


def next_case(connection: Connection, first: int) -> int:
    """The number of the next case; on PostgreSQL given by a sequence, so that workers do not wait for each other."""
    if connection.dialect.name != "sqlite":
        return int(connection.execute(text("SELECT nextval('case_number')")).scalar_one())
    number = _reserved(connection, CASES)
    if number is not None:
        return number
    return _next_case(connection, {row.name: row.seq for row in connection.execute(_all)}, first)


def never_again(connection: Connection) -> None:
    """The numbers of the cases there are stay theirs, also when the newest of them is deleted (PostgreSQL's sequence knows)."""
    if connection.dialect.name == "sqlite":
        have = {row.name: row.seq for row in connection.execute(_all)}
        highest = max(have.get(CASES, 0), connection.execute(_highest).scalar() or 0)
        connection.execute(delete(_sequence).where(_sequence.c.name == CASES))
        connection.execute(insert(_sequence).values(name=CASES, seq=highest))


def insert_numbered(connection: Connection, table: Table, values: Mapping[str, Any]) -> int:
    """Insert a row; returns its number (``id``): a reserved one where there are any, else the database's own."""
    number = _reserved(connection, table.name)
    if number is not None:
        insert_rows(connection, table, {"id": number, **values})
        return number
    return int(connection.execute(_returning(table), dict(values)).scalar_one())


@cache
def _returning(table: Table) -> Any:
    return insert(table).returning(table.c.id)


def _reserved(connection: Connection, table: str) -> int | None:
    reserved: Reserved | None = connection.get_execution_options().get(RESERVED)
    return reserved.take(table) if reserved is not None else None
