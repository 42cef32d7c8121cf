"""Справочники: sites, campaigns, sources, employees."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from slugify import slugify
from sqlalchemy import func, select
from wtforms import IntegerField, StringField, ValidationError
from wtforms.validators import NumberRange

from webapp import audit
from webapp.cabinets import cabinet_of
from webapp.cabinets.embedded.builtin import add_missing_sources, missing_sources
from webapp.extensions import db
from webapp.models import KINDS, Role, Site, clean_domain, utc_now

from . import what_if
from .access import member
from .directory_search import get, page
from .forms import Email, PageForm, at_most, required, stripped
from .locale import choose_locale
from .numbers import number_argument
from .partial import done, page_or_block
from .picker import Picker
from .rules_input import RulesInput, suggested_rules
from .rules_words import MARK_GROUPS, OPERATOR_NAMES
from .site_script import script_tag

blueprint = Blueprint("directory", __name__, url_prefix="/a/<slug>/directory")

PAGE_SIZE = 50

KIND_NAMES = {
    "sites": _l("Сайты"),
    "campaigns": _l("Рекламные кампании"),
    "sources": _l("Источники"),
    "employees": _l("Сотрудники"),
}
NEW_NAMES = {
    "sites": _l("Новый сайт"),
    "campaigns": _l("Новая кампания"),
    "sources": _l("Новый источник"),
    "employees": _l("Новый сотрудник"),
}

#: The lists whose entries have rules.
RULED = ("campaigns", "sources")


class SiteForm(PageForm):
    """A site."""

    domain = StringField(
        _l("Домен"), filters=[stripped], validators=[required(_l("Введите домен: например, romashka.ru."))]
    )
    name = StringField(_l("Название"), filters=[stripped], validators=[at_most(255)])

    #: The site that is being changed; None for a new one.
    number: int | None = None

    def validate_domain(self, field: Any) -> None:
        """Take the domain out of whatever was pasted."""
        try:
            domain = clean_domain(field.data).removeprefix("www.")
            if "." not in domain:
                raise ValueError(domain)
        except ValueError:
            raise ValidationError(
                _("Это не домен. Нужен вид romashka.ru, можно вставить адрес страницы целиком.")
            ) from None
        field.data = domain
        same = select(Site.id).where(
            Site.account_id == g.account.id,
            Site.domain == domain,
            Site.archived_at.is_(None),
            Site.id != (self.number or 0),
        )
        if db.session.scalar(same.limit(1)) is not None:
            raise ValidationError(_("Сайт с этим доменом уже есть."))


class RuledForm(PageForm):
    """A campaign or a source."""

    name = StringField(_l("Название"), filters=[stripped], validators=[required(_l("Введите название.")), at_most(255)])
    priority = IntegerField(
        _l("Порядок"),
        default=100,
        validators=[
            NumberRange(min=0, max=100000, message=_l("Целое число от 0 до 100000: меньшее проверяется раньше."))
        ],
    )


class EmployeeForm(PageForm):
    """A person of the company."""

    full_name = StringField(_l("Имя"), filters=[stripped], validators=[required(_l("Введите имя.")), at_most(255)])
    email = StringField(_l("Почта"), filters=[stripped], validators=[at_most(254), Email()])


FORMS: dict[str, type[PageForm]] = {
    "sites": SiteForm,
    "campaigns": RuledForm,
    "sources": RuledForm,
    "employees": EmployeeForm,
}


@blueprint.get("")
@member(Role.VIEWER)
def index() -> Any:
    """The first of the four lists."""
    return redirect(url_for("directory.entries", slug=g.account.slug, kind="sites"))


@blueprint.get("/<kind>")
@member(Role.VIEWER)
def entries(kind: str) -> Any:
    """One list: searched, paged."""
    _check(kind)
    query, archived = request.args.get("q", "").strip(), request.args.get("archived") == "1"
    after = number_argument("after")
    found, more = page(g.account, kind, query, archived, after, PAGE_SIZE)
    table = KINDS[kind]
    total = db.session.scalar(
        select(func.count()).select_from(table).where(table.account_id == g.account.id, table.archived_at.is_(None))
    )
    return render_template(
        "directory/list.html",
        kind=kind,
        entries=found,
        query=query,
        archived=archived,
        total=total,
        older=found[-1].id if more else None,
        first=after is None,
        kind_names=KIND_NAMES,
        editable=_editable(),
        new_name=NEW_NAMES[kind],
        ruled=kind in RULED,
        builtin=missing_sources(db.session, g.account) if kind == "sources" and _editable() else [],
    )


@blueprint.route("/<kind>/new", methods=["GET", "POST"], defaults={"number": None})
@blueprint.route("/<kind>/<int:number>", methods=["GET", "POST"])
@member(Role.VIEWER)
def entry(kind: str, number: int | None) -> Any:
    """One entry: add or change it."""
    _check(kind)
    found = None
    if number is not None:
        found = get(g.account, kind, number) or abort(404)
    if request.method == "POST":
        _editor()
    ruled = kind in RULED
    form = FORMS[kind](obj=found)
    if kind == "sites" and found is not None:
        form.number = found.id
    if ruled and found is None and request.method == "GET":
        form.name.data = stripped(request.args.get("name", ""))[:255]
    rules = (
        RulesInput.read(request.form)
        if request.method == "POST"
        else RulesInput.of(found.rules if found and ruled else suggested_rules(request.args))
    )
    site = Picker.of("sites", "site", found.site if found and kind == "campaigns" else None)
    status, foreseen = 200, None
    if request.method == "POST":
        if kind == "campaigns":
            site = Picker.read(g.account, "sites", "site", request.form)
        if not rules.act(request.form.get("action", "")):
            valid = form.validate()
            valid = rules.validate() and valid
            valid = valid and not site.error
            if valid and ruled and request.form.get("action") == "whatif":
                foreseen = what_if.of_change(g.account, lambda: _write(kind, found, form, rules, site))
            elif valid:
                return _save(kind, found, form, rules, site)
            status = 200 if valid else 422
    context = {
        "kind": kind,
        "entry": found,
        "form": form,
        "rules": rules if ruled else None,
        "site": site,
        "mark_groups": MARK_GROUPS,
        "operators": OPERATOR_NAMES,
        "kind_names": KIND_NAMES,
        "new_name": NEW_NAMES[kind],
        "editable": _editable(),
        "foreseen": foreseen,
        "counter_line": _counter_line(kind, found),
        "extra_errors": rules.errors + ([(site.error, "site")] if site.error else []),
    }
    return page_or_block("directory/entry.html", "entry_form", invalid=status == 422, **context)


@blueprint.post("/sources/builtin")
@member(Role.EDITOR)
def add_builtin() -> Any:
    """Give the account the built-in sources that it has not."""
    _editor()
    added = add_missing_sources(db.session, g.account, choose_locale())
    if added:
        audit.record(
            db.session,
            g.account.id,
            user=current_user,
            action="directory.builtin",
            subject="sources",
            changes={"added": [None, added]},
        )
    db.session.commit()
    flash(_("Добавлено источников: %(number)s.", number=added), "ok")
    return done(url_for("directory.entries", slug=g.account.slug, kind="sources"))


@blueprint.post("/<kind>/<int:number>/archive")
@member(Role.EDITOR)
def archive(kind: str, number: int) -> Any:
    """Put an entry away, or back. What points to it keeps pointing."""
    _check(kind)
    _editor()
    found = get(g.account, kind, number) or abort(404)
    archived = request.form.get("archived") == "1"
    found.archived_at = utc_now() if archived else None
    _changed("directory.archive" if archived else "directory.restore", kind, found.label, {})
    db.session.commit()
    flash(
        _("«%(name)s» — в архиве.", name=found.label)
        if archived
        else _("«%(name)s» снова в списке.", name=found.label),
        "ok",
    )
    return done(url_for("directory.entries", slug=g.account.slug, kind=kind))


def _check(kind: str) -> None:
    if kind not in KINDS:
        abort(404)


def _counter_line(kind: str, entry: Any) -> str | None:
    """The line of a site's visit counter; None where there is nothing to count here."""
    counted = kind == "sites" and entry is not None and entry.archived_at is None
    return script_tag(f"/c/{entry.public_key}.js") if counted and cabinet_of(g.account).counts_visits else None


