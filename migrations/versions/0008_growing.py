"""The programs of each host that grew fastest over its last whole day."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "growing",
        sa.Column("host_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("day_us", sa.BigInteger(), nullable=False),
        sa.Column("fastest", sa.Float(), nullable=False),
        sa.Column("programs", sa.LargeBinary(), nullable=False),
    )
    op.create_index("growing_by_fastest", "growing", ["fastest"])
    op.create_index("growing_by_day", "growing", ["day_us"])


def downgrade() -> None:
    op.drop_table("growing")
