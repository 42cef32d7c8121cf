"""Reads what people upload: files of raw bodies, and zips of such files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from webapp.archive import BEGINNING, Delivery, NotAnArchive, Spot, read

#: A zip may have so many files, and so many bytes when it is unpacked: more is a mistake or malice.
MOST_FILES, LARGEST_UNPACKED_BYTES = 20_000, 1024 * 1024 * 1024

#: Files stay in memory up to here.
IN_MEMORY_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024

BROKEN_ZIP, LOCKED_ZIP, ZIP_TOO_LARGE = "a broken zip", "a zip with a password", "a zip that is too large unpacked"

#: What operating systems put beside people's files.
_NOBODYS = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Place:
    """Where reading goes on: in which of the files, in which member of a zip, after so many unpacked bytes of it, and
    where in the file that is there."""

    file: int = 0
    member: int = 0
    unpacked: int = 0
    spot: Spot = BEGINNING

    @classmethod
    def told(cls, values: Mapping[str, Any]) -> Place:
        """A place out of the values that ``asdict`` made of it; without values the beginning."""
        return cls(**{**values, "spot": Spot(**values["spot"])}) if values else cls()


FIRST = Place()


@dataclass(frozen=True)
class Found:
    """A delivery and the file it stands in. Without a delivery, ``problem`` says why the file cannot be read.

    ``after`` is where reading goes on after it.
    """

    file: str
    delivery: Delivery | None
    problem: str | None = None
    after: Place = field(default=FIRST, compare=False)


def deliveries(files: Sequence[tuple[str, IO[bytes]]], zone: tzinfo, start: Place = FIRST) -> Iterator[Found]:
    """Every body of these named, seekable files from a place on, in their order. Raises nothing for bad content."""
    for number, (name, file) in enumerate(files[start.file :], start.file):
        place = start if number == start.file else Place(number)
        file.seek(0)
        if file.read(4) == b"PK\x03\x04":
            yield from _unpacked(name, file, zone, place)
        else:
            yield from _plain(name, file, zone, place, Place(number + 1))


def _plain(name: str, file: IO[bytes], zone: tzinfo, place: Place, behind: Place) -> Iterator[Found]:
    """The bodies of one file; ``behind`` is the place after it."""
    try:
        for delivery in read(file, zone, place.spot):
            yield Found(name, delivery, delivery.problem, replace(place, spot=delivery.after))
    except NotAnArchive as error:
        yield Found(name, None, str(error), behind)


def _unpacked(name: str, file: IO[bytes], zone: tzinfo, start: Place) -> Iterator[Found]:
    end = Place(start.file + 1)
    try:
        with zipfile.ZipFile(file) as packed:
            members = [one for one in packed.infolist() if not one.is_dir() and not _nobodys(one.filename)]
            if len(members) > MOST_FILES:
                yield Found(name, None, ZIP_TOO_LARGE, end)
                return
            place = start
            for number, member in enumerate(members[start.member :], start.member + 1):
                if member.flag_bits & 1:
                    place = Place(start.file, number, place.unpacked)
                    yield Found(f"{name}/{member.filename}", None, LOCKED_ZIP, place)
                    continue
                with packed.open(member) as opened, SpooledTemporaryFile(IN_MEMORY_BYTES) as whole:
                    left = LARGEST_UNPACKED_BYTES - place.unpacked
                    # What the zip says of its sizes may be a lie.
                    while left >= 0 and (piece := opened.read(_PIECE_BYTES)):
                        left -= len(piece)
                        whole.write(piece)
                    if left < 0:
                        yield Found(name, None, ZIP_TOO_LARGE, end)
                        return
                    behind = Place(start.file, number, LARGEST_UNPACKED_BYTES - left)
                    yield from _plain(f"{name}/{member.filename}", whole, zone, place, behind)
                    place = behind
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError):
        yield Found(name, None, BROKEN_ZIP, end)


def _nobodys(path: str) -> bool:
    return any(part in _NOBODYS for part in PurePosixPath(path).parts)
