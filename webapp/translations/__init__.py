"""The texts of the pages: collected from code and templates, kept in .po files, compiled to .mo files.

Russian is the source language: a msgid is the Russian sentence itself, so the Russian catalogue holds only the three
plural forms. ``python -m webapp.translations`` (``make translations``) brings both catalogues up to date; the .mo files
are committed, because the product starts without a compile step. pybabel's own commands would write the date and the
placeholders of names into every file on every run, so that a changed file would not mean a changed text.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

DIRECTORY = Path(__file__).parent
ROOT = DIRECTORY.parents[1]

#: The source language comes last: it is complete as soon as its plural forms are.
LANGUAGES = ("en", "ru")
SOURCE_LANGUAGE = "ru"

SOURCES = ("webapp", "templates")
KEYWORDS = {**DEFAULT_KEYWORDS, "_l": None, "lazy_gettext": None, "lazy_ngettext": (1, 2)}


class PlainCatalog(Catalog):
    """A catalogue whose header says what a reader needs and nothing that changes by itself."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        """The lines of the header."""
        return [
            ("Language", str(self.locale)),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Plural-Forms", self.plural_forms),
        ]


def path(language: str, kind: str) -> Path:
    """The file of a language; ``kind`` is "po" or "mo"."""
    return DIRECTORY / language / "LC_MESSAGES" / f"messages.{kind}"


def collected() -> Catalog:
    """Every text of the code and the templates, untranslated."""
    with (ROOT / "docs" / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    template = Catalog()
    for source in SOURCES:
        found = extract_from_dir(ROOT / source, methods, options, KEYWORDS)
        for _file, _line, message, _comments, context in found:
            template.add(message, context=context)
    return template


def kept(language: str) -> Catalog:
    """The catalogue as its .po file has it; an empty one when there is no file yet."""
    file = path(language, "po")
    return read_po(BytesIO(file.read_bytes() if file.exists() else b""), locale=language)


def updated(language: str, template: Catalog) -> Catalog:
    """The kept catalogue with the texts of ``template``: new ones are empty, those gone from the source are dropped."""
    catalog = kept(language)
    catalog.update(template, no_fuzzy_matching=True)
    plain = PlainCatalog(locale=language, header_comment="", fuzzy=False)
    for message in catalog:
        if message.id:
            plain.add(message.id, message.string, flags=message.flags, context=message.context)
    return plain


def po(catalog: Catalog) -> bytes:
    """The catalogue as a .po file, sorted, a text on one line."""
    file = BytesIO()
    write_po(file, catalog, width=0, no_location=True, sort_output=True, ignore_obsolete=True)
    return file.getvalue().strip() + b"\n"


def mo(catalog: Catalog) -> bytes:
    """The catalogue as a .mo file: equal catalogues give equal bytes."""
    file = BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def missing(language: str, catalog: Catalog) -> list[str]:
    """The texts that this language lacks. Of the source language only the plural forms can be lacking."""
    return [
        message.id[0] if message.pluralizable else message.id
        for message in catalog
        if message.id and not _is_complete(language, catalog, message)
    ]


def _is_complete(language: str, catalog: Catalog, message: Message) -> bool:
    if message.pluralizable:
        return len(message.string) == catalog.num_plurals and all(message.string)
    return language == SOURCE_LANGUAGE or bool(message.string)
