"""Adoption: projects of other people that a campaign works in, and how they were before."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "adoption",
        sa.Column("campaign", sa.String(32), nullable=False),
        sa.Column("project", sa.Integer(), nullable=False),
        sa.Column("control", sa.JSON(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("changed", sa.JSON(), nullable=False),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("read_to", sa.Integer(), nullable=False),
        sa.Column("read_at", sa.Float(), nullable=True),
        sa.Column("swept_to", sa.Integer(), nullable=False),
        sa.Column("upload", sa.Integer(), nullable=False),
        sa.Column("hooked", sa.Boolean(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("ranked", sa.Integer(), nullable=False),
        sa.Column("retired", sa.JSON(), nullable=False),
        sa.Column("adopted_at", sa.Float(), nullable=False),
        sa.Column("release_at", sa.Float(), nullable=True),
        sa.Column("released_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.id"], name="fk_adoption_campaign"),
        sa.PrimaryKeyConstraint("campaign", name="pk_adoption"),
    )
    op.create_index(
        "uq_adoption_project",
        "adoption",
        ["project"],
        unique=True,
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("uq_adoption_project", table_name="adoption")
    op.drop_table("adoption")
