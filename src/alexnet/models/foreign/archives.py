"""Zip archives of others: whatever is wrong with one ends in one kind of error."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alexnet.errors import ModelFileError

DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(OSError, RuntimeError, ValueError, LookupError),
)
"""What Python's zip reader ends in when an archive or the packing of a member is not whole."""


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive at `path`. Errors: ModelFileError when it, or what is read inside the block, is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DAMAGED as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise ModelFileError(f"{path} is damaged or no zip archive: {told}") from error


def holds(path: Path, member: str) -> bool:
    """Whether the file is an archive with such a member; one that is damaged goes by its name."""
    try:
        with zipfile.ZipFile(path) as archive:
            return member in archive.namelist()
    except DAMAGED:
        return path.suffix == ".keras"


def is_archive(path: Path) -> bool:
    """Whether the file ends as zip archives do."""
    try:
        return zipfile.is_zipfile(path)
    except DAMAGED:
        return False
