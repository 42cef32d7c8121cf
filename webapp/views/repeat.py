"""A form that could not be taken, because its page or the sign-in had expired, is not lost: it can be sent again."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from flask import make_response, render_template, request

from .partial import is_partial

#: What is never written into a page: by its name, or by what its name says.
NEVER_REPEATED = ("current", "new")
SECRET_NAMES = re.compile(r"token|secret|password|api_?key", re.IGNORECASE)

#: The page's own; nobody has to write it again.
OWN = "csrf_token"


def offer_to_repeat(code: int, heading: str, advice: str) -> Any:
    """A page that keeps the fields of this POST and sends them again when the user says so.

    Only for a form of our own pages: what another site made the browser send is not offered.
    """
    if is_partial():
        return make_response(render_template("fragments/problem.html", heading=heading, advice=advice), code)
    fields, is_short = [], False
    if _from_our_own_page():
        typed = [(name, value) for name, value in request.form.items(multi=True) if name != OWN]
        fields = [(name, value) for name, value in typed if not _is_secret(name)]
        is_short = any(value for name, value in typed if _is_secret(name))
    page = render_template(
        "repeat.html",
        heading=heading,
        advice=advice,
        fields=fields,
        is_short=is_short,
        address=request.full_path.rstrip("?"),
    )
    return make_response(page, code)


def _is_secret(name: str) -> bool:
    return name in NEVER_REPEATED or SECRET_NAMES.search(name) is not None


def _from_our_own_page() -> bool:
    try:
        return urlsplit(request.headers.get("Origin", "")).netloc == request.host
    except ValueError:
        return False
