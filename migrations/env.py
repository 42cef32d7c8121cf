"""Alembic's environment: our metadata, batch mode for SQLite, the job engine's own tables left alone."""

from alembic import context
from flask import current_app

from webapp.extensions import db
from webapp.models import Base, is_search_table
from webapp.models.base import Encrypted, Moment
from webapp.queue import is_engine_table


def include_name(name, kind, _parents):
    return not (kind == "table" and name and (is_engine_table(name) or is_search_table(name)))


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


def run_online():
    """On SQLite a changed table is made anew and the old one dropped, which must not take the rows that refer to it."""
    with db.engine.connect() as connection:
        on_sqlite = connection.dialect.name == "sqlite"
        driver = connection.connection.driver_connection
        if on_sqlite:
            # Outside a transaction: within one SQLite does not listen.
            driver.execute("PRAGMA foreign_keys=OFF")
        try:
            run(connection)
            if on_sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
                raise RuntimeError(f"the migration left a row of {broken[0]} that refers to nothing")
            connection.commit()
        finally:
            if on_sqlite:
                connection.rollback()
                driver.execute("PRAGMA foreign_keys=ON")


if context.is_offline_mode():
    run()
else:
    run_online()
