"""The account's own settings, and the record of who changed what."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from phonenumbers import SUPPORTED_REGIONS
from sqlalchemy import select
from wtforms import BooleanField, IntegerField, SelectField, StringField
from wtforms.fields import SelectChoice
from wtforms.validators import NumberRange, Optional

from webapp import audit
from webapp.cabinets import cabinet_of
from webapp.extensions import db
from webapp.jobs.purge_expired import UNPROCESSED_DAYS
from webapp.models import AuditRecord, CabinetKind, Role

from .access import member
from .forms import PageForm, at_most, required, stripped, timezone_choices
from .numbers import number_argument
from .partial import done

blueprint = Blueprint("account", __name__, url_prefix="/a/<slug>/settings")

PAGE_SIZE = 50

USUAL_REGIONS = ("RU", "BY", "KZ", "UZ", "KG", "AM", "AZ", "GE", "UA", "MD", "TR", "AE", "DE", "GB", "US")


class AccountForm(PageForm):
    """What applies to the whole account."""

    name = StringField(
        _l("Название кабинета"),
        filters=[stripped],
        validators=[required(_l("Введите название кабинета.")), at_most(200)],
    )
    timezone = SelectField(_l("Часовой пояс"))
    region = SelectField(_l("Страна телефонов без кода"))
    contact_window_days = IntegerField(
        _l("Искать прошлую сессию по телефону и почте, дней"),
        validators=[Optional(), NumberRange(min=1, max=180, message=_l("От 1 до 180 дней, или оставьте пустым."))],
    )
    event_retention_days = IntegerField(
        _l("Хранить полученные вебхуки, дней"),
        validators=[Optional(), NumberRange(min=1, max=3650, message=_l("От 1 до 3650 дней, или оставьте пустым."))],
    )
    communication_retention_days = IntegerField(
        _l("Хранить обращения, дней"),
        validators=[Optional(), NumberRange(min=1, max=3650, message=_l("От 1 до 3650 дней, или оставьте пустым."))],
    )
    visit_retention_days = IntegerField(
        _l("Хранить сессии, дней"),
        validators=[Optional(), NumberRange(min=1, max=3650, message=_l("От 1 до 3650 дней, или оставьте пустым."))],
    )
    visits_need_consent = BooleanField(_l("Считать визиты только с согласия посетителя"))
    respects_do_not_track = BooleanField(_l("Не считать тех, кто просит не отслеживать"))
    keeps_full_ip = BooleanField(_l("Хранить IP-адреса целиком"))


#: The manners of the visit counter: they mean something only where visits are counted here.
COUNTER_FIELDS = ("visits_need_consent", "respects_do_not_track", "keeps_full_ip", "visit_retention_days")
FIELDS = (
    "name", "timezone", "region", "contact_window_days", "event_retention_days", "communication_retention_days",
    *COUNTER_FIELDS,
)  # fmt: skip


@blueprint.route("", methods=["GET", "POST"])
@member(Role.VIEWER)
def settings() -> Any:
    """Name, zone, phones, retention."""
    form = AccountForm(obj=g.account)
    if not cabinet_of(g.account).counts_visits:
        for field in COUNTER_FIELDS:
            del form[field]
    form.timezone.choices = timezone_choices(g.account.timezone)
    if g.account.cabinet_kind != CabinetKind.EMBEDDED:
        # The outside cabinet's own: dates are handed over in it.
        form.timezone.choices = [choice for choice in form.timezone.choices if choice.value == g.account.timezone]
    regions = [*USUAL_REGIONS] if g.account.region in USUAL_REGIONS else [g.account.region, *USUAL_REGIONS]
    form.region.choices = [SelectChoice(region) for region in regions if region in SUPPORTED_REGIONS]
    if request.method == "POST" and not g.role.covers(Role.OWNER):
        return _page(form, forbidden=True), 403
    if form.validate_on_submit():
        before = {field: getattr(g.account, field) for field in FIELDS}
        form.populate_obj(g.account)
        changes = {
            field: [before[field], getattr(g.account, field)]
            for field in FIELDS
            if before[field] != getattr(g.account, field)
        }
        if changes:
            audit.record(
                db.session,
                g.account.id,
                user=current_user,
                action="account.change",
                subject=g.account.name,
                changes=changes,
            )
        db.session.commit()
        flash(_("Сохранено.") if changes else _("Изменений не было."), "ok")
        return done(url_for("account.settings", slug=g.account.slug))
    return _page(form), 422 if form.errors else 200


def _page(form: AccountForm, **more: Any) -> str:
    return render_template("account/settings.html", form=form, unprocessed_days=UNPROCESSED_DAYS, **more)


@blueprint.get("/audit")
@member(Role.OWNER)
def show_audit() -> str:
    """Who changed which setting, the latest first."""
    before = number_argument("before")
    query = select(AuditRecord).where(AuditRecord.account_id == g.account.id)
    if before:
        query = query.where(AuditRecord.id < before)
    records = list(db.session.scalars(query.order_by(AuditRecord.id.desc()).limit(PAGE_SIZE + 1)))
    older = records[PAGE_SIZE - 1].id if len(records) > PAGE_SIZE else None
    return render_template("account/audit.html", records=records[:PAGE_SIZE], older=older, newer=bool(before))
