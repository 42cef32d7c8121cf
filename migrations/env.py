"""Alembic's environment: our metadata, batch mode for SQLite, the job engine's own tables left alone."""

from alembic import context
from flask import current_app

from webapp.extensions import db
from webapp.models import Base
from webapp.models.base import Encrypted, Moment
from webapp.queue import is_engine_table


def include_name(name, kind, _parents):
    return not (kind == "table" and name and is_engine_table(name))


def render_item(kind, item, _context):
    """Migrations name plain types: they must not change when our classes do."""
    plain = {Moment: "sa.DateTime(timezone=True)", Encrypted: "sa.LargeBinary()"}
    return plain.get(type(item), False) if kind == "type" else False


def run(connection=None):
    options = (
        {"connection": connection}
        if connection
        else {
            "url": current_app.config["SQLALCHEMY_DATABASE_URI"],
            "literal_binds": True,
        }
    )
    context.configure(
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        include_name=include_name,
        render_item=render_item,
        **options,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run()
else:
    with db.engine.connect() as connection:
        run(connection)
        connection.commit()
