"""For those who use a keyboard or a screen reader: order, names, a focus that is seen, changes that are said."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from tests.browser import ON_SQLITE, Cabinet, Furnished, told, welcome_path
from tests.browser.conftest import Watch

pytestmark = [pytest.mark.browser, ON_SQLITE]

#: What is wrong with the structure of a page.
STRUCTURE = """() => {
  const problems = [];
  const seen = (element) => element.checkVisibility({ visibilityProperty: true });
  const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);
  const name = (element) => element.getAttribute("aria-label")
    ?? document.getElementById(element.getAttribute("aria-labelledby"))?.textContent ?? "";

  let last = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    const level = Number(heading.tagName[1]);
    if (level > last + 1) problems.push(`h${level} after h${last}: ${heading.textContent.trim()}`);
    if (!heading.textContent.trim()) problems.push(`an empty h${level}`);
    last = level;
  }
  if (all("main").length !== 1) problems.push(`${all("main").length} main`);
  if (!document.querySelector("main h1")) problems.push("the h1 is not in main");
  const navigations = all("nav").map(name);
  if (navigations.some((text) => !text)) problems.push("a nameless nav");
  if (new Set(navigations).size < navigations.length) problems.push(`two nav of one name: ${navigations}`);
  if (document.querySelector(".shell") && all("header").length !== 1) problems.push("no header");
  const skip = document.querySelector("body > a");
  if (skip?.hash !== "#main") problems.push("the first link does not lead to the content");

  for (const image of document.querySelectorAll("img:not([alt])")) problems.push(`no alt: ${image.src}`);
  for (const drawing of document.querySelectorAll("svg"))
    if (drawing.getAttribute("aria-hidden") !== "true" && !drawing.getAttribute("aria-labelledby"))
      problems.push("a nameless drawing");
  for (const table of all("table"))
    for (const cell of table.querySelectorAll("thead > tr > *"))
      if (cell.tagName !== "TH" || cell.scope !== "col" || !cell.textContent.trim())
        problems.push(`a column without a name: ${cell.outerHTML}`);
  for (const group of all("fieldset"))
    if (!group.querySelector("legend")?.textContent.trim()) problems.push(`a nameless group: ${group.id}`);
  for (const [attribute, selector] of [["aria-controls", "[aria-controls]"], ["aria-labelledby", "[aria-labelledby]"]])
    for (const element of document.querySelectorAll(selector))
      for (const id of element.getAttribute(attribute).split(" "))
        if (!document.getElementById(id)) problems.push(`${attribute} names #${id}, which is not there`);
  for (const element of document.querySelectorAll("[tabindex]"))
    if (element.tabIndex > 0) problems.push(`tabindex ${element.tabIndex}`);
  const targets = all("main button, main select, main input, main summary, nav a")
    .filter((element) => !element.matches(".visually-hidden"));
  const small = targets.filter((element) => {
    const { width, height } = element.getBoundingClientRect();
    return (width < 24 || height < 24) && !element.matches("[type=checkbox], [type=radio], .more > summary")
      && !element.closest(".crumbs, .pager");
  });
  problems.push(...small.map((element) => `smaller than 24 px: ${element.outerHTML.slice(0, 80)}`));
  const flash = document.querySelector("#flash");
  if (flash?.getAttribute("role") !== "status" || !flash.closest("main")) problems.push("no region for messages");
  return problems;
}"""

#: What can be reached with Tab: each gets a number, one of a group of radio buttons.
REACHABLE = """() => {
  const controls = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const found = [...document.querySelectorAll(controls)].filter((element) =>
    !element.disabled && element.tabIndex >= 0 && element.checkVisibility({ visibilityProperty: true })
    && !(element.type === "radio" && !element.checked));
  found.forEach((element, place) => element.dataset.place = place);
  return found.length;
}"""

#: The control that has the focus: its number, and what is wrong with how it shows that.
FOCUSED = """() => {
  const element = document.activeElement;
  if (element === document.body) return null;
  const shown = element.matches(".visually-hidden") ? element.nextElementSibling : element;
  const style = getComputedStyle(shown);
  const problems = [];
  if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) problems.push("no outline");
  if (/rgba\\(.*, 0\\)|transparent/.test(style.outlineColor)) problems.push("an outline without a colour");
  const box = shown.getBoundingClientRect();
  if (box.width < 1 || box.bottom < 0 || box.top > innerHeight || box.right < 0 || box.left > innerWidth)
    problems.push("out of sight");
  else {
    const [x, y] = [box.left + Math.min(box.width / 2, 60), box.top + Math.min(box.height / 2, 60)];
    const top = document.elementFromPoint(Math.max(x, 1), Math.min(Math.max(y, 1), innerHeight - 1));
    if (top && !shown.contains(top) && !top.contains(shown)) problems.push(`covered by ${top.outerHTML.slice(0, 60)}`);
  }
  return { place: element.dataset.place, name: element.outerHTML.slice(0, 90), problems };
}"""


@pytest.fixture
def page(open_page: Callable[..., Page], furnished: Furnished) -> Page:
    """The owner of a furnished cabinet."""
    return open_page(furnished.owner)


def test_every_page_is_in_order(page: Page, open_page: Callable[..., Page], furnished: Furnished, watch: Watch) -> None:
    """Headings without gaps, one main, named landmarks, tables and groups, nothing too small to be hit."""
    watch.allow(404, 410)
    stranger = open_page()

    def problems() -> Iterator[str]:
        for visitor, paths in ((page, furnished.paths), (stranger, furnished.outside)):
            for path in paths:
                visitor.goto(path)
                visitor.evaluate("document.querySelectorAll('details:not(.menu)').forEach((part) => part.open = true)")
                for what in visitor.evaluate(STRUCTURE):
                    yield f"{path}: {what}"

    told(problems())


def test_the_welcome_is_in_order(open_page: Callable[..., Page], session: Session) -> None:
    page = open_page()
    page.goto(welcome_path(session))
    expect(page.get_by_role("button", name="Создать кабинет")).to_be_visible()
    told(page.evaluate(STRUCTURE))


def walk(page: Page, path: str, key: str) -> Iterator[str]:
    """Go through a page with Tab or Shift+Tab; gives what is wrong on the way."""
    page.goto(path)
    count, reached = page.evaluate(REACHABLE), []
    assert count > 10
    # A date has several stops in it, and a box that scrolls is one without being a control.
    for _press in range(2 * count):
        page.keyboard.press(key)
        found = page.evaluate(FOCUSED)
        if found is None or found["place"] in reached[:-1]:
            break
        if found["place"] is None or found["place"] in reached:
            continue
        reached.append(found["place"])
        for what in found["problems"]:
            yield f"{path}: {what}: {found['name']}"
    for place in {str(place) for place in range(count)} - set(reached):
        control = page.locator(f"[data-place='{place}']").evaluate("element => element.outerHTML")
        yield f"{path}: not reached: {control[:90]}"
    if reached != sorted(reached, key=int, reverse=key == "Shift+Tab"):
        yield f"{path}: not in the order of the page: {reached}"


@pytest.mark.parametrize(
    ("scheme", "width", "key", "paths"),
    [
        ("light", 1280, "Tab", ["/integrations/jivo", "/people"]),
        ("dark", 1280, "Tab", ["/communications", "/directory/campaigns/new"]),
        ("light", 390, "Shift+Tab", ["/integrations/jivo"]),
    ],
    ids=["light", "dark", "narrow"],
)
def test_tab_leads_through_everything_and_is_seen(
    page: Page, furnished: Furnished, scheme: str, width: int, key: str, paths: list[str]
) -> None:
    """Each control once, in sight, with an outline, not beneath something else; then out of the page."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    told(problem for path in paths for problem in walk(page, furnished.path + path, key))


