"""What is long of a leak apart from it, and indices for counts over the whole fleet."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NEAR = sa.text("CAST(near_limit AS TEXT) <> '[]'")
SHORT = sa.text("length(key) + length(value) <= 400")


def upgrade() -> None:
    op.create_table(
        "leak_details",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("leak_no", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("track", sa.JSON(), nullable=False),
    )
    op.execute(
        "INSERT INTO leak_details (host_id, leak_no, evidence, track)"
        " SELECT host_id, leak_no, evidence, track FROM leaks"
    )
    op.drop_column("leaks", "evidence")
    op.drop_column("leaks", "track")
    op.add_column("leaks", sa.Column("quieted", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("leak_actions_by_time", "leak_actions", ["at_us", "host_id"])
    op.drop_index("leaks_by_program", table_name="leaks")  # a long name did not fit into it on PostgreSQL
    op.create_index("leaks_by_program", "leaks", ["program_key"], postgresql_using="hash")
    op.drop_index("ix_host_state_shown_us", table_name="host_state")
    counted = ["shown_us", "interval_s", "cadence_s", "digested_us", "os_family", "leaks"]
    op.create_index("hosts_by_shown", "host_state", counted)
    op.create_index("hosts_near_limit", "host_state", ["host_id"], sqlite_where=NEAR, postgresql_where=NEAR)
    op.create_index("short_labels", "host_labels", ["key", "value"], sqlite_where=SHORT, postgresql_where=SHORT)


def downgrade() -> None:
    op.drop_index("leak_actions_by_time", table_name="leak_actions")
    op.drop_column("leaks", "quieted")
    op.drop_index("leaks_by_program", table_name="leaks")
    op.create_index("leaks_by_program", "leaks", ["program_key", "host_id"])
    op.drop_index("short_labels", table_name="host_labels")
    op.drop_index("hosts_near_limit", table_name="host_state")
    op.drop_index("hosts_by_shown", table_name="host_state")
    op.create_index("ix_host_state_shown_us", "host_state", ["shown_us"])
    for name in ("evidence", "track"):
        op.add_column("leaks", sa.Column(name, sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
    op.execute(
        "UPDATE leaks SET (evidence, track) = (SELECT known.evidence, known.track FROM leak_details AS known"
        " WHERE known.host_id = leaks.host_id AND known.leak_no = leaks.leak_no)"
    )
    op.drop_table("leak_details")
