"""This is where maild's tables stand: SQLAlchemy Core, the same for SQLite and PostgreSQL.

Closed sets are checked by the database, what must be single is a unique constraint, what belongs together a foreign key.
Times are UTC: `timestamptz` on PostgreSQL, ISO text of fixed width on SQLite (so that it sorts). Leases are seconds of
the database's own clock and are never compared with any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from maild.model.case import Channel, LinkType, Priority, Status, StreamType
from maild.model.message import Automatic, Door, MessageKind
from maild.model.outbox import OutboxState, OutgoingKind
from maild.model.spool import SpoolState


class Instant(TypeDecorator[datetime]):
    """An aware datetime. Naive ones are refused: a time without a zone is a bug of ours."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(32))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value!r}")
        value = value.astimezone(UTC)
        return value.isoformat(timespec="microseconds") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return datetime.fromisoformat(value) if isinstance(value, str) else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")
# SQLite numbers rows by itself only where the key is exactly INTEGER.
BigKey = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def one_of(column: str, values: type[StrEnum], *, null: bool = False) -> CheckConstraint:
    """A check that the column holds one of the enum's values."""
    listed = ", ".join(f"'{value.value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})" + (f" OR {column} IS NULL" if null else ""), name=column)


def among(column: ColumnElement[Any], values: Iterable[str]) -> ColumnElement[bool]:
    """``column IN (values)`` with the values written out: SQLite uses an index over some of the rows only where the
    statement itself says that it wants no others, which a placeholder does not. For words of our own, not for what is given."""
    return column.in_([literal_column(f"'{value}'") for value in values])


# --- the installation -------------------------------------------------------------------------------------------

meta = Table("meta", metadata, Column("key", String(60), primary_key=True), Column("value", Text, nullable=False))

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("retired_at", Instant),
)

