"""`make bench`: runs everything and writes bench/results.md."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from pathlib import Path

from bench import deliveries, intake, pages

RESULTS = Path(__file__).with_name("results.md")

HEAD = """# Measurements

Written by `make bench`. Times are of a machine that is never quiet; what counts are the ratios, whose both sides are
measured in the same run.
"""


def main() -> None:
    """Measure and write; what is measured is printed as it comes."""
    lines = [HEAD, f"{os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}.", ""]
    for part in (intake, pages, deliveries):
        found = part.measure()
        sys.stdout.write("\n".join(found) + "\n")
        sys.stdout.flush()
        lines += found
    RESULTS.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
