"""Reads what people upload: files of raw bodies, and zips of such files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import IO

from webapp.archive import Delivery, NotAnArchive, read

#: A zip may have so many files, and so many bytes when it is unpacked: more is a mistake or malice.
MOST_FILES, LARGEST_UNPACKED_BYTES = 20_000, 1024 * 1024 * 1024

#: Files stay in memory up to here.
IN_MEMORY_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024

BROKEN_ZIP, LOCKED_ZIP, ZIP_TOO_LARGE = "a broken zip", "a zip with a password", "a zip that is too large unpacked"

#: What operating systems put beside people's files.
_NOBODYS = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Found:
    """A delivery and the file it stands in. Without a delivery, ``problem`` says why the file cannot be read."""

    file: str
    delivery: Delivery | None
    problem: str | None = None


def deliveries(files: Iterable[tuple[str, IO[bytes]]], zone: tzinfo) -> Iterator[Found]:
    """Every body of these named, seekable files, in their order. Raises nothing for bad content."""
    for name, file in files:
        if file.read(4) == b"PK\x03\x04":
            file.seek(0)
            yield from _unpacked(name, file, zone)
        else:
            file.seek(0)
            yield from _plain(name, file, zone)


def _plain(name: str, file: IO[bytes], zone: tzinfo) -> Iterator[Found]:
    try:
        for delivery in read(file, zone):
            yield Found(name, delivery, delivery.problem)
    except NotAnArchive as error:
        yield Found(name, None, str(error))


def _unpacked(name: str, file: IO[bytes], zone: tzinfo) -> Iterator[Found]:
    try:
        with zipfile.ZipFile(file) as packed:
            members = [one for one in packed.infolist() if not one.is_dir() and not _nobodys(one.filename)]
            if len(members) > MOST_FILES:
                yield Found(name, None, ZIP_TOO_LARGE)
                return
            left = LARGEST_UNPACKED_BYTES
            for member in members:
                if member.flag_bits & 1:
                    yield Found(f"{name}/{member.filename}", None, LOCKED_ZIP)
                    continue
                with packed.open(member) as opened, SpooledTemporaryFile(IN_MEMORY_BYTES) as whole:
                    # What the zip says of its sizes may be a lie.
                    while left >= 0 and (piece := opened.read(_PIECE_BYTES)):
                        left -= len(piece)
                        whole.write(piece)
                    if left < 0:
                        yield Found(name, None, ZIP_TOO_LARGE)
                        return
                    whole.seek(0)
                    yield from _plain(f"{name}/{member.filename}", whole, zone)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError):
        yield Found(name, None, BROKEN_ZIP)


def _nobodys(path: str) -> bool:
    return any(part in _NOBODYS for part in PurePosixPath(path).parts)
