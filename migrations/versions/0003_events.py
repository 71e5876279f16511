"""What happened on each host, and how far apart the snapshots of one come that tells no interval."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("host_state", sa.Column("cadence_s", sa.BigInteger()))
    op.create_table(
        "events",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("time_us", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger()),
        sa.Column("detail", sa.JSON(), nullable=False),
    )
    op.create_index("events_by_time", "events", ["time_us", "host_id"])


def downgrade() -> None:
    op.drop_table("events")
    op.drop_column("host_state", "cadence_s")
