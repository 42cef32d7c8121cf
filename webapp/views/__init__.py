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
        connections,
        counter,
        deliveries,
        directory,
        errors,
        events,
        headers,
        health,
        hooks,
        integrations,
        numbers,
        oauth,
        options,
        people,
        rules_check,
        shell,
        visits,
    )

    numbers.init_app(app)
    rooms = (hooks, counter, health, auth, integrations, communications, deliveries, visits, events, directory, options)
    for module in (*rooms, account, cabinet, people, connections, oauth):
        app.register_blueprint(module.blueprint)
    app.register_blueprint(rules_check.blueprint)
    app.before_request(access.refuse_undeclared)
    headers.init_app(app)
    errors.init_app(app)
    shell.init_app(app)
