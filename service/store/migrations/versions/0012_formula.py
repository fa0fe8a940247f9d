"""Formula: the weighted sum of scores that a campaign may choose by."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign", sa.Column("formula", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("campaign", "formula")
