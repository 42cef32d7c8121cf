"""Long tasks with their files, what re-attributions changed, alerts and their messages.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade():
    for column in ("phone", "email"):
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            op.f(f"ix_vendor_client_account_id_{column}"), "vendor_client", ["account_id", column],
            sqlite_where=there, postgresql_where=there,
        )
    op.create_table('alert_message',
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('way', sa.String(length=16), nullable=False),
    sa.Column('event', sa.String(length=16), nullable=False),
    sa.Column('body', sa.JSON(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('error', sa.String(length=100), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_alert_message_account_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alert_message'))
    )
    with op.batch_alter_table('alert_message', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_alert_message_account_id_id'), ['account_id', 'id'], unique=False)

    op.create_table('alert_setting',
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('off', sa.JSON(), nullable=False),
    sa.Column('unattributed_limit', sa.Integer(), nullable=False),
    sa.Column('emails', sa.JSON(), nullable=False),
    sa.Column('webhook_url', sa.LargeBinary(), nullable=True),
    sa.Column('webhook_secret', sa.LargeBinary(), nullable=True),
    sa.Column('language', sa.String(length=2), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_alert_setting_account_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alert_setting')),
    sa.UniqueConstraint('account_id', name=op.f('uq_alert_setting_account_id'))
    )
    op.create_table('task',
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('params', sa.JSON(), nullable=False),
    sa.Column('subject', sa.LargeBinary(), nullable=True),
    sa.Column('cursor', sa.JSON(), nullable=False),
    sa.Column('total', sa.Integer(), nullable=True),
    sa.Column('seen', sa.Integer(), nullable=False),
    sa.Column('counts', sa.JSON(), nullable=False),
    sa.Column('problems', sa.JSON(), nullable=False),
    sa.Column('actor', sa.String(length=254), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_task_account_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_task'))
    )
    with op.batch_alter_table('task', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_task_account_id_kind_id'), ['account_id', 'kind', 'id'], unique=False)

    op.create_table('task_file',
    sa.Column('task_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('data', sa.LargeBinary(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['task_id'], ['task.id'], name=op.f('fk_task_file_task_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_task_file')),
    sa.UniqueConstraint('task_id', 'number', name=op.f('uq_task_file_task_id_number'))
    )
    op.create_table('alert',
    sa.Column('account_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('integration_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('name', sa.String(length=50), nullable=False),
    sa.Column('subject', sa.String(length=100), nullable=False),
    sa.Column('facts', sa.JSON(), nullable=False),
    sa.Column('present', sa.Integer(), nullable=False),
    sa.Column('absent', sa.Integer(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('told_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('hidden_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_alert_account_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['integration_id'], ['integration.id'], name=op.f('fk_alert_integration_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alert')),
    sa.UniqueConstraint('account_id', 'name', 'subject', name=op.f('uq_alert_account_id_name_subject'))
    )
    with op.batch_alter_table('alert', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_alert_account_id_opened_at'), ['account_id', 'opened_at'], unique=False, sqlite_where=sa.text('opened_at IS NOT NULL AND closed_at IS NULL'), postgresql_where=sa.text('opened_at IS NOT NULL AND closed_at IS NULL'))
        batch_op.create_index(batch_op.f('ix_alert_integration_id'), ['integration_id'], unique=False)

    op.create_table('redecision',
    sa.Column('task_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('communication_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('visit_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('before', sa.JSON(), nullable=False),
    sa.Column('after', sa.JSON(), nullable=False),
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['communication_id'], ['communication.id'], name=op.f('fk_redecision_communication_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['task_id'], ['task.id'], name=op.f('fk_redecision_task_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['visit_id'], ['visit.id'], name=op.f('fk_redecision_visit_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_redecision'))
    )
    with op.batch_alter_table('redecision', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_redecision_communication_id'), ['communication_id'], unique=False, sqlite_where=sa.text('communication_id IS NOT NULL'), postgresql_where=sa.text('communication_id IS NOT NULL'))
        batch_op.create_index(batch_op.f('ix_redecision_task_id_id'), ['task_id', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_redecision_visit_id'), ['visit_id'], unique=False, sqlite_where=sa.text('visit_id IS NOT NULL'), postgresql_where=sa.text('visit_id IS NOT NULL'))



def downgrade():
    for column in ("phone", "email"):
        op.drop_index(op.f(f"ix_vendor_client_account_id_{column}"), "vendor_client")
    with op.batch_alter_table('redecision', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_redecision_visit_id'), sqlite_where=sa.text('visit_id IS NOT NULL'), postgresql_where=sa.text('visit_id IS NOT NULL'))
        batch_op.drop_index(batch_op.f('ix_redecision_task_id_id'))
        batch_op.drop_index(batch_op.f('ix_redecision_communication_id'), sqlite_where=sa.text('communication_id IS NOT NULL'), postgresql_where=sa.text('communication_id IS NOT NULL'))

    op.drop_table('redecision')
    with op.batch_alter_table('alert', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_alert_integration_id'))
        batch_op.drop_index(batch_op.f('ix_alert_account_id_opened_at'), sqlite_where=sa.text('opened_at IS NOT NULL AND closed_at IS NULL'), postgresql_where=sa.text('opened_at IS NOT NULL AND closed_at IS NULL'))

    op.drop_table('alert')
    op.drop_table('task_file')
    with op.batch_alter_table('task', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_task_account_id_kind_id'))

    op.drop_table('task')
    op.drop_table('alert_setting')
    with op.batch_alter_table('alert_message', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_alert_message_account_id_id'))

    op.drop_table('alert_message')
