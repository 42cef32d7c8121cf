"""The connection on the integration page: authorization, consent, fields, subscription (A10-A12, B8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.amocrm_stage import Stage, on_stage
from tests.factories import make_account, make_integration
from tests.pages import LintingClient
from tests.views.acting import beside, enter_as, filled, flash, part, said
from webapp import pacing
from webapp.extensions import db
from webapp.models import Account, Authorization, AuthorizationState, Role

PAGE = "/a/romashka/integrations/amo"


@pytest.fixture
def stage(app, session, server, monkeypatch) -> Iterator[Stage]:
    with on_stage(app, session, server, monkeypatch) as stage:
        yield stage


@pytest.fixture
def owner(app, session, stage: Stage) -> LintingClient:
    return enter_as(app, session, session.get(Account, stage.account_id))


def typed(stage: Stage, **changes: str) -> dict[str, str]:
    """The form as somebody fills it in."""
    values = {
        "name": "Отдел продаж",
        "domain": stage.amo.domain,
        "url": "https://YOURDOMAIN.amocrm.ru",
        "token_url": "https://YOURDOMAIN.amocrm.ru/oauth2/access_token",
        "client_id": stage.amo.client_id,
        "client_secret": stage.amo.client_secret,
    }
    return {f"auth-{name}": value for name, value in (values | changes).items()}


def consent(stage: Stage, owner: LintingClient) -> str:
    """Press «Подключить», give consent as a browser would; gives where amoCRM sends back to."""
    response = owner.post(f"{PAGE}/authorization/connect")
    asked = requests.get(response.headers["Location"], allow_redirects=False, timeout=10)
    parts = urlsplit(asked.headers["Location"])
    assert f"{parts.scheme}://{parts.netloc}" == stage.server
    return f"{parts.path}?{parts.query}"


def connected(stage: Stage, owner: LintingClient) -> None:
    owner.post(f"{PAGE}/authorization", typed(stage))
    response = owner.get(consent(stage, owner), status=302)
    assert urlsplit(response.headers["Location"]).path == PAGE


def test_an_authorization_is_saved_with_its_addresses_and_its_secret_is_never_shown(stage: Stage, owner):
    """A11."""
    page = owner.follow(f"{PAGE}/authorization", typed(stage))
    row = stage.authorization
    assert (row.name, row.domain, row.url) == ("Отдел продаж", f"http://{stage.amo.domain}", stage.amo.url)
    assert row.token_url == f"{stage.amo.url}/oauth2/access_token"
    assert row.client_secret == stage.amo.client_secret
    assert stage.amo.client_secret not in str(page)
    assert page.find(id="auth-url")["value"] == stage.amo.url
    assert "Не подключена" in said(page.select_one("#authorization"))
    audit = owner.get("/a/romashka/settings/audit")
    assert stage.amo.client_secret not in str(audit)


def test_the_domain_takes_the_place_of_yourdomain_while_it_is_typed(stage: Stage, owner):
    form = {**typed(stage, domain="https://Romashka.amocrm.ru/leads/"), "action": "preview"}
    shown = owner.post(f"{PAGE}/authorization", form, status=200, partial=True)
    assert shown.find(id="auth-url")["value"] == "https://romashka.amocrm.ru"
    assert shown.find(id="auth-token_url")["value"] == "https://romashka.amocrm.ru/oauth2/access_token"
    assert shown.find("form") is None, "only the two addresses are sent"
    wrong = {**form, "auth-domain": "кириллица амо", "auth-url": "https://romashka.amocrm.ru"}
    half = owner.post(f"{PAGE}/authorization", wrong, status=200, partial=True)
    assert half.find(id="auth-url")["value"] == "https://YOURDOMAIN.amocrm.ru", "the old address does not stay"
    assert said(half.select_one("[role=status]")) == "Это не домен аккаунта amoCRM."
    whole = owner.post(f"{PAGE}/authorization", form, status=200)
    assert whole.find(id="auth-url")["value"] == "https://romashka.amocrm.ru", "the button does the same"
    assert stage.authorization is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "auth-name"),
        ({"domain": "evil.example"}, "auth-domain"),
        ({"domain": ""}, "auth-domain"),
        ({"url": "https://evil.example"}, "auth-url"),
        ({"token_url": "https://evil.example/oauth2/access_token"}, "auth-token_url"),
        ({"client_id": ""}, "auth-client_id"),
        ({"client_secret": ""}, "auth-client_secret"),
        ({"long_lived_token": "two words"}, "auth-long_lived_token"),
    ],
)
def test_a_mistake_is_said_beside_its_field_and_what_was_typed_stays(stage: Stage, owner, changes, field):
    form = typed(stage, **changes)
    page = owner.post(f"{PAGE}/authorization", form, status=422)
    assert beside(page, field)
    assert page.find(id="auth-client_id")["value"] == form["auth-client_id"]
    shown = owner.post(f"{PAGE}/authorization", form, status=422, partial=True)
    assert beside(shown, field)
    for echoed in (page, shown):
        for name in ("client_secret", "long_lived_token"):
            assert not echoed.find(id=f"auth-{name}").get("value"), "a secret never comes back in a page"
            is_told = "Впишите ещё раз" in said(echoed.find(id=f"auth-{name}-hint"))
            assert is_told == bool(form.get(f"auth-{name}"))
    assert stage.authorization is None


def test_consent_connects_and_tells_which_account_by_whom_and_until_when(stage: Stage, owner):
    connected(stage, owner)
    row = stage.authorization
    assert (row.state, row.vendor_account_id) == (AuthorizationState.CONNECTED, str(stage.amo.tenant_id))
    assert stage.integration.options["vendor_account"] == str(stage.amo.tenant_id)
    card = said(owner.get(PAGE).select_one("#authorization"))
    for words in ("Подключена", f"№ {stage.amo.tenant_id}", "owner@romashka.example", "продлевается сам"):
        assert words in card
    assert row.lead_fields


def test_the_page_may_send_its_form_to_the_consent_page_and_to_no_other_server(stage: Stage, owner):
    policy = owner.client.get(PAGE).headers["Content-Security-Policy"]
    assert f"form-action 'self' {stage.amo.url};" in policy
    elsewhere = owner.client.get("/a/romashka/integrations").headers["Content-Security-Policy"]
    assert "form-action 'self';" in elsewhere


@pytest.mark.parametrize("state", ["changed", "missing"])
def test_a_state_that_is_not_ours_connects_nothing(stage: Stage, owner, state: str):
    owner.post(f"{PAGE}/authorization", typed(stage))
    stage.amo.configure({"switches": {"callback_state": state}})
    back = consent(stage, owner)
    owner.client.get(back)
    assert owner.client.get("/").headers["Location"] == "/a/romashka/integrations", "the account last worked in"
    assert stage.authorization.state == AuthorizationState.NEW
    assert "token.code" not in stage.amo.recorder.counts


def test_a_state_counts_once(stage: Stage, owner):
    owner.post(f"{PAGE}/authorization", typed(stage))
    back = consent(stage, owner)
    owner.get(back, status=302)
    with owner.client.session_transaction() as kept:
        kept["consents"] = {parse_qs(urlsplit(back).query)["state"][0]: [stage.authorization.id, "amo"]}
    owner.get(back, status=302)
    assert stage.amo.recorder.counts["token.code"] == 1


def test_a_consent_that_another_browser_began_is_refused(stage: Stage, owner, app, session):
    owner.post(f"{PAGE}/authorization", typed(stage))
    back = consent(stage, owner)
    other = enter_as(app, session, session.get(Account, stage.account_id), Role.EDITOR)
    page = other.get(other.get(back, status=302).headers["Location"], status=302)
    assert page is not None
    assert stage.authorization.state == AuthorizationState.NEW


def test_a_viewer_cannot_finish_what_an_editor_began(stage: Stage, owner, app, session):
    owner.post(f"{PAGE}/authorization", typed(stage))
    back = consent(stage, owner)
    viewer = enter_as(app, session, session.get(Account, stage.account_id), Role.VIEWER)
    with viewer.client.session_transaction() as kept:
        kept["consents"] = {parse_qs(urlsplit(back).query)["state"][0]: [stage.authorization.id, "amo"]}
    viewer.get(back, status=302)
    assert stage.authorization.state == AuthorizationState.NEW


def test_the_call_of_a_widgets_installation_is_answered_well_and_changes_nothing(stage: Stage, owner):
    """Contract 1.3: amoCRM's server calls without a state."""
    owner.post(f"{PAGE}/authorization", typed(stage))
    assert stage.amo.install_widget()["code"] == 200
    assert stage.authorization.state == AuthorizationState.NEW
    assert "token.code" not in stage.amo.recorder.counts


