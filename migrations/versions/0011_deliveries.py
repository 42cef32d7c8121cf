"""Indexes for the list of deliveries and for finding those without a job; those that were stuck go on.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BEFORE = (
    ("ix_delivery_account_id_id", ("account_id", "id"), None),
    ("ix_delivery_account_id_state_id", ("account_id", "state", "id"), None),
    ("ix_delivery_next_at", ("next_at",), "state = 'pending'"),
)
AFTER = (
    ("ix_delivery_account_id_created_at_id", ("account_id", "created_at", "id"), None),
    ("ix_delivery_account_id_state_created_at_id", ("account_id", "state", "created_at", "id"), None),
    (
        "ix_delivery_account_id_reason_created_at_id", ("account_id", "reason", "created_at", "id"),
        "reason IS NOT NULL",
    ),
    ("ix_delivery_is_different", ("account_id", "created_at", "id"), "is_different"),
    ("ix_delivery_pending", ("account_id", "id"), "state = 'pending'"),
    ("ix_delivery_tag", ("account_id", "id"), "phase = 'tag'"),
)  # fmt: skip


def replace(before, after):
    for name, _columns, _where in before:
        op.drop_index(op.f(name), "delivery")
    for name, columns, where in after:
        condition = {f"{dialect}_where": sa.text(where) for dialect in ("sqlite", "postgresql") if where}
        op.create_index(op.f(name), "delivery", list(columns), **condition)


def upgrade():
    replace(BEFORE, AFTER)
    # Taken back while their tag was being set: the tag's end had put the deletion aside for ever.
    op.execute("UPDATE delivery SET phase = 'delete' WHERE state = 'pending' AND phase = 'done'")


def downgrade():
    replace(AFTER, BEFORE)
