"""Label changes: labels that are added, renamed, merged and split while a campaign runs, and who knows of it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COUNTERS = (
    ("campaign", "label_changes"),
    ("campaign", "page_changes"),
    ("selection", "void"),
    ("round", "label_changes"),
)


def upgrade() -> None:
    op.create_table(
        "label_change",
        sa.Column("campaign", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.JSON(), nullable=False) for name in ("old", "new", "before")),
        sa.Column("made_at", sa.Float(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("relabeled", "asked_again", "ended", "unmeasured")
        ),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.id"], name=op.f("fk_label_change_campaign")),
        sa.PrimaryKeyConstraint("campaign", "number", name=op.f("pk_label_change")),
    )
    for table, name in COUNTERS:
        op.add_column(table, sa.Column(name, sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    for table, name in COUNTERS:
        op.drop_column(table, name)
    op.drop_table("label_change")