@pytest.mark.parametrize(
    "referer", ["foreign", "path", "idn", "absent", "=evil.example", "=example.amocrm.ru@evil.example"]
)
def test_a_host_that_is_no_accounts_is_told_nothing(stage: Stage, owner, referer: str):
    owner.post(f"{PAGE}/authorization", typed(stage))
    stage.amo.configure({"switches": {"callback_referer": referer}})
    page = owner.get(owner.get(consent(stage, owner), status=302).headers["Location"])
    if referer != "path":
        assert "незнакомый адрес" in flash(page)
        assert "token.code" not in stage.amo.recorder.counts
        assert stage.authorization.state == AuthorizationState.NEW


def test_a_refusal_is_told_in_words(stage: Stage, owner):
    owner.post(f"{PAGE}/authorization", typed(stage))
    stage.amo.configure({"switches": {"consent": "deny"}})
    page = owner.get(owner.get(consent(stage, owner), status=302).headers["Location"])
    assert "доступ не дали" in flash(page)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("expired", "20 минут"),
        ("used", "уже использовано"),
        ("garbled", "не узнал"),
        ("other account", "другом аккаунте"),
    ],
)
def test_what_is_wrong_with_a_code_is_told_in_words(stage: Stage, owner, code: str, words: str):
    """Contract 1.5."""
    stage.amo.create_tenant()
    owner.post(f"{PAGE}/authorization", typed(stage))
    stage.amo.configure({"switches": {"code": code}})
    page = owner.get(owner.get(consent(stage, owner), status=302).headers["Location"])
    assert words in flash(page)
    assert stage.authorization.state == AuthorizationState.NEW


