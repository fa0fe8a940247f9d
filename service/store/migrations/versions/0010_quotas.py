"""Quotas: the shares of a batch that are spent where the adapter is weakest, and on domains that somebody names."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign", sa.Column("weak_share", sa.Float(), nullable=False, server_default="0"))
    op.add_column("campaign", sa.Column("quotas", sa.JSON(), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("campaign", "quotas")
    op.drop_column("campaign", "weak_share")
