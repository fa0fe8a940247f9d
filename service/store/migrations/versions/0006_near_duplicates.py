"""Near-duplicates: what a campaign does with them, and which of a shard's examples are some."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kind = sa.Column("near_duplicates", sa.String(length=16), nullable=False, server_default="drop")
    op.add_column("campaign", kind)
    op.add_column("shard", sa.Column("near", sa.Text(), nullable=True))
    op.add_column("shard", sa.Column("repeats", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("shard", "repeats")
    op.drop_column("shard", "near")
    op.drop_column("campaign", "near_duplicates")
