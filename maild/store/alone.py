"""This is where transactions that decide by what they read first go one after the other, also those of several daemons."""

from __future__ import annotations

from sqlalchemy import Connection, text


def alone(connection: Connection, *key: str) -> None:
    """Until its end only one transaction at a time goes on from here with this key (SQLite has one writer anyway).

    What it decides by has to be read after this: only then is what the one before it wrote seen.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": "\x1f".join(key).replace("\0", "")}
        )
