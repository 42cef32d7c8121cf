"""Indexes for the lists of events and for an integration's communications.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

WAITING = "state IN ('failed', 'stored')"

#: Before and after, of events that wait or failed.
PARTIAL = (
    (("account_id", "state", "id"), ("account_id", "state", "received_at", "id")),
    (("integration_id", "state", "id"), ("account_id", "integration_id", "state", "received_at", "id")),
)


def create(table, *columns, where=None):
    condition = {f"{dialect}_where": sa.text(where) for dialect in ("sqlite", "postgresql") if where}
    op.create_index(name(table, *columns), table, list(columns), **condition)


def name(table, *columns):
    return op.f("_".join(("ix", table, *columns)))


def upgrade():
    for before, after in PARTIAL:
        op.drop_index(name("webhook_event", *before), "webhook_event")
        create("webhook_event", *after, where=WAITING)
    create("webhook_event", "account_id", "received_at", "id", "state")
    create("webhook_event", "account_id", "integration_id", "received_at", "id", "state")
    op.drop_index(name("communication", "integration_id", "started_at", "channel", "id"), "communication")
    columns = ["account_id", "integration_id", "started_at", "id", "channel"]
    op.create_index("ix_communication_of_integration", "communication", columns)


def downgrade():
    op.drop_index("ix_communication_of_integration", "communication")
    create("communication", "integration_id", "started_at", "channel", "id")
    op.drop_index(name("webhook_event", "account_id", "integration_id", "received_at", "id", "state"), "webhook_event")
    op.drop_index(name("webhook_event", "account_id", "received_at", "id", "state"), "webhook_event")
    for before, after in PARTIAL:
        op.drop_index(name("webhook_event", *after), "webhook_event")
        create("webhook_event", *before, where=WAITING)
