"""The people of an account: who may do what, invitations."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, g, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from sqlalchemy import select
from wtforms import SelectField, StringField
from wtforms.fields import SelectChoice

from webapp import audit
from webapp.extensions import db
from webapp.models import Invitation, Membership, Role, User

from .access import member
from .addresses import public_url
from .confirmation import confirmed
from .forms import Email, PageForm, at_most, required, stripped
from .partial import done

blueprint = Blueprint("people", __name__, url_prefix="/a/<slug>/people")

ROLE_NAMES = {Role.OWNER: _l("Владелец"), Role.EDITOR: _l("Редактор"), Role.VIEWER: _l("Наблюдатель")}
ROLE_HINTS = {
    Role.OWNER: _l("всё, и люди тоже"),
    Role.EDITOR: _l("интеграции и справочники"),
    Role.VIEWER: _l("смотреть"),
}


class InviteForm(PageForm):
    """A colleague to invite."""

    email = StringField(
        _l("Почта коллеги"), filters=[stripped], validators=[required(_l("Введите почту.")), at_most(254), Email()]
    )
    role = SelectField(
        _l("Роль"),
        choices=[SelectChoice(role.value, name) for role, name in ROLE_NAMES.items()],
        default=Role.EDITOR.value,
    )


@blueprint.route("", methods=["GET", "POST"])
@member(Role.OWNER)
def index() -> Any:
    """Everybody in the account; an invitation is a link that the owner hands over."""
    form, link = InviteForm(), None
    if form.validate_on_submit():
        invitation, token = Invitation.make(g.account, form.email.data, Role(form.role.data))
        db.session.add(invitation)
        audit.record(
            db.session,
            g.account.id,
            user=current_user,
            action="people.invite",
            subject=form.email.data,
            changes={"role": [None, form.role.data]},
        )
        db.session.commit()
        link = public_url(url_for("auth.invitation", token=token))
    members = db.session.execute(
        select(Membership, User).join(User).where(Membership.account_id == g.account.id).order_by(User.email)
    ).all()
    invitations = [
        invitation
        for invitation in db.session.scalars(
            select(Invitation).where(Invitation.account_id == g.account.id).order_by(Invitation.id.desc())
        )
        if invitation.usable
    ]
    page = render_template(
        "account/people.html",
        form=form,
        link=link,
        members=members,
        invitations=invitations,
        role_names=ROLE_NAMES,
        role_hints=ROLE_HINTS,
    )
    return page, 422 if form.errors else 200


@blueprint.post("/<int:number>/role")
@member(Role.OWNER)
@confirmed(_l("Убрать человека из кабинета?"), _l("Убрать"), when=lambda: request.form.get("role") == "remove")
def change_role(number: int) -> Any:
    """Another role for a member, or none."""
    owners = _owners()
    membership = _membership(number)
    wanted = request.form.get("role", "")
    if wanted not in {*Role, "remove"}:
        abort(400)
    if membership.role == Role.OWNER and wanted != Role.OWNER and owners == 1:
        flash(_("Единственного владельца нельзя убрать: сначала назначьте другого."), "attention")
        return done(url_for("people.index", slug=g.account.slug))
    before, email = membership.role, membership.user.email
    if wanted == "remove":
        db.session.delete(membership)
    else:
        membership.role = wanted
    audit.record(
        db.session,
        g.account.id,
        user=current_user,
        action="people.role",
        subject=email,
        changes={"role": [before, None if wanted == "remove" else wanted]},
    )
    db.session.commit()
    flash(_("Доступ изменён."), "ok")
    still_owner = membership.user_id != current_user.id or wanted == Role.OWNER
    return done(url_for("people.index", slug=g.account.slug) if still_owner else url_for("auth.home"))


@blueprint.post("/invitations/<int:number>/revoke")
@member(Role.OWNER)
def revoke(number: int) -> Any:
    """An invitation that shall not be used any more."""
    invitation = db.session.scalar(
        select(Invitation).where(Invitation.id == number, Invitation.account_id == g.account.id)
    ) or abort(404)
    audit.record(
        db.session, g.account.id, user=current_user, action="people.revoke", subject=invitation.email or "", changes={}
    )
    db.session.delete(invitation)
    db.session.commit()
    flash(_("Приглашение отозвано."), "ok")
    return done(url_for("people.index", slug=g.account.slug))


def _membership(number: int) -> Membership:
    found = db.session.scalar(select(Membership).where(Membership.id == number, Membership.account_id == g.account.id))
    return found or abort(404)


def _owners() -> int:
    """How many owners there are; their rows are held, so that two who demote each other at once are not both right."""
    owners = select(Membership).where(Membership.account_id == g.account.id, Membership.role == Role.OWNER)
    return len(db.session.scalars(owners.with_for_update()).all())
