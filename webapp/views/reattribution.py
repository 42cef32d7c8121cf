"""«Пересчёт»: decide anew about past communications by today's rules (B2)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, g, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from sqlalchemy import select
from wtforms import DateField, SelectField, ValidationError
from wtforms.fields import SelectChoice

from webapp import audit, tasks
from webapp.extensions import db
from webapp.forecast import FORECAST_DAYS
from webapp.models import Integration, Role, TaskKind

from .access import member
from .days import midnight
from .forms import PageForm
from .numbers import row_number
from .partial import done, page_or_block
from .tasks import REATTRIBUTIONS, latest
from .what_if import foreseen

blueprint = Blueprint("reattribution", __name__, url_prefix="/a/<slug>/reattribution")


class RangeForm(PageForm):
    """Which communications: days of the account's zone, both included, and an integration or all of them."""

    since = DateField(_l("С какого дня"))
    until = DateField(_l("По какой день"))
    integration = SelectField(_l("Интеграция"))

    def validate_since(self, field: Any) -> None:
        """A day there is."""
        _usual(field)

    def validate_until(self, field: Any) -> None:
        """Not before the beginning."""
        _usual(field)
        if self.since.data and field.data < self.since.data:
            raise ValidationError(_("Последний день раньше первого. Поменяйте их местами."))

    def moments(self) -> tuple[datetime, datetime]:
        """From which moment, and before which one."""
        return midnight(self.since.data), midnight(self.until.data + timedelta(days=1))

    def integration_id(self) -> int | None:
        """The chosen integration's number."""
        return row_number(self.integration.data)


def _usual(field: Any) -> None:
    """DateField says by itself, in its own words, what it cannot read; ours say what to enter."""
    if field.data is None or not 2000 <= field.data.year <= 2200:
        field.errors = []
        raise ValidationError(_("Введите день: например, 01.11.2026."))


@blueprint.get("")
@member(Role.VIEWER)
def index() -> Any:
    """Choose the time; what was done before."""
    return _page(_form(None))


@blueprint.post("")
@member(Role.EDITOR)
def start() -> Any:
    """Look at what would change, or begin."""
    form = _form(request.form)
    if not form.validate():
        return _page(form, invalid=True)
    if request.form.get("action") != "whatif":
        return _start(form)
    since, until = form.moments()
    # Nothing was written: on SQLite this only ends the turn of a writer.
    db.session.rollback()
    return _page(form, foreseen(g.account, None, since, until, integration_id=form.integration_id()))


def _form(sent: Any) -> RangeForm:
    form = RangeForm(sent, **_wanted(datetime.now(ZoneInfo(g.account.timezone)).date()))
    found = db.session.scalars(
        select(Integration).where(Integration.account_id == g.account.id).order_by(Integration.name)
    )
    form.integration.choices = [SelectChoice("", _("все")), *(SelectChoice(str(one.id), one.name) for one in found)]
    return form


def _page(form: RangeForm, shown: dict[str, Any] | None = None, *, invalid: bool = False) -> Any:
    return page_or_block(
        "reattribution/index.html",
        "range_form",
        invalid=invalid,
        form=form,
        foreseen=shown,
        tasks=latest(*REATTRIBUTIONS),
        running=tasks.live(db.session, g.account.id, *REATTRIBUTIONS),
    )


def _wanted(today: date) -> dict[str, Any]:
    """What the form begins with; an address may ask for an integration."""
    return {
        "since": today - timedelta(days=FORECAST_DAYS),
        "until": today,
        "integration": request.args.get("integration", ""),
    }


def _start(form: RangeForm) -> Any:
    """One at a time: two would undo each other."""
    running = tasks.busy(db.session, g.account.id, *REATTRIBUTIONS)
    if running is not None:
        flash(_("Один пересчёт уже идёт. Дождитесь его или остановите."), "attention")
        return done(url_for("tasks.show", slug=g.account.slug, number=running.id))
    since, until = form.moments()
    params = {"since": since.isoformat(), "until": until.isoformat(), "integration": form.integration_id()}
    task = tasks.start(db.session, TaskKind.REATTRIBUTE, g.account.id, current_user.email, params=params)
    audit.record(
        db.session,
        g.account.id,
        user=current_user,
        action="task.reattribute",
        subject=str(task.id),
        changes={name: [None, value] for name, value in params.items() if value},
    )
    db.session.commit()
    return done(url_for("tasks.show", slug=g.account.slug, number=task.id))
