"""The addresses under which the outside reaches this server."""

from __future__ import annotations

from flask import current_app, has_request_context, request

from webapp.settings import Settings


def settings() -> Settings:
    """The settings of the running application."""
    return current_app.config["SETTINGS"]


def public_url(path: str = "") -> str:
    """The address of a path as the outside sees it: PUBLIC_URL, else as this page was asked for."""
    base = settings().PUBLIC_URL or (request.host_url if has_request_context() else own_url())
    return base.rstrip("/") + path


def own_url() -> str:
    """Where this server hears itself when no PUBLIC_URL is set. Never the request's Host, which anybody can forge."""
    return settings().PUBLIC_URL or f"http://127.0.0.1:{settings().PORT}"
