"""``python -m webapp.translations``: bring the catalogues up to date and say what has no translation."""

from __future__ import annotations

import sys

from webapp.translations import LANGUAGES, collected, missing, mo, path, po, updated


def main() -> None:
    """Write the .po and .mo files of every language."""
    template = collected()
    for language in LANGUAGES:
        catalog = updated(language, template)
        path(language, "po").parent.mkdir(parents=True, exist_ok=True)
        path(language, "po").write_bytes(po(catalog))
        path(language, "mo").write_bytes(mo(catalog))
        lacking = missing(language, catalog)
        sys.stdout.write(f"{language}: {len(catalog)} texts, {len(lacking)} without a translation\n")
        sys.stdout.writelines(f"  {text}\n" for text in lacking)


if __name__ == "__main__":
    main()
