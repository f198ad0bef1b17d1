"""The two files of a store, and the digests by which damage is noticed.

One holds the pictures: `pixels.npy`, uint8 (N, S, S, C), or `records.bin` (see `compressed`). `index.json` says what
else is to be known: the format, the shape, the pictures that could not be read, the digest of the header and of every
block of the first file, and behind all this the digest of what it says itself. While a store is built, `done.json`
stands in the index's place.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alexnet import durable
from alexnet.data.compressed import RECORDS, Compressed, Pixels, holds
from alexnet.data.writing import PIXELS, Shape
from alexnet.errors import DataError

FORMAT = 6
INDEX, DONE = "index.json", "done.json"
BLOCK = 1 << 24  # bytes, or one picture if that is larger, whose digest is taken together
PIECE = 1 << 18  # bytes read at a time: a processor's own cache holds them until they are hashed
READ_WHOLE = 1 << 30  # bytes up to which all pixels are checked whenever a store is opened: about a second


class DamagedError(DataError):
    """Files that are not what was written."""


@dataclass(frozen=True)
class Index:
    """What `index.json` says."""

    shape: Shape
    bad: dict[int, str]
    file: str
    """Which file holds the pictures."""
    header: str
    """Digest of what stands in it before the pictures."""
    length: int
    """Its bytes."""
    a_block: int
    """Pictures, or bytes of records, a block; the last block may have fewer."""
    blocks: tuple[str, ...]
    """Digest of each block."""

    @property
    def place(self) -> "_Place":
        """Where in the file its pictures lie."""
        return _place(self.file, self.length, self.shape)

    @property
    def units(self) -> list[range]:
        """The pictures of each block, or the bytes of records."""
        return _blocks(self.place.count, self.a_block)


@dataclass(frozen=True)
class _Place:
    """`count` units of `size` bytes, from byte `start` of a file on."""

    start: int
    size: int
    count: int


def _place(file: str, length: int, shape: Shape) -> _Place:
    if file == RECORDS:
        start = Compressed.header_size(shape[0])
        return _Place(start, 1, length - start)
    return _Place(length - math.prod(shape), math.prod(shape[1:]), shape[0])


def seal(folder: Path, shape: Shape, bad: Mapping[int, str]) -> None:
    """Write the index of a folder whose pictures are complete and flushed.

    Errors: ResourceError when the disk is full.
    """
    file = folder / (RECORDS if (folder / RECORDS).exists() else PIXELS)
    length = file.stat().st_size
    place = _place(file.name, length, shape)
    rows = max(1, BLOCK // place.size)
    said = {
        "format": FORMAT,
        "shape": shape,
        "bad": {str(number): bad[number] for number in sorted(bad)},
        "file": file.name,
        "header": _digest(file, 0, place.start),
        "length": length,
        "rows": rows,
        "blocks": _digests(file, place, _blocks(place.count, rows)),
    }
    durable.write_text(folder / INDEX, _sealed(said))


def note(folder: Path, done: int, bad: Mapping[int, str]) -> None:
    """Write down that the first `done` pictures are decoded and flushed, so that another process may go on."""
    said = {"done": done, "bad": {str(number): reason for number, reason in bad.items()}}
    durable.write_text(folder / DONE, _sealed(said))


def noted(folder: Path, shape: Shape) -> tuple[int, dict[int, str]]:
    """How many pictures of an unfinished store are decoded, and what is wrong with some; 0 if anything is doubtful."""
    try:
        text = (folder / DONE).read_text(encoding="utf-8")
        said: dict[str, Any] = json.loads(text)
        if text != _sealed(said) or not _goes_on(folder, said["done"], shape):
            return 0, {}
        return said["done"], {int(number): reason for number, reason in said["bad"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, EOFError):
        return 0, {}


def _goes_on(folder: Path, done: int, shape: Shape) -> bool:
    """Whether the file of an unfinished store holds so many pictures."""
    if (folder / RECORDS).exists():
        return holds(folder / RECORDS, done, shape)
    pixels = np.load(folder / PIXELS, mmap_mode="r", allow_pickle=False)
    return bool(pixels.shape == shape and pixels.dtype == np.uint8)


def load(folder: Path, *, sealed_now: bool = False) -> tuple[Pixels, dict[int, str]]:
    """The pictures, memory-mapped, and what is wrong with each unreadable one.

    Length and header are always checked, pixels up to `READ_WHOLE` bytes; of larger ones the blocks that have holes,
    which is what a crash leaves; of a store that was `sealed_now`, whose digests are of what can be read, none.

    Errors: DamagedError; DataError for a whole store of another format.
    """
    index = read_index(folder)
    file = folder / index.file
    numbers: Sequence[int] = range(0)
    if not sealed_now:
        numbers = range(len(index.blocks)) if index.length <= READ_WHOLE else _with_holes(file, index)
    damaged = _damaged(file, index, numbers)
    if damaged:
        raise DamagedError(f"{index.file}, pictures {damaged[0].start} to {damaged[-1].stop - 1}")
    return opened(folder, index.shape), index.bad


def opened(folder: Path, shape: Shape) -> Pixels:
    """The pictures in `folder`, unchecked."""
    if (folder / RECORDS).exists():
        return Compressed(folder / RECORDS, shape)
    pixels: Pixels = np.load(folder / PIXELS, mmap_mode="r", allow_pickle=False)
    return pixels


def verify(folder: Path) -> list[range]:
    """Read all of a store, whatever its size; the numbers of the pictures in each damaged block.

    Errors: DamagedError when the index, or length or header of the pixels, are damaged.
    """
    index = read_index(folder)
    return _damaged(folder / index.file, index, range(len(index.blocks)))


def read_index(folder: Path) -> Index:
    """What the index says, if it and the pixels' length and header are as written.

    Errors: DamagedError; DataError for a whole index of another format.
    """
    try:
        text = (folder / INDEX).read_text(encoding="utf-8")
        said: dict[str, Any] = json.loads(text)
        if text != _sealed(said):
            raise DamagedError(INDEX)
        if said["format"] != FORMAT:
            raise DataError(
                f"the store {folder} is of format {said['format']}, not {FORMAT}, and is left as it is: move it away"
            )
        first, second, third, fourth = said["shape"]
        index = Index(
            shape=(first, second, third, fourth),
            bad={int(number): reason for number, reason in said["bad"].items()},
            file=said.get("file", PIXELS),
            header=said["header"],
            length=said["length"],
            a_block=said["rows"],
            blocks=tuple(said["blocks"]),
        )
    except OSError as error:
        raise _unreadable(INDEX, error) from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(INDEX) from error
    try:
        length = (folder / index.file).stat().st_size
        if length != index.length:
            raise DamagedError(f"{index.file} has {length:,} bytes instead of {index.length:,}")
        if _digest(folder / index.file, 0, index.place.start) != index.header:
            raise DamagedError(f"{index.file}, its header")
    except OSError as error:
        raise _unreadable(index.file, error) from error
    return index


def _sealed(said: Mapping[str, Any]) -> str:
    """As JSON, with the digest of what is said behind it. An index is whole if it is this of itself, to the byte."""
    body = {key: value for key, value in said.items() if key != "digest"}
    return json.dumps(body | {"digest": durable.digest(json.dumps(body))})


def _unreadable(name: str, error: OSError) -> DamagedError:
    return DamagedError(f"{name}: {(error.strerror or str(error)).lower()}")


def _blocks(count: int, rows: int) -> list[range]:
    return [range(first, min(first + rows, count)) for first in range(0, count, rows)]


def _damaged(file: Path, index: Index, numbers: Sequence[int]) -> list[range]:
    """The pictures of each damaged block, of those asked for."""
    units = index.units
    try:
        found = _digests(file, index.place, [units[number] for number in numbers])
        damaged = [units[number] for number, there in zip(numbers, found, strict=True) if there != index.blocks[number]]
        if index.file == RECORDS and damaged:
            return Compressed(file, index.shape).pictures(damaged)
    except OSError as error:
        raise _unreadable(index.file, error) from error
    return damaged


def _digests(file: Path, place: _Place, blocks: Sequence[range]) -> list[str]:
    """Digest of each block of units, by threads (hashing leaves Python's lock).

    The file is read, not mapped: a disk that fails is then an error and no signal.
    """

    def of(block: range) -> str:
        return _digest(file, place.start + block.start * place.size, len(block) * place.size)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(of, blocks))


def _digest(file: Path, start: int, length: int) -> str:
    total = hashlib.blake2b(digest_size=16)
    with file.open("rb", buffering=0) as opened:
        opened.seek(start)
        while length and (piece := opened.read(min(PIECE, length))):
            total.update(piece)
            length -= len(piece)
    return total.hexdigest()


def _with_holes(file: Path, index: Index) -> list[int]:
    """Numbers of the blocks of which some was never written, where the system can tell."""
    if not hasattr(os, "SEEK_HOLE"):
        return []
    place = index.place
    found: list[int] = []
    with contextlib.suppress(OSError), file.open("rb") as opened:  # some disks cannot
        for number, block in enumerate(index.units):
            hole = os.lseek(opened.fileno(), place.start + block.start * place.size, os.SEEK_HOLE)
            if hole < place.start + block.stop * place.size:
                found.append(number)
    return found
