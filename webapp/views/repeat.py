"""A form that could not be taken, because its page or the sign-in had expired, is not lost: it can be sent again."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import make_response, render_template, request

from .partial import is_partial

#: What is never written into a page.
NEVER_REPEATED = ("password", "current", "new", "csrf_token")


def offer_to_repeat(code: int, heading: str, advice: str) -> Any:
    """A page that keeps the fields of this POST and sends them again when the user says so.

    Only for a form of our own pages: what another site made the browser send is not offered.
    """
    if is_partial():
        return make_response(render_template("fragments/problem.html", heading=heading, advice=advice), code)
    fields = []
    if _from_our_own_page():
        fields = [(name, value) for name, value in request.form.items(multi=True) if name not in NEVER_REPEATED]
    page = render_template(
        "repeat.html", heading=heading, advice=advice, fields=fields, address=request.full_path.rstrip("?")
    )
    return make_response(page, code)


def _from_our_own_page() -> bool:
    try:
        return urlsplit(request.headers.get("Origin", "")).netloc == request.host
    except ValueError:
        return False
