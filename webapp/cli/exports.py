"""What the exports share: JSON lines on standard output, moments, rows in batches."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select
from sqlalchemy.orm import Session

#: Rows read at once; so much of a table is in memory, however large it is.
BATCH = 500


def iso(moment: datetime | None) -> str | None:
    """The moment in UTC as ISO 8601 with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def write_lines(lines: Iterable[Mapping[str, Any]]) -> None:
    """Each mapping as one line of JSON, UTF-8 whatever the terminal's own encoding."""
    out = sys.stdout.buffer
    for line in lines:
        # JSON allows halves of characters, UTF-8 does not: what a vendor made of an emoji must not end the export.
        text = json.dumps(line, ensure_ascii=False)
        out.write(text.encode("utf-8", "backslashreplace") + b"\n")
    out.flush()


def batches(session: Session, query: Select[Any], key: Any) -> Iterator[list[Row[Any]]]:
    """The rows of a query in the order of ``key``, a unique column, which must be the first that it selects.

    Every batch is a transaction of its own, so that a long export holds nothing open.
    """
    last = None
    while True:
        page = query if last is None else query.where(key > last)
        rows = list(session.execute(page.order_by(key).limit(BATCH)))
        if not rows:
            return
        last = rows[-1][0]
        yield rows
        session.commit()
