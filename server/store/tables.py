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
    false,
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

# How soon to speak of a program, or of all on hosts with a label, where it isn't the usual.
sensitivities = Table(
    "sensitivities",
    metadata,
    Column("sensitivity_id", Integer, primary_key=True),
    Column("program", Text, nullable=False),  # pattern over program names; * is any
    Column("label_key", Text),  # None: on every host
    Column("label_value", Text),
    Column("level", String(16), nullable=False),  # quiet, low, normal, high
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
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
    Column("shown_us", BigInteger),
    Column("handles", BigInteger),
    Column("processes", Integer),
    Column("denied", Integer),
    Column("machine", JSON(none_as_null=True)),  # analysis.readings.Beyond
    Column("skew_s", BigInteger, nullable=False),
    # what the last judgement found
    Column("digested_us", BigInteger),  # shown time up to which hours are digested and judged for leaks
    Column("near_limit", JSON, nullable=False, server_default=text("'[]'")),  # program, handles, limit, hours
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
    Column("sealed_us", BigInteger, nullable=False),  # just after the newest snapshot in a block, as sent
    Column("claimed_until_us", BigInteger, nullable=False),
    Column("judged_us", BigInteger),  # by the server's clock, as is the time of a claim; and what it held then
    Column("judged_handles", BigInteger),
    # what counts over the whole fleet read, without what is long of each host
    Index("hosts_by_shown", "shown_us", "interval_s", "cadence_s", "digested_us", "os_family", "leaks"),
)

# few rows, so it costs nothing where snapshots come in
NEAR_LIMIT = text("CAST(near_limit AS TEXT) <> '[]'")
Index("hosts_near_limit", host_state.c.host_id, sqlite_where=NEAR_LIMIT, postgresql_where=NEAR_LIMIT)

host_labels = Table(
    "host_labels",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),  # keys can be too long for an index
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
)

# by which they are counted; a longer one would not fit into an index of PostgreSQL
SHORT_LABEL = text("length(key) + length(value) <= 400")
Index("short_labels", host_labels.c.key, host_labels.c.value, sqlite_where=SHORT_LABEL, postgresql_where=SHORT_LABEL)

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

# What the detector says, one row for each time that a program leaked; and what people made of it.
leaks = Table(
    "leaks",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("leak_no", Integer, primary_key=True, autoincrement=False),  # never given twice on a host
    Column("standing", Boolean, nullable=False),  # False: late data undid the verdict; kept for what people said of it
    Column("program", Text, nullable=False),
    Column("program_key", Text, nullable=False),
    Column("type", Text),
    Column("object", Text),  # name template
    Column("state", String(16), nullable=False),  # leaking, resolved
    Column("phase", String(16), nullable=False),  # detected, growing, at_limit, returned
    Column("started_us", BigInteger, nullable=False),  # shown times, as are the others but muted_until_us
    Column("started_from_us", BigInteger, nullable=False),
    Column("started_to_us", BigInteger, nullable=False),
    Column("detected_us", BigInteger, nullable=False),
    Column("at_limit_us", BigInteger),
    Column("resolved_us", BigInteger),
    Column("last_seen_us", BigInteger, nullable=False),
    Column("handles", BigInteger),  # of the series that `type` names
    Column("rate_per_hour", Float, nullable=False),
    Column("rate_low", Float, nullable=False),
    Column("rate_high", Float, nullable=False),
    Column("limit", BigInteger),
    Column("exhausted_us", BigInteger),
    Column("exhausted_from_us", BigInteger),
    Column("exhausted_to_us", BigInteger),
    # what people said
    Column("triage", String(16), nullable=False),  # new, acknowledged, muted
    Column("muted_until_us", BigInteger),  # by the server's clock
    Column("muted_rate", Float),  # muted until it grows faster than this
    Column("assignee", Text),
    Column("note", Text),
    Column("closed_us", BigInteger),  # the host's newest snapshot when a person resolved it; only newer evidence counts
    Column("closed_by", Text),
    Column("quieted", Boolean, nullable=False, server_default=false()),  # not standing, as its program was made quiet
    Index("leaks_by_state", "state", "host_id"),
    Index("leaks_by_program", "program_key", postgresql_using="hash"),  # names can be too long for any other
)

# What is long of a leak, kept apart from it, since lists and counts go through many leaks.
leak_details = Table(
    "leak_details",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("leak_no", Integer, primary_key=True, autoincrement=False),
    Column("evidence", JSON, nullable=False),  # analysis.evidence.Evidence
    Column("track", JSON, nullable=False),  # analysis.leaking.Track: what judging goes on from
)

leak_actions = Table(
    "leak_actions",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("leak_no", Integer, primary_key=True, autoincrement=False),
    Column("action_no", Integer, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),  # by the server's clock
    Column("by", Text, nullable=False),
    Column("changes", JSON, nullable=False),  # by field: the new value
    Index("leak_actions_by_time", "at_us", "host_id"),
)

# What the detector looks at: the least held in each hour, a row for each UTC day; see analysis.digest.
digests = Table(
    "digests",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("day_us", BigInteger, primary_key=True, autoincrement=False),  # shown time
    Column("body", LargeBinary, nullable=False),  # store.digests
)

# Of hosts on which nothing happens, so that this can be told from the next snapshots alone.
calm = Table(
    "calm",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),  # analysis.calm.Calm
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

growing = Table(
    "growing",
    metadata,
    Column("host_id", Integer, primary_key=True, autoincrement=False),
    Column("day_us", BigInteger, nullable=False),  # when the day began
    Column("fastest", Float, nullable=False),  # of its programs, a hour
    Column("programs", LargeBinary, nullable=False),  # store.growing
    Index("growing_by_fastest", "fastest"),
    Index("growing_by_day", "day_us"),
)

PER_HOST = (
    host_state,
    host_labels,
    host_inventory,
    former_inventory,
    snapshots,
    blocks,
    matches,
    leaks,
    leak_details,
    leak_actions,
    digests,
    calm,
    events,
    growing,
)
