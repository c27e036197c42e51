"""This is where questions and answers are kept: drafts out of cases, published ones, retired ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text, update
from sqlalchemy.engine import Row

from maild.store.schema import faq

STATES = ("draft", "published", "retired")


@dataclass(frozen=True, slots=True)
class Entry:
    """A question with its answer. Only published ones are shown to anybody outside."""

    id: int
    question: str
    answer: str
    status: str
    category: str | None
    language: str
    case: int | None
    by: str
    created_at: datetime
    updated_at: datetime


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        row.id, row.question, row.answer, row.status, row.category, row.language, row.case_number, row.by,
        row.created_at, row.updated_at,
    )  # fmt: skip


def add(
    connection: Connection, question: str, answer: str, by: str, now: datetime, *, case: int | None = None,
    category: str | None = None, language: str = "",
) -> int:  # fmt: skip
    """Store a draft; returns its number."""
    values = {
        "question": question, "answer": answer, "status": "draft", "category": category, "language": language,
        "case_number": case, "by": by, "created_at": now, "updated_at": now,
    }  # fmt: skip
    return int(connection.execute(insert(faq).returning(faq.c.id), values).scalar_one())


def get(connection: Connection, number: int) -> Entry | None:
    """The entry of this number, or None."""
    row = connection.execute(select(faq).where(faq.c.id == number)).one_or_none()
    return _entry(row) if row is not None else None


def listed(connection: Connection, *, status: str = "", category: str = "") -> list[Entry]:
    """Entries by number, of a status or a category."""
    query = select(faq).order_by(faq.c.id)
    if status:
        query = query.where(faq.c.status == status)
    if category:
        query = query.where(faq.c.category == category)
    return [_entry(row) for row in connection.execute(query)]


_FTS5 = text(
    "SELECT faq.id FROM faq_words JOIN faq ON faq.id = faq_words.rowid WHERE faq_words MATCH :words "
    "AND faq.status = 'published' ORDER BY bm25(faq_words, 3.0, 1.0), faq.id LIMIT :most"
)
_TSVECTOR = text(
    "SELECT faq.id FROM faq, to_tsquery('simple', :words) wanted "
    "WHERE to_tsvector('simple', faq.question || ' ' || faq.answer) @@ wanted AND faq.status = 'published' "
    "ORDER BY ts_rank(to_tsvector('simple', faq.question || ' ' || faq.answer), wanted) DESC, faq.id LIMIT :most"
)


_any_published = select(faq.c.id).where(faq.c.status == "published").limit(1)


def any_published(connection: Connection) -> bool:
    """Whether there is an entry that customers may be told of."""
    return connection.execute(_any_published).scalar() is not None


def published_with(connection: Connection, beginnings: Sequence[str], language: str, most: int = 20) -> list[Entry]:
    """The published entries in which words begin so, the likeliest first, as the engine ranks them (FTS5, tsvector);
    of another language than this none. ``beginnings`` are letters only."""
    if not beginnings:
        return []
    if connection.dialect.name == "sqlite":
        query, words = _FTS5, " OR ".join(f'"{one}"*' for one in beginnings)
    else:
        query, words = _TSVECTOR, " | ".join(f"{one}:*" for one in beginnings)
    numbers = list(connection.execute(query, {"words": words, "most": most}).scalars())
    if not numbers:
        return []
    found = {row.id: _entry(row) for row in connection.execute(select(faq).where(faq.c.id.in_(numbers)))}
    ordered = [found[number] for number in numbers if number in found]
    return [one for one in ordered if not language or not one.language or one.language == language]


def change(connection: Connection, number: int, values: dict[str, Any], now: datetime) -> bool:
    """Set question, answer, status or category; returns whether there is such an entry."""
    return bool(connection.execute(update(faq).where(faq.c.id == number).values(**values, updated_at=now)).rowcount)


def remove(connection: Connection, number: int) -> None:
    """Take a draft back."""
    connection.execute(delete(faq).where(faq.c.id == number))
