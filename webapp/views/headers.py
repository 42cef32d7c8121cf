"""Security headers on every answer, and the reader's transaction for pages that only look."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, g, request

from webapp.database import begin_as_reader

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)


def init_app(app: Flask) -> None:
    """Bind both to the application."""

    # The first thing of a request: whatever a thread did before, and however early something is read.
    @app.url_value_preprocessor
    def choose_transaction(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
        begin_as_reader(request.method in ("GET", "HEAD", "OPTIONS"))

    @app.teardown_request
    def forget_transaction(_error: BaseException | None) -> None:
        begin_as_reader(False)

    @app.after_request
    def add_headers(response: Response) -> Response:
        headers = response.headers
        policy = CONTENT_SECURITY_POLICY
        for target in g.get("form_targets", ()):
            # Where a form of this page may be redirected to: the consent page of a vendor.
            policy = policy.replace("form-action 'self'", f"form-action 'self' {target}")
        headers.setdefault("Content-Security-Policy", policy)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        if request.is_secure:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if request.endpoint == "static":
            if "/vendor/" in request.path:
                headers["Cache-Control"] = "public, max-age=31536000, immutable"
        else:
            headers.setdefault("Cache-Control", "no-store")
        return response
