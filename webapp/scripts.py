"""Makes the scripts that sites load from here: a template in its owner's folder, filled with settings.

Their comments are the template's own, so that no visitor downloads them.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Script:
    """A script as it is served. ``etag`` names its content."""

    body: bytes
    zipped: bytes
    etag: str


def render(template: str, settings: Mapping[str, Any]) -> Script:
    """The script of a template (its path below this package) with these settings, which are JSON values."""
    return _packed(_environment().get_template(template).render(settings=dict(settings)))


@cache
def _environment() -> Environment:
    # No HTML is made here. Values go in through |tojson alone, which makes them safe within a script.
    return Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=select_autoescape(enabled_extensions=(), default=False),
    )  # fmt: skip


@lru_cache(maxsize=256)
def _packed(text: str) -> Script:
    lines = (line.strip() for line in text.splitlines())
    body = "\n".join(line for line in lines if line).encode()
    return Script(body, gzip.compress(body, 9, mtime=0), hashlib.sha256(body).hexdigest()[:24])
