"""Error pages, and the same errors as a small part of a page for htmx."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import structlog
from flask import Flask, Response, g, make_response, render_template, request
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError, SQLAlchemyError, TimeoutError
from werkzeug.exceptions import HTTPException

from webapp.extensions import db, login

from .partial import is_partial
from .repeat import offer_to_repeat

log = structlog.get_logger()

#: Blueprints that no person reads.
FOR_MACHINES = {"hooks", "health", "counter"}


def _words(code: int) -> tuple[str, str]:
    """The heading and the advice for a status."""
    known = {
        400: (_("Запрос не понят"), _("Вернитесь на страницу назад и попробуйте ещё раз.")),
        403: (_("Недостаточно прав"), _("Эту страницу видят не все роли. Попросите владельца кабинета изменить вашу.")),
        404: (_("Такой страницы нет"), _("Проверьте адрес или начните с главной страницы.")),
        405: (_("Так обратиться нельзя"), _("Вернитесь на страницу назад и попробуйте ещё раз.")),
        413: (_("Слишком много данных"), _("Уменьшите отправляемое и попробуйте ещё раз.")),
        429: (_("Слишком много попыток"), _("Подождите минуту и попробуйте ещё раз.")),
        503: (_("База данных не отвечает"), _("Мы не смогли прочитать или записать данные. Попробуйте через минуту.")),
    }
    return known.get(code, (_("Что-то сломалось у нас"), _("Ошибка записана. Попробуйте ещё раз через минуту.")))


def _answer(code: int, heading: str, advice: str) -> Any:
    if request.blueprint in FOR_MACHINES:
        return Response(f"{code}\n", status=code, content_type="text/plain; charset=utf-8")
    template = "fragments/problem.html" if is_partial() else "error.html"
    return make_response(render_template(template, code=code, heading=heading, advice=advice), code)


def _do_without_database() -> None:
    """The error page is made for somebody unknown: who it is stands in the database."""
    with suppress(SQLAlchemyError):
        db.session.rollback()
    g.pop("account", None)
    g._login_user = login.anonymous_user()


def init_app(app: Flask) -> None:
    """Bind the handlers to the application."""

    @app.errorhandler(CSRFError)
    def expired_form(_error: CSRFError) -> Any:
        return offer_to_repeat(
            400,
            _("Страница устарела"),
            _("Её открыли давно или вы с тех пор вошли заново. Ничего не потеряно: отправьте ещё раз."),
        )

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Any:
        code = error.code or 500
        if code < 400:
            return error
        return _answer(code, *_words(code))

    @app.errorhandler(OperationalError)
    @app.errorhandler(TimeoutError)
    def database_down(error: SQLAlchemyError) -> Any:
        log.error("database_unavailable", path=request.path, error=str(getattr(error, "orig", error)))
        _do_without_database()
        return _answer(503, *_words(503))

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Any:
        db.session.rollback()
        log.exception("request_failed", path=request.path, endpoint=request.endpoint)
        return _answer(500, *_words(500))
