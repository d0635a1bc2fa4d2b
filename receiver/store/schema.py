"""The tables. Times are integer UTC milliseconds.

    channel ◀── alert_group ◀── delivery ──▶ episode ──▶ alert ──▶ routing
       ▲             ▲            ▲
       │       message_group   message_item
       │             ▼            ▼
       └───────────────── message ◀── attempt, recipient

A delivery is what one channel knows of one episode. A message fixes the versions of deliveries that it tells.
The ledger counts entries in the same transaction that moves them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

metadata = MetaData()

# SQLite's own row ids are its INTEGER PRIMARY KEY, and only that.
Id = BigInteger().with_variant(Integer, "sqlite")
Instant = BigInteger

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("migrated_at", Instant, nullable=False),
)

# Written by every readiness probe, since being able to commit is what ready means; and by every sweep, so that a
# process that starts knows how long there was none.
commit_probe = Table(
    "commit_probe",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
)

channel = Table(
    "channel",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("retired_at", Instant),
    Column("retry_for", BigInteger, nullable=False),
    Column("routing", Text, nullable=False),
    Column("bucket_level", BigInteger, nullable=False),
    Column("bucket_per", BigInteger, nullable=False),
    Column("bucket_at", Instant, nullable=False),
    Column("throttled_at", Instant),
    Column("failures", Integer, nullable=False),
    Column("failure_class", Text),
    Column("failure_reason", Text),
    Column("failure_code", Integer),
    Column("failing_since", Instant),
    Column("failed_at", Instant),
    Column("retry_at", Instant),
    Column("rests_until", Instant),
    Column("probes", Boolean, nullable=False),
    Column("accepted_at", Instant),
    Column("refusals", Integer, nullable=False),
    Column("last_digest_at", Instant),
    Column("largest_digest", Integer),
    Column("catching_up", Boolean, nullable=False),
)

# Verdicts of all channels on a label set, interned: most alerts share a few.
routing = Table(
    "routing",
    metadata,
    Column("id", Id, primary_key=True),
    Column("verdicts", Text, nullable=False, unique=True),
)

alert = Table(
    "alert",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("fingerprint", Text, nullable=False, index=True),
    Column("labels", Text, nullable=False),
    Column("routing_id", Id),
    Column("episode_id", Id),  # the latest one that is in effect
    Column("held_id", Id),  # a firing that may have come out of order
)

episode = Table(
    "episode",
    metadata,
    Column("id", Id, primary_key=True),
    Column("alert_id", Id, nullable=False, index=True),
    Column("starts_at", Instant, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
    Column("ends_at", Instant),
    Column("closed_at", Instant),
    Column("closing", Text),
    Column("resolved_by", Text, nullable=False),
    Column("again", Boolean, nullable=False),
    Column("opens_at", Instant),
    Column("annotations", Text, nullable=False),
    Column("links", Text, nullable=False),
    Column("generator_url", Text, nullable=False),
    Column("external_url", Text, nullable=False),
    Column("defect", Text),
)

Index(
    "episode_held",
    episode.c.opens_at,
    sqlite_where=text("opens_at IS NOT NULL"),
    postgresql_where=text("opens_at IS NOT NULL"),
)

alert_group = Table(
    "alert_group",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel_id", Id, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("labels", Text, nullable=False),
    Column("waiting", Integer, nullable=False),
    Column("openings", Integer, nullable=False),
    Column("urgent", Integer, nullable=False),
    Column("reminders", Integer, nullable=False),
    Column("oldest_at", Instant),
    Column("severity", Integer, nullable=False),
    Column("due_at", Instant),
    Column("due_reason", Text),
    Column("due_since", Instant),
    Column("last_sent_at", Instant),
    Column("last_urgent_at", Instant),
    Column("urgent_in_row", Integer, nullable=False),
    Column("truncated", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("refused_at", Instant),
    Column("message_id", Id),
    Column("thread", Text),
)
Index(
    "alert_group_due",
    alert_group.c.channel_id,
    alert_group.c.due_at,
    sqlite_where=text("due_at IS NOT NULL"),
    postgresql_where=text("due_at IS NOT NULL"),
)

Index(
    "alert_group_of_message",
    alert_group.c.message_id,
    sqlite_where=text("message_id IS NOT NULL"),
    postgresql_where=text("message_id IS NOT NULL"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("channel_id", Id, nullable=False),
    Column("episode_id", Id, nullable=False),
    Column("group_id", Id, nullable=False),
    Column("phase", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("claimed", Integer),
    Column("status", Text, nullable=False),
    Column("told", Text),
    Column("told_at", Instant),
    Column("since", Instant, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("muted", Boolean, nullable=False),
    Column("owes", Id),
    Column("arrived_at", Instant, nullable=False),
    Column("stands_in_for", Id),
    Column("copied", Integer),
    Column("copied_to", Id),
    PrimaryKeyConstraint("episode_id", "channel_id"),
    sqlite_with_rowid=False,
)
Index("delivery_of_group", delivery.c.group_id, delivery.c.phase, delivery.c.status, delivery.c.since)
Index(
    "delivery_owes", delivery.c.owes, sqlite_where=text("owes IS NOT NULL"), postgresql_where=text("owes IS NOT NULL")
)
# SQLite uses a partial index for a query that repeats its condition, with literals and no parameters.
NOT_IDLE = text("delivery.phase <> 'idle'")
Index(
    "delivery_pending",
    delivery.c.channel_id,
    delivery.c.phase,
    delivery.c.since,
    sqlite_where=text("phase <> 'idle'"),
    postgresql_where=text("phase <> 'idle'"),
)

# claimed: members fixed, nothing sent · unknown: bytes fixed, a provider may have them · partial: some recipients have
# them · sent · dissolved · dead
message = Table(
    "message",
    metadata,
    Column("id", Id, primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("channel_id", Id, nullable=False),
    Column("channel_kind", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("items", Integer, nullable=False),
    Column("truncated", Integer, nullable=False),
    Column("claimed_at", Instant, nullable=False),
    Column("groups", Integer, nullable=False),
    Column("outdated", Boolean, nullable=False),  # the policy has changed since it was claimed
    Column("attempts", Integer, nullable=False),
    Column("retry_at", Instant),
    Column("settled_at", Instant),
    Column("subject", Text),
    Column("payload", LargeBinary),
)
IS_OPEN = text("message.state IN ('claimed', 'unknown', 'partial')")
Index(
    "message_open",
    message.c.channel_id,
    sqlite_where=text("state IN ('claimed', 'unknown', 'partial')"),
    postgresql_where=text("state IN ('claimed', 'unknown', 'partial')"),
)

message_group = Table(
    "message_group",
    metadata,
    Column("message_id", Id, nullable=False),
    Column("group_id", Id, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("truncated", Integer, nullable=False),
    PrimaryKeyConstraint("message_id", "group_id"),
    sqlite_with_rowid=False,
)

message_item = Table(
    "message_item",
    metadata,
    Column("message_id", Id, nullable=False),
    Column("episode_id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("line", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("outcome", Text),
    PrimaryKeyConstraint("message_id", "episode_id"),
    sqlite_with_rowid=False,
)
Index("message_item_of_episode", message_item.c.episode_id)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", Id, nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("took", BigInteger, nullable=False),
    Column("result", Text, nullable=False),
    Column("failure_class", Text),
    Column("reason", Text),
    Column("code", Integer),
)

recipient = Table(
    "recipient",
    metadata,
    Column("message_id", Id, nullable=False),
    Column("address", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("code", Integer),
    Column("at", Instant),
    PrimaryKeyConstraint("message_id", "address"),
    sqlite_with_rowid=False,
)

# Entries that left the pending without a message; duplicates, being many, are counted in the delivery instead.
departure = Table(
    "departure",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel_id", Id, nullable=False),
    Column("alert_id", Id, nullable=False, index=True),
    Column("episode_id", Id),
    Column("status", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

# channel_id 0 is the house: events, before any channel has taken them.
ledger = Table(
    "ledger",
    metadata,
    Column("channel_id", Id, nullable=False),
    Column("side", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    PrimaryKeyConstraint("channel_id", "side", "account"),
    sqlite_with_rowid=False,
)

# The ledger's movements by the hour, for reports.
hourly = Table(
    "hourly",
    metadata,
    Column("hour", Instant, nullable=False),
    Column("channel_id", Id, nullable=False),
    Column("side", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    PrimaryKeyConstraint("hour", "channel_id", "side", "account"),
    sqlite_with_rowid=False,
)

# ``ended_at`` is set once what it held waits again.
mute = Table(
    "mute",
    metadata,
    Column("id", Id, primary_key=True),
    Column("matchers", Text, nullable=False),
    Column("channels", Text),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
)
Index("mute_not_ended", mute.c.id, sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL"))

# What the receiver says of itself. Of a kind at most one in ten minutes is told; what happens meanwhile is added up in
# the next one. ``message_id`` while it is on its way, ``told_at`` once it was told or given up.
notice = Table(
    "notice",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel_id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("n", Integer, nullable=False),
    Column("details", Text, nullable=False),
    Column("refused_at", Instant),
    Column("message_id", Id),
    Column("told_at", Instant),
)
Index("notice_of_kind", notice.c.channel_id, notice.c.kind, notice.c.told_at)
Index(
    "notice_not_told",
    notice.c.channel_id,
    notice.c.due_at,
    sqlite_where=text("told_at IS NULL"),
    postgresql_where=text("told_at IS NULL"),
)

# Not written yet; here because the shape of the books is decided once.
heartbeat = Table(
    "heartbeat",
    metadata,
    Column("name", Text, primary_key=True),
    Column("last_received", Instant),
    Column("missing_since", Instant),
)

report_run = Table(
    "report_run",
    metadata,
    Column("report", Text, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("message_id", Id),
    Column("sent_at", Instant),
    PrimaryKeyConstraint("report", "due_at"),
    sqlite_with_rowid=False,
)
