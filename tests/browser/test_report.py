"""«Обращения и цели» as a marketer works with it: filters, columns, order, views, charts, search, files (B12)."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.browser import ON_SQLITE, Cabinet, combobox, offered
from tests.browser.conftest import Watch
from tests.browser.test_narrow import STICKING_OUT
from tests.factories import make_campaign, make_site, make_visit
from tests.report import inside
from tests.views.acting import make_communication
from webapp.jobs import make_export
from webapp.models import Communication, Export, utc_now
from webapp.report import digest
from webapp.views import communications_export

pytestmark = [pytest.mark.browser, ON_SQLITE]


@pytest.fixture
def report(app: Flask, session: Session, cabinet: Cabinet) -> str:
    """The address of the list, with sixty communications of the last month in it."""
    campaign = make_campaign(session, cabinet.account, name="Директ: шторы")
    site = make_site(session, cabinet.account, name="Магазин")
    visit = make_visit(session, cabinet.account, started_at=utc_now() - timedelta(days=40))
    for place in range(60):
        values = (
            {"rule": "visit", "visit_id": visit.id, "campaign_id": campaign.id, "site_id": site.id, "channel": "site"},
            {"rule": "channel", "channel": "telegram"},
            {"rule": "none", "channel": None},
        )[place % 3]
        make_communication(
            session,
            cabinet.integration,
            str(place),
            started_at=utc_now() - timedelta(hours=12 * place + 1),
            contact_name=f"Имя {place:02}",
            contact_phone=f"+791612345{place:02}",
            text="Есть шторы блэкаут?" if place == 42 else "Здравствуйте",
            **values,
        )
    session.commit()
    session.rollback()
    with inside(app) as own:
        digest.run_all(own)
    return f"{cabinet.path}/communications"


@pytest.fixture
def page(open_page: Callable[..., Page], cabinet: Cabinet, report: str) -> Page:
    """The owner before the list."""
    opened = open_page(cabinet.owner, accept_downloads=True)
    opened.goto(report)
    return opened


def listed(page: Page) -> list[str]:
    """The names in the list."""
    return re.findall(r"Имя \d\d", page.locator(".card-table tbody").inner_text())


def state(page: Page) -> dict[str, str]:
    """The parameters of the page's address."""
    return page.evaluate("Object.fromEntries(new URL(location).searchParams)")


def test_filters_stand_in_the_address_and_are_taken_away_one_by_one(page: Page, report: str) -> None:
    expect(page.locator(".pager-text")).to_have_text("50 из 60")
    page.locator("#channel").click()
    page.locator("#channel").select_option("telegram")
    expect(page.locator(".pager-text")).to_have_text("20 из 20")
    page.locator(".filter > summary", has_text="За всё время").click()
    page.get_by_role("link", name="7 дней").click()
    expect(page.locator(".filter.is-set > summary")).to_have_text(re.compile("7 дней"))
    page.locator(".filter > summary", has_text="Фильтры").click()
    page.locator("#contact").select_option("first")
    page.locator(".filter-more").get_by_role("button", name="Показать", exact=True).click()
    assert state(page) == {"channel": "telegram", "period": "7", "contact": "first"}
    names = listed(page)
    assert names
    page.goto(page.url)
    assert listed(page) == names, "the address is the whole state"
    page.get_by_role("link", name="Контакт: написал впервые").click()
    assert state(page) == {"channel": "telegram", "period": "7"}
    page.get_by_role("link", name="Сбросить").click()
    assert state(page) == {}


@pytest.mark.parametrize("left", [True, False], ids=["loaded again", "kept in memory"])
def test_after_going_back_the_fields_show_what_the_list_shows(page: Page, left: bool) -> None:
    page.locator("#channel").click()
    page.locator("#channel").select_option("telegram")
    expect(page.locator(".pager-text")).to_have_text("20 из 20")
    page.locator("#q").fill("Имя 01")
    if left:
        page.locator("#channel").click()
        page.locator("#channel").select_option("site")
        page.wait_for_url("**channel=site**")
        page.go_back()
    else:
        # This browser keeps no page while it is driven; it is told as it tells a page that it kept.
        page.evaluate('dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}))')
    expect(page.locator("#q")).to_have_value("")
    assert state(page) == {"channel": "telegram"}
    expect(page.locator("#channel")).to_have_value("telegram")
    page.locator("#q").press("Enter")
    expect(page.locator(".pager-text")).to_have_text("20 из 20")


