"""Synthetic texts: who made them, and shards of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "synthesis",
        sa.Column("campaign", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("generator", sa.JSON(), nullable=False),
        sa.Column("per_label", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("checked_share", sa.Float(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=True),
        sa.Column("verdicts", sa.JSON(), nullable=False),
        sa.Column("nonsense", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("undone_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.id"], name=op.f("fk_synthesis_campaign")),
        sa.PrimaryKeyConstraint("campaign", "number", name=op.f("pk_synthesis")),
    )
    with op.batch_alter_table("shard") as batch:
        batch.alter_column("kind", existing_type=sa.String(8), type_=sa.String(16), existing_nullable=False)


def downgrade() -> None:
    op.execute("DELETE FROM shard WHERE kind = 'synthetic'")
    with op.batch_alter_table("shard") as batch:
        batch.alter_column("kind", existing_type=sa.String(16), type_=sa.String(8), existing_nullable=False)
    op.drop_table("synthesis")
