"""The pages. This file binds the blueprints to the application; each blueprint is one room of the product."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

ROOT = Path(__file__).resolve().parents[2]


def init_app(app: Flask) -> None:
    """Register every blueprint, the error pages, the security headers and what templates may call."""
    from . import (
        access,
        account,
        auth,
        cabinet,
        communications,
        deliveries,
        directory,
        errors,
        events,
        headers,
        health,
        hooks,
        integrations,
        numbers,
        options,
        people,
        shell,
    )

    numbers.init_app(app)
    for module in (
        hooks, health, auth, integrations, communications, deliveries, events, directory, options, account, cabinet,
        people,
    ):  # fmt: skip
        app.register_blueprint(module.blueprint)
    app.before_request(access.refuse_undeclared)
    headers.init_app(app)
    errors.init_app(app)
    shell.init_app(app)
