"""«Удаление данных»: everything of one person, by phone or e-mail, after a look at how much it is."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from wtforms import StringField, ValidationError

from webapp import audit, erasure, tasks
from webapp.database import begin_as_reader
from webapp.extensions import db
from webapp.models import Role, TaskKind

from .access import member
from .communications import heading
from .confirmation import confirmed
from .forms import PageForm, required, stripped
from .partial import done, page_or_block
from .tasks import latest

blueprint = Blueprint("erasure", __name__, url_prefix="/a/<slug>/settings/erasure")


class ErasureForm(PageForm):
    """Whom to erase."""

    who = StringField(
        _l("Телефон или почта"), filters=[stripped], validators=[required(_l("Введите телефон или почту."))]
    )

    def validate_who(self, field: Any) -> None:
        """A phone or an e-mail; a name is no proof of who is who."""
        self.person = erasure.Person.read(field.data, g.account.region)
        if self.person is None:
            raise ValidationError(_("Это не телефон и не почта. Нужен вид +7 900 000-12-34 или name@company.ru."))


@blueprint.get("")
@member(Role.OWNER)
def index() -> Any:
    """The form, and what was erased before."""
    return _page(ErasureForm())


@blueprint.post("")
@member(Role.OWNER)
@confirmed(
    _l("Удалить всё об этом человеке? Вернуть будет нельзя."),
    _l("Удалить"),
    when=lambda: request.form.get("action") == "erase",
)
def erase() -> Any:
    """A look first; the second button erases."""
    form = ErasureForm()
    if not form.validate():
        return _page(form, invalid=True)
    if request.form.get("action") == "erase":
        return _start(form.person)
    db.session.rollback()
    begin_as_reader(True)
    return _page(form, erasure.preview(db.session(), g.account, form.person))


def _start(person: erasure.Person) -> Any:
    """One at a time, and not while an archive that may hold the person is being read."""
    running = tasks.busy(db.session, g.account.id, TaskKind.ERASE, TaskKind.IMPORT)
    if running is not None:
        flash(_("Сначала должна закончиться работа, которая уже идёт: удаление или загрузка архива."), "attention")
        return done(url_for("tasks.show", slug=g.account.slug, number=running.id))
    subject = f"phone:{person.phone}" if person.phone else f"email:{person.email}"
    task = tasks.start(db.session, TaskKind.ERASE, g.account.id, current_user.email, subject=subject)
    audit.record(db.session, g.account.id, user=current_user, action="contact.erase", subject=str(task.id), changes={})
    db.session.commit()
    return done(url_for("tasks.show", slug=g.account.slug, number=task.id))


def _page(form: ErasureForm, preview: erasure.Preview | None = None, *, invalid: bool = False) -> Any:
    return page_or_block(
        "erasure/index.html",
        "erasure_form",
        invalid=invalid,
        form=form,
        preview=preview,
        heading=heading,
        tasks=latest(TaskKind.ERASE),
    )
