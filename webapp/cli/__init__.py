"""The flask commands."""

from __future__ import annotations

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the commands."""
    from . import communications, config, events, integrations, operations, users

    for command in (
        config.group,
        users.group,
        communications.group,
        events.group,
        operations.cabinet,
        operations.database,
        integrations.hook_url,
        integrations.script_tag,
        operations.welcome_link,
        operations.worker,
    ):
        app.cli.add_command(command)
