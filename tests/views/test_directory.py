"""Справочники: add, change, archive; mistakes are said beside the field (issue 2.3, C1)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from tests.factories import make_account, make_campaign, make_employee, make_site, make_source
from tests.views.acting import HTMX, beside, everything, filled, flash, path_of, rows, said
from webapp.cabinets.embedded import EmbeddedCabinet
from webapp.models import KINDS, AuditRecord, Campaign, Site

DIRECTORY = "/a/romashka/directory"

#: A new entry of each list as typed, and how the list shows it.
NEW: dict[str, tuple[dict[str, str], list[str]]] = {
    "sites": ({"domain": "romashka.example", "name": "Ромашка"}, ["Ромашка", "romashka.example", "romashka-example"]),
    "campaigns": (
        {"name": "Яндекс.Директ", "priority": "10", "site": "", "site_text": ""},
        ["Яндекс.Директ", "—", "—", "10", "iandeks-direkt"],
    ),
    "sources": ({"name": "Визитка", "priority": "100"}, ["Визитка", "—", "100", "vizitka"]),
    "employees": (
        {"full_name": "Иванов Иван", "email": "ivanov@shop.example"},
        ["Иванов Иван", "ivanov@shop.example", "ivanov-ivan"],
    ),
}

#: The field that gives an entry its name, and another name.
NAMED = {"sites": "name", "campaigns": "name", "sources": "name", "employees": "full_name"}

every_kind = pytest.mark.parametrize("kind", list(KINDS))


def entry(session: Any, kind: str) -> Any:
    session.rollback()
    return session.scalars(select(KINDS[kind])).one()


def audited(session: Any) -> list[str]:
    session.rollback()
    return list(session.scalars(select(AuditRecord.action).order_by(AuditRecord.id)))


def test_the_directory_opens_with_the_sites_and_leads_to_all_four_lists(owner):
    assert path_of(owner.get(DIRECTORY, status=302)) == f"{DIRECTORY}/sites"
    tabs = owner.get(f"{DIRECTORY}/sites").select(".tabs a")
    assert [said(tab) for tab in tabs] == ["Сайты", "Рекламные кампании", "Источники", "Сотрудники"]
    for tab in tabs:
        assert said(owner.get(tab["href"]).h1) == said(tab)


@every_kind
def test_an_empty_list_says_what_it_is_for_and_offers_the_first_entry(owner, viewer, kind):
    page = owner.get(f"{DIRECTORY}/{kind}")
    assert page.select_one(".empty a")["href"] == f"{DIRECTORY}/{kind}/new"
    assert viewer.get(f"{DIRECTORY}/{kind}").select_one(".empty a") is None


@every_kind
def test_an_entry_is_added_listed_and_recorded(session, editor, kind):
    typed, listed = NEW[kind]
    page = editor.follow(f"{DIRECTORY}/{kind}/new", typed)
    assert rows(page) == [listed]
    assert flash(page).endswith("— сохранено.")
    assert audited(session) == ["directory.add"]


@every_kind
def test_an_entry_is_changed_and_keeps_its_key(session, editor, kind):
    editor.post(f"{DIRECTORY}/{kind}/new", NEW[kind][0])
    number, key = entry(session, kind).id, entry(session, kind).key
    path = f"{DIRECTORY}/{kind}/{number}"
    shown = filled(editor.get(path).find(id="entry-form"))
    page = editor.follow(path, shown | {NAMED[kind]: "Другое имя"})
    assert rows(page)[0][0] == "Другое имя"
    assert (entry(session, kind).id, entry(session, kind).key) == (number, key)
    changes = session.scalars(select(AuditRecord).where(AuditRecord.action == "directory.change")).one().changes
    assert list(changes) == [NAMED[kind]]
    assert changes[NAMED[kind]][1] == "Другое имя"


@every_kind
def test_an_entry_is_put_away_and_brought_back(session, editor, kind):
    editor.post(f"{DIRECTORY}/{kind}/new", NEW[kind][0])
    path = f"{DIRECTORY}/{kind}/{entry(session, kind).id}"
    form = editor.get(path).find("form", attrs={"action": f"{path}/archive"})
    page = editor.follow(f"{path}/archive", filled(form))
    assert flash(page).endswith("— в архиве.")
    assert page.select("tbody tr a") == []
    assert [row[0] for row in rows(editor.get(f"{DIRECTORY}/{kind}?archived=1"))] == [NEW[kind][1][0] + " в архиве"]
    assert entry(session, kind).archived_at is not None
    form = editor.get(path).find("form", attrs={"action": f"{path}/archive"})
    page = editor.follow(f"{path}/archive", filled(form))
    assert flash(page).endswith("снова в списке.")
    assert rows(page) == [NEW[kind][1]]
    assert audited(session) == ["directory.add", "directory.archive", "directory.restore"]


@every_kind
def test_a_viewer_sees_the_lists_and_can_type_nothing(session, editor, viewer, kind):
    editor.post(f"{DIRECTORY}/{kind}/new", NEW[kind][0])
    page = viewer.get(f"{DIRECTORY}/{kind}")
    assert rows(page) == [NEW[kind][1]]
    assert page.find("a", href=f"{DIRECTORY}/{kind}/new") is None
    page = viewer.get(f"{DIRECTORY}/{kind}/{entry(session, kind).id}")
    shown = [control for control in page.main.select("input, select, button") if control.get("type") != "hidden"]
    typable = [
        control["id"]
        for control in shown
        if control.name != "button" and not (control.has_attr("disabled") or control.has_attr("readonly"))
    ]
    assert typable == []
    assert page.main.find("button", attrs={"type": "submit"}) is None


MISTAKES = [
    ("sites", "domain", "", "Введите домен: например, romashka.ru."),
    ("sites", "domain", "не домен", "Это не домен. Нужен вид romashka.ru, можно вставить адрес страницы целиком."),
    ("sites", "domain", "localhost", "Это не домен. Нужен вид romashka.ru, можно вставить адрес страницы целиком."),
    ("sites", "name", "я" * 256, "Не длиннее 255 знаков."),
    ("campaigns", "name", "", "Введите название."),
    ("campaigns", "name", "я" * 256, "Не длиннее 255 знаков."),
    ("campaigns", "priority", "-1", "Целое число от 0 до 100000: меньшее проверяется раньше."),
    ("campaigns", "priority", "100001", "Целое число от 0 до 100000: меньшее проверяется раньше."),
    ("campaigns", "priority", "первый", None),
    ("sources", "name", "  ", "Введите название."),
    ("sources", "priority", "", None),
    ("employees", "full_name", "", "Введите имя."),
    ("employees", "email", "ivanov", "Это не адрес почты. Нужен вид name@company.ru."),
]


@pytest.mark.parametrize("partial", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize(("kind", "field", "value", "error"), MISTAKES)
def test_a_mistake_is_said_beside_the_field_and_what_was_typed_stays(
    session, editor, kind, field, value, error, partial
):
    """Issue 2.3: bad input answered beside the field."""
    before, typed = everything(session), NEW[kind][0] | {field: value}
    page = editor.post(f"{DIRECTORY}/{kind}/new", typed, status=422, partial=partial)
    found = beside(page, field)
    assert found == error if error else "integer" not in found
    kept = filled(page.find(id="entry-form"))
    assert {name: kept[name].strip() for name in typed} == {name: text.strip() for name, text in typed.items()}
    assert (page.title is None) == partial
    assert partial or page.title.get_text().startswith("Ошибка: ")
    assert everything(session) == before


def test_a_mistake_in_a_change_leaves_the_entry_as_it_was(session, editor):
    editor.post(f"{DIRECTORY}/sites/new", NEW["sites"][0])
    path, before = f"{DIRECTORY}/sites/{entry(session, 'sites').id}", everything(session)
    page = editor.post(path, {"domain": "?", "name": "Новое"}, status=422)
    assert beside(page, "domain")
    assert page.find(id="entry-form")["action"] == path
    assert everything(session) == before


def test_htmx_is_told_where_to_go_after_saving(editor):
    answer = editor.post(f"{DIRECTORY}/sites/new", NEW["sites"][0], status=204, partial=True)
    assert answer.headers["HX-Redirect"] == f"{DIRECTORY}/sites"
    assert answer.text == ""


@pytest.mark.parametrize(
    ("pasted", "domain"),
    [
        ("romashka.ru", "romashka.ru"),
        ("https://www.Romashka.RU/catalog/shtory?utm_source=yandex#top", "romashka.ru"),
        ("  HTTP://shop.romashka.ru:8080/ ", "shop.romashka.ru"),
        ("romashka.ru?x=1", "romashka.ru"),
        ("//romashka.ru/catalog", "romashka.ru"),
        ("https://user:secret@romashka.ru/", "romashka.ru"),
        ("romashka.ru.", "romashka.ru"),
        ("ромашка.рф", "ромашка.рф"),
        ("https://xn--80aa2bkafhg.xn--p1ai/", "рустрана.рф"),
        ("и\u0306од.рф", "йод.рф"),
        ("xn--80a.xn--99999999.ru", "а.xn--99999999.ru"),
    ],
)
def test_a_domain_is_taken_out_of_whatever_was_pasted(session, editor, pasted, domain):
    """Issue 2.3; also a whole address of a page."""
    editor.post(f"{DIRECTORY}/sites/new", {"domain": pasted, "name": ""})
    site = entry(session, "sites")
    assert (site.domain, site.name) == (domain, domain)


@pytest.mark.parametrize("pasted", ["http://", "https:///path", "a..b", "-a.ru", "a-.ru", "a b.ru", "ru", "<b>.ru"])
def test_what_holds_no_domain_is_refused(session, editor, pasted):
    page = editor.post(f"{DIRECTORY}/sites/new", {"domain": pasted}, status=422)
    assert beside(page, "domain")
    assert page.find(id="domain")["value"] == pasted
    assert session.scalars(select(Site)).all() == []


def test_entries_of_one_name_get_keys_of_their_own(session, editor):
    for _time in range(3):
        editor.post(f"{DIRECTORY}/sources/new", {"name": "Визитка", "priority": "1"})
    editor.post(f"{DIRECTORY}/sources/new", {"name": "!!!", "priority": "1"})
    session.rollback()
    keys = set(session.scalars(select(KINDS["sources"].key)))
    assert keys == {"vizitka", "vizitka-2", "vizitka-3", "entry"}


def test_what_people_type_is_text(session, editor):
    editor.post(f"{DIRECTORY}/sources/new", {"name": "<script>alert(1)</script>", "priority": "1"})
    for path in (f"{DIRECTORY}/sources", f"{DIRECTORY}/sources/{entry(session, 'sources').id}"):
        editor.get(path)
        assert "<script>alert" not in editor.client.get(path).text


def test_a_campaign_belongs_to_a_site_that_was_picked(session, editor, account):
    site = make_site(session, account, domain="shop.example", name="Магазин")
    number, label = site.id, site.label
    session.rollback()
    typed = {"name": "Директ", "priority": "1", "site": str(number), "site_text": label}
    page = editor.follow(f"{DIRECTORY}/campaigns/new", typed)
    assert rows(page)[0][1] == "shop.example"
    campaign = entry(session, "campaigns")
    assert campaign.site_id == number
    path = f"{DIRECTORY}/campaigns/{campaign.id}"
    shown = filled(editor.get(path).find(id="entry-form"))
    assert (shown["site"], shown["site_text"]) == (str(number), label)
    editor.post(path, shown | {"site": str(number), "site_text": ""})
    assert entry(session, "campaigns").site_id is None


@pytest.mark.parametrize("typed", ["Магазин — shop.example", "магазин", "SHOP.example", "shop"])
def test_without_javascript_a_site_is_picked_by_its_name_domain_or_key(session, editor, account, typed):
    """DESIGN §6: every form works as a plain POST too."""
    number = make_site(session, account, domain="shop.example", name="Магазин").id
    make_site(session, account, "second", domain="second.example", name="Второй")
    session.rollback()
    editor.post(f"{DIRECTORY}/campaigns/new", {"name": "Директ", "priority": "1", "site": "", "site_text": typed})
    assert entry(session, "campaigns").site_id == number


def test_an_unknown_site_is_said_beside_the_field_and_stays_typed(session, editor, account):
    make_site(session, account)
    session.rollback()
    typed = {"name": "Директ", "priority": "1", "site": "", "site_text": "Склад"}
    page = editor.post(f"{DIRECTORY}/campaigns/new", typed, status=422)
    assert beside(page, "site") == "«Склад» в справочнике нет. Впишите название, как там, или выберите из списка."
    assert page.find(id="site")["value"] == "Склад"
    assert session.scalars(select(Campaign)).all() == []


def test_a_site_of_another_account_cannot_be_picked(session, editor, account):
    """B10."""
    foreign = make_site(session, make_account(session, "vasilek"), "secret", "secret.example", name="Чужой")
    number = foreign.id
    session.rollback()
    for typed in ({"site": str(number), "site_text": "Чужой — secret.example"}, {"site_text": "secret.example"}):
        page = editor.post(f"{DIRECTORY}/campaigns/new", {"name": "Директ", "priority": "1", **typed}, status=422)
        assert beside(page, "site")
    assert session.scalars(select(Campaign)).all() == []


def test_an_archived_site_of_a_campaign_is_warned_of_and_kept(session, editor, account):
    site = make_site(session, account)
    make_campaign(session, account, site_id=site.id)
    session.rollback()
    editor.post(f"{DIRECTORY}/sites/{site.id}/archive", {"archived": "1"})
    path = f"{DIRECTORY}/campaigns/{entry(session, 'campaigns').id}"
    page = editor.get(path)
    assert "В архиве." in said(page.select_one(".field-warning"))
    editor.post(path, filled(page.find(id="entry-form")))
    assert entry(session, "campaigns").site_id == site.id


@pytest.mark.parametrize("site", ["²", "٣", "9" * 18, "9" * 40, "-1", "1e3", "0x1"])
def test_a_site_number_that_is_none_is_no_failure_of_ours(session, editor, site):
    typed = {"name": "Директ", "priority": "1", "site": site, "site_text": "Склад"}
    page = editor.post(f"{DIRECTORY}/campaigns/new", typed, status=422)
    assert beside(page, "site")


@pytest.mark.parametrize("kind", ["users", "SITES", "sites%00", "__class__"])
def test_a_list_that_is_not_there_is_not_found(editor, kind):
    for path in (f"{DIRECTORY}/{kind}/new", f"{DIRECTORY}/{kind}/1", f"/a/romashka/options/{kind}"):
        assert editor.client.get(path, headers=HTMX).status_code == 404


@pytest.mark.parametrize("number", ["0", "99999", "9223372036854775808", "9" * 30])
def test_an_entry_that_is_not_there_is_not_found(editor, number):
    editor.get(f"{DIRECTORY}/sites/{number}", status=404)
    editor.post(f"{DIRECTORY}/sites/{number}/archive", {"archived": "1"}, status=404)


def test_an_employees_email_is_kept_in_small_letters(session, editor):
    """Operators are found by it, however the vendor writes it."""
    editor.post(f"{DIRECTORY}/employees/new", {"full_name": "Иванов", "email": " Ivanov@Shop.Example "})
    assert entry(session, "employees").email == "ivanov@shop.example"


def test_a_nul_in_a_field_is_dropped(session, editor):
    """PostgreSQL refuses it."""
    editor.post(f"{DIRECTORY}/employees/new", {"full_name": "Иванов\0 Иван\0", "email": "\0"})
    assert entry(session, "employees").full_name == "Иванов Иван"


def test_a_change_makes_the_rules_be_read_anew(session, editor, account):
    """Attribution keeps the rules by the account's revision."""
    make_campaign(session, account, rules=[{"utm_source": "yandex"}])
    make_source(session, account)
    make_employee(session, account)
    for kind in ("campaigns", "sources", "employees"):
        number, before = entry(session, kind).id, account.revision
        session.rollback()
        editor.post(f"{DIRECTORY}/{kind}/{number}/archive", {"archived": "1"})
        session.rollback()
        assert account.revision > before, kind


