"""What waits for a lookup, and lookups that are open found without those that are done.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

#: Partial indexes of lookups: the condition, and the columns.
INDEXES = (
    ("done_at IS NULL", ("integration_id", "next_at")),
    ("problem = 'no_rights'", ("integration_id", "communication_id")),
)


def name(columns):
    return op.f("_".join(("ix", "lookup", *columns)))


def upgrade():
    op.add_column("reconciliation", sa.Column("cursor", sa.Text()))
    op.add_column("reconciliation", sa.Column("through", sa.DateTime(timezone=True)))
    op.add_column("vendor_authorization", sa.Column("unsure_since", sa.DateTime(timezone=True)))
    op.add_column("lookup", sa.Column("awaited_until", sa.DateTime(timezone=True)))
    # What is open now is waited for as if it had just been asked.
    until = "now() + interval '1 day'" if op.get_bind().dialect.name == "postgresql" else "datetime('now', '+1 day')"
    op.execute(sa.text(f"UPDATE lookup SET awaited_until = {until} WHERE done_at IS NULL AND looks < 4"))
    for condition, columns in INDEXES:
        where = {f"{dialect}_where": sa.text(condition) for dialect in ("sqlite", "postgresql")}
        op.create_index(name(columns), "lookup", list(columns), **where)


def downgrade():
    for _condition, columns in reversed(INDEXES):
        op.drop_index(name(columns), "lookup")
    op.drop_column("lookup", "awaited_until")
    op.drop_column("vendor_authorization", "unsure_since")
    op.drop_column("reconciliation", "through")
    op.drop_column("reconciliation", "cursor")
