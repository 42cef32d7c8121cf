"""A telephone's width, and the dark colours: nothing sticks out, everything is reached, everything can be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from tests.browser import ON_SQLITE, Furnished, combobox, offered, told, welcome_path
from tests.browser.conftest import Watch
from webapp import audit

pytestmark = [pytest.mark.browser, ON_SQLITE]

KINDS = ("sites", "campaigns", "sources", "employees")

NARROW = {"width": 390, "height": 800}

#: WCAG 2.2, 1.4.3: the least contrast of text.
LEAST_CONTRAST = 4.5

#: What makes the page wider than its window, the innermost of each.
STICKING_OUT = """() => {
  const wide = document.documentElement.scrollWidth, width = document.documentElement.clientWidth;
  if (wide <= width) return [];
  const scrolled = (element) => {
    for (let box = element.parentElement; box; box = box.parentElement)
      if (box !== document.body && box !== document.documentElement && getComputedStyle(box).overflowX !== "visible")
        return true;
    return false;
  };
  const out = [...document.body.querySelectorAll("*")].filter(
    (element) => element.getBoundingClientRect().right > width + 1 && !scrolled(element));
  const innermost = out.filter((element) => !out.some((other) => other !== element && element.contains(other)));
  return [`${wide} px`, ...innermost.map((element) => `${element.tagName}.${element.className} ${element.id}`)];
}"""

#: Every text on the page with less contrast than it must have: its colour on what lies beneath it.
HARD_TO_READ = """(least) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parsed = new Map();
  const rgba = (colour) => {
    if (!parsed.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      parsed.set(colour, [r, g, b, a / 255]);
    }
    return parsed.get(colour);
  };
  const over = (top, below) => top.slice(0, 3).map((part, place) => part * top[3] + below[place] * (1 - top[3]));
  const beneath = (element) => {
    const layers = [];
    for (let box = element; box; box = box.parentElement) {
      const style = getComputedStyle(box);
      layers.push(rgba(style.backgroundColor));
      // The shell's gradient has the side bar's colour on the left and nothing on the right.
      if (box.matches(".side") && innerWidth > 900)
        layers.push(rgba(getComputedStyle(document.documentElement).getPropertyValue("--surface")));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  // In a drawing: the last shape before the text that covers its middle.
  const drawnBeneath = (text) => {
    const { left, width, top, height } = text.getBoundingClientRect();
    const [x, y] = [left + width / 2, top + height / 2];
    const shapes = [...text.closest("svg").querySelectorAll("rect, circle, path")].filter((shape) => {
      const box = shape.getBoundingClientRect();
      const covers = box.left <= x && x <= box.right && box.top <= y && y <= box.bottom;
      return covers && getComputedStyle(shape).fill !== "none"
        && shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING;
    });
    const below = beneath(text.closest("svg"));
    return shapes.length ? over(rgba(getComputedStyle(shapes.at(-1)).fill), below) : below;
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (colour, below) => {
    const [one, other] = [light(over(rgba(colour), below)), light(below)];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  };
  const found = new Set();
  const look = (element, colour, text) => {
    const ratio = contrast(colour, element.closest("svg") ? drawnBeneath(element) : beneath(element));
    const name = `${element.tagName}.${element.getAttribute("class")}`;
    if (ratio < least) found.add(`${ratio.toFixed(2)} ${name}: ${text.trim().slice(0, 40)}`);
  };
  let count = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(".visually-hidden, :disabled, option, dialog")) continue;
    count += 1;
    const style = getComputedStyle(element);
    look(element, element.closest("svg") ? style.fill : style.color, walker.currentNode.data);
  }
  for (const field of document.querySelectorAll("input, select, textarea")) {
    if (!field.checkVisibility() || field.matches("[type=radio], [type=checkbox], [type=hidden]")) continue;
    look(field, getComputedStyle(field).color, field.value || field.name);
    if (field.placeholder) look(field, getComputedStyle(field, "::placeholder").color, field.placeholder);
  }
  return [count, ...found];
}"""


@pytest.fixture
def phone(open_page: Callable[..., Page], furnished: Furnished) -> Page:
    """The owner of a furnished cabinet, with a telephone."""
    return open_page(furnished.owner, viewport=NARROW, has_touch=True)


def unfold(page: Page) -> None:
    """Open everything on the page that is folded, but the menus, which lie over it."""
    page.evaluate("document.querySelectorAll('details:not(.menu)').forEach((part) => part.open = true)")


def test_no_page_is_wider_than_a_telephone(
    phone: Page, open_page: Callable[..., Page], furnished: Furnished, watch: Watch
) -> None:
    watch.allow(404, 410)
    stranger = open_page(viewport=NARROW)

    def sticking_out() -> Iterator[str]:
        for page, paths in ((phone, furnished.paths), (stranger, furnished.outside)):
            for path in paths:
                page.goto(path)
                unfold(page)
                for what in page.evaluate(STICKING_OUT):
                    yield f"{path}: {what}"

    told(sticking_out())


def test_nothing_in_the_lists_has_to_be_scrolled_to(phone: Page, furnished: Furnished, session: Session) -> None:
    """The reason of a hand-over, a change of settings, a campaign's rules: all stand in the screen's width."""
    changes = {"default": [{"kind": "campaign", "campaign": 7}, {"kind": "source", "source": 8, "site": 9}]}
    told_of = {"user": furnished.owner, "action": "integration.save", "subject": "Jivo: передача чатов"}
    audit.record(session, furnished.account.id, changes=changes, **told_of)
    session.commit()

    def scrolled() -> Iterator[str]:
        for path in ("/deliveries", "/settings/audit", *(f"/directory/{kind}" for kind in KINDS)):
            phone.goto(furnished.path + path)
            expect(phone.locator(".card-table tbody tr").first).to_be_visible()
            wide, width = phone.evaluate(
                "(({scrollWidth, clientWidth}) => [scrollWidth, clientWidth])(document.querySelector('.table-box'))"
            )
            if wide > width:
                yield f"{path}: {wide} px in {width}"

    told(scrolled())


@pytest.mark.parametrize("width", [768, 1000, 1280])
def test_no_page_is_wider_than_a_small_window(open_page: Callable[..., Page], furnished: Furnished, width: int) -> None:
    """The buttons beside a heading go to a line of their own."""
    page = open_page(furnished.owner, viewport={"width": width, "height": 800})
    page.goto(f"{furnished.path}/settings")
    assert page.evaluate(STICKING_OUT) == []
    page.goto(f"{furnished.path}/communications")
    assert page.evaluate(STICKING_OUT) == []


def test_the_welcome_is_not_wider_either(open_page: Callable[..., Page], session: Session) -> None:
    page = open_page(viewport=NARROW)
    page.goto(welcome_path(session))
    expect(page.get_by_role("button", name="Создать кабинет")).to_be_visible()
    assert page.evaluate(STICKING_OUT) == []


def test_every_section_is_reached_on_a_telephone(phone: Page, furnished: Furnished) -> None:
    phone.goto(furnished.jivo)
    for name, title in {
        "События": "События",
        "Справочники": "Сайты",
        "Настройки": "Настройки",
        "Обращения и цели": "Обращения и цели",
        "Интеграции": "Интеграции",
    }.items():
        link = phone.get_by_role("navigation", name="Разделы").get_by_role("link", name=name)
        link.tap()
        expect(phone.get_by_role("heading", level=1)).to_have_text(title)
        expect(link).to_have_attribute("aria-current", "page")
        # The line of sections scrolls; where one is stands in sight.
        expect(link).to_be_in_viewport(ratio=0.9)
    phone.locator(".user-menu > summary").tap()
    for item in (phone.get_by_role("button", name="English"), phone.get_by_role("button", name="Выйти")):
        expect(item).to_be_in_viewport(ratio=1)
    phone.touchscreen.tap(NARROW["width"] / 2, NARROW["height"] - 20)
    expect(phone.get_by_role("button", name="Выйти")).to_be_hidden()


def test_the_steps_are_one_line_that_opens(phone: Page, furnished: Furnished) -> None:
    """The rail beside the page becomes «Шаг N из 5», stays in sight, and leads to each step."""
    phone.goto(furnished.jivo)
    expect(phone.locator(".rail-wide")).to_be_hidden()
    line = phone.locator(".rail-narrow > summary")
    expect(line).to_have_text(re.compile("Шаг . из 5|Все шаги сделаны"))
    line.tap()
    phone.locator(".rail-narrow").get_by_role("link", name="Настройки").tap()
    expect(phone.locator("#settings h2")).to_be_in_viewport()
    expect(line).to_be_in_viewport()
    expect(phone.locator(".rail-narrow .rail-list")).to_be_hidden()
    covered = phone.evaluate(
        "document.querySelector('#settings h2').getBoundingClientRect().top"
        " < document.querySelector('.rail').getBoundingClientRect().bottom"
    )
    assert not covered, "the line of steps hides the heading it leads to"


def test_a_combobox_is_used_by_touch(phone: Page, furnished: Furnished) -> None:
    phone.goto(furnished.jivo)
    combobox(phone, "employee").tap()
    option = offered(phone, "employee").first
    expect(option).to_be_visible()
    box = option.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= NARROW["width"]
    assert box["height"] >= 24
    option.tap()
    expect(combobox(phone, "employee")).to_have_value("Иванов Иван · ivanov@shop.example")


def test_every_text_can_be_read_in_light_and_in_dark(
    open_page: Callable[..., Page], furnished: Furnished, watch: Watch
) -> None:
    """Contrast of 4.5 at least: of texts, drawings, fields and what stands in empty ones; links and errors too."""
    watch.allow(422)
    page = open_page(furnished.owner)

    def hard_to_read() -> Iterator[str]:
        for path in furnished.paths:
            page.goto(path)
            if path == furnished.jivo:
                combobox(page, "campaign").fill("нет такой")
                page.locator("#save").get_by_role("button").click()
                expect(page.locator("#campaign-error")).to_be_visible()
            unfold(page)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                count, *found = page.evaluate(HARD_TO_READ, LEAST_CONTRAST)
                assert count > 5, f"{path}: only {count} texts were looked at"
                for what in found:
                    yield f"{scheme} {path}: {what}"

    told(hard_to_read())


def test_dark_is_dark(open_page: Callable[..., Page]) -> None:
    """Else the test above would look at the light colours twice."""
    page = open_page(color_scheme="dark")
    page.goto("/sign-in")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    assert sum(int(part) for part in re.findall(r"\d+", dark)[:3]) < 120
