"""B11: every text of the pages is said in Russian and in English, whole and in the right number."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog, Message
from bs4 import BeautifulSoup
from flask import Flask
from flask_babel import force_locale, ngettext
from jinja2 import nodes
from sqlalchemy import select

from tests.factories import make_account, make_integration
from tests.pages import LintingClient, lint
from tests.views.acting import enter_as, make_communication, said
from tests.views.worlds import World, addresses, make_world
from webapp import translations
from webapp.models import Account, Invitation, Role

RUSSIAN = re.compile("[А-Яа-яЁё]")
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|\{\w+\}")

TRANSLATING = {"gettext", "lazy_gettext", "ngettext", "lazy_ngettext"}
IN_TEMPLATES = {"_", "gettext", "ngettext"}

#: Russian letters in code that are no text of a page: patterns for what people write, and the language's own name.
NO_TEXTS = {"contacts.py", "archive.py", "views/locale.py"}
LANGUAGE_NAME = "Русский"


@pytest.fixture(scope="module")
def template() -> Catalog:
    """Every text of the sources."""
    return translations.collected()


def entries(catalog: Catalog) -> list[Message]:
    """The messages without the header."""
    return [message for message in catalog if message.id]


def ids(message: Message) -> tuple[str, ...]:
    """The text, and its plural when it has one."""
    return message.id if message.pluralizable else (message.id,)


def strings(message: Message) -> tuple[str, ...]:
    """The translation in all its forms."""
    return tuple(message.string) if message.pluralizable else (message.string,)


# The catalogues


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_every_text_has_a_translation(template: Catalog, language: str) -> None:
    """B11. Run `make translations` and fill what is empty in webapp/translations/<language>."""
    assert translations.missing(language, translations.updated(language, template)) == []


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_the_files_are_as_make_translations_leaves_them(template: Catalog, language: str) -> None:
    """Also the compiled ones: the product starts without a compile step."""
    catalog = translations.updated(language, template)
    assert translations.path(language, "po").read_bytes() == translations.po(catalog)
    assert translations.path(language, "mo").read_bytes() == translations.mo(catalog)


@pytest.mark.parametrize(("language", "forms"), [("en", 2), ("ru", 3)])
def test_nothing_is_guessed_and_every_plural_is_whole(language: str, forms: int) -> None:
    catalog = translations.kept(language)
    assert catalog.num_plurals == forms
    assert not [message.id for message in entries(catalog) if message.fuzzy]
    assert not catalog.obsolete
    for message in entries(catalog):
        if message.pluralizable:
            assert len(message.string) == forms, message.id
            assert all(message.string), message.id


def test_russian_is_the_source_and_translates_only_its_plurals() -> None:
    assert [m.id for m in entries(translations.kept("ru")) if not m.pluralizable and m.string] == []


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_placeholders_are_those_of_the_source(language: str) -> None:
    for message in entries(translations.kept(language)):
        wanted = Counter(PLACEHOLDER.findall(ids(message)[0]))
        for text in (*ids(message), *filter(None, strings(message))):
            assert Counter(PLACEHOLDER.findall(text)) == wanted, text
            assert "%" not in PLACEHOLDER.sub("", text), f"a lone % in {text!r}"


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_no_text_holds_a_sign_of_html(language: str) -> None:
    """Jinja takes translations for markup, so a straight quote would end the attribute that the text stands in."""
    for message in entries(translations.kept(language)):
        for text in (*ids(message), *filter(None, strings(message))):
            assert not set(text) & set('<>&"'), text
            assert text == text.strip(), repr(text)


def test_english_is_written_with_english_letters_and_quotes() -> None:
    for message in entries(translations.kept("en")):
        for text in strings(message):
            assert not RUSSIAN.search(text), text
            assert not set(text) & set("«»'№"), text


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_a_sentence_ends_in_the_translation_as_it_ends_in_the_source(language: str) -> None:
    for message in entries(translations.kept(language)):
        for text in filter(None, strings(message)):
            ends = [one[-1] if one[-1] in ".:?…" else "" for one in (ids(message)[0], text)]
            assert ends[0] == ends[1], text


# The sources


def test_every_text_in_the_code_is_collected_and_none_is_left_bare(template: Catalog) -> None:
    """Whatever name a file gives to gettext, and inside lambdas and class bodies too."""
    known = {text for message in entries(template) for text in ids(message)}
    bare = []
    for file in sorted((translations.ROOT / "webapp").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        wrapped = {node for call in _translating_calls(tree) for argument in call.args for node in ast.walk(argument)}
        for call in _translating_calls(tree):
            first = call.args[0]
            assert isinstance(first, ast.Constant), f"{file}:{call.lineno}: a text that is not written there"
            assert first.value in known, f"{file}:{call.lineno}: not collected"
        bare += [
            f"{file}:{node.lineno}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and RUSSIAN.search(node.value)
            and node not in wrapped | _docstrings(tree)
            and file.relative_to(translations.ROOT / "webapp").as_posix() not in NO_TEXTS
        ]
    assert bare == []


def _translating_calls(tree: ast.AST) -> list[ast.Call]:
    names = {
        name.asname or name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "flask_babel"
        for name in node.names
        if name.name in TRANSLATING
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return [call for call in calls if call.func.id in names]


def _docstrings(tree: ast.AST) -> set[ast.AST]:
    return {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def test_every_text_in_the_templates_is_collected_and_none_is_left_bare(template: Catalog) -> None:
    known = {text for message in entries(template) for text in ids(message)}
    environment = Flask("templates").jinja_env
    environment.add_extension("jinja2.ext.i18n")
    bare = []
    for file in sorted((translations.ROOT / "templates").rglob("*.*")):
        page = environment.parse(file.read_text(encoding="utf-8"))
        wrapped = set()
        for call in page.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in IN_TEMPLATES:
                first = call.args[0]
                assert isinstance(first, nodes.Const), f"{file}:{call.lineno}: a text that is not written there"
                assert first.value in known, f"{file}:{call.lineno}: not collected"
                wrapped |= {id(argument) for argument in call.args}
        written = [(node.lineno, node.data) for node in page.find_all(nodes.TemplateData)]
        written += [(node.lineno, str(node.value)) for node in page.find_all(nodes.Const) if id(node) not in wrapped]
        bare += [f"{file}:{line}: {text}" for line, text in written if RUSSIAN.search(text) and text != LANGUAGE_NAME]
    assert bare == []


def test_scripts_hold_no_texts() -> None:
    """They take them from attributes of the page, which are translated."""
    for file in sorted((translations.ROOT / "static").glob("*.js")):
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not RUSSIAN.search(code), file


# Numbers


@pytest.mark.parametrize(
    ("language", "counted"),
    [
        ("ru", "1 сообщение, 2 сообщения, 5 сообщений, 11 сообщений, 21 сообщение, 0 сообщений"),
        ("en", "1 message, 2 messages, 5 messages, 11 messages, 21 messages, 0 messages"),
    ],
)
def test_numbers_agree_with_their_nouns(app: Flask, language: str, counted: str) -> None:
    with app.test_request_context(), force_locale(language):
        for wanted in counted.split(", "):
            number = int(wanted.split()[0])
            assert ngettext("%(num)s сообщение", "%(num)s сообщений", number) == wanted


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_the_list_of_communications_counts_messages(app, session, language):
    account = make_account(session)
    jivo = make_integration(session, account)
    for number in (1, 2, 5):
        make_communication(session, jivo, str(number), message_count=number)
    session.commit()
    client = enter_as(app, session, account)
    client.post("/language", {"language": language})
    page = said(client.get("/a/romashka/communications"))
    words = {"ru": ("сообщение", "сообщения", "сообщений"), "en": ("message", "messages", "messages")}[language]
    for number, word in zip((1, 2, 5), words, strict=True):
        assert re.search(rf"\b{number} {word}\b", page), page


# The pages in English

#: They leave the page, ask a network, or end the session.
NOT_POSTED = {"auth.sign_out", "auth.language", "integrations.send_test"}


@pytest.fixture
def world(app: Flask, session) -> World:
    """An account with one of everything."""
    return make_world(app, session, "romashka")


@pytest.fixture
def english(app: Flask, session, world: World) -> LintingClient:
    """An owner who has chosen English."""
    account = session.scalar(select(Account).where(Account.slug == world.slug))
    client = enter_as(app, session, account, Role.OWNER)
    client.post("/language", {"language": "en"})
    return client


def russian(html: str, mark: str = "zz") -> list[str]:
    """The Russian words of a page that nobody typed in: all but the language switch and the names in the account."""
    page = BeautifulSoup(html, "html.parser")
    for button in page.select("button[name=language][value=ru]"):
        button.decompose()
    text = re.sub(rf"[А-Яа-яЁё]+ {mark}|Анна", "", str(page))
    return re.findall(r"[^<>\n]*[А-Яа-яЁё][^<>\n]*", text)


def test_every_page_of_an_account_is_english(app, english, world) -> None:
    """B11: integrations, communications, events, directory, settings, people, change log, password, parts for htmx."""
    walked = set()
    for address in addresses(app, world):
        if address.method != "GET" or address.endpoint.startswith("health."):
            continue
        answer = english.client.get(address.path)
        assert answer.status_code < 500, address
        assert russian(answer.text, world.mark) == [], address
        if answer.status_code == 200 and "<html" in answer.text:
            assert lint(answer.text).html["lang"] == "en"
            walked.add(address.endpoint)
    assert walked >= {
        "auth.new_account",
        "auth.password",
        "account.settings",
        "account.show_audit",
        "communications.index",
        "communications.show",
        "directory.entries",
        "directory.entry",
        "events.index",
        "events.show",
        "integrations.index",
        "integrations.new",
        "integrations.show",
        "people.index",
    }


def test_empty_forms_are_refused_in_english_and_done_things_are_told_in_english(app, english, world) -> None:
    """Every button with nothing typed: what is wrong, or the short message of the page that follows."""
    posted = [address for address in addresses(app, world) if address.method == "POST"]
    statuses = Counter()
    for address in sorted(posted, key=lambda address: "archive" in address.endpoint):
        if address.endpoint in NOT_POSTED:
            continue
        answer = english.client.post(address.path, data={"csrf_token": english.token()})
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, address
        assert russian(answer.text, world.mark) == [], address
        if answer.status_code == 303:
            page = english.client.get(answer.headers["Location"], follow_redirects=True)
            assert russian(page.text, world.mark) == [], address
    assert statuses[422] >= 8
    assert statuses[303] >= 5


def test_errors_that_a_library_words_are_english(english, world) -> None:
    fields = {"name": "Shop", "timezone": "Mars/Olympus", "region": "??", "contact_window_days": "week"}
    page = english.post(f"/a/{world.slug}/settings", fields, status=422)
    assert russian(str(page), world.mark) == []
    assert len(page.select(".field-error")) == 3
    page = english.post(f"/a/{world.slug}/directory/campaigns/new", {"name": "Y", "priority": "first"}, status=422)
    assert russian(str(page), world.mark) == []
    page = english.post(f"/a/{world.slug}/people", {"email": "nobody", "role": "god"}, status=422)
    assert russian(str(page), world.mark) == []


def test_an_account_without_anything_is_told_so_in_english(app, session) -> None:
    client = enter_as(app, session, make_account(session))
    client.post("/language", {"language": "en"})
    kinds = ("sites", "campaigns", "sources", "employees")
    for path in (
        "integrations",
        "communications",
        "events",
        *(f"directory/{kind}" for kind in kinds),
        "settings/audit",
    ):
        page = client.get(f"/a/romashka/{path}")
        assert russian(str(page)) == [], path


def outside(session) -> Iterator[tuple[str, int]]:
    """Pages that somebody sees who has not signed in, with their status."""
    welcome, first = Invitation.make(None, None, Role.OWNER)
    colleague, second = Invitation.make(make_account(session), "anna@romashka.example", Role.EDITOR)
    session.add_all([welcome, colleague])
    session.commit()
    yield from [("/sign-in", 200), ("/no-such-page", 404), ("/welcome/used-up", 410)]
    yield from [(f"/welcome/{first}", 200), (f"/invitation/{second}", 200)]


def test_before_sign_in_the_pages_are_english_for_an_english_browser(app, session, client) -> None:
    for path, status in outside(session):
        page = client.get(path, status=status, headers={"Accept-Language": "en"})
        assert page.html["lang"] == "en"
        assert russian(str(page)) == [], path
        if status == 200:
            answer = client.post(path, {}, status=422, environ_overrides={"HTTP_ACCEPT_LANGUAGE": "en"})
            assert russian(str(answer)) == [], path


def test_an_error_page_is_in_the_language_of_the_user(english) -> None:
    page = english.get("/a/no-such-account/events", status=404)
    assert said(page.h1) == "There is no such page"
    english.post("/language", {"language": "ru"})
    assert said(english.get("/a/no-such-account/events", status=404).h1) == "Такой страницы нет"
