"""Consensus: how many answers an example is to have, how they become a label, and why it weighs what it does."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign", sa.Column("overlap", sa.Integer(), nullable=False, server_default="1"))
    kind = sa.Column("consensus", sa.String(length=16), nullable=False, server_default="model")
    op.add_column("campaign", kind)
    share = sa.Column("second_opinions", sa.Float(), nullable=False, server_default="0.2")
    op.add_column("campaign", share)
    op.add_column("selection", sa.Column("wanted", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("label", sa.Column("probability", sa.Float(), nullable=True))
    op.add_column("label", sa.Column("reason", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("label", "reason")
    op.drop_column("label", "probability")
    op.drop_column("selection", "wanted")
    for name in ("second_opinions", "consensus", "overlap"):
        op.drop_column("campaign", name)
