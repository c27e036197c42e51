"""This is where rows are inserted: most of what one mail costs the database are a dozen and a half of them.

SQLAlchemy puts the SQL together once for a table and the columns given; after that only the values are turned into the
driver's, by their columns' types, and the driver's own cursor runs it: a twentieth of what executing the statement costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Table, insert
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError

Row = Mapping[str, Any]


def insert_rows(connection: Connection, table: Table, rows: Row | Sequence[Row]) -> None:
    """Insert a row, or several with the same columns."""
    _execute(connection, insert_into(table), rows)


def insert_or_ignore(connection: Connection, table: Table, rows: Row | Sequence[Row]) -> int:
    """Insert rows; those whose key is there already are left as they are. Returns how many of one row are new (psycopg
    does not count those of a list)."""
    return _execute(connection, _ignoring(table, connection.dialect.name), rows)


@cache
def insert_into(table: Table) -> Insert:
    """``insert(table)``, put together once."""
    return insert(table)


@cache
def _ignoring(table: Table, dialect: str) -> Insert:
    maker: Any = sqlite_insert if dialect == "sqlite" else pg_insert
    made: Insert = maker(table).on_conflict_do_nothing()
    return made


def _execute(connection: Connection, statement: Insert, rows: Row | Sequence[Row]) -> int:
    """Run it; returns how many rows the driver says it inserted. Raises DBAPIError, as SQLAlchemy does."""
    every: Sequence[Row] = [rows] if isinstance(rows, Mapping) else rows
    sql, values = _driver(statement, connection.dialect, tuple(every[0]))
    given = [values(row) for row in every]
    errors: type[Exception] = connection.dialect.loaded_dbapi.Error
    cursor = connection.connection.cursor()
    try:
        if len(given) == 1:
            cursor.execute(sql, given[0])
        else:
            cursor.executemany(sql, given)
        return int(cursor.rowcount)
    except errors as error:
        raise DBAPIError.instance(sql, given, error, errors, dialect=connection.dialect) from error
    finally:
        cursor.close()


@cache
def _driver(statement: Insert, dialect: Dialect, names: tuple[str, ...]) -> tuple[str, Callable[[Row], Any]]:
    """The SQL for these columns, and what makes the driver's parameters of a row."""
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
    table: Any = statement.table
    order = list(compiled.positiontup or names)
    steps = [(name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in order]

    def in_order(row: Row) -> tuple[Any, ...]:
        return tuple([row[name] if process is None else process(row[name]) for name, process in steps])

    def by_name(row: Row) -> dict[str, Any]:
        return dict(zip(order, in_order(row), strict=True))

    return compiled.string, in_order if compiled.positional else by_name
