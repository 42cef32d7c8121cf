"""`make bench`: runs everything and writes bench/results.md."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from pathlib import Path

from bench import counter, deliveries, intake, pages, report, site_script

RESULTS = Path(__file__).with_name("results.md")

HEAD = """# Measurements

Written by `make bench`. Times are of a machine that is never quiet; what counts are the ratios, whose both sides are
measured in the same run.
"""


PARTS = {
    "intake": intake,
    "counter": counter,
    "site_script": site_script,
    "pages": pages,
    "report": report,
    "deliveries": deliveries,
}


def main() -> None:
    """Measure, print, write. Parts named on the command line are measured alone and written nowhere."""
    chosen = [PARTS[name] for name in sys.argv[1:]] or list(PARTS.values())
    lines = [HEAD, f"{os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}.", ""]
    for part in chosen:
        found = part.measure()
        sys.stdout.write("\n".join(found) + "\n")
        sys.stdout.flush()
        lines += found
    if not sys.argv[1:]:
        RESULTS.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
