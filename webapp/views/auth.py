"""Getting in: the first welcome, invitations, sign-in, password, language."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_limiter import RateLimitExceeded
from flask_login import current_user, login_user, logout_user
from slugify import slugify
from sqlalchemy import case, func, select, update
from werkzeug.security import check_password_hash, generate_password_hash
from wtforms import PasswordField, SelectField, StringField

from webapp import audit
from webapp.cabinets.embedded.builtin import add_missing_sources
from webapp.extensions import db, limiter
from webapp.models import Account, Integration, Invitation, Membership, Role, User, utc_now

from .access import LAST_ACCOUNT, public, signed_in
from .addresses import settings
from .forms import Email, PageForm, at_most, password_rules, required, stripped, timezone_choices
from .locale import LANGUAGES, choose_locale
from .partial import done

blueprint = Blueprint("auth", __name__)

#: Compared with when nobody has this e-mail, so that the answer takes as long as for a wrong password.
_NOBODY = generate_password_hash("nobody")


class SignInForm(PageForm):
    """Sign-in."""

    email = StringField(_l("Почта"), filters=[stripped], validators=[required(_l("Введите почту."))])
    password = PasswordField(_l("Пароль"), validators=[required(_l("Введите пароль."))])


class WelcomeForm(PageForm):
    """The first user of an installation and the first account."""

    email = StringField(
        _l("Ваша почта"), filters=[stripped], validators=[required(_l("Введите почту.")), at_most(254), Email()]
    )
    name = StringField(_l("Ваше имя"), filters=[stripped], validators=[at_most(200)])
    password = PasswordField(_l("Пароль"), validators=password_rules())
    account_name = StringField(
        _l("Название кабинета"),
        filters=[stripped],
        validators=[required(_l("Введите название: например, имя компании.")), at_most(200)],
    )
    timezone = SelectField(_l("Часовой пояс"), default="Europe/Moscow")


class InvitationForm(PageForm):
    """A new colleague."""

    email = StringField(
        _l("Ваша почта"), filters=[stripped], validators=[required(_l("Введите почту.")), at_most(254), Email()]
    )
    name = StringField(_l("Ваше имя"), filters=[stripped], validators=[at_most(200)])
    password = PasswordField(_l("Пароль"), validators=password_rules())


class PasswordForm(PageForm):
    """Another password."""

    current = PasswordField(_l("Нынешний пароль"), validators=[required(_l("Введите нынешний пароль."))])
    new = PasswordField(_l("Новый пароль"), validators=password_rules())


@blueprint.get("/")
@signed_in
def home() -> Any:
    """On to the account last worked in, or else to the first one the user belonged to: to its integrations."""
    last = case((Account.slug == session.get(LAST_ACCOUNT, ""), 0), else_=1)
    account = db.session.scalar(
        select(Account)
        .join(Membership)
        .where(Membership.user_id == current_user.id)
        .order_by(last, Membership.id)
        .limit(1)
    )
    if account is None:
        return render_template("auth/no_account.html")
    return redirect(url_for("integrations.index", slug=account.slug))


@blueprint.route("/sign-in", methods=["GET", "POST"])
@public
@limiter.limit(lambda: settings().SIGN_IN_LIMIT, methods=["POST"], deduct_when=lambda answer: answer.status_code == 422)
def sign_in() -> Any:
    """Sign in with e-mail and password."""
    if current_user.is_authenticated and request.method == "GET":
        return redirect(url_for("auth.home"))
    form = SignInForm()
    if form.validate_on_submit():
        user = db.session.scalar(select(User).where(User.email == form.email.data.casefold()))
        if check_password_hash(user.password_hash if user else _NOBODY, form.password.data) and user:
            session.clear()
            login_user(user, remember=False)
            session.permanent = True
            return redirect(_own_path(request.args.get("next")) or url_for("auth.home"), 303)
        form.password.errors = [_("Почта или пароль не подходят. Проверьте раскладку и попробуйте ещё раз.")]
    fresh = not db.session.scalar(select(User.id).limit(1))
    return render_template("auth/sign_in.html", form=form, fresh=fresh), 422 if form.errors else 200


@blueprint.errorhandler(RateLimitExceeded)
def too_often(_error: RateLimitExceeded) -> Any:
    """Say it on the page that was sent, with what was typed still there."""
    advice = [_("Слишком много попыток. Подождите минуту и попробуйте ещё раз.")]
    if request.endpoint == "auth.password":
        form = PasswordForm()
        form.current.errors = advice
        return render_template("auth/password.html", form=form), 429
    sign_in_form = SignInForm()
    sign_in_form.password.errors = advice
    return render_template("auth/sign_in.html", form=sign_in_form, fresh=False), 429


@blueprint.post("/sign-out")
@signed_in
def sign_out() -> Any:
    """End this session."""
    logout_user()
    session.clear()
    return redirect(url_for("auth.sign_in"), 303)


@blueprint.route("/welcome/<token>", methods=["GET", "POST"])
@public
def welcome(token: str) -> Any:
    """The one-time link of a fresh installation: make the first user and the first account."""
    invitation = _invitation(token)
    if invitation is None or invitation.account_id is not None or db.session.scalar(select(User.id).limit(1)):
        return _used_up()
    form = WelcomeForm()
    form.timezone.choices = timezone_choices(form.timezone.data)
    if form.validate_on_submit():
        if _known(form.email.data):
            form.email.errors = [_("Такой пользователь уже есть. Войдите под ним.")]
        else:
            account = make_account(form.account_name.data, form.timezone.data)
            user = _make_user(form)
            return _let_in(invitation, user, account, Role.OWNER)
    return render_template("auth/welcome.html", form=form), 422 if form.errors else 200


@blueprint.route("/invitation/<token>", methods=["GET", "POST"])
@public
def invitation(token: str) -> Any:
    """The link that an owner gave to a colleague."""
    found = _invitation(token)
    if found is None or found.account is None:
        return _used_up()
    if current_user.is_authenticated:
        if request.method == "POST":
            return _let_in(found, current_user, found.account, Role(found.role))
        return render_template("auth/join.html", invitation=found)
    form = InvitationForm(email=found.email)
    if form.validate_on_submit():
        if _known(form.email.data):
            form.email.errors = [_("Такой пользователь уже есть. Войдите под ним и откройте ссылку ещё раз.")]
        else:
            return _let_in(found, _make_user(form), found.account, Role(found.role))
    return render_template("auth/invitation.html", form=form, invitation=found), 422 if form.errors else 200


@blueprint.route("/password", methods=["GET", "POST"])
@signed_in
@limiter.limit(lambda: settings().SIGN_IN_LIMIT, methods=["POST"], deduct_when=lambda answer: answer.status_code == 422)
def password() -> Any:
    """Another password; every other session of the user ends."""
    form = PasswordForm()
    if form.validate_on_submit():
        if not current_user.check_password(form.current.data):
            form.current.errors = [_("Это не нынешний пароль.")]
        else:
            user = db.session.get(User, current_user.id)
            user.set_password(form.new.data)
            db.session.commit()
            login_user(user)
            flash(_("Пароль изменён. На других устройствах понадобится войти заново."), "ok")
            return redirect(url_for("auth.home"), 303)
    return render_template("auth/password.html", form=form), 422 if form.errors else 200


@blueprint.post("/language")
@public
def language() -> Any:
    """Another language of the interface; kept with the user, before sign-in with the browser."""
    chosen = request.form.get("language")
    if chosen not in LANGUAGES:
        abort(400)
    session["language"] = chosen
    if current_user.is_authenticated:
        db.session.execute(update(User).where(User.id == current_user.id).values(language=chosen))
        db.session.commit()
    return redirect(_own_path(request.form.get("next")) or url_for("auth.home"), 303)


@blueprint.route("/accounts/new", methods=["GET", "POST"])
@signed_in
def new_account() -> Any:
    """One more account (an agency's next client). Owners of some account may do it."""
    owns = db.session.scalar(
        select(Membership.id).where(Membership.user_id == current_user.id, Membership.role == Role.OWNER).limit(1)
    )
    if not owns:
        abort(403)
    form = NewAccountForm()
    form.timezone.choices = timezone_choices(form.timezone.data)
    if form.validate_on_submit():
        account = make_account(form.account_name.data, form.timezone.data)
        db.session.add(Membership(account=account, user_id=current_user.id, role=Role.OWNER))
        db.session.flush()
        audit.record(
            db.session, account.id, user=current_user, action="account.create", subject=account.name, changes={}
        )
        db.session.commit()
        flash(_("Кабинет «%(name)s» создан.", name=account.name), "ok")
        return done(url_for("integrations.index", slug=account.slug))
    return render_template("auth/new_account.html", form=form), 422 if form.errors else 200


class NewAccountForm(PageForm):
    """One more account."""

    account_name = StringField(
        _l("Название кабинета"),
        filters=[stripped],
        validators=[required(_l("Введите название: например, имя компании.")), at_most(200)],
    )
    timezone = SelectField(_l("Часовой пояс"), default="Europe/Moscow")


def make_account(name: str, timezone: str) -> Account:
    """A new account whose slug is made of its name and is nobody else's. It begins with the built-in sources."""
    wanted = slugify(name, max_length=48) or "cabinet"
    slug, number = wanted, 1
    while db.session.scalar(select(func.count()).select_from(Account).where(Account.slug == slug)):
        number += 1
        slug = f"{wanted}-{number}"
    account = Account(slug=slug, name=name, timezone=timezone)
    db.session.add(account)
    db.session.flush()
    add_missing_sources(db.session, account, choose_locale())
    return account


def _make_user(form: Any) -> User:
    user = User(email=form.email.data, name=form.name.data or "", language=session.get("language", "ru"))
    user.set_password(form.password.data)
    db.session.add(user)
    return user


def _known(email: str) -> bool:
    return bool(db.session.scalar(select(User.id).where(User.email == email)))


def _invitation(token: str) -> Invitation | None:
    found = db.session.scalar(
        select(Invitation).where(Invitation.token_hash == Invitation.hash_of(token)).with_for_update()
    )
    return found if found and found.usable else None


def _used_up() -> tuple[str, int]:
    return render_template(
        "error.html",
        code=410,
        heading=_("Ссылка больше не действует"),
        advice=_("Ею уже воспользовались, или прошла неделя. Попросите новую у владельца кабинета."),
    ), 410


def _let_in(invitation: Invitation, user: User, account: Account, role: Role) -> Response:
    """Give the membership, use the link up, sign the user in."""
    db.session.flush()
    existing = db.session.scalar(
        select(Membership).where(Membership.account_id == account.id, Membership.user_id == user.id)
    )
    if existing is None:
        db.session.add(Membership(account_id=account.id, user_id=user.id, role=role))
    elif role.covers(Role(existing.role)):
        existing.role = role
    invitation.used_at = utc_now()
    audit.record(
        db.session, account.id, user=user, action="people.join", subject=user.email, changes={"role": [None, role]}
    )
    db.session.commit()
    login_user(db.session.get(User, user.id))
    session.permanent = True
    first = db.session.scalar(select(Integration.id).where(Integration.account_id == account.id).limit(1))
    return redirect(url_for("integrations.index" if first else "integrations.new", slug=account.slug), 303)


def _own_path(address: str | None) -> str | None:
    """The address if it is a path of ours. Browsers read a backslash as a slash, so it is none."""
    if (
        not address
        or not address.startswith("/")
        or "\\" in address
        or any(ord(character) < 32 for character in address)
    ):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if not parts.scheme and not parts.netloc and not address.startswith("//") else None