def test_the_account_of_a_connection_does_not_change_under_its_integrations(stage: Stage, owner):
    connected(stage, owner)
    row = stage.authorization
    row.vendor_account_id = "1"
    kept = row.access_token
    stage.session.commit()
    page = owner.get(owner.get(consent(stage, owner), status=302).headers["Location"])
    assert "из другого аккаунта" in flash(page)
    assert stage.authorization.access_token == kept, "the connection that works is left alone"


def test_disconnecting_gives_up_the_tokens_and_keeps_the_settings(stage: Stage, owner):
    connected(stage, owner)
    field = stage.choose_field()
    page = owner.follow(f"{PAGE}/authorization/disconnect")
    row = stage.authorization
    assert (row.state, row.access_token, row.refresh_token) == (AuthorizationState.DISCONNECTED, None, None)
    assert row.client_id == stage.amo.client_id
    assert stage.integration.options["session_field"] == field
    assert "Отключена" in said(page.select_one("#authorization"))
    owner.get(consent(stage, owner), status=302)
    assert stage.authorization.connected


def test_a_long_lived_token_connects_without_a_consent(stage: Stage, owner):
    """Contract 1.12."""
    token = stage.amo.issue_tokens(long_lived_days=30)["access_token"]
    form = typed(stage, client_id="", client_secret="", long_lived_token=token)
    page = owner.follow(f"{PAGE}/authorization", form)
    row = stage.authorization
    assert (row.connected, row.long_lived, row.vendor_account_id) == (True, True, str(stage.amo.tenant_id))
    assert token not in str(page)
    assert "Подключение работает" in flash(page)


