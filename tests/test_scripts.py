"""The files that sites load from here (issue 3.1: small, cacheable, nothing in them that is not needed)."""

from __future__ import annotations

import gzip
import json

import pytest
from jinja2 import UndefinedError

from webapp import scripts
from webapp.vendors import registry

COUNTER = "cabinets/embedded/counter.js.j2"
SETTINGS = {"domain": "shop.example", "consent": False, "quiet": True}

#: What the vendor's own part of the script needs, with what every script needs.
COMMON = {"id": "abc", "session": "counter", "counters": [["shop.example", "/c/shop.js"]]}
VENDORS = {"jivo": {"prefix": "as1.", "overwrite": False, "jwt": False}, "amocrm": {"field": 316923}}


def templates() -> list[tuple[str, dict[str, object]]]:
    found: list[tuple[str, dict[str, object]]] = [(COUNTER, SETTINGS)]
    for name, own in VENDORS.items():
        found += [
            (registry()[name].script_template, {**COMMON, "session": one, **own}) for one in ("counter", "comagic")
        ]
    return found


@pytest.mark.parametrize(("template", "settings"), templates())
def test_a_script_is_small_when_packed_and_has_no_comments_of_ours(template: str, settings: dict[str, object]) -> None:
    script = scripts.render(template, settings)
    text = script.body.decode("ascii")
    assert len(script.zipped) < 4096
    assert gzip.decompress(script.zipped) == script.body
    assert "{#" not in text
    assert not [line for line in text.splitlines() if line.strip().startswith(("//", "/*", "*"))]
    assert "\n\n" not in text


def test_the_same_settings_make_the_same_bytes_and_others_another_name() -> None:
    one, same = scripts.render(COUNTER, SETTINGS), scripts.render(COUNTER, dict(reversed(SETTINGS.items())))
    other = scripts.render(COUNTER, SETTINGS | {"consent": True})
    assert (one.etag, one.zipped) == (same.etag, same.zipped)
    assert one.etag != other.etag


@pytest.mark.parametrize("domain", ["</script><script>alert(1)</script>", "'\"\\\u2028\n", "шторы.рф"])
def test_a_setting_stays_a_value(domain: str) -> None:
    """What a person has typed never becomes a part of the script."""
    text = scripts.render(COUNTER, SETTINGS | {"domain": domain}).body.decode()
    assert "</script>" not in text
    line = next(line for line in text.splitlines() if line.startswith("var settings = "))
    assert json.loads(line.removeprefix("var settings = ").rstrip(";"))["domain"] == domain


def test_a_setting_that_is_missing_is_our_mistake_and_no_script() -> None:
    template = registry()["jivo"].script_template
    with pytest.raises((UndefinedError, TypeError)):
        scripts.render(template, COMMON)