def test_a_site_is_chosen_by_typing(page: Page) -> None:
    page.locator(".filter > summary", has_text="Фильтры").click()
    combobox(page, "site").fill("магаз")
    offered(page, "site").first.click()
    page.locator(".filter-more").get_by_role("button", name="Показать", exact=True).click()
    expect(page.locator(".chips")).to_contain_text("Сайт: Магазин — shop.example")
    expect(page.locator(".pager-text")).to_have_text("20 из 20")
    assert set(state(page)) == {"site"}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("блэкаут", ["Имя 42"]),
        ("БЛЭКА", ["Имя 42"]),
        ("8 916 123-45-07", ["Имя 07"]),
        ("345-07", ["Имя 07"]),
        ("43 имя", ["Имя 43"]),
    ],
)
def test_text_names_and_phones_are_found(page: Page, typed: str, found: list[str]) -> None:
    page.locator("#q").fill(typed)
    page.locator("#q").press("Enter")
    expect(page.locator(".chips")).to_be_visible()
    assert listed(page) == found
    expect(page.locator(".overview .stat-value").first).to_have_text(str(len(found)))


def test_columns_are_chosen_ordered_and_sorted_by(page: Page) -> None:
    page.locator(".panel > summary", has_text="Колонки").click()
    page.get_by_role("link", name="Добавить + Телефон").click()
    page.get_by_role("link", name="Убрать: Контакт").click()
    for _step in range(2):
        page.get_by_role("link", name="Выше: Телефон").click()
    page.get_by_role("link", name="Убрать: Обращение").click()
    page.keyboard.press("Escape")
    heads = page.locator(".card-table thead th")
    expect(heads).to_have_text(["Время ↓", "Канал", "Телефон", "Кампания / источник", "Почему"])
    page.locator("main h1").click()
    heads.get_by_role("link", name="Телефон").click()
    expect(page.locator(".card-table tbody tr").first).to_contain_text("+7 916 123-45-59")
    heads.get_by_role("link", name="Телефон").click()
    expect(page.locator(".card-table tbody tr").first).to_contain_text("+7 916 123-45-00")
    page.get_by_role("link", name="Вперёд").click()
    expect(page.locator(".card-table tbody tr")).to_have_count(10)


def test_many_columns_can_still_be_read(page: Page, report: str, session: Session) -> None:
    row = session.scalars(select(Communication).order_by(Communication.id.desc())).first()
    assert row is not None
    row.text = "Здравствуйте, подскажите, пожалуйста, сколько стоят шторы блэкаут? " * 5
    session.commit()
    columns = "time,kind,contact,channel,target,rule,name,phone,email,campaign,source,site,text"
    page.goto(f"{report}?columns={columns}")
    heads = page.locator(".card-table thead th").all_inner_texts()
    widths = {
        head: page.locator(f".card-table tbody tr:first-child td:nth-child({place})").bounding_box()
        for place, head in enumerate(heads, 1)
    }
    assert widths["Текст"]["width"] >= 200
    assert widths["Сайт"]["width"] >= 120
    line = page.locator("td:has-text('Здравствуйте')").last.evaluate(
        "(cell) => parseFloat(getComputedStyle(cell).lineHeight)"
    )
    assert max(box["height"] for box in widths.values()) < 6 * line
    phone = page.locator(f".card-table tbody tr:first-child td:nth-child({heads.index('Телефон') + 1})")
    lines = phone.evaluate(
        "(cell) => { const range = document.createRange(); range.selectNodeContents(cell);"
        " return range.getClientRects().length }"
    )
    assert lines == 1
    assert page.evaluate(STICKING_OUT) == []


def test_a_view_is_saved_opened_and_deleted(page: Page, report: str, watch: Watch) -> None:
    watch.allow(422)
    page.goto(f"{report}?rule=none&by=rule&columns=name,phone")
    page.locator(".panel > summary", has_text="Виды").click()
    page.get_by_role("button", name="Сохранить вид").click()
    expect(page.locator("#view-name-error")).to_contain_text("Назовите вид.")
    page.get_by_label("Назвать то, что сейчас на экране").fill("Починить")
    page.get_by_role("button", name="Сохранить вид").click()
    expect(page.locator("#flash")).to_contain_text("Вид «Починить» сохранён")
    page.goto(report)
    page.locator(".panel > summary", has_text="Виды").click()
    page.get_by_role("link", name="Починить").click()
    assert state(page) == {"rule": "none", "by": "rule", "columns": "name,phone"}
    expect(page.locator(".pager-text")).to_have_text("20 из 20")
    page.locator(".panel > summary", has_text="Виды").click()
    page.get_by_role("button", name="Удалить вид «Починить»").click()
    page.locator("#confirm").get_by_role("button", name="Удалить").click()
    expect(page.locator("#flash")).to_contain_text("удалён")