def test_several_authorizations_are_chosen_from_and_shared(stage: Stage, owner, session):
    """Issue 4.1: one or more integrations use one."""
    connected(stage, owner)
    first = stage.authorization.key
    owner.post(f"{PAGE}/authorization/use", {"authorization": ""})
    assert stage.authorization is None
    page = owner.follow(f"{PAGE}/authorization", typed(stage, name="Второй"))
    assert len(page.select("#use-authorization option")) == 3
    session.rollback()
    make_integration(session, session.get(Account, stage.account_id), "amo-2", "amocrm", name="amoCRM 2")
    session.rollback()
    other = "/a/romashka/integrations/amo-2"
    owner.post(f"{other}/authorization/use", {"authorization": first})
    assert f"№ {stage.amo.tenant_id}" in said(owner.get(other).select_one("#authorization"))
    owner.post(f"{other}/authorization/use", {"authorization": "no-such"}, status=404)


def test_an_authorization_of_another_account_cannot_be_used(stage: Stage, owner, session):
    """B10."""
    foreign = make_account(session, "vasilek")
    session.add(Authorization(account_id=foreign.id, vendor="amocrm", key="theirs", name="Чужая"))
    session.commit()
    owner.post(f"{PAGE}/authorization/use", {"authorization": "theirs"}, status=404)
    assert stage.authorization is None


def test_the_picker_searches_the_accounts_fields_and_explains_what_does_not_fit(stage: Stage, owner):
    """A12, issue 4.4."""
    for number in range(60):
        stage.amo.create_field(f"Поле {number}", "text")
    stage.amo.create_field("Цвет", "select")
    stage.amo.create_field("Номер", "numeric")
    stage.amo.create_field("Сессия", "text")
    stage.amo.create_field("Сессия", "text")
    connected(stage, owner)
    shown = part(owner, f"{PAGE}/fields?q=")
    assert len(shown.select("[data-value]")) == 20, "a long list is never sent whole"
    assert "из 70" in said(shown) or "Показаны первые 20" in said(shown)
    unfit = part(owner, f"{PAGE}/fields?q=цвет").select_one("[role=option]")
    assert unfit["aria-disabled"] == "true"
    assert "номер сессии не поместится" in said(unfit)
    assert "надёжнее текстовое" in said(part(owner, f"{PAGE}/fields?q=номер"))
    twins = part(owner, f"{PAGE}/fields?q=сессия").select("[data-value]")
    assert len({one["data-text"] for one in twins}) == 2, "two of one name can be told apart"
    marks = part(owner, f"{PAGE}/fields?q=utm").select(".combo-note")
    assert {said(note) for note in marks} == {"отслеживаемые данные · Статистика"}


def settings(owner: LintingClient, **changes: str) -> dict[str, str]:
    """The settings form as a browser would send it, changed."""
    return filled(owner.get(PAGE).find(id="settings-form")) | changes


def test_a_field_is_chosen_and_one_that_vanished_is_told(stage: Stage, owner):
    field = stage.amo.create_field("Сессия сайта", "text")["id"]
    connected(stage, owner)
    owner.post(f"{PAGE}/settings", settings(owner, session_field=str(field), session_field_text="Сессия сайта"))
    assert stage.integration.options["session_field"] == field
    owner.post(f"{PAGE}/settings", settings(owner, session_field="", session_field_text="нет такого"), status=422)
    stage.amo.delete_field(field)
    page = owner.follow(f"{PAGE}/fields/refresh")
    assert "больше нет" in said(page.select_one("#session-field"))
    owner.post(f"{PAGE}/settings", settings(owner))
    assert stage.integration.options["session_field"] == field, "what is stored is not lost by saving the rest"