daemons = Table(
    "daemons",
    metadata,
    Column("node", String(120), primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("version", String(40), nullable=False),
    Column("config_hash", String(64), nullable=False),
    Column("shared_hash", String(64)),  # of what all daemons should have alike; NULL from a maild before 0004
    Column("config_loaded_at", Instant),
    Column("config_fault", Text),
    Column("listeners", Json, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)

pauses = Table(
    "pauses",
    metadata,
    Column("what", String(120), primary_key=True),
    Column("until", Instant),
    Column("reason", Text, nullable=False),
    Column("by", String(120), nullable=False),
    Column("since", Instant, nullable=False),
)

refusals = Table(
    "refusals",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("client", String(120), nullable=False),
    Column("mail_from", Text, nullable=False),
    Column("rcpt", Text, nullable=False),
    Column("reply", Text, nullable=False),
)

configurations = Table(
    "configurations",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("loaded_at", Instant, nullable=False),
    Column("files", Json, nullable=False),
    Column("content", LargeBinary),  # the files themselves: zlib over JSON, name -> text; NULL where they were gone
)

went_live = Table(
    "went_live",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("node", String(120), nullable=False),
    Column("hash", String(64), nullable=False),
)

canaries = Table(
    "canaries",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("started_by", String(120), nullable=False),
    Column("stopped_at", Instant),
    Column("source", Text, nullable=False),  # the folder that the rules came from
    Column("content", LargeBinary, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("messages", Integer, nullable=False, server_default="0"),
    Column("passed_over", Integer, nullable=False, server_default="0"),
    Column("fault", Text),
)

imap_cursors = Table(
    "imap_cursors",
    metadata,
    Column("mailbox", String(120), nullable=False),
    Column("folder", String(400), nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("skipped", Json, nullable=False),
    PrimaryKeyConstraint("mailbox", "folder"),
)

imap_folders = Table(
    "imap_folders",
    metadata,
    Column("mailbox", String(120), nullable=False),
    Column("folder", String(400), nullable=False),
    Column("leased_by", String(120)),
    Column("lease_until", Float),
    Column("last_fetch", Instant),
    Column("fault", Text),
    PrimaryKeyConstraint("mailbox", "folder"),
)

# --- mail in ----------------------------------------------------------------------------------------------------

spool = Table(
    "spool",
    metadata,
    Column("seq", BigKey, primary_key=True),
    Column("id", String(16), nullable=False, unique=True),
    Column("digest", String(110), unique=True),  # NULL once erased
    Column("state", String(12), nullable=False),
    Column("door", String(8), nullable=False),
    Column("mail_from", Text),
    Column("rcpt_tos", Json, nullable=False),
    Column("mailboxes", Json, nullable=False),
    Column("client", String(120), nullable=False, server_default=""),
    Column("login", String(120)),
    Column("trusted", Boolean, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sender", Text, nullable=False, server_default=""),
    Column("conversation", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lease_until", Float),
    Column("leased_by", String(120)),
    Column("next_at", Float),
    Column("reason", Text, nullable=False, server_default=""),
    # what came of it
    Column("done_at", Instant),
    Column("disposition", String(20)),
    Column("kind", String(16)),
    Column("automatic", String(8)),
    Column("case_number", Integer, index=True),
    Column("trace", Json),
    Column("authentication", Json),
    Column("config_hash", String(64)),
    # a held one's owner and end
    Column("held_mailbox", String(120)),
    Column("held_until", Instant),
    Column("held_then", String(12)),
    Column("held_told_at", Instant),
    Column("released_by", String(120)),
    Column("import_id", BigInteger),
    one_of("state", SpoolState),
    one_of("door", Door),
    one_of("kind", MessageKind, null=True),
    one_of("automatic", Automatic, null=True),
)
_waiting = text("state IN ('pending', 'processing')")
Index("ix_spool_waiting", spool.c.seq, sqlite_where=_waiting, postgresql_where=_waiting)
Index("ix_spool_conversation", spool.c.conversation, spool.c.seq, sqlite_where=_waiting, postgresql_where=_waiting)
_held = text("state IN ('held', 'dead')")
Index("ix_spool_held", spool.c.seq, sqlite_where=_held, postgresql_where=_held)
Index("ix_spool_message_id", spool.c.message_id)
Index("ix_spool_sender", spool.c.sender)
Index("ix_spool_received_at", spool.c.received_at)

# Further mailboxes that a mail came to when it was settled already, or being settled: their groups hear of it still.
later_mailboxes = Table(
    "later_mailboxes",
    metadata,
    Column("spool_seq", BigInteger, ForeignKey("spool.seq"), nullable=False),
    Column("mailbox", String(120), nullable=False),
    PrimaryKeyConstraint("spool_seq", "mailbox"),
)

raw_messages = Table(
    "raw_messages",
    metadata,
    Column("seq", BigKey, ForeignKey("spool.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("encoding", String(8), nullable=False, server_default=""),
    Column("raw", LargeBinary, nullable=False),
)
_unpacked = text("encoding = ''")
Index("ix_raw_messages_unpacked", raw_messages.c.seq, sqlite_where=_unpacked, postgresql_where=_unpacked)

canary_decisions = Table(
    "canary_decisions",
    metadata,
    Column("canary_id", BigKey, ForeignKey("canaries.id", ondelete="CASCADE"), nullable=False),
    Column("seq", BigKey, nullable=False),
    Column("decision", Json, nullable=False),  # what the canary's rules would do: becomes, rule, values
    Column("differences", JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")),  # NULL where it is what the live rules do
    PrimaryKeyConstraint("canary_id", "seq"),
)

# --- people -----------------------------------------------------------------------------------------------------

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),  # the reader in signed Message-IDs
    Column("key", String(120), nullable=False, unique=True),
    Column("away_until", Instant),
    Column("auto_reply_at", Instant),  # when their mail answered by itself last; NULL since they wrote themselves
    Column("auto_reply_until", Instant),  # the end of the absence that it told of
    Column("absence_told_at", Instant),  # when their manager heard last of what waits for them
)

round_robin = Table(
    "round_robin",
    metadata,
    Column("group", String(120), primary_key=True),
    Column("last_user", String(120), nullable=False),
)

organisations = Table(
    "organisations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(400), nullable=False, unique=True),
    Column("sla", String(120)),
    Column("tags", Json, nullable=False),
)

organisation_domains = Table(
    "organisation_domains",
    metadata,
    Column("domain", String(255), primary_key=True),
    Column("organisation_id", Integer, ForeignKey("organisations.id", ondelete="CASCADE"), nullable=False),
)

contacts = Table(
    "contacts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("phone", Text, nullable=False, server_default=""),
    Column("language", String(16), nullable=False, server_default=""),
    Column("organisation", String(400)),
    Column("sla", String(120)),
    Column("tags", Json, nullable=False),
    Column("undeliverable_since", Instant),
    Column("created_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

contact_addresses = Table(
    "contact_addresses",
    metadata,
    Column("email", String(320), primary_key=True),  # folded: lower case, domain in A-labels
    Column("shown", String(320), nullable=False),
    Column("contact_id", Integer, ForeignKey("contacts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False, server_default="0"),
)

# --- cases ------------------------------------------------------------------------------------------------------

cases = Table(
    "cases",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False, server_default=""),
    Column("status", String(24), nullable=False),
    Column("priority", String(8), nullable=False),
    Column("category", String(120)),
    Column("channel", String(12), nullable=False),
    Column("mailbox", String(120), nullable=False),
    Column("contact_id", Integer, ForeignKey("contacts.id", ondelete="SET NULL")),
    Column("organisation", String(400)),
    Column("group", String(120)),
    Column("assignee", String(120)),
    Column("owner", String(120)),
    Column("sla", String(120)),
    Column("tags", Json, nullable=False),
    Column("fields", Json, nullable=False),
    Column("resolution", Text),
    Column("billable", Boolean, nullable=False),
    Column("rating", Integer),
    Column("feedback", Text),
    Column("language", String(16), nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("status_since", Instant, nullable=False),
    Column("first_response_at", Instant),
    Column("last_responded_at", Instant),
    Column("resolved_at", Instant),
    Column("closed_at", Instant),
    Column("merged_into", Integer, ForeignKey("cases.number")),
    Column("import_id", BigInteger),
    one_of("status", Status),
    one_of("priority", Priority),
    one_of("channel", Channel),
    CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
)
UNCLOSED = cases.c.status != literal_column("'closed'")
_unclosed = text("status <> 'closed'")
Index("ix_cases_unclosed", cases.c.mailbox, cases.c.number, sqlite_where=_unclosed, postgresql_where=_unclosed)
Index("ix_cases_contact", cases.c.contact_id)
Index("ix_cases_assignee", cases.c.assignee, sqlite_where=_unclosed, postgresql_where=_unclosed)
Index("ix_cases_status", cases.c.status)

# Values that `update` finds cases by; one row a declared value, folded for comparison.
case_values = Table(
    "case_values",
    metadata,
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False),
    Column("name", String(120), nullable=False),
    Column("value", String(400), nullable=False),
    PrimaryKeyConstraint("case_number", "name"),
)
Index("ix_case_values_value", case_values.c.name, case_values.c.value, case_values.c.case_number)

participants = Table(
    "participants",
    metadata,
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False),
    Column("email", String(320), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("role", String(8), nullable=False),  # contact | cc | bcc
    PrimaryKeyConstraint("case_number", "email"),
)

followers = Table(
    "followers",
    metadata,
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False),
    Column("who", String(120), nullable=False),  # a user's key, or `group:KEY`
    PrimaryKeyConstraint("case_number", "who"),
)

links = Table(
    "links",
    metadata,
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False),
    Column("type", String(16), nullable=False),
    Column("other", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False),
    PrimaryKeyConstraint("case_number", "type", "other"),
    one_of("type", LinkType),
)

messages = Table(
    "messages",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("spool_seq", BigInteger, ForeignKey("spool.seq"), unique=True),
    Column("outbox_id", BigInteger, ForeignKey("outbox.id"), unique=True),
    Column("direction", String(3), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("public", Boolean, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("from_name", Text, nullable=False),
    Column("from_email", Text, nullable=False),
    Column("to", Json, nullable=False),
    Column("cc", Json, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("attachments", Json, nullable=False),
    Column("at", Instant, nullable=False),
    CheckConstraint("direction IN ('in', 'out')", name="direction"),
    sqlite_autoincrement=True,
)

# Which pictures a domain sent in which cases: what comes again and again only decorates.
pictures = Table(
    "pictures",
    metadata,
    Column("sha256", String(64), nullable=False),
    Column("domain", String(255), nullable=False),
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False),
    PrimaryKeyConstraint("sha256", "domain", "case_number"),
)

# Every Message-ID that leads to a case: its own, and those that a stored message names as its parents
# (so that a parent that comes later joins).
message_ids = Table(
    "message_ids",
    metadata,
    Column("message_id", String(400), nullable=False),
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False),
    Column("own", Boolean, nullable=False),
    PrimaryKeyConstraint("message_id", "case_number"),
)

stream = Table(
    "stream",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("type", String(12), nullable=False),
    Column("actor", String(400), nullable=False),
    Column("public", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("data", Json, nullable=False),
    Column("message", BigInteger, ForeignKey("messages.id")),
    # an event that workflows have not looked at yet
    Column("pending", Boolean, nullable=False, server_default=text("false")),
    one_of("type", StreamType),
)
Index("ix_stream_pending", stream.c.id, sqlite_where=text("pending = 1"), postgresql_where=text("pending"))

sla_clocks = Table(
    "sla_clocks",
    metadata,
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("state", Json, nullable=False),
    Column("due_at", Instant, index=True),
    Column("next_at", Instant, index=True),  # when its next step is due: an escalation or the breach
    PrimaryKeyConstraint("case_number", "kind"),
)

# --- mail out ---------------------------------------------------------------------------------------------------

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("state", String(10), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("case_number", Integer, index=True),
    Column("caused_by", BigInteger, ForeignKey("spool.seq"), index=True),
    Column("message_id", String(100), nullable=False, unique=True),
    Column("sender", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("headers", Json, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("attachments", Json, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("lease_until", Float),
    Column("leased_by", String(120)),
    Column("done_at", Instant),
    Column("reason", Text, nullable=False, server_default=""),
    Column("approved_by", String(120)),
    Column("urgency", Integer, nullable=False, server_default="1"),  # 0 people's answers, 1 automatic, 2 notifications
    one_of("state", OutboxState),
    one_of("kind", OutgoingKind),
    sqlite_autoincrement=True,
)
_unsent = text("state IN ('pending', 'deferred', 'sending')")
Index("ix_outbox_unsent", outbox.c.urgency, outbox.c.next_at, sqlite_where=_unsent, postgresql_where=_unsent)
_failed = text("state IN ('held', 'failed')")
Index("ix_outbox_failed", outbox.c.id, sqlite_where=_failed, postgresql_where=_failed)

outbox_recipients = Table(
    "outbox_recipients",
    metadata,
    Column("outbox_id", BigInteger, ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False),
    Column("address", String(320), nullable=False),
    Column("state", String(10), nullable=False),  # waiting | sent | failed
    Column("reason", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("outbox_id", "address"),
)

# What the limits on automatic answers count.
automatic_answers = Table(
    "automatic_answers",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("address", String(320), nullable=False),
    Column("case_number", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Index("ix_automatic_answers_address", "address", "at"),
    Index("ix_automatic_answers_case", "case_number", "at"),
)

imports = Table(
    "imports",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("by", String(120), nullable=False),
    Column("path", Text, nullable=False),
    Column("counts", Json, nullable=False),
)

# Who changed what outside of a case (pauses, releases, keys …).
changes = Table(
    "changes",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("by", String(120), nullable=False),
    Column("what", Text, nullable=False),
)


# --- agents' work -----------------------------------------------------------------------------------------------

# Time spent. `working` has run since `started_at`, on top of `seconds`; paused and completed count as they stand.
time_logs = Table(
    "time_logs",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("user", String(120), nullable=False),
    Column("state", String(10), nullable=False),
    Column("seconds", Integer, nullable=False, server_default="0"),
    Column("started_at", Instant),
    Column("text", Text, nullable=False, server_default=""),
    Column("billable", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("state IN ('working', 'paused', 'completed')", name="state"),
    CheckConstraint("(state = 'working') = (started_at IS NOT NULL)", name="started"),
    CheckConstraint("seconds >= 0", name="seconds"),
)
_working = text("state = 'working'")
Index("ix_time_logs_working", time_logs.c.user, unique=True, sqlite_where=_working, postgresql_where=_working)

case_services = Table(
    "case_services",
    metadata,
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("rate", String(60), nullable=False, server_default=""),
    Column("per", String(20), nullable=False, server_default="hour"),
    Column("type", String(120), nullable=False, server_default=""),
    Column("location", String(8)),
    CheckConstraint("location IN ('remote', 'onsite') OR location IS NULL", name="location"),
)

faq = Table(
    "faq",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("status", String(10), nullable=False),
    Column("category", String(120)),
    Column("language", String(16), nullable=False, server_default=""),
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="SET NULL"), index=True),
    Column("by", String(120), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    CheckConstraint("status IN ('draft', 'published', 'retired')", name="status"),
)

# What waits for a user's digest in place of a mail of its own.
notices = Table(
    "notices",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("user", String(120), nullable=False),
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("event", String(40), nullable=False),
    Column("actor", Text, nullable=False, server_default=""),
    Column("text", Text, nullable=False, server_default=""),
    Column("at", Instant, nullable=False),
    Index("ix_notices_user", "user", "id"),
)

# Work that failed by a fault of ours, and is not tried again before that moment.
put_off = Table(
    "put_off",
    metadata,
    Column("what", String(300), primary_key=True),
    Column("until", Instant, nullable=False),
)

# Addresses from which no mail is wanted any more (`#never`).
never = Table(
    "never",
    metadata,
    Column("address", String(320), primary_key=True),
    Column("by", String(120), nullable=False),
    Column("at", Instant, nullable=False),
)

reminders = Table(
    "reminders",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("user", String(120), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("text", Text, nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
    Column("done_at", Instant),
)
_undone = text("done_at IS NULL")
Index("ix_reminders_due", reminders.c.due_at, sqlite_where=_undone, postgresql_where=_undone)

# Questions to third parties, each a thread of its own: its reader in signed ids is the user `ask:ID`.
side_threads = Table(
    "side_threads",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("user", String(120), nullable=False),
    Column("address", String(320), nullable=False),
    Column("question", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("answered_at", Instant),
)

# What an agent's mail changed, so that #undo can take it back.
agent_actions = Table(
    "agent_actions",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False),
    Column("user", String(120), nullable=False),
    Column("at", Instant, nullable=False),
    Column("spool_seq", BigInteger, ForeignKey("spool.seq")),
    Column("changes", Json, nullable=False),
    Column("undone_at", Instant),
    Index("ix_agent_actions_user", "user", "case_number", "id"),
)

# --- what happens by itself -------------------------------------------------------------------------------------

# Each step that a workflow took, named so that it is taken once: `event:…`, `stay:…` or `time:…`.
workflow_runs = Table(
    "workflow_runs",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("workflow", String(200), nullable=False),
    Column("step", Integer, nullable=False),
    Column("key", String(120), nullable=False),
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE")),
    Column("contact_id", Integer),
    Column("organisation", String(400)),
    Column("at", Instant, nullable=False),
    Column("said", Text, nullable=False, server_default=""),
    UniqueConstraint("workflow", "step", "key"),
    Index("ix_workflow_runs_case", "case_number", "workflow"),
    Index("ix_workflow_runs_contact", "contact_id", "workflow"),
)

# Times in which no daemon ran.
downtimes = Table(
    "downtimes",
    metadata,
    Column("since", Instant, primary_key=True),
    Column("until", Instant, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("name", String(60), nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("case_number", Integer),
    Column("state", String(10), nullable=False),  # pending | sent | failed
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("lease_until", Float),
    Column("reason", Text, nullable=False, server_default=""),
)
_unposted = text("state = 'pending'")
Index("ix_webhooks_pending", webhooks.c.next_at, sqlite_where=_unposted, postgresql_where=_unposted)

surveys = Table(
    "surveys",
    metadata,
    Column("id", BigKey, primary_key=True),
    Column("case_number", Integer, ForeignKey("cases.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("contact_id", Integer),
    Column("address", String(320), nullable=False),
    Column("serial", String(20), nullable=False),
    Column("message_id", String(100), nullable=False, index=True, server_default=""),
    Column("sent_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("answered_at", Instant),
    Column("rating", Integer),
    Column("comment", Text, nullable=False, server_default=""),
)

# Who wants no more surveys and reminders (RFC 8058).
unsubscribed = Table(
    "unsubscribed",
    metadata,
    Column("email", String(320), primary_key=True),
    Column("at", Instant, nullable=False),
)