def test_every_bar_leads_to_what_it_counts(page: Page) -> None:
    expect(page.locator(".overview .stat-value")).to_have_text(["60", "33 %", "33 %", "0 %", "33 %"])
    bars = page.locator("svg.chart-days a")
    assert bars.count() >= 30
    bar = bars.nth(bars.count() - 3)
    told = bar.locator("title").text_content() or ""
    bar.click()
    expect(page.locator(".pager-text")).to_have_text(re.compile(rf"^(\d+) из {told.split(': ')[1]}$"))
    page.get_by_role("link", name="Сбросить").click()
    page.locator(".bars").get_by_role("link", name="Директ: шторы").click()
    expect(page.locator(".pager-text")).to_have_text("20 из 20")
    page.get_by_role("link", name="Каналы").click()
    expect(page.locator(".bars tbody tr")).to_have_text(re.compile(r"Сайт\s*20\s*100"))
    page.get_by_role("link", name="Сбросить").click()
    page.get_by_role("link", name="Без атрибуции").click()
    assert state(page) == {"rule": "none"}


def test_the_numbers_of_the_chart_are_read_in_its_table(page: Page) -> None:
    twin = page.locator(".chart-card").first
    twin.get_by_text("Таблицей").click()
    days = twin.locator("tbody tr")
    bars = page.locator("svg.chart-days a title")
    expect(days).to_have_count(bars.count())
    total = sum(int(text) for text in twin.locator("tbody td:nth-child(2)").all_inner_texts())
    assert total == 60
    days.nth(1).get_by_role("link").click()
    assert set(state(page)) == {"since", "until"}


def test_a_small_list_is_fetched_as_it_is(page: Page, report: str, tmp_path: Path) -> None:
    page.goto(f"{report}?rule=none&columns=name,phone")
    for kind in ("CSV", "XLSX"):
        page.locator(".panel > summary", has_text="Выгрузить").click()
        with page.expect_download() as started:
            page.get_by_role("link", name=kind, exact=True).click()
        path = tmp_path / started.value.suggested_filename
        started.value.save_as(path)
        if kind == "CSV":
            lines = list(csv.reader(path.read_text("utf-8-sig").splitlines(), delimiter=";"))
            assert lines[0] == ["Имя", "Телефон"]
            assert len(lines) == 21
        else:
            assert zipfile.ZipFile(path).testzip() is None
        page.goto(page.url)


def test_a_large_list_is_made_in_the_background_with_progress(
    app: Flask, session: Session, page: Page, report: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(communications_export, "MOST_AT_ONCE", 10)
    page.locator(".panel > summary", has_text="Выгрузить").click()
    page.get_by_role("link", name="XLSX", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Выгрузки")
    page.get_by_role("button", name="Собрать файл XLSX").click()
    files = page.locator("#files")
    expect(files).to_contain_text("в очереди")
    session.rollback()
    number = session.scalar(select(Export.id))
    session.rollback()
    with inside(app) as own:
        export = own.get_one(Export, number)
        export.state, export.done, export.total = "running", 30, 60
        own.commit()
    expect(files).to_contain_text("30 из 60 строк")
    expect(files.get_by_role("progressbar")).to_have_attribute("value", "30")
    with inside(app) as own:
        make_export.handle(number)
    expect(files).to_contain_text("60 строк")
    with page.expect_download() as started:
        files.get_by_role("link", name="Скачать").click()
    started.value.save_as(tmp_path / "file.xlsx")
    assert zipfile.ZipFile(tmp_path / "file.xlsx").testzip() is None
    files.get_by_role("button", name="Удалить").click()
    expect(page.locator("#files")).to_contain_text("Здесь появятся заказанные файлы.")


def test_everything_is_done_without_javascript_too(
    open_page: Callable[..., Page], cabinet: Cabinet, report: str
) -> None:
    page = open_page(cabinet.owner, java_script_enabled=False)
    page.goto(report)
    page.locator(".filter > summary", has_text="Фильтры").click()
    combobox(page, "campaign").fill("Директ: шторы")
    page.locator("#visit").select_option("yes")
    page.locator(".filter-more").get_by_role("button", name="Показать", exact=True).click()
    expect(page.locator(".pager-text")).to_have_text("20 из 20")
    page.locator(".panel > summary", has_text="Колонки").click()
    page.get_by_role("link", name="Добавить + Сессия").click()
    expect(page.locator(".card-table thead th").last).to_have_text("Сессия")
    page.locator(".panel > summary", has_text="Виды").click()
    page.get_by_label("Назвать то, что сейчас на экране").fill("С сессией")
    page.get_by_role("button", name="Сохранить вид").click()
    expect(page.locator("#flash")).to_contain_text("сохранён")


def test_on_a_telephone_the_panels_fit(open_page: Callable[..., Page], cabinet: Cabinet, report: str) -> None:
    page = open_page(cabinet.owner, viewport={"width": 390, "height": 800}, has_touch=True)
    page.goto(report)
    for panel in page.locator("details.filter > summary").all():
        panel.tap()
        assert page.evaluate(STICKING_OUT) == [], panel.inner_text()
        panel.tap()
