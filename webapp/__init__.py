"""Leadtrail: which advertising campaign brought the person who wrote."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp import cli, logs, metrics, queue, views
from webapp.database import engine_options, prepare_engine
from webapp.extensions import babel, csrf, db, limiter, login, migrate
from webapp.models import use_encryption_keys
from webapp.settings import Settings, load
from webapp.views.locale import choose_locale, choose_timezone

__all__ = ["create_app"]

#: No form of ours is larger; webhook bodies have a limit of their own (views.hooks).
LARGEST_FORM_BYTES = 2 * 1024 * 1024


def create_app(settings: Settings | None = None) -> Flask:
    """The application: settings, extensions, blueprints. Reads the environment when no settings are given."""
    settings = settings or load()
    logs.configure(settings.LOG_FORMAT, settings.LOG_LEVEL)
    use_encryption_keys(settings.ENCRYPTION_KEYS)

    app = Flask(__name__, template_folder="../templates", static_folder="../static")
    app.config.update(
        SETTINGS=settings,
        SECRET_KEY=settings.SECRET_KEY,
        SQLALCHEMY_DATABASE_URI=settings.DATABASE_URL,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.DATABASE_URL),
        MAX_CONTENT_LENGTH=LARGEST_FORM_BYTES,
        SESSION_COOKIE_NAME="leadtrail",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.PUBLIC_URL.startswith("https://"),
        WTF_CSRF_TIME_LIMIT=None,
        BABEL_DEFAULT_LOCALE="ru",
        RATELIMIT_STORAGE_URI="memory://",
        RATELIMIT_HEADERS_ENABLED=False,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    if settings.PROXY_COUNT:
        count = settings.PROXY_COUNT
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)

    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
    queue.configure(settings.DATABASE_URL)
    migrate.init_app(app, db, directory=str(views.ROOT / "migrations"))
    csrf.init_app(app)
    login.init_app(app)
    limiter.init_app(app)
    babel.init_app(
        app,
        default_translation_directories=str(views.ROOT / "webapp" / "translations"),
        locale_selector=choose_locale,
        timezone_selector=choose_timezone,
    )
    metrics.init_app(app)
    views.init_app(app)
    cli.init_app(app)
    return app
