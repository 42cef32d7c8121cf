"""The rules of the house that a reader would otherwise have to check by eye."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from webapp.vendors import registry
from webapp.views import ROOT
from webapp.views.locale import LANGUAGES

WEBAPP = ROOT / "webapp"
SOURCES = sorted(WEBAPP.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*") if path.is_file())

LONGEST_FILE = 400

#: What hands a text to the translations.
TRANSLATING = {"_", "_l", "gettext", "lazy_gettext", "ngettext", "lazy_ngettext", "pgettext", "npgettext"}

#: Methods that are described where they are declared.
OVERRIDES = {"process_bind_param", "process_result_value"}

#: Modules that read Russian words instead of showing them: what people write to each other, headings of an archive.
READ_RUSSIAN = {"contacts.py", "archive.py"}

CYRILLIC = re.compile("[А-Яа-яЁё]")


def named(path: Path) -> str:
    """A file as this module speaks of it."""
    return path.relative_to(ROOT).as_posix()


def test_imports_run_one_way() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=named)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("vendor", sorted(registry()))
def test_a_vendor_is_named_in_its_own_folder_alone(vendor: str) -> None:
    """No ``if vendor == …`` anywhere else: the folder is found by the registry."""
    quoted = re.compile(rf"""["']{vendor}["']""", re.IGNORECASE)
    own = WEBAPP / "vendors" / vendor

    assert [named(path) for path in SOURCES if own not in path.parents and quoted.search(path.read_text("utf-8"))] == []
    assert [named(path) for path in TEMPLATES if quoted.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("vendor", sorted(registry()))
def test_nobody_imports_from_within_a_vendors_folder(vendor: str) -> None:
    inside = re.compile(rf"(?:from|import)\s+webapp\.vendors\.{vendor}\b|from\s+\.+vendors\.{vendor}\b")
    own = WEBAPP / "vendors" / vendor

    assert [named(path) for path in SOURCES if own not in path.parents and inside.search(path.read_text("utf-8"))] == []


def undocumented(tree: ast.Module) -> Iterator[str]:
    """Public classes, functions and methods that do not say what they are."""
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        owner, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            name = child.name
            is_column = any(ast.unparse(one).startswith("declared_attr") for one in child.decorator_list)
            if name.startswith("_") or name in OVERRIDES or is_column:
                continue
            if not ast.get_docstring(child):
                yield f"{owner}{name}"
            if isinstance(child, ast.ClassDef):
                waiting.append((f"{owner}{name}.", child))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_everything_public_says_what_it_is(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)

    assert list(undocumented(tree)) == []
    assert not source.strip() or ast.get_docstring(tree), "the module does not say what it is for"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS, *TEMPLATES], ids=named)
def test_nothing_is_put_off_and_no_check_is_switched_off(path: Path) -> None:
    marks = "|".join(("TO" + "DO", "FIX" + "ME", "no" + "qa", "type: " + "ignore", "pragma: no " + "cover"))

    assert not re.search(marks, path.read_text(encoding="utf-8"))


def called(node: ast.AST | nodes.Node) -> str | None:
    """The name of the function that is called, in Python or in a template."""
    function = getattr(node, "func", None) or getattr(node, "node", None)
    return getattr(function, "id", None) or getattr(function, "name", None)


def is_russian(value: object) -> bool:
    """True for a text in Russian that a reader of English should not meet. Languages are called by their own names."""
    return isinstance(value, str) and bool(CYRILLIC.search(value)) and value not in LANGUAGES.values()


def untranslated(node: nodes.Node, wrapped: bool = False) -> Iterator[tuple[int, str]]:
    """Russian words of a template that no translation is asked for: (line, text)."""
    if isinstance(node, nodes.TemplateData) and CYRILLIC.search(re.sub("<!--.*?-->", "", node.data, flags=re.DOTALL)):
        yield node.lineno, node.data.strip()
    if isinstance(node, nodes.Const) and is_russian(node.value) and not wrapped:
        yield node.lineno, node.value
    translates = isinstance(node, nodes.Call) and called(node) in TRANSLATING
    texts = set(map(id, node.args)) if translates and isinstance(node, nodes.Call) else set()
    for child in node.iter_child_nodes():
        yield from untranslated(child, wrapped=id(child) in texts)


def test_the_search_for_untranslated_texts_finds_them() -> None:
    found = parsed(
        '<p title="Раз">{# Два #}{{ _("Три %(x)s", x="Четыре") }}{{ "Пять" }}</p><!-- Шесть -->'
        '{{ ngettext("Семь", "Восемь", n) }}{% trans %}Девять{% endtrans %}{{ f(label=_("Десять")) }}'
    )

    texts = [text for _, text in untranslated(found)]
    assert texts == ['<p title="Раз">', "Четыре", "Пять"]


def parsed(source: str) -> nodes.Template:
    """A template as its nodes."""
    return Environment(extensions=["jinja2.ext.i18n"], autoescape=True).parse(source)


@pytest.mark.parametrize("path", TEMPLATES, ids=named)
def test_every_text_of_a_template_is_translated(path: Path) -> None:
    assert list(untranslated(parsed(path.read_text(encoding="utf-8")))) == []


def unwrapped(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Russian words of a module that no translation is asked for, docstrings aside."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in TRANSLATING:
            inside.update(id(one) for argument in node.args for one in ast.walk(argument))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(id(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and is_russian(node.value) and id(node) not in inside:
            yield node.lineno, node.value


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.relative_to(WEBAPP).as_posix() not in READ_RUSSIAN], ids=named
)
def test_every_text_of_a_module_is_translated(path: Path) -> None:
    assert list(unwrapped(ast.parse(path.read_text(encoding="utf-8")))) == []
