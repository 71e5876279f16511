"""When each host was judged last, which several server processes have to agree on."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("host_state", sa.Column("judged_us", sa.BigInteger()))
    op.add_column("host_state", sa.Column("judged_handles", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("host_state", "judged_handles")
    op.drop_column("host_state", "judged_us")
