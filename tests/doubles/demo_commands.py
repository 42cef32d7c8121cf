"""The product's commands for the programs of `make demo`, run within them: loading the application takes seconds, and
each command as a program of its own would load it again."""

from __future__ import annotations

from functools import cache

from flask import Flask

from webapp import create_app
from webapp.extensions import db


class Failed(Exception):
    """A command ended with an error, which is the text."""


def flask(*arguments: str, typed: str = "") -> str:
    """Run one of the product's commands as a user would; gives what it prints. Raises Failed.

    The environment of the first call is the application's.
    """
    application = _application()
    done = application.test_cli_runner().invoke(args=arguments, input=typed)
    with application.app_context():
        db.engine.dispose()
    if done.exit_code:
        raise Failed(f"flask {' '.join(arguments)}: {done.output or done.exception!r}")
    return done.stdout.strip()


@cache
def _application() -> Flask:
    return create_app()
