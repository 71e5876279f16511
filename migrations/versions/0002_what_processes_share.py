"""What the processes of a machine share, as of its newest snapshot."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("host_state", sa.Column("machine", sa.JSON()))


def downgrade() -> None:
    op.drop_column("host_state", "machine")
