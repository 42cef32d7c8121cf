"""The lists behind the pickers: searched here, never sent whole."""

from __future__ import annotations

from flask import Blueprint, abort, g, render_template, request
from flask_babel import lazy_gettext as _l

from webapp.cabinets import cabinet_of
from webapp.models import PICKED, Role

from .access import member
from .directory_search import has_none, offer

blueprint = Blueprint("options", __name__, url_prefix="/a/<slug>/options")

#: What a list says when there is nothing to search in.
EMPTY = {
    "sites": _l("Сайтов пока нет."),
    "campaigns": _l("Кампаний пока нет."),
    "sources": _l("Источников пока нет."),
    "employees": _l("Сотрудников пока нет."),
}


@blueprint.get("/<kind>")
@member(Role.VIEWER)
def index(kind: str) -> str:
    """The entries that fit what is being typed. The text is in ``q``, or in the field's own name (…_text)."""
    if kind not in PICKED:
        abort(404)
    typed = request.args.get("q")
    if typed is None:
        typed = next((value for name, value in request.args.items() if name.endswith("_text")), "")
    entries, total = offer(g.account, kind, typed)
    options = [{"value": entry.id, "text": entry.label} for entry in entries]
    is_empty = not entries and has_none(g.account, kind)
    return render_template(
        "fragments/options.html",
        options=options,
        total=total,
        query=typed,
        nothing_yet=EMPTY.get(kind) if is_empty else None,
        may_add=is_empty and kind in EMPTY and cabinet_of(g.account).owns_directory and g.role.covers(Role.EDITOR),
        kind=kind,
    )
