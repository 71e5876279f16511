"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hosts",
        sa.Column("host_id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False, unique=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "users",
        sa.Column("user_id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("disabled_us", sa.BigInteger()),
    )
    op.create_table(
        "sessions",
        sa.Column("secret_hash", sa.String(64), primary_key=True),
        sa.Column("user_id", sa.Integer(), nullable=False, index=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("secret_hash", sa.String(64), primary_key=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("host_key", sa.Text(), index=True),
        sa.Column("secret_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text()),
        sa.Column("expires_us", sa.BigInteger()),
        sa.Column("last_used_us", sa.BigInteger()),
        sa.Column("revoked_us", sa.BigInteger()),
    )
    live_host_token = sa.text("scope = 'host' AND revoked_us IS NULL")
    op.create_index(
        "one_token_per_host",
        "tokens",
        ["host_key"],
        unique=True,
        sqlite_where=live_host_token,
        postgresql_where=live_host_token,
    )
    op.create_table(
        "host_state",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("info_us", sa.BigInteger()),
        sa.Column("os_family", sa.String(16), nullable=False),
        sa.Column("os_name", sa.Text()),
        sa.Column("os_version", sa.Text()),
        sa.Column("service_pack", sa.Text()),
        sa.Column("booted_us", sa.BigInteger()),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("collector", sa.JSON(), nullable=False),
        sa.Column("interval_s", sa.BigInteger()),
        sa.Column("inventory_us", sa.BigInteger()),
        sa.Column("newest_us", sa.BigInteger()),
        sa.Column("shown_us", sa.BigInteger(), index=True),
        sa.Column("handles", sa.BigInteger()),
        sa.Column("processes", sa.Integer()),
        sa.Column("denied", sa.Integer()),
        sa.Column("skew_s", sa.BigInteger(), nullable=False),
        sa.Column("worst_program", sa.Text()),
        sa.Column("worst_handles", sa.BigInteger()),
        sa.Column("leaks", sa.Integer(), nullable=False),
        sa.Column("sparkline", sa.JSON(), nullable=False),
        sa.Column("advice", sa.JSON(), nullable=False),
        sa.Column("pushed_seq", sa.BigInteger(), nullable=False),
        sa.Column("judged_seq", sa.BigInteger(), nullable=False),
        sa.Column("dirty_us", sa.BigInteger()),
        sa.Column("recent_us", sa.BigInteger()),
        sa.Column("sealed_us", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until_us", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "host_labels",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.create_table(
        "host_inventory",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text()),
        sa.Column("version", sa.Text()),
    )
    op.create_table(
        "former_inventory",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("until_us", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("pushed_seq", sa.BigInteger(), nullable=False),
        sa.Column("lists", sa.JSON(), nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("time_us", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("shown_us", sa.BigInteger(), nullable=False),
        sa.Column("skew_s", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "blocks",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("start_us", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("shown_from_us", sa.BigInteger(), nullable=False),
        sa.Column("shown_to_us", sa.BigInteger(), nullable=False),
        sa.Column("step_s", sa.Integer(), nullable=False),
        sa.Column("snapshots", sa.Integer(), nullable=False),
        sa.Column("times", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "matches",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("signature_id", sa.String(64), primary_key=True, index=True),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("applies_to", sa.Boolean(), nullable=False),
        sa.Column("program", sa.Text()),
        sa.Column("pid", sa.BigInteger()),
        sa.Column("handles", sa.BigInteger()),
        sa.Column("distinct_objects", sa.BigInteger()),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("rate_per_hour", sa.Float()),
        sa.Column("first_seen_us", sa.BigInteger()),
        sa.Column("last_seen_us", sa.BigInteger()),
        sa.Column("software_version", sa.Text()),
        sa.Column("detail", sa.JSON(), nullable=False),
    )
    op.create_table(
        "leaks",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("handles", sa.BigInteger(), nullable=False),
        sa.Column("rate_per_hour", sa.Float()),
        sa.Column("limit", sa.BigInteger()),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_us", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    for name in (
        "hosts",
        "users",
        "sessions",
        "sign_in_links",
        "tokens",
        "host_state",
        "host_labels",
        "host_inventory",
        "former_inventory",
        "snapshots",
        "blocks",
        "matches",
        "leaks",
    ):
        op.drop_table(name)
