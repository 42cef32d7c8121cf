"""Who may see a page. Every route says so with one of these decorators; one that does not is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask import abort, current_app, g, redirect, request, session, url_for
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import select

from webapp.extensions import db, login
from webapp.models import Account, Membership, Role, User

from .numbers import row_number
from .repeat import offer_to_repeat

View = Callable[..., Any]

#: The attribute that carries a view's declaration.
DECLARATION = "leadtrail_access"

#: Where the session keeps the slug of the account that was last worked in.
LAST_ACCOUNT = "account"


def _declare(view: View, access: str) -> View:
    setattr(view, DECLARATION, access)
    return view


def declared(view: View) -> str | None:
    """What a view declared: public, signed_in, or the role it needs."""
    return getattr(view, DECLARATION, None)


def public(view: View) -> View:
    """Open to everybody: sign-in, health, webhooks (which are known by the secret in their address)."""
    return _declare(view, "public")


def signed_in(view: View) -> View:
    """Open to every user who has signed in; belongs to no account."""

    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not current_user.is_authenticated:
            return _to_sign_in()
        return view(*args, **kwargs)

    return _declare(wrapper, "signed_in")


def member(role: Role) -> Callable[[View], View]:
    """Open to members of the account in the address who have at least this role.

    The account goes to ``g.account`` and the role to ``g.role``; to anybody else the account does not exist (404), to a
    member of a smaller role the page is forbidden (403).
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def wrapper(*args: Any, slug: str, **kwargs: Any) -> Any:
            if not current_user.is_authenticated:
                return _to_sign_in()
            found = db.session.execute(
                select(Account, Membership.role)
                .join(Membership)
                .where(Account.slug == slug, Membership.user_id == current_user.id)
            ).first()
            if found is None:
                abort(404)
            g.account, g.role = found[0], Role(found[1])
            if not g.role.covers(role):
                abort(403)
            if session.get(LAST_ACCOUNT) != slug:
                session[LAST_ACCOUNT] = slug
            return view(*args, **kwargs)

        return _declare(wrapper, role.value)

    return decorate


def refuse_undeclared() -> None:
    """Before each request: a route without a declared access is a mistake, and closed. No row has a NUL in its name,
    and PostgreSQL would not even be asked for one."""
    if "\0" in request.path:
        abort(404)
    view = current_app.view_functions.get(request.endpoint or "")
    if view is not None and request.endpoint != "static" and declared(view) is None:
        abort(500)


@login.user_loader
def load_user(session_name: str) -> User | None:
    """The user of a session; None when the password has changed since."""
    number, version = (row_number(part) for part in session_name.partition(".")[::2])
    if number is None or version is None:
        return None
    user = db.session.get(User, number)
    return user if user and user.session_version == version else None


def _to_sign_in() -> Any:
    """Send to sign-in and back. A form that was being sent is kept, to be sent again after signing in."""
    if request.method == "GET":
        return redirect(url_for("auth.sign_in", next=request.full_path.rstrip("?")))
    advice = _("Войдите в соседней вкладке, вернитесь и отправьте ещё раз: введённое сохранилось на этой странице.")
    return offer_to_repeat(401, _("Вы вышли из системы"), advice)
