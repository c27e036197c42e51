"""This is where questions and answers are kept: drafts out of cases, published ones, retired ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
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


def change(connection: Connection, number: int, values: dict[str, Any], now: datetime) -> bool:
    """Set question, answer, status or category; returns whether there is such an entry."""
    return bool(connection.execute(update(faq).where(faq.c.id == number).values(**values, updated_at=now)).rowcount)


def remove(connection: Connection, number: int) -> None:
    """Take a draft back."""
    connection.execute(delete(faq).where(faq.c.id == number))
