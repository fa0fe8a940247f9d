"""Which examples a round scores: the folder that says so."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("round", sa.Column("candidates", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("round", "candidates")
