"""Reads files of raw webhook bodies: one body, a line a body, or the delivery log that a vendor's support hands out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import unquote

#: As much as a webhook may bring over the network.
LARGEST_BODY_BYTES = 1024 * 1024

_POST = re.compile(r"^(?P<before>.*?)\bPOST\b[:\s]+(?P<url>(?:https?://|/)\S*)\s*(?:HTTP/[\d.]+)?$")
_END = re.compile(r"^\W*Response code\b", re.IGNORECASE)
_OUR_PATH = re.compile(r"/hooks/[\w-]+/[^/?#]+/(?P<channel>[^/?#]+)")
_DATES = (
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y, %H:%M:%S", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S",
    "%d-%m-%Y %H:%M:%S", "%b %d %Y %H:%M:%S", "%d %b %Y %H:%M:%S",
)  # fmt: skip


#: The years that a delivery can be of.
YEARS = range(2000, 2201)

#: What may be wrong with a body, and with a file.
NO_BODY, TOO_LARGE, NO_OBJECT = "no body", "the body is larger than 1 MiB", "the body is no JSON object"
HALF_JSON = "begins like JSON, but is neither one JSON object nor one on each line"
NO_LOG = "is neither JSON nor a delivery log with POST lines"


class NotAnArchive(ValueError):
    """The file has none of the known forms."""


@dataclass(frozen=True)
class Spot:
    """Where reading goes on in a file: after so many bytes and lines. ``date`` (ISO) was told by a log before it."""

    offset: int = 0
    line: int = 0
    date: str | None = None


BEGINNING = Spot()


@dataclass(frozen=True)
class Delivery:
    """One body and its line in the file. ``problem`` says why it cannot be taken; None where it can.

    ``after`` is where reading goes on after it.
    """

    line: int
    body: bytes
    received_at: datetime | None = None
    channel: str | None = None
    problem: str | None = None
    after: Spot = field(default=BEGINNING, compare=False)


def read(file: BinaryIO, zone: tzinfo = UTC, start: Spot = BEGINNING) -> Iterator[Delivery]:
    """The bodies in a seekable file from a spot on, in its order, a part at a time.

    ``zone`` is the zone of a log's dates that name none. Raises NotAnArchive when the file is none.
    """
    first = _first_line(file)
    if not first:
        return iter(())
    if _is_object(first):
        return _lines(file, start)
    if first.startswith(b"{"):
        return _whole(file, start)
    return _log(file, zone, start)


def _first_line(file: BinaryIO) -> bytes:
    file.seek(0)
    first = next((line.strip() for line in file if line.strip()), b"")
    return first.removeprefix(b"\xef\xbb\xbf")


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _numbered(file: BinaryIO, start: Spot) -> Iterator[tuple[Spot, bytes]]:
    """The lines from a spot on, each with the spot after it."""
    file.seek(start.offset)
    offset = start.offset
    for number, line in enumerate(file, start.line + 1):
        offset += len(line)
        yield Spot(offset, number), line


def _lines(file: BinaryIO, start: Spot) -> Iterator[Delivery]:
    for after, line in _numbered(file, start):
        body = line.removeprefix(b"\xef\xbb\xbf").strip()
        if body:
            yield _delivery(after.line, body, after)


def _whole(file: BinaryIO, start: Spot) -> Iterator[Delivery]:
    if start.offset:
        return iter(())
    file.seek(0)
    content = file.read()
    body = content.removeprefix(b"\xef\xbb\xbf").strip()
    if not _is_object(body):
        raise NotAnArchive(HALF_JSON)
    return iter((_delivery(1, body, Spot(len(content))),))


def _delivery(line: int, body: bytes, after: Spot) -> Delivery:
    problem = _problem(body) or (None if _is_object(body) else NO_OBJECT)
    return Delivery(line, body, problem=problem, after=after)


def _problem(body: bytes) -> str | None:
    if not body:
        return NO_BODY
    return TOO_LARGE if len(body) > LARGEST_BODY_BYTES else None


def _log(file: BinaryIO, zone: tzinfo, start: Spot) -> Iterator[Delivery]:
    """Blocks of a date, ``POST`` and the address, the body, ``Response code:``; blank lines anywhere."""
    file.seek(0)
    if not any(_POST.match(_text(line)) for line in file):
        raise NotAnArchive(NO_LOG)
    return _blocks(file, zone, start)


def _blocks(file: BinaryIO, zone: tzinfo, start: Spot) -> Iterator[Delivery]:
    """The date stands before ``POST``, on its line or above it."""
    block: _Block | None = None
    date = datetime.fromisoformat(start.date) if start.date else None
    before = after = start
    for after, line in _numbered(file, start):
        text = _text(line)
        post = _POST.match(text)
        if post:
            if block is not None:
                date = block.take_date(zone)
                yield block.delivery(replace(before, date=date.isoformat() if date else None))
            ours = _OUR_PATH.search(post["url"])
            block = _Block(after.line, _date(post["before"], zone) or date, unquote(ours["channel"]) if ours else None)
            date = None
        elif _END.match(text):
            if block is not None:
                yield block.delivery(after)
            block, date = None, None
        elif block is not None:
            block.lines.append(line)
        else:
            date = _date(text, zone) or date
        before = after
    if block is not None:
        yield block.delivery(after)


@dataclass
class _Block:
    """One delivery of a log, being read."""

    number: int
    date: datetime | None
    channel: str | None
    lines: list[bytes] = field(default_factory=list)

    def take_date(self, zone: tzinfo) -> datetime | None:
        """The next block's date, where this block had no end and swallowed it."""
        while self.lines and not self.lines[-1].strip():
            self.lines.pop()
        found = _date(_text(self.lines[-1]), zone) if self.lines else None
        if found:
            self.lines.pop()
        return found

    def delivery(self, after: Spot) -> Delivery:
        """What was read. Lines before the body, such as headers, fall away."""
        body = b"".join(self.lines).strip()
        _headers, opening, rest = (b"\n" + body).partition(b"\n{")
        body = b"{" + rest if opening else body
        return Delivery(self.number, body, self.date, self.channel, _problem(body), after)


def _text(line: bytes) -> str:
    return line.decode("utf-8-sig", "replace").strip()


def _date(text: str, zone: tzinfo) -> datetime | None:
    """The moment that a line tells, None when it tells none."""
    plain = re.sub(r"^\s*(?:date|time|дата|время)\s*:\s*", "", text, flags=re.IGNORECASE).strip(" \t[]()|-–—,;:")
    for parse in (datetime.fromisoformat, parsedate_to_datetime, *(_format(form) for form in _DATES)):
        try:
            moment = parse(plain)
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        # A number that happens to read as a day is none.
        if moment.year in YEARS:
            return moment
    return None


def _format(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form)
