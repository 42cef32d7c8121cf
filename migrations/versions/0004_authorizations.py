"""Authorizations at a vendor, what is still to be asked there, events that wait, reconciliation.

Revision ID: 0004
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade():
    op.create_table(
        "vendor_authorization",
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("vendor", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("domain", sa.String(length=300), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("token_url", sa.String(length=500), nullable=False),
        sa.Column("client_id", sa.String(length=200), nullable=False),
        sa.Column("client_secret", sa.LargeBinary(), nullable=True),
        sa.Column("access_token", sa.LargeBinary(), nullable=True),
        sa.Column("refresh_token", sa.LargeBinary(), nullable=True),
        sa.Column("long_lived", sa.Boolean(), nullable=False),
        sa.Column("redirect_uri", sa.String(length=500), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("refreshed_at", MOMENT, nullable=True),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("problem", sa.String(length=50), nullable=True),
        sa.Column("problem_detail", sa.String(length=500), nullable=True),
        sa.Column("vendor_account_id", sa.String(length=50), nullable=True),
        sa.Column("vendor_account_name", sa.String(length=255), nullable=True),
        sa.Column("connected_by", sa.String(length=254), nullable=True),
        sa.Column("connected_at", MOMENT, nullable=True),
        sa.Column("lead_fields", sa.JSON(), nullable=True),
        sa.Column("fields_read_at", MOMENT, nullable=True),
        sa.Column("consent_hash", sa.String(length=64), nullable=True),
        sa.Column("applied_hash", sa.String(length=64), nullable=True),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_vendor_authorization_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vendor_authorization")),
        sa.UniqueConstraint("account_id", "key", name=op.f("uq_vendor_authorization_account_id_key")),
    )
    op.create_index(op.f("ix_vendor_authorization_client_id"), "vendor_authorization", ["client_id"])
    # A table of its own: SQLite cannot take back a column that refers to another table without emptying those that
    # refer to its own.
    op.create_table(
        "integration_authorization",
        sa.Column("integration_id", BIG, nullable=False),
        sa.Column("authorization_id", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integration.id"], name=op.f("fk_integration_authorization_integration_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["authorization_id"], ["vendor_authorization.id"],
            name=op.f("fk_integration_authorization_authorization_id"), ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("integration_id", name=op.f("pk_integration_authorization")),
    )
    op.create_index(
        op.f("ix_integration_authorization_authorization_id"), "integration_authorization", ["authorization_id"]
    )
    op.add_column("integration", sa.Column("hook_state", sa.String(length=16), nullable=True))
    op.add_column("integration", sa.Column("hook_checked_at", MOMENT, nullable=True))
    op.create_table(
        "lookup",
        sa.Column("communication_id", BIG, autoincrement=False, nullable=False),
        sa.Column("integration_id", BIG, nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("missing", sa.JSON(), nullable=True),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("problem", sa.String(length=50), nullable=True),
        sa.Column("looked_at", MOMENT, nullable=True),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["communication_id"], ["communication.id"], name=op.f("fk_lookup_communication_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integration.id"], name=op.f("fk_lookup_integration_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("communication_id", name=op.f("pk_lookup")),
    )
    op.create_index(op.f("ix_lookup_integration_id"), "lookup", ["integration_id"])
    op.create_table(
        "waiting_event",
        sa.Column("event_id", BIG, autoincrement=False, nullable=False),
        sa.Column("vendor_id", sa.String(length=100), nullable=False),
        sa.Column("integration_id", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["webhook_event.id"], name=op.f("fk_waiting_event_event_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integration.id"], name=op.f("fk_waiting_event_integration_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event_id", "vendor_id", name=op.f("pk_waiting_event")),
    )
    op.create_index(
        op.f("ix_waiting_event_integration_id_vendor_id"), "waiting_event", ["integration_id", "vendor_id"]
    )
    op.create_table(
        "reconciliation",
        sa.Column("integration_id", BIG, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=True),
        sa.Column("ordered_by", sa.String(length=254), nullable=True),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(length=50), nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integration.id"], name=op.f("fk_reconciliation_integration_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation")),
    )
    op.create_index(op.f("ix_reconciliation_integration_id_id"), "reconciliation", ["integration_id", "id"])


def downgrade():
    for table in ("reconciliation", "waiting_event", "lookup"):
        op.drop_table(table)
    op.drop_column("integration", "hook_checked_at")
    op.drop_column("integration", "hook_state")
    for table in ("integration_authorization", "vendor_authorization"):
        op.drop_table(table)
