"""The lists behind the pickers: searched here, never sent whole."""

from __future__ import annotations

from flask import Blueprint, abort, g, render_template, request

from webapp.models import PICKED, Role

from .access import member
from .directory_search import offer

blueprint = Blueprint("options", __name__, url_prefix="/a/<slug>/options")


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
    return render_template("fragments/options.html", options=options, total=total, query=typed)
