"""What cannot be taken back is asked about: by the script before the form is sent, else by a small page after it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import render_template, request, url_for

from .repeat import OWN

#: The field that the script adds when the user has said yes, and the button of the page here sends.
FIELD = "confirmed"

View = Callable[..., Any]


def confirmed(question: Any, yes: Any, when: Callable[[], bool] = lambda: True) -> Callable[[View], View]:
    """The view acts only on a POST that was confirmed; without that it asks, and all fields are kept for the answer.

    ``question`` and ``yes`` (the button) are lazy texts; ``when`` tells whether this request needs it.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if request.form.get(FIELD) or not when():
                return view(*args, **kwargs)
            return render_template(
                "confirm.html",
                title=str(question),
                yes=str(yes),
                fields=[pair for pair in request.form.items(multi=True) if pair[0] not in (OWN, FIELD)],
                field=FIELD,
                address=request.full_path.rstrip("?"),
                back=_back(),
            )

        return wrapper

    return decorate


def _back() -> str:
    """The page the form stands on, as far as the browser tells; only a page of ours."""
    parts = urlsplit(request.referrer or "")
    own = parts.netloc == request.host and parts.path.startswith("/") and not parts.path.startswith("//")
    return parts.path + (f"?{parts.query}" if parts.query else "") if own else url_for("auth.home")
