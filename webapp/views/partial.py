"""One answer for a plain browser and for htmx: the same form works with both."""

from __future__ import annotations

from typing import Any

from flask import Response, make_response, redirect, render_template, request
from jinja2_fragments.flask import render_block


def is_partial() -> bool:
    """True when htmx asks for a part of a page."""
    return request.headers.get("HX-Request-Type") == "partial"


def done(url: str) -> Any:
    """After a successful POST: on to ``url``. htmx follows a 303 by itself and would swap the whole page into a part,
    so it is told to go there."""
    if is_partial():
        response = Response(status=204)
        response.headers["HX-Redirect"] = url
        return response
    return redirect(url, 303)


def page_or_block(template: str, block: str, *, invalid: bool = False, **context: Any) -> Response:
    """The whole page, or to htmx only the block; 422 when what was sent is not acceptable."""
    html = render_block(template, block, **context) if is_partial() else render_template(template, **context)
    response = make_response(html, 422 if invalid else 200)
    response.headers["Vary"] = "HX-Request, HX-Request-Type"
    return response
