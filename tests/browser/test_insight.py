"""In a real browser: what would change and what did, suggestions, archives, alerts, erasure (B2, B3, B5, issue 6)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.attributed import chat as attributed_chat
from tests.browser import ON_SQLITE, Cabinet, pick
from tests.browser.conftest import Watch
from tests.factories import make_alert, make_source
from tests.views.acting import chat, make_communication, send
from webapp.jobs import handlers
from webapp.models import AlertSetting, Communication, Task, WebhookEvent, utc_now

pytestmark = [pytest.mark.browser, ON_SQLITE]


@pytest.fixture
def worker(app: Flask, session: Session) -> Iterator[None]:
    """Carries out tasks while the test goes on, as the worker process does."""
    stop, known = threading.Event(), handlers(app)

    def work() -> None:
        while not stop.wait(0.2):
            with Session(session.get_bind()) as own:
                waiting = own.execute(select(Task.kind, Task.id).where(Task.state.in_(("waiting", "running")))).all()
            for kind, number in waiting:
                known[kind](number)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.fixture
def page(open_page: Callable[..., Page], cabinet: Cabinet) -> Page:
    """A page of the owner."""
    return open_page(cabinet.owner)


def tell(session: Session, cabinet: Cabinet, number: int, **values: object) -> None:
    """Chats of yesterday that no rule had an answer for."""
    for _number in range(number):
        attributed_chat(session, cabinet.integration, started_at=utc_now() - timedelta(days=1), **values)
    session.rollback()


def test_a_changed_default_is_looked_at_saved_applied_and_taken_back(
    page: Page, cabinet: Cabinet, session: Session, worker: None
) -> None:
    """B2, the whole way by hand."""
    source = make_source(session, cabinet.account, name="Телеграм-канал")
    number = source.id
    tell(session, cabinet, 4, contact_name="Анна")
    page.goto(cabinet.jivo)
    page.locator("label", has=page.locator("#kind-source")).click()
    pick(page, "source", "теле", "Телеграм-канал")
    page.get_by_role("button", name="Что изменится").click()
    forecast = page.locator("#forecast")
    expect(forecast).to_contain_text("4 обращения отнеслись бы иначе")
    expect(forecast.locator("tbody tr")).to_have_count(1)
    expect(forecast.locator("tbody tr")).to_contain_text("Источник «Телеграм-канал»")
    expect(forecast.get_by_role("link", name="Чат · Анна").first).to_be_visible()
    expect(page.locator("#source")).to_have_value("Телеграм-канал")
    expect(page.locator("[data-changes]")).to_contain_text("Изменено")
    page.locator("#save").get_by_role("button", name="Сохранить").click()
    expect(page.locator("#flash")).to_contain_text("Настройки сохранены")
    page.get_by_role("link", name="Пересчитать прошлые").click()
    page.get_by_role("button", name="Что изменится").last.click()
    expect(page.locator("#forecast")).to_contain_text("4 обращения")
    page.get_by_role("button", name="Пересчитать").click()
    page.locator("#confirm").get_by_role("button", name="Пересчитать").click()
    expect(page.locator("#task-card")).to_contain_text("готово")
    expect(page.locator("#task-card")).to_contain_text("4 из 4")
    session.rollback()
    assert set(session.scalars(select(Communication.source_id))) == {number}
    session.rollback()
    page.get_by_role("button", name="Вернуть, как было").click()
    page.locator("#confirm").get_by_role("button", name="Вернуть").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Отмена пересчёта")
    expect(page.locator("#task-card")).to_contain_text("готово")
    session.rollback()
    assert set(session.scalars(select(Communication.source_id))) == {None}


def test_a_rule_is_looked_at_before_it_is_saved_also_without_javascript(
    open_page: Callable[..., Page], cabinet: Cabinet, session: Session
) -> None:
    tell(session, cabinet, 2, utm={"source": "vk", "medium": "post"})
    for script in (True, False):
        page = open_page(cabinet.owner, java_script_enabled=script)
        page.goto(f"{cabinet.path}/suggestions")
        row = page.get_by_role("row").filter(has_text="vk / post")
        expect(row).to_contain_text("2")
        row.get_by_role("link", name="Новая кампания").click()
        expect(page.get_by_label("Название")).to_have_value("vk / post")
        expect(page.get_by_label("Значение").first).to_have_value("vk")
        page.get_by_role("button", name="Что изменится").click()
        expect(page.locator("#forecast")).to_contain_text("Кампания «vk / post»")
        expect(page.get_by_label("Название")).to_have_value("vk / post")
    page.get_by_role("button", name="Сохранить").last.click()
    page.goto(f"{cabinet.path}/suggestions")
    expect(page.get_by_role("heading", name="Подсказок нет")).to_be_visible()


def test_a_messenger_is_offered_and_its_row_is_begun(page: Page, cabinet: Cabinet, session: Session) -> None:
    """B5."""
    make_communication(session, cabinet.integration, "a", channel="avito")
    session.commit()
    session.rollback()
    page.goto(f"{cabinet.path}/suggestions")
    page.get_by_role("row").filter(has_text="Avito").get_by_role("link", name="Задать").click()
    expect(page.locator("#map-0-channel")).to_have_value("avito")
    expect(page.locator("#map-0-channel")).to_be_in_viewport()


def test_an_archive_is_uploaded_and_reported(
    page: Page, cabinet: Cabinet, session: Session, worker: None, tmp_path: Path
) -> None:
    """B3."""
    log = tmp_path / "delivery.log"
    blocks = [
        f"2026-11-2{day} 12:00:01\nPOST https://trail.example/hooks/jivo/secret/viber\n{json.dumps(chat(day))}\n"
        f"Response code: 500\n"
        for day in (1, 2)
    ]
    log.write_text("\n".join(blocks) + "\n2026-11-23 12:00\nPOST /hooks/jivo/x\nResponse code: 500\n")
    page.goto(f"{cabinet.path}/events")
    page.get_by_role("link", name="Загрузить архив").click()
    page.get_by_label("Файлы").set_input_files(log)
    page.get_by_role("button", name="Загрузить").click()
    card = page.locator("#task-card")
    expect(card).to_contain_text("готово")
    expect(card).to_contain_text("Новых")
    expect(card).to_contain_text("delivery.log, строка")
    session.rollback()
    assert sorted(session.scalars(select(Communication.channel))) == ["viber", "viber"]


def test_a_folder_is_uploaded(page: Page, cabinet: Cabinet, session: Session, worker: None, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"{number}.json").write_text(json.dumps(chat(number)))
    page.goto(f"{cabinet.path}/import")
    page.get_by_label("Или папка целиком").set_input_files(tmp_path)
    page.get_by_role("button", name="Загрузить").click()
    expect(page.locator("#task-card")).to_contain_text("3 из 3")
    session.rollback()
    assert len(session.scalars(select(Communication.id)).all()) == 3


def test_what_a_filter_shows_is_processed_again(
    app: Flask, page: Page, cabinet: Cabinet, session: Session, worker: None
) -> None:
    hook = cabinet.integration.hook_path()
    session.rollback()
    for number in (1, 2):
        send(app, hook, chat(number))
    session.rollback()
    for event in session.scalars(select(WebhookEvent)):
        event.state = "failed"
    session.commit()
    session.rollback()
    page.goto(f"{cabinet.path}/events")
    page.get_by_label("Состояние").select_option("failed")
    page.get_by_role("button", name="Показать").click()
    page.get_by_role("button", name="Обработать показанные заново").click()
    page.locator("#confirm").get_by_role("button", name="Обработать").click()
    expect(page.locator("#task-card")).to_contain_text("2 из 2")
    session.rollback()
    assert set(session.scalars(select(WebhookEvent.state))) == {"done"}


def test_alerts_are_seen_and_hidden_and_a_wrong_address_is_told(
    page: Page, cabinet: Cabinet, session: Session, watch: Watch
) -> None:
    watch.allow(422)
    make_alert(session, cabinet.account)
    session.rollback()
    page.goto(f"{cabinet.path}/communications")
    page.locator(".alerts").get_by_role("link", name="Подробнее").click()
    page.get_by_role("button", name="Знаю, не показывать").click()
    expect(page.get_by_text("вы об этом знаете")).to_be_visible()
    page.get_by_label("Почта").fill("not mail")
    page.get_by_role("button", name="Сохранить").click()
    expect(page.locator("#emails-error")).to_contain_text("не адрес почты")


def test_alert_settings_are_saved(page: Page, cabinet: Cabinet, session: Session) -> None:
    page.goto(f"{cabinet.path}/alerts")
    page.get_by_label("Почта").fill("olga@romashka.example")
    page.get_by_label("Адрес вашего вебхука").fill("https://hooks.example/alerts")
    page.get_by_label("События с ошибкой").uncheck()
    page.get_by_role("button", name="Сохранить").click()
    expect(page.locator("#flash")).to_contain_text("Сохранено")
    expect(page.get_by_label("Ключ")).to_be_visible()
    session.rollback()
    kept = session.scalars(select(AlertSetting)).one()
    assert (kept.emails, kept.off) == (["olga@romashka.example"], ["failed_events"])


def test_a_person_is_looked_at_and_erased(
    app: Flask, page: Page, cabinet: Cabinet, session: Session, worker: None, watch: Watch
) -> None:
    """DESIGN §9."""
    watch.allow(422)
    hook = cabinet.integration.hook_path()
    session.rollback()
    send(app, hook, chat(1, "Мой номер 8 (916) 123-45-67"))
    send(app, hook, chat(2, "Другой человек"))
    page.goto(f"{cabinet.path}/settings")
    page.get_by_role("link", name="Удаление данных").click()
    page.get_by_label("Телефон или почта").fill("Анна")
    page.get_by_role("button", name="Посмотреть, что удалится").click()
    expect(page.locator("#who-error")).to_contain_text("Это не телефон и не почта")
    page.get_by_label("Телефон или почта").fill("+7 916 1234567")
    page.get_by_role("button", name="Посмотреть, что удалится").click()
    expect(page.locator("#preview")).to_contain_text("Чат · Мария")
    page.get_by_role("button", name="Удалить безвозвратно").click()
    page.locator("#confirm").get_by_role("button", name="Удалить").click()
    expect(page.locator("#task-card")).to_contain_text("готово")
    session.rollback()
    assert session.scalars(select(Communication.vendor_id)).all() == ["2"]
