"""Leaks with a life of their own, in place of a list of what grows; what the detector looks at; who is left alone."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("leaks")  # was derived anew at each judgement
    op.create_table(
        "leaks",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("leak_no", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("standing", sa.Boolean(), nullable=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("program_key", sa.Text(), nullable=False),
        sa.Column("type", sa.Text()),
        sa.Column("object", sa.Text()),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("started_from_us", sa.BigInteger(), nullable=False),
        sa.Column("started_to_us", sa.BigInteger(), nullable=False),
        sa.Column("detected_us", sa.BigInteger(), nullable=False),
        sa.Column("at_limit_us", sa.BigInteger()),
        sa.Column("resolved_us", sa.BigInteger()),
        sa.Column("last_seen_us", sa.BigInteger(), nullable=False),
        sa.Column("handles", sa.BigInteger()),
        sa.Column("rate_per_hour", sa.Float(), nullable=False),
        sa.Column("rate_low", sa.Float(), nullable=False),
        sa.Column("rate_high", sa.Float(), nullable=False),
        sa.Column("limit", sa.BigInteger()),
        sa.Column("exhausted_us", sa.BigInteger()),
        sa.Column("exhausted_from_us", sa.BigInteger()),
        sa.Column("exhausted_to_us", sa.BigInteger()),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("track", sa.JSON(), nullable=False),
        sa.Column("triage", sa.String(16), nullable=False),
        sa.Column("muted_until_us", sa.BigInteger()),
        sa.Column("muted_rate", sa.Float()),
        sa.Column("assignee", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("closed_us", sa.BigInteger()),
        sa.Column("closed_by", sa.Text()),
    )
    op.create_index("leaks_by_state", "leaks", ["state", "host_id"])
    op.create_index("leaks_by_program", "leaks", ["program_key", "host_id"])
    op.create_table(
        "leak_actions",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("leak_no", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("action_no", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
    )
    op.create_table(
        "digests",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("day_us", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "sensitivities",
        sa.Column("sensitivity_id", sa.Integer(), primary_key=True),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("label_key", sa.Text()),
        sa.Column("label_value", sa.Text()),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
    )
    op.add_column("host_state", sa.Column("digested_us", sa.BigInteger()))
    op.add_column("host_state", sa.Column("near_limit", sa.JSON(), nullable=False, server_default=sa.text("'[]'")))
    # what there is was judged by another detector: it is judged anew, as far back as it is kept in full
    op.execute(
        "UPDATE host_state SET leaks = 0, pushed_seq = pushed_seq + 1, dirty_us = COALESCE("
        "(SELECT MIN(blocks.shown_from_us) FROM blocks WHERE blocks.host_id = host_state.host_id), recent_us)"
    )


def downgrade() -> None:
    op.drop_column("host_state", "near_limit")
    op.drop_column("host_state", "digested_us")
    for table in ("sensitivities", "digests", "leak_actions", "leaks"):
        op.drop_table(table)
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