def test_a_sites_page_has_the_line_of_its_counter(session, editor, viewer):
    """Issue 3.1: one small script a site."""
    assert editor.get(f"{DIRECTORY}/sites/new").find(id="counter") is None
    editor.post(f"{DIRECTORY}/sites/new", NEW["sites"][0])
    site = entry(session, "sites")
    for client in (editor, viewer):
        card = client.get(f"{DIRECTORY}/sites/{site.id}").find(id="counter")
        line = f'<script async src="http://localhost/c/{site.public_key}.js"></script>'
        assert card.find(id="counter-line")["value"] == line
        assert card.select_one('[data-copy="#counter-line"]') is not None
        assert card.find("a", href=f"/a/romashka/visits?site={site.id}") is not None
    editor.post(f"{DIRECTORY}/sites/{site.id}/archive", {"archived": "1"})
    assert editor.get(f"{DIRECTORY}/sites/{site.id}").find(id="counter") is None, "nobody counts there any more"


def test_where_visits_are_counted_elsewhere_a_site_has_no_counter_of_ours(session, editor, monkeypatch):
    editor.post(f"{DIRECTORY}/sites/new", NEW["sites"][0])
    monkeypatch.setattr(EmbeddedCabinet, "counts_visits", False)
    assert editor.get(f"{DIRECTORY}/sites/{entry(session, 'sites').id}").find(id="counter") is None


def test_only_sites_have_counters(session, editor):
    editor.post(f"{DIRECTORY}/sources/new", NEW["sources"][0])
    assert editor.get(f"{DIRECTORY}/sources/{entry(session, 'sources').id}").find(id="counter") is None


def test_one_domain_is_one_site(session, account, editor):
    make_site(session, account, "shop", "shop.example")
    page = editor.post("/a/romashka/directory/sites/new", {"domain": "http://SHOP.example:8080/a", "name": ""}, 422)
    assert beside(page, "domain") == "Сайт с этим доменом уже есть."