def test_an_unfit_field_is_refused_with_the_reason(stage: Stage, owner):
    field = stage.amo.create_field("Цвет", "select")["id"]
    connected(stage, owner)
    form = settings(owner, session_field=str(field), session_field_text="Цвет")
    page = owner.post(f"{PAGE}/settings", form, status=422)
    assert "не подойдёт" in beside(page, "session_field")


def test_a_field_is_made_by_one_click_and_only_once(stage: Stage, owner):
    """B8."""
    connected(stage, owner)
    owner.post(f"{PAGE}/fields/create")
    made = stage.integration.options["session_field"]
    assert stage.amo.state.tenant().fields[made]["type"] == "text"
    owner.post(f"{PAGE}/fields/create")
    assert stage.integration.options["session_field"] == made
    assert stage.amo.recorder.counts["fields.post"] == 1


def test_the_webhook_is_subscribed_by_one_click(stage: Stage, owner):
    """B8."""
    connected(stage, owner)
    page = owner.follow(f"{PAGE}/hook", {"with_text": "y"})
    assert "Подписан нами" in said(page.select_one("#hook"))
    [hook] = stage.amo.state.tenant().hooks.values()
    assert (hook.destination, sorted(hook.settings)) == (stage.hook, ["add_message", "update_talk"])
    owner.follow(f"{PAGE}/hook")
    [hook] = stage.amo.state.tenant().hooks.values()
    assert hook.settings == ["update_talk"]


def test_what_goes_wrong_while_the_user_waits_is_told_in_words(stage: Stage, owner):
    connected(stage, owner)
    for fault, words in (("402", "не оплачен"), ("403 113", "фильтр по IP"), ("500", "внутренняя ошибка")):
        stage.amo.faults.add([{"on": "fields", "do": fault}])
        page = owner.follow(f"{PAGE}/fields/refresh")
        assert words in flash(page), fault
        with stage.app.app_context():
            pacing.resume(db.engine, f"authorization:{stage.authorization.id}")


def test_days_are_reconciled_by_a_button(stage: Stage, owner):
    """B3."""
    connected(stage, owner)
    stage.amo.close_talk(stage.talk())
    today = stage.amo.state.tenant().talks[191].updated_at
    day = datetime.fromtimestamp(today, UTC)
    form = {"since": str((day - timedelta(days=1)).date()), "until": str((day + timedelta(days=1)).date())}
    page = owner.follow(f"{PAGE}/reconcile", form)
    assert "Сверка началась" in flash(page)
    [row] = stage.reconciliations()
    stage.run("reconcile", row.id)
    assert stage.communication().vendor_id == "191"
    assert "найдено пропущенных: 1" in said(owner.get(PAGE).select_one("#reconcile"))
    page = owner.follow(f"{PAGE}/reconcile", {"since": "2026-02-31", "until": "x"})
    assert "Укажите дни" in flash(page)


def test_the_test_button_works_without_amocrm(stage: Stage, owner):
    """A20: a sample closed talk takes the way of a webhook."""
    stage.amo.stop()
    page = owner.follow(f"{PAGE}/test")
    told = stage.communication()
    assert (told.is_test, told.type, told.contact_email) == (True, "offline_message", "test@example.com")
    assert "Проверка" in said(page.select_one("#test"))


def test_a_vendor_that_is_never_asked_has_none_of_this(stage: Stage, owner, session):
    make_integration(session, session.get(Account, stage.account_id))
    session.rollback()
    page = owner.get("/a/romashka/integrations/jivo")
    for gone in ("#authorization", "#hook", "#session-field", "#reconcile"):
        assert page.select_one(gone) is None
    assert page.select_one("#employee") is not None
    assert owner.get(PAGE).select_one("#employee") is None
    owner.post("/a/romashka/integrations/jivo/authorization", status=404)
