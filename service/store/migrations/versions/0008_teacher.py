"""Teacher: which field of the pool says how sure somebody is of a text's label."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaign", sa.Column("teacher", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("campaign", "teacher")
