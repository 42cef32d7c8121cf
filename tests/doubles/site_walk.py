"""What a person does on the stand-in site, for tests that drive a browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def open_chat(page: Page) -> None:
    """Open the widget's box, unless it is open."""
    if not page.get_by_label("Ваше сообщение").is_visible():
        page.get_by_role("button", name="Написать в чат").click()


def introduce(page: Page, **contact: str) -> None:
    """Leave contacts in the box: ``name``, ``phone``, ``email``. The webhook has been answered when this returns."""
    labels = {"name": "Имя", "phone": "Телефон", "email": "Почта"}
    open_chat(page)
    if not page.get_by_label("Имя", exact=True).is_visible():
        page.get_by_text("Ваши контакты").click()
    for key, text in contact.items():
        page.get_by_label(labels[key], exact=True).fill(text)
    with page.expect_response("**/jivo/introduce"):
        page.get_by_role("button", name="Оставить контакты").click()


def write(page: Page, text: str) -> None:
    """Write a message. Its webhooks have been answered when this returns."""
    open_chat(page)
    page.get_by_label("Ваше сообщение").fill(text)
    with page.expect_response("**/jivo/message"):
        page.get_by_role("button", name="Отправить", exact=True).click()


def end_chat(page: Page) -> None:
    """End the dialog. Its webhook has been answered when this returns."""
    page.get_by_role("button", name="Завершить чат").click()
    expect(page.get_by_role("log").get_by_text("Чат завершён").last).to_be_visible()


def write_to_amo(page: Page, text: str, button: str = "Отправить в чат") -> None:
    """Write through amoCRM's button; «Написать в Telegram» is its other way."""
    if not page.get_by_label("Сообщение в amoCRM").is_visible():
        page.get_by_role("button", name="Мы на связи").click()
    page.get_by_label("Сообщение в amoCRM").fill(text)
    with page.expect_response("**/amo/message"):
        page.get_by_role("button", name=button).click()
