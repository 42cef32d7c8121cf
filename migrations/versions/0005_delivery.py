"""Hand-over to an outside cabinet: deliveries, attempts, the account's link and pauses; tags.

Revision ID: 0005
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('cabinet_link',
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('limits', sa.JSON(), nullable=False),
    sa.Column('limits_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('blocked_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('check', sa.JSON(), nullable=True),
    sa.Column('checked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sync', sa.JSON(), nullable=False),
    sa.Column('synced_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sync_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('key_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_cabinet_link_account_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('account_id', name=op.f('pk_cabinet_link'))
    )
    op.create_table('cabinet_pause',
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('scope', sa.String(length=32), nullable=False),
    sa.Column('reason', sa.String(length=50), nullable=False),
    sa.Column('facts', sa.JSON(), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), nullable=False),
    sa.Column('next_probe_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('probes', sa.Integer(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_cabinet_pause_account_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_cabinet_pause')),
    sa.UniqueConstraint('account_id', 'scope', name=op.f('uq_cabinet_pause_account_id_scope'))
    )
    op.create_table('tag',
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('key', sa.String(length=100), nullable=False),
    sa.Column('search_text', sa.String(length=700), nullable=False),
    sa.Column('archived_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('outside', sa.JSON(), nullable=False),
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_tag_account_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tag')),
    sa.UniqueConstraint('account_id', 'key', name=op.f('uq_tag_account_id_key'))
    )
    with op.batch_alter_table('tag', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_tag_account_id_archived_at_search_text_id'), ['account_id', 'archived_at', 'search_text', 'id'], unique=False)

    op.create_table('delivery',
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('communication_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('type', sa.String(length=32), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('phase', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(length=50), nullable=True),
    sa.Column('facts', sa.JSON(), nullable=False),
    sa.Column('ext_id', sa.String(length=100), nullable=False),
    sa.Column('generation', sa.Integer(), nullable=False),
    sa.Column('external_id', sa.String(length=32), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('looks', sa.Integer(), nullable=False),
    sa.Column('turn', sa.Integer(), nullable=False),
    sa.Column('busy_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('next_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('refused', sa.JSON(), nullable=False),
    sa.Column('marks_session', sa.String(length=32), nullable=True),
    sa.Column('target', sa.JSON(), nullable=False),
    sa.Column('shortened', sa.Boolean(), nullable=False),
    sa.Column('known_from', sa.String(length=50), nullable=True),
    sa.Column('sent', sa.String(length=64), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('changed_after', sa.Boolean(), nullable=False),
    sa.Column('tag_problem', sa.String(length=50), nullable=True),
    sa.Column('confirm_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('confirm_tries', sa.Integer(), nullable=False),
    sa.Column('confirmed', sa.JSON(), nullable=True),
    sa.Column('confirmed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('differs', sa.JSON(), nullable=False),
    sa.Column('is_different', sa.Boolean(), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_delivery_account_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['communication_id'], ['communication.id'], name=op.f('fk_delivery_communication_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_delivery')),
    sa.UniqueConstraint('communication_id', name=op.f('uq_delivery_communication_id')),
    sa.UniqueConstraint('ext_id', name=op.f('uq_delivery_ext_id'))
    )
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_delivery_account_id_confirm_at'), ['account_id', 'confirm_at'], unique=False, sqlite_where=sa.text('confirm_at IS NOT NULL'), postgresql_where=sa.text('confirm_at IS NOT NULL'))
        batch_op.create_index(batch_op.f('ix_delivery_account_id_id'), ['account_id', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_delivery_account_id_state_id'), ['account_id', 'state', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_delivery_next_at'), ['next_at'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))

    op.create_table('delivery_attempt',
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('delivery_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('method', sa.String(length=50), nullable=False),
    sa.Column('outcome', sa.String(length=16), nullable=True),
    sa.Column('mnemonic', sa.String(length=50), nullable=True),
    sa.Column('request', sa.Text(), nullable=True),
    sa.Column('answer', sa.Text(), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_delivery_attempt_account_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['delivery_id'], ['delivery.id'], name=op.f('fk_delivery_attempt_delivery_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_delivery_attempt'))
    )
    with op.batch_alter_table('delivery_attempt', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_delivery_attempt_account_id'), ['account_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_delivery_attempt_delivery_id_id'), ['delivery_id', 'id'], unique=False)

    # Plain statements: remaking a table on SQLite would take with it what refers to it.
    for table in ("campaign", "employee", "site", "source"):
        op.add_column(table, sa.Column("outside", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("integration", sa.Column("handover", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("communication", sa.Column("session_named", sa.String(length=64), nullable=True))


def downgrade():
    op.drop_column("communication", "session_named")
    op.drop_column("integration", "handover")
    for table in ("source", "site", "employee", "campaign"):
        op.drop_column(table, "outside")
    op.drop_table("delivery_attempt")
    op.drop_table("delivery")
    op.drop_table("tag")
    op.drop_table("cabinet_pause")
    op.drop_table("cabinet_link")