def test_the_first_tab_offers_to_skip_the_menu(page: Page, furnished: Furnished) -> None:
    page.goto(furnished.jivo)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="К содержанию")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("!!document.activeElement.closest('main')")


def test_the_switch_active_is_a_switch_for_everybody(page: Page, furnished: Furnished) -> None:
    """J10: its role, its state, by Space and by Enter; what happened is in a region that is read out."""
    page.goto(furnished.jivo)
    switch = page.get_by_role("switch", name="Активен")
    expect(page.get_by_role("switch", name="Активен", checked=True)).to_have_count(1)
    switch.focus()
    page.keyboard.press("Space")
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(page.get_by_role("status").filter(has_text="Интеграция выключена")).to_have_count(1)
    switch.focus()
    page.keyboard.press("Enter")
    expect(switch).to_have_attribute("aria-checked", "true")
    expect(page.get_by_role("status").filter(has_text="Интеграция включена")).to_have_count(1)


def test_what_changes_by_itself_is_read_out(open_page: Callable[..., Page], cabinet: Cabinet, watch: Watch) -> None:
    """The test that is waited for, unsaved changes, errors of a form."""
    page = open_page(cabinet.owner)
    page.goto(cabinet.jivo)
    expect(page.locator("#test")).to_have_attribute("aria-live", "polite")
    expect(page.locator("#flash")).to_have_attribute("aria-live", "polite")
    page.locator("#name").fill("")
    expect(page.get_by_role("status").filter(has_text="Изменено: Название интеграции.")).to_have_count(1)
    watch.allow(422)
    page.locator("#save").get_by_role("button").click()
    expect(page.get_by_role("alert")).to_contain_text("Введите название интеграции")
    name = page.get_by_label("Название интеграции")
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description("Ошибка: Введите название интеграции, не длиннее 200 знаков.")


