"""``hook-url`` and ``script-tag``."""

from __future__ import annotations

import pytest

from tests.factories import make_account, make_integration, make_site
from webapp.models import utc_now


@pytest.fixture
def jivo(session):
    return make_integration(session, make_account(session))


def run(runner, *args: str, code: int = 0):
    result = runner.invoke(args=list(args))
    assert result.exit_code == code, result.output
    return result


JIVO = ("--account", "romashka", "--integration", "jivo")


def test_the_path_of_the_webhook_address_is_printed(runner, session, jivo):
    assert run(runner, "hook-url", *JIVO).stdout == f"/hooks/jivo/{jivo.webhook_secret}\n"
    assert run(runner, "hook-url", *JIVO, "--channel", "TG").stdout == f"/hooks/jivo/{jivo.webhook_secret}/telegram\n"


def test_the_webhook_can_be_sent_to_the_printed_path(runner, client, jivo):
    path = run(runner, "hook-url", *JIVO).stdout.strip()
    assert client.client.post(path, data=b"{}").status_code == 200


def test_the_line_for_a_site_is_printed(runner, session, app, jivo):
    make_site(session, jivo.account)
    base = f"http://localhost:{app.config['SETTINGS'].PORT}"
    tag = run(runner, "script-tag", *JIVO).stdout
    assert tag == f'<script async src="{base}/i/{jivo.public_id}.js"></script>\n'
    tag = run(runner, "script-tag", "--account", "romashka", "--site", "shop").stdout
    assert tag == f'<script async src="{base}/c/shop.js"></script>\n'


def test_the_line_speaks_of_the_public_address(runner, app, jivo, monkeypatch):
    settings = app.config["SETTINGS"].model_copy(update={"PUBLIC_URL": "https://lead.example"})
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    assert run(runner, "script-tag", *JIVO).stdout.startswith('<script async src="https://lead.example/i/')


def test_only_what_the_account_has_is_found(runner, session, jivo):
    other = make_account(session, "other")
    make_site(session, other, key="theirs")
    make_site(session, jivo.account, key="gone", archived_at=utc_now())
    make_integration(session, jivo.account, key="gone", archived_at=utc_now())
    for args in (
        ("hook-url", "--account", "other", "--integration", "jivo"),
        ("hook-url", "--account", "romashka", "--integration", "gone"),
        ("script-tag", "--account", "romashka", "--site", "theirs"),
        ("script-tag", "--account", "romashka", "--site", "gone"),
        ("script-tag", "--account", "other", "--integration", "jivo"),
    ):
        result = run(runner, *args, code=1)
        assert result.stdout == ""
        assert "with the key" in result.stderr


def test_either_a_site_or_an_integration_must_be_named(runner):
    assert "say which" in run(runner, "script-tag", "--account", "romashka", code=2).stderr
    assert "say which" in run(runner, "script-tag", *JIVO, "--site", "shop", code=2).stderr
