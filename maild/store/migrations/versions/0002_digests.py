"""What waits for a digest, addresses that are not wanted, and published answers found by their words."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from maild.store.schema import BigKey, Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

works_with = "0001"
locks = "makes two tables and the index over the words of answers; a second for a thousand answers"

# FTS5 keeps no copy of the text (content=faq); the triggers keep its words in step with the table.
_FTS5 = (
    "CREATE VIRTUAL TABLE faq_words USING fts5(question, answer, content='faq', content_rowid='id', "
    "tokenize='unicode61 remove_diacritics 2')",
    "CREATE TRIGGER faq_words_in AFTER INSERT ON faq BEGIN "
    "INSERT INTO faq_words(rowid, question, answer) VALUES (new.id, new.question, new.answer); END",
    "CREATE TRIGGER faq_words_out AFTER DELETE ON faq BEGIN "
    "INSERT INTO faq_words(faq_words, rowid, question, answer) VALUES ('delete', old.id, old.question, old.answer); END",
    "CREATE TRIGGER faq_words_change AFTER UPDATE OF question, answer ON faq BEGIN "
    "INSERT INTO faq_words(faq_words, rowid, question, answer) VALUES ('delete', old.id, old.question, old.answer); "
    "INSERT INTO faq_words(rowid, question, answer) VALUES (new.id, new.question, new.answer); END",
    "INSERT INTO faq_words(faq_words) VALUES ('rebuild')",
)
_TSVECTOR = "CREATE INDEX ix_faq_words ON faq USING gin (to_tsvector('simple', question || ' ' || answer))"


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("user", sa.String(length=120), nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_notices_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index(op.f("ix_notices_case_number"), "notices", ["case_number"], unique=False)
    op.create_index("ix_notices_user", "notices", ["user", "id"], unique=False)
    op.create_table(
        "never",
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_never")),
    )
    for statement in _FTS5 if op.get_bind().dialect.name == "sqlite" else (_TSVECTOR,):
        op.execute(statement)
