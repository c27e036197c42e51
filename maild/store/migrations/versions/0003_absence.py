"""Agents whose mail answers by itself, and work that is put off after a fault."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from maild.store.schema import Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

works_with = "0001"
locks = "adds empty columns to users and makes a table; a moment, whatever the size"


def upgrade() -> None:
    for name in ("auto_reply_at", "auto_reply_until", "absence_told_at"):
        op.add_column("users", sa.Column(name, Instant(), nullable=True))
    op.create_table(
        "put_off",
        sa.Column("what", sa.String(length=300), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_put_off")),
    )
