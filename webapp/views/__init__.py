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
        communications,
        communications_export,
        communications_list,
        counter,
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
        rules_check,
        shell,
    )

    numbers.init_app(app)
    rooms = (
        hooks,
        counter,
        health,
        auth,
        integrations,
        communications,
        communications_export,
        communications_list,
        events,
        directory,
        options,
        account,
        people,
    )
    # Three files make one blueprint.
    for blueprint in dict.fromkeys(room.blueprint for room in rooms):
        app.register_blueprint(blueprint)
    app.register_blueprint(rules_check.blueprint)
    app.before_request(access.refuse_undeclared)
    headers.init_app(app)
    errors.init_app(app)
    shell.init_app(app)
