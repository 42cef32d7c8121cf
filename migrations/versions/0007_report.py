"""The report: search index, counters and what tells them of changes; saved views; exports.

Revision ID: 0007
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

from webapp.models import search_index

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
MADE = (
    "export_part", "export", "saved_view", "day_to_count", "counted_zone", "communication_count",
    "communication_change",
)


def account(table):
    return sa.ForeignKeyConstraint(
        ["account_id"], ["account.id"], name=op.f(f"fk_{table}_account_id"), ondelete="CASCADE"
    )


def user(table):
    return sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f(f"fk_{table}_user_id"), ondelete="CASCADE")


def upgrade():
    with op.batch_alter_table("communication") as batch:
        batch.add_column(sa.Column("is_repeat", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "communication_change",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("communication_id", BIG, nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_communication_change")),
    )
    kinds = [
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("grain", sa.String(length=1), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rule", sa.String(length=16), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.String(length=50), nullable=False),
        sa.Column("integration_id", BIG, nullable=False),
        sa.Column("site_id", BIG, nullable=False),
        sa.Column("campaign_id", BIG, nullable=False),
        sa.Column("source_id", BIG, nullable=False),
        sa.Column("employee_id", BIG, nullable=False),
        sa.Column("has_visit", sa.Boolean(), nullable=False),
        sa.Column("is_repeat", sa.Boolean(), nullable=False),
    ]
    op.create_table(
        "communication_count",
        *kinds,
        sa.Column("number", BIG, nullable=False),
        account("communication_count"),
        sa.PrimaryKeyConstraint(*(one.name for one in kinds), name=op.f("pk_communication_count")),
    )
    op.create_table(
        "counted_zone",
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        account("counted_zone"),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_counted_zone")),
    )
    op.create_table(
        "day_to_count",
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        account("day_to_count"),
        sa.PrimaryKeyConstraint("account_id", "day", name=op.f("pk_day_to_count")),
    )
    op.create_table(
        "saved_view",
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("query", sa.JSON(), nullable=False),
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        account("saved_view"),
        user("saved_view"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_view")),
        sa.UniqueConstraint("account_id", "user_id", "name", name=op.f("uq_saved_view_account_id_user_id_name")),
    )
    op.create_index(op.f("ix_saved_view_user_id"), "saved_view", ["user_id"])
    op.create_table(
        "export",
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("query", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("size", BIG, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        account("export"),
        user("export"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export")),
    )
    op.create_index(op.f("ix_export_account_id_user_id_id"), "export", ["account_id", "user_id", "id"])
    op.create_index(op.f("ix_export_user_id"), "export", ["user_id"])
    op.create_table(
        "export_part",
        sa.Column("export_id", BIG, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["export_id"], ["export.id"], name=op.f("fk_export_part_export_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("export_id", "number", name=op.f("pk_export_part")),
    )
    search_index.create(op.get_bind())
    # What is there already is told as if it had just come: the worker indexes and counts it.
    op.execute(
        "INSERT INTO communication_change (communication_id, account_id, started_at) "
        "SELECT id, account_id, started_at FROM communication"
    )


def downgrade():
    search_index.drop(op.get_bind())
    for table in MADE:
        op.drop_table(table)
    with op.batch_alter_table("communication") as batch:
        batch.drop_column("is_repeat")
