"""Further mailboxes that a mail came to after it was settled, and what daemons should have alike."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

works_with = "0001"
locks = "makes a table and adds an empty column to daemons; a moment, whatever the size"


def upgrade() -> None:
    op.add_column("daemons", sa.Column("shared_hash", sa.String(length=64), nullable=True))
    op.create_table(
        "later_mailboxes",
        sa.Column("spool_seq", sa.BigInteger(), nullable=False),
        sa.Column("mailbox", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(["spool_seq"], ["spool.seq"], name=op.f("fk_later_mailboxes_spool_seq_spool")),
        sa.PrimaryKeyConstraint("spool_seq", "mailbox", name=op.f("pk_later_mailboxes")),
    )
