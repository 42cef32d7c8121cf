"""Visits: the counter's own columns, ties of vendors' numbers to visits, what the site script says of itself.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ACCOUNT_COLUMNS = ("visits_need_consent", "respects_do_not_track", "keeps_full_ip")


def upgrade():
    with op.batch_alter_table("account") as batch:
        batch.add_column(sa.Column("visit_retention_days", sa.Integer(), nullable=True, server_default="365"))
        for name in ACCOUNT_COLUMNS:
            default = sa.true() if name == "respects_do_not_track" else sa.false()
            batch.add_column(sa.Column(name, sa.Boolean(), nullable=False, server_default=default))
    with op.batch_alter_table("account") as batch:
        for name in ("visit_retention_days", *ACCOUNT_COLUMNS):
            batch.alter_column(name, server_default=None)

    with op.batch_alter_table("site") as batch:
        batch.add_column(sa.Column("public_key", sa.String(length=120), nullable=True))
    # The first site of a key keeps it; another account's site of the same key is told apart by its number.
    op.execute(
        "UPDATE site SET public_key = CASE WHEN id = (SELECT min(other.id) FROM site AS other WHERE other.key = site.key) "
        "THEN key ELSE key || '-' || id END"
    )
    with op.batch_alter_table("site") as batch:
        batch.alter_column("public_key", existing_type=sa.String(length=120), nullable=False)
        batch.create_unique_constraint(op.f("uq_site_public_key"), ["public_key"])

    with op.batch_alter_table("visit") as batch:
        batch.add_column(sa.Column("last_url", sa.String(length=2000), nullable=True))
        batch.add_column(sa.Column("page_count", sa.Integer(), nullable=False, server_default="1"))
        batch.add_column(sa.Column("user_agent", sa.String(length=400), nullable=True))
        batch.add_column(sa.Column("ip", sa.String(length=45), nullable=True))
        batch.add_column(sa.Column("search_text", sa.String(length=1000), nullable=False, server_default=""))
        batch.drop_index(op.f("ix_visit_account_id_started_at"))
        batch.create_index(op.f("ix_visit_account_id_started_at_id"), ["account_id", "started_at", "id"])
        batch.create_index(op.f("ix_visit_account_id_visitor_id"), ["account_id", "visitor_id"])
    with op.batch_alter_table("visit") as batch:
        batch.alter_column("page_count", server_default=None)
        batch.alter_column("search_text", server_default=None)

    with op.batch_alter_table("vendor_client") as batch:
        batch.drop_index(op.f("ix_vendor_client_visit_id"))
        batch.drop_constraint(op.f("fk_vendor_client_visit_id"), type_="foreignkey")
        batch.drop_column("visit_id")
    op.create_table(
        "visit_tie",
        sa.Column("integration_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("client", sa.String(length=100), nullable=False),
        sa.Column("session_id", sa.String(length=64), nullable=False),
        sa.Column("visit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("tied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integration.id"], name=op.f("fk_visit_tie_integration_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["visit_id"], ["visit.id"], name=op.f("fk_visit_tie_visit_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visit_tie")),
        sa.UniqueConstraint(
            "integration_id", "client", "session_id", name=op.f("uq_visit_tie_integration_id_client_session_id")
        ),
    )
    op.create_index(op.f("ix_visit_tie_session_id"), "visit_tie", ["session_id"])
    op.create_index(op.f("ix_visit_tie_visit_id"), "visit_tie", ["visit_id"])
    op.create_table(
        "script_sighting",
        sa.Column("integration_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_good_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reports", sa.Integer(), nullable=False),
        sa.Column("counter", sa.String(length=20), nullable=False),
        sa.Column("widget", sa.String(length=20), nullable=False),
        sa.Column("token", sa.String(length=20), nullable=False),
        sa.Column("faults", sa.JSON(), nullable=False),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integration.id"], name=op.f("fk_script_sighting_integration_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_script_sighting")),
        sa.UniqueConstraint("integration_id", "host", name=op.f("uq_script_sighting_integration_id_host")),
    )


def downgrade():
    op.drop_table("script_sighting")
    op.drop_table("visit_tie")
    with op.batch_alter_table("vendor_client") as batch:
        batch.add_column(sa.Column("visit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
        batch.create_foreign_key(op.f("fk_vendor_client_visit_id"), "visit", ["visit_id"], ["id"], ondelete="SET NULL")
        batch.create_index(op.f("ix_vendor_client_visit_id"), ["visit_id"])
    with op.batch_alter_table("visit") as batch:
        batch.drop_index(op.f("ix_visit_account_id_visitor_id"))
        batch.drop_index(op.f("ix_visit_account_id_started_at_id"))
        batch.create_index(op.f("ix_visit_account_id_started_at"), ["account_id", "started_at"])
        for name in ("search_text", "ip", "user_agent", "page_count", "last_url"):
            batch.drop_column(name)
    with op.batch_alter_table("site") as batch:
        batch.drop_constraint(op.f("uq_site_public_key"), type_="unique")
        batch.drop_column("public_key")
    with op.batch_alter_table("account") as batch:
        for name in ("visit_retention_days", *ACCOUNT_COLUMNS):
            batch.drop_column(name)
