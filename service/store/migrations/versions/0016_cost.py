"""Cost: prices and budgets of a campaign, the seconds that each answer counts, and the advice of each round.

Of answers that are there a lead time counts up to five times the median of its campaign's.
"""

from statistics import median

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

PRICES = ("hour_price", "compute_price", "point_price", "budget_hours", "budget_money")
WHOLE = ("answers", "others", "missing", "capped")


def upgrade() -> None:
    for name in PRICES:
        op.add_column("campaign", sa.Column(name, sa.Float(), nullable=True))
    for name, kind, default in (("currency", sa.String(12), "''"), ("stop_at_advice", sa.Boolean(), "false")):
        op.add_column("campaign", sa.Column(name, kind, nullable=False, server_default=sa.text(default)))
    op.add_column("campaign", sa.Column("stopped_round", sa.Integer(), nullable=True))
    op.add_column("round", sa.Column("advice", sa.Text(), nullable=True))
    op.add_column("annotation", sa.Column("seconds", sa.Float(), nullable=True))
    op.add_column("annotation", sa.Column("round", sa.Integer(), nullable=True))
    op.execute(
        """
        UPDATE annotation SET round = coalesce((
            SELECT selection.round FROM selection
            WHERE selection.campaign = annotation.campaign AND selection.shard = annotation.shard
                AND selection."row" = annotation."row" AND selection.state <> 'withdrawn'
        ), 0) WHERE kind <> 'foreign'
        """
    )
    connection = op.get_bind()
    for campaign in connection.execute(sa.text("SELECT id FROM campaign")).scalars().all():
        _settle(connection, campaign)
    op.create_table(
        "spent",
        sa.Column("campaign", sa.String(length=32), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Integer() if name in WHOLE else sa.Float(), nullable=False)
            for name in ("answers", "others", "seconds", "squares", "missing", "capped", "capped_off")
        ),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.id"], name=op.f("fk_spent_campaign")),
        sa.PrimaryKeyConstraint("campaign", "round", name=op.f("pk_spent")),
    )
    op.execute(
        """
        INSERT INTO spent SELECT campaign, round,
            sum(CASE WHEN kind = 'answer' THEN 1 ELSE 0 END), sum(CASE WHEN kind = 'answer' THEN 0 ELSE 1 END),
            sum(seconds), sum(seconds * seconds),
            sum(CASE WHEN kind <> 'deleted' AND coalesce(lead_time, 0) <= 0 THEN 1 ELSE 0 END),
            sum(CASE WHEN lead_time > seconds THEN 1 ELSE 0 END),
            sum(CASE WHEN lead_time > seconds THEN lead_time - seconds ELSE 0 END)
        FROM annotation WHERE current AND seconds IS NOT NULL GROUP BY campaign, round
        """
    )
    # Counts by state and role, and what measures, are read at every turn: without a look at the rows themselves.
    op.drop_index("ix_selection_state", "selection")
    op.create_index("ix_selection_state", "selection", ["campaign", "state", "wanted", "void"])
    drawn = sa.text("role = 'hold-out'")
    op.create_index(
        "ix_selection_measures", "selection", ["campaign"], sqlite_where=drawn, postgresql_where=drawn
    )
    op.create_index("ix_label_role", "label", ["campaign", "ended", "role", "source"])


def _settle(connection: sa.Connection, campaign: str) -> None:
    mine = {"campaign": campaign}
    known = connection.execute(
        sa.text("SELECT lead_time FROM annotation WHERE campaign = :campaign AND lead_time > 0"), mine
    )
    usual = median([*(times := list(known.scalars())), *[15.0] * (10 - len(times))])
    connection.execute(
        sa.text(
            """
            UPDATE annotation SET seconds = CASE WHEN lead_time > :most THEN :most
                WHEN lead_time > 0 THEN lead_time ELSE :usual END
            WHERE campaign = :campaign AND kind NOT IN ('foreign', 'deleted')
            """
        ),
        mine | {"usual": usual, "most": 5 * usual},
    )
    connection.execute(
        sa.text(
            """
            UPDATE annotation SET seconds = (
                SELECT max(other.seconds) FROM annotation AS other
                WHERE other.campaign = annotation.campaign AND other.ls_id = annotation.ls_id
            ) WHERE campaign = :campaign AND kind = 'deleted'
            """
        ),
        mine,
    )


def downgrade() -> None:
    op.drop_index("ix_label_role", "label")
    op.drop_index("ix_selection_measures", "selection")
    op.drop_index("ix_selection_state", "selection")
    op.create_index("ix_selection_state", "selection", ["campaign", "state"])
    op.drop_table("spent")
    op.drop_column("annotation", "round")
    op.drop_column("annotation", "seconds")
    op.drop_column("round", "advice")
    for name in ("stopped_round", "stop_at_advice", "currency", *reversed(PRICES)):
        op.drop_column("campaign", name)
