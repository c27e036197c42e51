"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from maild.store.schema import BigKey, Instant, Json

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

works_with = "0001"
locks = "makes all tables; there is nothing to lock"


def upgrade() -> None:
    op.create_table(
        "automatic_answers",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_automatic_answers")),
    )
    op.create_index("ix_automatic_answers_address", "automatic_answers", ["address", "at"], unique=False)
    op.create_index(op.f("ix_automatic_answers_at"), "automatic_answers", ["at"], unique=False)
    op.create_index("ix_automatic_answers_case", "automatic_answers", ["case_number", "at"], unique=False)
    op.create_table(
        "canaries",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("started_by", sa.String(length=120), nullable=False),
        sa.Column("stopped_at", Instant(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("messages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("passed_over", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canaries")),
    )
    op.create_table(
        "changes",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
    )
    op.create_table(
        "configurations",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("loaded_at", Instant(), nullable=False),
        sa.Column("files", Json, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_configurations")),
    )
    op.create_table(
        "contacts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), server_default="", nullable=False),
        sa.Column("language", sa.String(length=16), server_default="", nullable=False),
        sa.Column("organisation", sa.String(length=400), nullable=True),
        sa.Column("sla", sa.String(length=120), nullable=True),
        sa.Column("tags", Json, nullable=False),
        sa.Column("undeliverable_since", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "daemons",
        sa.Column("node", sa.String(length=120), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("config_hash", sa.String(length=64), nullable=False),
        sa.Column("config_loaded_at", Instant(), nullable=True),
        sa.Column("config_fault", sa.Text(), nullable=True),
        sa.Column("listeners", Json, nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("pk_daemons")),
    )
    op.create_table(
        "downtimes",
        sa.Column("since", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("since", name=op.f("pk_downtimes")),
    )
    op.create_table(
        "imap_cursors",
        sa.Column("mailbox", sa.String(length=120), nullable=False),
        sa.Column("folder", sa.String(length=400), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("skipped", Json, nullable=False),
        sa.PrimaryKeyConstraint("mailbox", "folder", name=op.f("pk_imap_cursors")),
    )
    op.create_table(
        "imap_folders",
        sa.Column("mailbox", sa.String(length=120), nullable=False),
        sa.Column("folder", sa.String(length=400), nullable=False),
        sa.Column("leased_by", sa.String(length=120), nullable=True),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.Column("last_fetch", Instant(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("mailbox", "folder", name=op.f("pk_imap_folders")),
    )
    op.create_table(
        "imports",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("counts", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "organisations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("sla", sa.String(length=120), nullable=True),
        sa.Column("tags", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
        sa.UniqueConstraint("name", name=op.f("uq_organisations_name")),
    )
    op.create_table(
        "pauses",
        sa.Column("what", sa.String(length=120), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_pauses")),
    )
    op.create_table(
        "refusals",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("client", sa.String(length=120), nullable=False),
        sa.Column("mail_from", sa.Text(), nullable=False),
        sa.Column("rcpt", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusals")),
    )
    op.create_index(op.f("ix_refusals_at"), "refusals", ["at"], unique=False)
    op.create_table(
        "round_robin",
        sa.Column("group", sa.String(length=120), nullable=False),
        sa.Column("last_user", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("group", name=op.f("pk_round_robin")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.String(length=8), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("retired_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "spool",
        sa.Column("seq", BigKey, nullable=False),
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=110), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("door", sa.String(length=8), nullable=False),
        sa.Column("mail_from", sa.Text(), nullable=True),
        sa.Column("rcpt_tos", Json, nullable=False),
        sa.Column("mailboxes", Json, nullable=False),
        sa.Column("client", sa.String(length=120), server_default="", nullable=False),
        sa.Column("login", sa.String(length=120), nullable=True),
        sa.Column("trusted", sa.Boolean(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), server_default="", nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.Column("leased_by", sa.String(length=120), nullable=True),
        sa.Column("next_at", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("done_at", Instant(), nullable=True),
        sa.Column("disposition", sa.String(length=20), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=True),
        sa.Column("automatic", sa.String(length=8), nullable=True),
        sa.Column("case_number", sa.Integer(), nullable=True),
        sa.Column("trace", Json, nullable=True),
        sa.Column("authentication", Json, nullable=True),
        sa.Column("config_hash", sa.String(length=64), nullable=True),
        sa.Column("held_mailbox", sa.String(length=120), nullable=True),
        sa.Column("held_until", Instant(), nullable=True),
        sa.Column("held_then", sa.String(length=12), nullable=True),
        sa.Column("held_told_at", Instant(), nullable=True),
        sa.Column("released_by", sa.String(length=120), nullable=True),
        sa.Column("import_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "automatic IN ('certain', 'likely', 'no') OR automatic IS NULL", name=op.f("ck_spool_automatic")
        ),
        sa.CheckConstraint("door IN ('smtp', 'lmtp', 'imap', 'pipe', 'import', 'cli')", name=op.f("ck_spool_door")),
        sa.CheckConstraint(
            "kind IN ('customer', 'agent', 'bounce', 'auto_reply', 'list', 'loop', 'receipt', 'calendar', 'abuse_report', 'dmarc_report', 'verification') OR kind IS NULL",
            name=op.f("ck_spool_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'processing', 'done', 'held', 'dead', 'erased')", name=op.f("ck_spool_state")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_spool")),
        sa.UniqueConstraint("digest", name=op.f("uq_spool_digest")),
        sa.UniqueConstraint("id", name=op.f("uq_spool_id")),
    )
    op.create_index(op.f("ix_spool_case_number"), "spool", ["case_number"], unique=False)
    op.create_index(
        "ix_spool_conversation",
        "spool",
        ["conversation", "seq"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'processing')"),
        postgresql_where=sa.text("state IN ('pending', 'processing')"),
    )
    op.create_index(
        "ix_spool_held",
        "spool",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("state IN ('held', 'dead')"),
        postgresql_where=sa.text("state IN ('held', 'dead')"),
    )
    op.create_index("ix_spool_message_id", "spool", ["message_id"], unique=False)
    op.create_index("ix_spool_received_at", "spool", ["received_at"], unique=False)
    op.create_index("ix_spool_sender", "spool", ["sender"], unique=False)
    op.create_index(
        "ix_spool_waiting",
        "spool",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'processing')"),
        postgresql_where=sa.text("state IN ('pending', 'processing')"),
    )
    op.create_table(
        "unsubscribed",
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("email", name=op.f("pk_unsubscribed")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("away_until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("key", name=op.f("uq_users_key")),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("name", name=op.f("uq_webhooks_name")),
    )
    op.create_index(
        "ix_webhooks_pending",
        "webhooks",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "went_live",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("node", sa.String(length=120), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_went_live")),
    )
    op.create_table(
        "canary_decisions",
        sa.Column("canary_id", BigKey, nullable=False),
        sa.Column("seq", BigKey, nullable=False),
        sa.Column("decision", Json, nullable=False),
        sa.Column("differences", Json, nullable=True),
        sa.ForeignKeyConstraint(
            ["canary_id"], ["canaries.id"], name=op.f("fk_canary_decisions_canary_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("canary_id", "seq", name=op.f("pk_canary_decisions")),
    )
    op.create_table(
        "cases",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("priority", sa.String(length=8), nullable=False),
        sa.Column("category", sa.String(length=120), nullable=True),
        sa.Column("channel", sa.String(length=12), nullable=False),
        sa.Column("mailbox", sa.String(length=120), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=True),
        sa.Column("organisation", sa.String(length=400), nullable=True),
        sa.Column("group", sa.String(length=120), nullable=True),
        sa.Column("assignee", sa.String(length=120), nullable=True),
        sa.Column("owner", sa.String(length=120), nullable=True),
        sa.Column("sla", sa.String(length=120), nullable=True),
        sa.Column("tags", Json, nullable=False),
        sa.Column("fields", Json, nullable=False),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("billable", sa.Boolean(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("feedback", sa.Text(), nullable=True),
        sa.Column("language", sa.String(length=16), server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("status_since", Instant(), nullable=False),
        sa.Column("first_response_at", Instant(), nullable=True),
        sa.Column("last_responded_at", Instant(), nullable=True),
        sa.Column("resolved_at", Instant(), nullable=True),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.Column("merged_into", sa.Integer(), nullable=True),
        sa.Column("import_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "channel IN ('email', 'phone', 'chat', 'social', 'webform', 'other')", name=op.f("ck_cases_channel")
        ),
        sa.CheckConstraint("priority IN ('urgent', 'high', 'medium', 'low')", name=op.f("ck_cases_priority")),
        sa.CheckConstraint(
            "status IN ('new', 'assigned', 'open', 'wait_for_customer', 'wait_for_third_party', 'resolved', 'closed')",
            name=op.f("ck_cases_status"),
        ),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_cases_rating")),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_cases_contact_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["merged_into"], ["cases.number"], name=op.f("fk_cases_merged_into")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_cases")),
    )
    op.create_index(
        "ix_cases_assignee",
        "cases",
        ["assignee"],
        unique=False,
        sqlite_where=sa.text("status <> 'closed'"),
        postgresql_where=sa.text("status <> 'closed'"),
    )
    op.create_index("ix_cases_contact", "cases", ["contact_id"], unique=False)
    op.create_index("ix_cases_status", "cases", ["status"], unique=False)
    op.create_index(
        "ix_cases_unclosed",
        "cases",
        ["mailbox", "number"],
        unique=False,
        sqlite_where=sa.text("status <> 'closed'"),
        postgresql_where=sa.text("status <> 'closed'"),
    )
    op.create_table(
        "contact_addresses",
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("shown", sa.String(length=320), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_contact_addresses_contact_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("email", name=op.f("pk_contact_addresses")),
    )
    op.create_index(op.f("ix_contact_addresses_contact_id"), "contact_addresses", ["contact_id"], unique=False)
    op.create_table(
        "organisation_domains",
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_organisation_domains_organisation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_organisation_domains")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=True),
        sa.Column("caused_by", sa.BigInteger(), nullable=True),
        sa.Column("message_id", sa.String(length=100), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("headers", Json, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("attachments", Json, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.Column("leased_by", sa.String(length=120), nullable=True),
        sa.Column("done_at", Instant(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("approved_by", sa.String(length=120), nullable=True),
        sa.Column("urgency", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "kind IN ('acknowledgement', 'answer', 'status', 'survey', 'reminder', 'third_party', 'forward', 'notification', 'receipt', 'refused', 'digest', 'admin')",
            name=op.f("ck_outbox_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'deferred', 'held', 'sent', 'failed', 'discarded')",
            name=op.f("ck_outbox_state"),
        ),
        sa.ForeignKeyConstraint(["caused_by"], ["spool.seq"], name=op.f("fk_outbox_caused_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outbox_case_number"), "outbox", ["case_number"], unique=False)
    op.create_index(op.f("ix_outbox_caused_by"), "outbox", ["caused_by"], unique=False)
    op.create_index(
        "ix_outbox_failed",
        "outbox",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state IN ('held', 'failed')"),
        postgresql_where=sa.text("state IN ('held', 'failed')"),
    )
    op.create_index(
        "ix_outbox_unsent",
        "outbox",
        ["urgency", "next_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'deferred', 'sending')"),
        postgresql_where=sa.text("state IN ('pending', 'deferred', 'sending')"),
    )
    op.create_table(
        "raw_messages",
        sa.Column("seq", BigKey, autoincrement=False, nullable=False),
        sa.Column("encoding", sa.String(length=8), server_default="", nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["spool.seq"], name=op.f("fk_raw_messages_seq"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_raw_messages")),
    )
    op.create_index(
        "ix_raw_messages_unpacked",
        "raw_messages",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("encoding = ''"),
        postgresql_where=sa.text("encoding = ''"),
    )
    op.create_table(
        "agent_actions",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(length=120), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("spool_seq", sa.BigInteger(), nullable=True),
        sa.Column("changes", Json, nullable=False),
        sa.Column("undone_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_agent_actions_case_number"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["spool_seq"], ["spool.seq"], name=op.f("fk_agent_actions_spool_seq")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_actions")),
    )
    op.create_index("ix_agent_actions_user", "agent_actions", ["user", "case_number", "id"], unique=False)
    op.create_table(
        "case_services",
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("rate", sa.String(length=60), server_default="", nullable=False),
        sa.Column("per", sa.String(length=20), server_default="hour", nullable=False),
        sa.Column("type", sa.String(length=120), server_default="", nullable=False),
        sa.Column("location", sa.String(length=8), nullable=True),
        sa.CheckConstraint(
            "location IN ('remote', 'onsite') OR location IS NULL", name=op.f("ck_case_services_location")
        ),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_case_services_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_number", name=op.f("pk_case_services")),
    )
    op.create_table(
        "case_values",
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("value", sa.String(length=400), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_case_values_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_number", "name", name=op.f("pk_case_values")),
    )
    op.create_index("ix_case_values_value", "case_values", ["name", "value", "case_number"], unique=False)
    op.create_table(
        "faq",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("category", sa.String(length=120), nullable=True),
        sa.Column("language", sa.String(length=16), server_default="", nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=True),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.CheckConstraint("status IN ('draft', 'published', 'retired')", name=op.f("ck_faq_status")),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_faq_case_number"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_faq")),
    )
    op.create_index(op.f("ix_faq_case_number"), "faq", ["case_number"], unique=False)
    op.create_table(
        "followers",
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("who", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_followers_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_number", "who", name=op.f("pk_followers")),
    )
    op.create_table(
        "links",
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("other", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "type IN ('follows', 'followed_by', 'mentions', 'mentioned_by', 'merged_into', 'merged_from', 'linked', 'parent', 'child')",
            name=op.f("ck_links_type"),
        ),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_links_case_number"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["other"], ["cases.number"], name=op.f("fk_links_other"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("case_number", "type", "other", name=op.f("pk_links")),
    )
    op.create_table(
        "message_ids",
        sa.Column("message_id", sa.String(length=400), nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("own", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_message_ids_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", "case_number", name=op.f("pk_message_ids")),
    )
    op.create_table(
        "messages",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("spool_seq", sa.BigInteger(), nullable=True),
        sa.Column("outbox_id", sa.BigInteger(), nullable=True),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("from_name", sa.Text(), nullable=False),
        sa.Column("from_email", sa.Text(), nullable=False),
        sa.Column("to", Json, nullable=False),
        sa.Column("cc", Json, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("attachments", Json, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.CheckConstraint("direction IN ('in', 'out')", name=op.f("ck_messages_direction")),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_messages_case_number"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_messages_outbox_id")),
        sa.ForeignKeyConstraint(["spool_seq"], ["spool.seq"], name=op.f("fk_messages_spool_seq")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("outbox_id", name=op.f("uq_messages_outbox_id")),
        sa.UniqueConstraint("spool_seq", name=op.f("uq_messages_spool_seq")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_messages_case_number"), "messages", ["case_number"], unique=False)
    op.create_table(
        "outbox_recipients",
        sa.Column("outbox_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox.id"], name=op.f("fk_outbox_recipients_outbox_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("outbox_id", "address", name=op.f("pk_outbox_recipients")),
    )
    op.create_table(
        "participants",
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_participants_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_number", "email", name=op.f("pk_participants")),
    )
    op.create_index(op.f("ix_participants_email"), "participants", ["email"], unique=False)
    op.create_table(
        "pictures",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_pictures_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sha256", "domain", "case_number", name=op.f("pk_pictures")),
    )
    op.create_table(
        "reminders",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(length=120), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("done_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_reminders_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminders")),
    )
    op.create_index(op.f("ix_reminders_case_number"), "reminders", ["case_number"], unique=False)
    op.create_index(
        "ix_reminders_due",
        "reminders",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "side_threads",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(length=120), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("answered_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_side_threads_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_side_threads")),
    )
    op.create_index(op.f("ix_side_threads_case_number"), "side_threads", ["case_number"], unique=False)
    op.create_table(
        "sla_clocks",
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", Json, nullable=False),
        sa.Column("due_at", Instant(), nullable=True),
        sa.Column("next_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_sla_clocks_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("case_number", "kind", name=op.f("pk_sla_clocks")),
    )
    op.create_index(op.f("ix_sla_clocks_due_at"), "sla_clocks", ["due_at"], unique=False)
    op.create_index(op.f("ix_sla_clocks_next_at"), "sla_clocks", ["next_at"], unique=False)
    op.create_table(
        "surveys",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=True),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("serial", sa.String(length=20), nullable=False),
        sa.Column("message_id", sa.String(length=100), server_default="", nullable=False),
        sa.Column("sent_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("answered_at", Instant(), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_surveys_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_surveys")),
    )
    op.create_index(op.f("ix_surveys_case_number"), "surveys", ["case_number"], unique=False)
    op.create_index(op.f("ix_surveys_message_id"), "surveys", ["message_id"], unique=False)
    op.create_table(
        "time_logs",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("seconds", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("billable", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint("(state = 'working') = (started_at IS NOT NULL)", name=op.f("ck_time_logs_started")),
        sa.CheckConstraint("state IN ('working', 'paused', 'completed')", name=op.f("ck_time_logs_state")),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_time_logs_seconds")),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_time_logs_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_logs")),
    )
    op.create_index(op.f("ix_time_logs_case_number"), "time_logs", ["case_number"], unique=False)
    op.create_index(
        "ix_time_logs_working",
        "time_logs",
        ["user"],
        unique=True,
        sqlite_where=sa.text("state = 'working'"),
        postgresql_where=sa.text("state = 'working'"),
    )
    op.create_table(
        "workflow_runs",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("workflow", sa.String(length=200), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=True),
        sa.Column("contact_id", sa.Integer(), nullable=True),
        sa.Column("organisation", sa.String(length=400), nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("said", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_workflow_runs_case_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflow_runs")),
        sa.UniqueConstraint("workflow", "step", "key", name=op.f("uq_workflow_runs_workflow_step_key")),
    )
    op.create_index("ix_workflow_runs_case", "workflow_runs", ["case_number", "workflow"], unique=False)
    op.create_index("ix_workflow_runs_contact", "workflow_runs", ["contact_id", "workflow"], unique=False)
    op.create_table(
        "stream",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("type", sa.String(length=12), nullable=False),
        sa.Column("actor", sa.String(length=400), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.Column("message", sa.BigInteger(), nullable=True),
        sa.Column("pending", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "type IN ('message', 'note', 'status', 'priority', 'assignment', 'field', 'contact', 'merge', 'link', 'sla', 'time', 'notified', 'suppressed', 'bounced', 'rated')",
            name=op.f("ck_stream_type"),
        ),
        sa.ForeignKeyConstraint(
            ["case_number"], ["cases.number"], name=op.f("fk_stream_case_number"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["message"], ["messages.id"], name=op.f("fk_stream_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stream")),
    )
    op.create_index(op.f("ix_stream_case_number"), "stream", ["case_number"], unique=False)
    op.create_index(
        "ix_stream_pending",
        "stream",
        ["id"],
        unique=False,
        sqlite_where=sa.text("pending = 1"),
        postgresql_where=sa.text("pending"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup made by the older version")
