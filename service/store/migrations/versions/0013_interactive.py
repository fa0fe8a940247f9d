"""Training asked for: the label version at which somebody asked; a model version that was put right in Label Studio."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign", sa.Column("train_from", sa.Integer(), nullable=True))
    op.add_column("campaign", sa.Column("put_right", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("campaign", "put_right")
    op.drop_column("campaign", "train_from")