def _editable() -> bool:
    return g.role.covers(Role.EDITOR) and cabinet_of(g.account).owns_directory


def _editor() -> None:
    """A viewer only looks, and a directory that is read from an outside cabinet is changed there."""
    if not _editable():
        abort(403)


def _write(kind: str, found: Any, form: PageForm, rules: RulesInput, site: Picker) -> Any:
    """The entry with what was typed, new or changed; not yet committed."""
    table = KINDS[kind]
    entry = found or table(account_id=g.account.id)
    if kind == "sites":
        entry.domain, entry.name = form.domain.data, form.name.data or form.domain.data
    elif kind == "employees":
        entry.full_name, entry.email = form.full_name.data, form.email.data or None
    else:
        entry.name, entry.priority, entry.rules = form.name.data, form.priority.data, rules.stored()
        if kind == "campaigns":
            entry.site_id = site.id
    if not found:
        named = {"sites": "domain", "employees": "full_name"}.get(kind, "name")
        entry.key = free_key(table, g.account.id, getattr(entry, named))
        db.session.add(entry)
    entry.refresh_search_text()
    return entry


def _save(kind: str, found: Any, form: PageForm, rules: RulesInput, site: Picker) -> Any:
    before = _state(kind, found) if found else {}
    entry = _write(kind, found, form, rules, site)
    after = _state(kind, entry)
    changes = {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}
    _changed("directory.change" if found else "directory.add", kind, entry.label, changes)
    db.session.commit()
    flash(_("«%(name)s» — сохранено.", name=entry.label), "ok")
    return done(url_for("directory.entries", slug=g.account.slug, kind=kind))


def _state(kind: str, entry: Any) -> dict[str, Any]:
    names = {
        "sites": ("domain", "name"),
        "employees": ("full_name", "email"),
        "sources": ("name", "priority", "rules"),
        "campaigns": ("name", "priority", "rules", "site_id"),
    }[kind]
    return {name: getattr(entry, name) for name in names}


def _changed(action: str, kind: str, subject: str, changes: dict[str, Any]) -> None:
    audit.record(
        db.session, g.account.id, user=current_user, action=action, subject=f"{kind}: {subject}"[:255], changes=changes
    )


def free_key(table: Any, account_id: int, name: str) -> str:
    """A key for the configuration file, made of the name and not yet taken."""
    wanted = slugify(name, max_length=60) or "entry"
    key, number = wanted, 1
    while db.session.scalar(select(table.id).where(table.account_id == account_id, table.key == key)):
        number += 1
        key = f"{wanted}-{number}"
    return key
