"""What a token allows, for which campaigns, and until when; those there are allow everything."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("token", sa.Column("access", sa.String(16), nullable=False, server_default="viewer"))
    op.add_column("token", sa.Column("campaigns", sa.JSON(), nullable=True))
    op.add_column("token", sa.Column("expires_at", sa.Float(), nullable=True))
    op.add_column("token", sa.Column("revoked_at", sa.Float(), nullable=True))
    op.execute("UPDATE token SET access = 'admin'")


def downgrade() -> None:
    for name in ("access", "campaigns", "expires_at", "revoked_at"):
        op.drop_column("token", name)
