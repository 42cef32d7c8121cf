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
        alerts,
        auth,
        cabinet,
        communications,
        communications_export,
        communications_list,
        connections,
        counter,
        deliveries,
        directory,
        erasure,
        errors,
        events,
        headers,
        health,
        hooks,
        imports,
        integrations,
        numbers,
        oauth,
        options,
        people,
        reattribution,
        rules_check,
        shell,
        suggestions,
        tasks,
        visits,
    )

    numbers.init_app(app)
    # Three files make one blueprint.
    lists = (communications, communications_export, communications_list, deliveries, visits, events, directory, options)
    rooms = (hooks, counter, health, auth, integrations, *lists, account, cabinet, people, connections, oauth)
    insight = (tasks, reattribution, suggestions, imports, alerts, erasure)
    for blueprint in dict.fromkeys(room.blueprint for room in (*rooms, *insight)):
        app.register_blueprint(blueprint)
    app.register_blueprint(rules_check.blueprint)
    app.before_request(access.refuse_undeclared)
    headers.init_app(app)
    errors.init_app(app)
    shell.init_app(app)
