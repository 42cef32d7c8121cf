"""«Оповещения»: what is wrong now, which of it to be told of, and where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, abort, flash, g, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from sqlalchemy import func, select
from wtforms import BooleanField, IntegerField, SelectField, StringField, ValidationError
from wtforms.fields import SelectChoice
from wtforms.validators import NumberRange

from webapp import audit
from webapp.alerts.checks import CHECKS
from webapp.alerts.messages import sentence, tell
from webapp.alerts.watching import settings_of
from webapp.alerts.ways import LONGEST_HOOK, MOST_ADDRESSES, check_hook, clean_email, set_hook
from webapp.extensions import db
from webapp.models import Alert, AlertMessage, AlertSetting, Role, utc_now

from .access import member
from .addresses import settings
from .forms import PageForm, at_most, stripped
from .locale import choose_locale
from .partial import done

blueprint = Blueprint("alerts", __name__, url_prefix="/a/<slug>/alerts")

#: Test messages of an account in this time; a test has one for each way.
MOST_TESTS, TESTS_WITHIN = 10, timedelta(minutes=10)

#: Alerts and messages shown that are over.
MOST_PAST = 20

WAY_NAMES = {"email": _l("письмо"), "webhook": _l("вебхук")}
EVENT_NAMES = {"opened": _l("что-то не так"), "closed": _l("снова в порядке"), "test": _l("проверка")}
STATE_NAMES = {"pending": _l("отправляется"), "sent": _l("доставлено"), "failed": _l("не доставлено")}

#: Why a message was not taken.
ERRORS = {
    "no_server": _l("на сервере не настроена почта"),
    "no_tls": _l("почтовый сервер не умеет шифровать, а пароль открыто мы не шлём"),
    "refused": _l("почтовый сервер отказал"),
    "unreachable": _l("сервер не отвечает"),
    "timeout": _l("сервер не ответил вовремя"),
    "not_allowed": _l("этот адрес не публичный"),
    "no_address": _l("адрес с тех пор убрали"),
    "error": _l("ошибка у нас, она записана в журнал сервера"),
}


class AlertsForm(PageForm):
    """Which alerts, and where to. The checks' switches are made from their list."""

    unattributed_limit = IntegerField(
        _l("Предел обращений без атрибуции, в процентах"),
        validators=[NumberRange(min=1, max=100, message=_l("Целое число от 1 до 100."))],
    )
    emails = StringField(_l("Почта"), filters=[stripped], validators=[at_most(MOST_ADDRESSES * 256)])
    webhook_url = StringField(_l("Адрес вашего вебхука"), filters=[stripped], validators=[at_most(LONGEST_HOOK)])
    language = SelectField(
        _l("Язык сообщений"), choices=[SelectChoice("ru", _l("русский")), SelectChoice("en", _l("английский"))]
    )

    def validate_emails(self, field: Any) -> None:
        """Addresses between commas, each brought to one form."""
        found = list(dict.fromkeys(part.strip() for part in (field.data or "").split(",") if part.strip()))
        if len(found) > MOST_ADDRESSES:
            raise ValidationError(_("Не больше %(max)s адресов.", max=MOST_ADDRESSES))
        for place, address in enumerate(found):
            try:
                found[place] = clean_email(address)
            except ValueError:
                raise ValidationError(_("«%(text)s» — не адрес почты.", text=address)) from None
        field.data = ", ".join(found)

    def validate_webhook_url(self, field: Any) -> None:
        """An https address without a password in it; where it leads is looked at when it is called."""
        if not field.data:
            return
        try:
            check_hook(field.data, settings().EXTRA_VENDOR_HOSTS)
        except ValueError as error:
            if str(error) == "password":
                raise ValidationError(_("Уберите из адреса имя и пароль: запросы подписаны ключом.")) from None
            raise ValidationError(_("Нужен адрес вида https://example.ru/hook.")) from None


for _check in CHECKS:
    setattr(AlertsForm, f"on_{_check.name}", BooleanField(_check.title, description=_check.hint))


@blueprint.get("")
@member(Role.VIEWER)
def index() -> str:
    """What is wrong now, and the settings."""
    return _page(_form(settings_of(db.session(), g.account)))


