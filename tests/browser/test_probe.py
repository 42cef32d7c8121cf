import pytest
from tests.browser import *
pytestmark=[pytest.mark.browser, ON_SQLITE]
def test_probe(open_page, furnished, watch):
    page=open_page(furnished.owner)
    page.goto(furnished.jivo)
    page.on("dialog", lambda d: (print("DIALOG", d.type, d.message), d.accept()))
    for _ in range(2):
        page.click("#name"); page.keyboard.press("End"); page.keyboard.type("Другое имя")
        print(page.inner_text("[data-changes]"))
        page.click("#save button")
        page.wait_for_timeout(1000)
        print(page.url, page.inner_text("#flash"), "|", page.inner_text("[data-changes]"), page.inner_text("h1"), page.evaluate("scrollY"))
    page.click("#name"); page.keyboard.press("End"); page.keyboard.type("Третье")
    page.context.clear_cookies()
    watch.allow(401,400)
    page.click("#save button")
    page.wait_for_timeout(1000)
    print(page.url, page.inner_text("main"))
    other=page.context.new_page()
    other.goto("/sign-in"); other.fill("#email", furnished.owner.email); other.fill("#password","long enough password"); other.click("main button"); other.wait_for_timeout(600)
    page.click("main button"); page.wait_for_timeout(700)
    print(page.url, page.inner_text("main")[:200])
    page.click("main button"); page.wait_for_timeout(700)
    print(page.url, page.inner_text("main")[:200])
def test_poll(open_page, cabinet, watch):
    page=open_page(cabinet.owner)
    page.goto(cabinet.jivo)
    page.context.clear_cookies()
    page.wait_for_timeout(3000)
    print(page.inner_text("#test")[-800:])
    page.fill("#campaign","x")
    page.wait_for_timeout(800)
    print(page.inner_text("#campaign-list"))
