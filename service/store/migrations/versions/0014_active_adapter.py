"""Active adapter: which round's adapter a campaign goes by, and by whose a round scored the pool."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign", sa.Column("adapter", sa.Integer(), nullable=True))
    op.add_column("round", sa.Column("scored_by", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("round", "scored_by")
    op.drop_column("campaign", "adapter")
