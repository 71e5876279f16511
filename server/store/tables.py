"""The schema as SQLAlchemy Core tables. Everything about a host carries `host_id` first in its primary key, so that
the same schema can be sharded by host; times are microseconds since 1970 (`…_us`), as in `analysis.instants`."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

# --- small, seldom changed, the same on every node ---------------------------------------------------------------

hosts = Table(
    "hosts",
    metadata,
    Column("host_id", Integer, primary_key=True),
    Column("name", Text, nullable=False),  # as first sent
    Column("name_key", Text, nullable=False, unique=True),  # casefolded: host names are compared without case
    Column("created_us", BigInteger, nullable=False),
    sqlite_autoincrement=True,  # the id of a host that was forgotten is never given to another
)

users = Table(
    "users",
    metadata,
    Column("user_id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),
    Column("role", String(16), nullable=False),  # viewer, operator, admin
    Column("password_hash", Text, nullable=False),  # argon2id
    Column("created_us", BigInteger, nullable=False),
    Column("disabled_us", BigInteger),
)

sessions = Table(
    "sessions",
    metadata,
    Column("secret_hash", String(64), primary_key=True),  # SHA-256 of the cookie's value
    Column("user_id", Integer, nullable=False, index=True),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("secret_hash", String(64), primary_key=True),
    Column("user_id", Integer, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("token_id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scope", String(16), nullable=False),  # host, enroll, relay, read, admin
    Column("host_key", Text, index=True),  # casefolded name of the only host it may speak for
    Column("secret_hash", String(64), nullable=False, unique=True),  # SHA-256 of the token
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", Text),
    Column("expires_us", BigInteger),
    Column("last_used_us", BigInteger),
    Column("revoked_us", BigInteger),
)

# one token not revoked per host: of two enrolments at once, one wins
LIVE_HOST_TOKEN = text("scope = 'host' AND revoked_us IS NULL")
Index(
    "one_token_per_host",
    tokens.c.host_key,
    unique=True,
    sqlite_where=LIVE_HOST_TOKEN,
    postgresql_where=LIVE_HOST_TOKEN,
)

# --- per host ----------------------------------------------------------------------------------------------------

host_state = Table(
    "host_state",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    # what the host says of itself, as of info_us
    Column("info_us", BigInteger),
    Column("os_family", String(16), nullable=False),
    Column("os_name", Text),
    Column("os_version", Text),
    Column("service_pack", Text),
    Column("booted_us", BigInteger),
    Column("labels", JSON, nullable=False),
    Column("collector", JSON, nullable=False),
    Column("interval_s", BigInteger),  # of the collector, here too because lists filter by it
    Column("inventory_us", BigInteger),
    # its newest snapshot; shown_us is newest_us with the clock skew taken off
    Column("newest_us", BigInteger),
    Column("shown_us", BigInteger, index=True),
    Column("handles", BigInteger),
    Column("processes", Integer),
    Column("denied", Integer),
    Column("machine", JSON(none_as_null=True)),  # analysis.readings.Beyond
    Column("skew_s", BigInteger, nullable=False),
    # what the last judgement found
    Column("cadence_s", BigInteger),  # how far apart snapshots come, where the collector tells no interval
    Column("worst_program", Text),
    Column("worst_handles", BigInteger),
    Column("leaks", Integer, nullable=False),
    Column("sparkline", JSON, nullable=False),
    Column("advice", JSON, nullable=False),
    # work to do: pushed_seq counts pushes with something new, judged_seq the last one judged
    Column("pushed_seq", BigInteger, nullable=False),
    Column("judged_seq", BigInteger, nullable=False),
    Column("dirty_us", BigInteger),  # shown time of the oldest snapshot not yet judged
    Column("recent_us", BigInteger),  # shown time of the oldest snapshot not yet in a block
    Column("sealed_us", BigInteger, nullable=False),  # end of the newest block, as sent
    Column("claimed_until_us", BigInteger, nullable=False),
)

host_labels = Table(
    "host_labels",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),  # keys can be too long for an index
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
)

host_inventory = Table(
    "host_inventory",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), primary_key=True),  # software, services, drivers
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("vendor", Text),
    Column("version", Text),
)

# What a host had installed until a time: kept until all of its history up to that time is judged.
former_inventory = Table(
    "former_inventory",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("until_us", BigInteger, primary_key=True, autoincrement=False),  # shown time
    Column("pushed_seq", BigInteger, nullable=False),  # of the push that replaced it
    Column("lists", JSON, nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("time_us", BigInteger, primary_key=True, autoincrement=False),  # as sent: identity
    Column("shown_us", BigInteger, nullable=False),  # with the clock skew taken off
    Column("skew_s", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),  # store.history
)

blocks = Table(
    "blocks",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("end_us", BigInteger, nullable=False),  # exclusive
    Column("shown_from_us", BigInteger, nullable=False),
    Column("shown_to_us", BigInteger, nullable=False),  # inclusive
    Column("step_s", Integer, nullable=False),  # 0 is full resolution
    Column("snapshots", Integer, nullable=False),
    Column("times", LargeBinary, nullable=False),  # of every snapshot ever merged in, for telling duplicates
    Column("body", LargeBinary, nullable=False),  # store.blocks
)

matches = Table(
    "matches",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("signature_id", String(64), primary_key=True, index=True),
    Column("level", String(16), nullable=False),
    Column("applies_to", Boolean, nullable=False),
    Column("program", Text),
    Column("pid", BigInteger),
    Column("handles", BigInteger),
    Column("distinct_objects", BigInteger),
    Column("estimated", Boolean, nullable=False),
    Column("rate_per_hour", Float),
    Column("first_seen_us", BigInteger),
    Column("last_seen_us", BigInteger),
    Column("software_version", Text),
    Column("detail", JSON, nullable=False),  # the rest of analysis.signatures.Match
)

leaks = Table(
    "leaks",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),  # fastest first
    Column("program", Text, nullable=False),
    Column("handles", BigInteger, nullable=False),
    Column("rate_per_hour", Float),
    Column("limit", BigInteger),
    Column("since_us", BigInteger, nullable=False),
    Column("last_seen_us", BigInteger, nullable=False),
)

# What happened on a host; a silence that lasts is no row, since only the clock tells of it.
events = Table(
    "events",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("time_us", BigInteger, primary_key=True, autoincrement=False),  # shown time
    Column("kind", String(16), primary_key=True),  # analysis.events.Kind
    Column("key", String(32), primary_key=True),  # tells events of one kind and time apart
    Column("seen_us", BigInteger, nullable=False),  # of the snapshot that tells of it
    Column("until_us", BigInteger),
    Column("detail", JSON, nullable=False),
    Index("events_by_time", "time_us", "host_id"),
)

PER_HOST = (host_state, host_labels, host_inventory, former_inventory, snapshots, blocks, matches, leaks, events)