def test_a_combobox_tells_what_it_is(page: Page, furnished: Furnished) -> None:
    page.goto(furnished.jivo)
    field = page.get_by_role("combobox", name="Сотрудник")
    expect(field).to_have_accessible_description(
        "На него назначаются чаты, если оператора нет среди сотрудников по почте."
    )
    field.press("ArrowDown")
    listbox = page.get_by_role("listbox", name="Сотрудник")
    expect(listbox).to_be_visible()
    expect(listbox.get_by_role("option", selected=True)).to_have_text("Иванов Иван · ivanov@shop.example")
    expect(field).to_have_attribute("aria-controls", listbox.get_attribute("id") or "")


def test_menus_open_by_keyboard_and_escape_closes_them(page: Page, furnished: Furnished) -> None:
    page.goto(furnished.jivo)
    menu = page.locator(".user-menu > summary")
    menu.focus()
    page.keyboard.press("Enter")
    leave = page.get_by_role("button", name="Выйти")
    expect(leave).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(leave).to_be_hidden()
    expect(menu).to_be_focused()


def test_nothing_moves_for_those_who_do_not_want_it(page: Page, furnished: Furnished) -> None:
    """With reduced motion a swapped part is there at once."""
    page.emulate_media(reduced_motion="reduce")
    page.goto(furnished.jivo)
    page.evaluate(
        """() => {
          const { animate } = Element.prototype;
          Element.prototype.animate = function (...given) {
            window.moved = true;
            return animate.apply(this, given);
          };
        }"""
    )
    page.get_by_role("button", name="Добавить мессенджер").click()
    expect(page.locator("#map-2-channel")).to_be_visible()
    assert page.evaluate("window.moved") is None
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.emulate_media(reduced_motion="no-preference")
    page.get_by_role("button", name="Добавить мессенджер").click()
    expect(page.locator("#map-3-channel")).to_be_visible()
    assert page.evaluate("window.moved") is True, "the test does not see what moves"
    # A fade of 150 ms is all the motion there is: nothing glides when an anchor is followed.
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
