"""What a campaign's project in Label Studio shows: a change of name or instruction is seen by it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign", sa.Column("page_hash", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("campaign", "page_hash")
