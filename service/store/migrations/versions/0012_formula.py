"""Formula: the weighted sum of scores that a campaign may choose by; and how far rare classes weigh more."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign", sa.Column("formula", sa.Text(), nullable=True))
    op.add_column("campaign", sa.Column("class_balance", sa.Float(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("campaign", "class_balance")
    op.drop_column("campaign", "formula")