@blueprint.post("")
@member(Role.EDITOR)
def save() -> Any:
    """The settings."""
    setting = settings_of(db.session(), g.account)
    form = _form(setting)
    if not form.validate():
        return _page(form), 422
    before = _state(setting)
    setting.off = [check.name for check in CHECKS if not form[f"on_{check.name}"].data]
    setting.unattributed_limit = form.unattributed_limit.data
    setting.emails = [part for part in (form.emails.data or "").split(", ") if part]
    set_hook(setting, form.webhook_url.data or None)
    setting.language = form.language.data
    db.session.add(setting)
    after = _state(setting)
    changes = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
    if changes:
        audit.record(
            db.session,
            g.account.id,
            user=current_user,
            action="alerts.change",
            subject=g.account.name,
            changes=changes,
        )
    db.session.commit()
    flash(_("Сохранено.") if changes else _("Изменений не было."), "ok")
    return done(url_for("alerts.index", slug=g.account.slug))


@blueprint.post("/test")
@member(Role.EDITOR)
def test() -> Any:
    """A message on every way, to see that it arrives. The addresses may be other people's, so not too often."""
    recent = select(func.count()).where(
        AlertMessage.account_id == g.account.id,
        AlertMessage.event == "test",
        AlertMessage.created_at > utc_now() - TESTS_WITHIN,
    )
    if (db.session.scalar(recent) or 0) >= MOST_TESTS:
        flash(_("Слишком много проверок подряд. Подождите десять минут."), "attention")
        return done(url_for("alerts.index", slug=g.account.slug, _anchor="messages"))
    sent = tell(db.session, g.account, settings_of(db.session(), g.account), "test")
    db.session.commit()
    flash(
        _("Отправляем. Что вышло, видно ниже через несколько секунд.") if sent else _("Некуда: сначала укажите адрес."),
        "ok" if sent else "attention",
    )
    return done(url_for("alerts.index", slug=g.account.slug, _anchor="messages"))


@blueprint.post("/<int:number>/hide")
@member(Role.EDITOR)
def hide(number: int) -> Any:
    """A person knows of it: it leaves the other pages until it happens again."""
    alert = db.session.scalar(select(Alert).where(Alert.id == number, Alert.account_id == g.account.id)) or abort(404)
    if alert.is_open:
        alert.hidden_at = alert.hidden_at or utc_now()
        db.session.commit()
    return done(url_for("alerts.index", slug=g.account.slug))


def _form(setting: AlertSetting) -> AlertsForm:
    stored = {f"on_{check.name}": check.name not in setting.off for check in CHECKS}
    return AlertsForm(
        unattributed_limit=setting.unattributed_limit,
        emails=", ".join(setting.emails),
        webhook_url=setting.webhook_url or "",
        language=setting.language if setting.id else choose_locale(),
        **stored,
    )


def _state(setting: AlertSetting) -> dict[str, Any]:
    """For the record of changes, which masks addresses by their names."""
    return {
        "off": list(setting.off),
        "unattributed_limit": setting.unattributed_limit,
        "emails": list(setting.emails),
        "webhook_token_url": setting.webhook_url,
        "language": setting.language,
    }


def _page(form: AlertsForm) -> str:
    alerts = list(
        db.session.scalars(
            select(Alert)
            .where(Alert.account_id == g.account.id, Alert.opened_at.is_not(None))
            .order_by(Alert.closed_at.is_not(None), Alert.opened_at.desc(), Alert.id.desc())
            .limit(100)
        )
    )
    past = [alert for alert in alerts if not alert.is_open]
    messages = db.session.scalars(
        select(AlertMessage)
        .where(AlertMessage.account_id == g.account.id)
        .order_by(AlertMessage.id.desc())
        .limit(MOST_PAST)
    ).all()
    stored = settings_of(db.session(), g.account)
    return render_template(
        "alerts/index.html",
        form=form,
        switches=[form[f"on_{check.name}"] for check in CHECKS],
        open=[alert for alert in alerts if alert.is_open],
        past=past[:MOST_PAST],
        sentence=sentence,
        messages=messages,
        ways=WAY_NAMES,
        events=EVENT_NAMES,
        states=STATE_NAMES,
        reason=_reason,
        mail_works=bool(settings().SMTP_URL),
        secret=stored.webhook_secret,
    )


def _reason(code: str | None) -> str:
    """Why a message was not taken, in words."""
    if code and code.startswith("status_"):
        return _("ответ %(code)s", code=code.removeprefix("status_"))
    return str(ERRORS.get(code or "", code or ""))
