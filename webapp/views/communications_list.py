"""«Сырые данные» → «Обращения и цели»: the list with its filters, columns, charts and saved views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response, abort, flash, g, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import select

from webapp.extensions import db
from webapp.models import CabinetKind, Integration, Role, SavedView
from webapp.report import charts, listing
from webapp.report.columns import COLUMNS, needs
from webapp.report.filters import FIELDS, NONE, Field
from webapp.report.periods import PRESETS
from webapp.report.scope import look
from webapp.report.view import BREAKDOWNS, View
from webapp.wording import without

from .access import member
from .communications import blueprint, first_steps
from .directory_search import get
from .partial import done
from .picker import Picker

#: Views that a user may keep in an account.
MOST_VIEWS = 50

LONGEST_NAME = 100

#: Filters with a place of their own on the page; the others are behind one button.
IN_SIGHT = ("type", "channel", "rule")


@dataclass(frozen=True)
class Chip:
    """A chosen filter: what it is, and the address without it."""

    text: str
    href: str


@blueprint.get("")
@member(Role.VIEWER)
def index() -> Any:
    """The list of a view, paged by key."""
    if _is_a_filled_form():
        return redirect(_url(_chosen_by_hand()))
    return _page(View.read(g.account, request.args), request.args.get("before"), request.args.get("after"))


@blueprint.post("/views")
@member(Role.VIEWER)
def save_view() -> Any:
    """Keep the view under a name; the same name again is the same view, changed."""
    view = View.parse(g.account, request.form.get("query", ""))
    name = request.form.get("name", "").replace("\0", "").strip()
    kept = _views()
    same = next((one for one in kept if one.name == name), None)
    error = None
    if not name:
        error = _("Назовите вид.")
    elif len(name) > LONGEST_NAME:
        error = _("Не длиннее %(max)d знаков.", max=LONGEST_NAME)
    elif same is None and len(kept) >= MOST_VIEWS:
        error = _("Сохранено уже %(max)d видов. Удалите лишние.", max=MOST_VIEWS)
    if error:
        return make_response(_page(view, None, None, view_name=name, view_error=error), 422)
    if same is None:
        same = SavedView(account_id=g.account.id, user_id=current_user.id, name=name)
        db.session.add(same)
    same.query = view.address()
    db.session.commit()
    flash(_("Вид «%(name)s» сохранён. Его видите только вы.", name=name), "ok")
    return done(_url(view.address()))


@blueprint.post("/views/<int:number>/delete")
@member(Role.VIEWER)
def delete_view(number: int) -> Any:
    """Forget a view of one's own; what is on the screen stays."""
    found = next((one for one in _views() if one.id == number), None) or abort(404)
    db.session.delete(found)
    db.session.commit()
    flash(_("Вид «%(name)s» удалён.", name=found.name), "ok")
    return done(_url(View.parse(g.account, request.form.get("query", "")).address()))


def _views() -> list[SavedView]:
    """The views of this user in this account."""
    query = select(SavedView).where(SavedView.account_id == g.account.id, SavedView.user_id == current_user.id)
    return list(db.session.scalars(query.order_by(SavedView.name)))


def _url(parameters: dict[str, Any]) -> str:
    return url_for("communications.index", slug=g.account.slug, **parameters)


def _is_a_filled_form() -> bool:
    """A form sends what is empty, too, and names that were typed: the address it leads to is a shorter one."""
    return any(not value or name.endswith("_text") for name, value in request.args.items())


def _chosen_by_hand() -> dict[str, str]:
    """The view that the form asks for."""
    told = {name: value for name, value in request.args.items() if value and name not in ("before", "after")}
    for one in FIELDS:
        if one.kind and f"{one.key}_text" in request.args:
            if told.get(one.key) == NONE and not request.args[f"{one.key}_text"]:
                continue
            picked = Picker.read(g.account, one.kind, one.key, request.args)
            told.pop(one.key, None)
            if picked.error:
                flash(picked.error, "attention")
            elif picked.id:
                told[one.key] = str(picked.id)
    return View.read(g.account, told).address()


def _page(
    view: View, before: str | None, after: str | None, view_name: str = "", view_error: str | None = None
) -> Response:
    session, filters = db.session(), view.filters
    integrations = list(
        session.scalars(select(Integration).where(Integration.account_id == g.account.id).order_by(Integration.name))
    )
    scope = None if filters.can_be_counted else look(session, filters, listing.PAGE_SIZE + 1)
    total = listing.total(session, filters, scope)
    page = listing.page(session, filters, view.order, before, after, listing.listed(needs(view.columns)), total)
    is_empty = not page.rows and not filters.any and not before and not after
    query = view.address()
    keys = [column.key for column in view.columns]
    has_outside = g.account.cabinet_kind != CabinetKind.EMBEDDED
    html = render_template(
        "communications/list.html",
        view=view,
        page=page,
        total=total,
        overview=None if is_empty else charts.overview(session, filters, view.by, scope),
        first_steps=first_steps(integrations) if is_empty else None,
        query=query,
        link=lambda **changed: _url(view.address(**changed)),
        fields={one.key: one for one in FIELDS if has_outside or not one.outside},
        in_sight=IN_SIGHT,
        written={one.key: one.write(filters.values[one.key]) for one in FIELDS if one.key in filters.values},
        pickers={one.key: _picker(one, filters.values) for one in FIELDS if one.kind},
        integrations=integrations,
        presets=PRESETS,
        chips=_chips(view, integrations),
        breakdowns=BREAKDOWNS,
        columns=[one for one in COLUMNS if has_outside or not one.outside or one.key in keys],
        moved={key: [_moved(keys, key, by) for by in (-1, 1, 0)] for key in keys},
        keys=keys,
        columns_open=request.args.get("panel") == "columns",
        views=_views(),
        view_name=view_name,
        view_error=view_error,
        older_url=_url(view.address(before=page.older)) if page.older else None,
        newer_url=_url(view.address(after=page.newer or None)) if page.newer is not None else None,
    )
    return make_response(html)


def _picker(one: Field, values: Any) -> Picker:
    entry = get(g.account, one.kind or "", values.get(one.key))
    return Picker.of(one.kind or "", one.key, entry)


def _moved(keys: list[str], key: str, by: int) -> str | None:
    """The columns with this one moved by a place, or without it; None where it cannot go."""
    place, others = keys.index(key), [one for one in keys if one != key]
    if by == 0:
        return ",".join(others) or None
    if not 0 <= place + by < len(keys):
        return None
    others.insert(place + by, key)
    return ",".join(others)


def _chips(view: View, integrations: list[Integration]) -> list[Chip]:
    """The chosen filters that have no place in sight."""
    found = []
    for one in FIELDS:
        if one.key in view.filters.values and one.key not in IN_SIGHT:
            text = f"{one.label}: {_called(one, view.filters.values[one.key], integrations)}"
            found.append(Chip(text, _url(view.address(**{one.key: None}))))
    return found


def _called(one: Field, value: Any, integrations: list[Integration]) -> str:
    if one.kind:
        entry = get(g.account, one.kind, value)
        return entry.label if entry else without(one.key)
    if one.key == "integration":
        return next((each.name for each in integrations if each.id == value), without(one.key))
    return str(one.options.get(one.write(value), value))
