"""The two files of a store, and the digests by which damage is noticed.

`pixels.npy` is uint8 (N, S, S, C). `index.json` says what else is to be known: the format, the shape, the pictures
that could not be read, the digest of the header and of every block of pictures in `pixels.npy`, and behind all this
the digest of what it says itself. While a store is built, `done.json` stands in the index's place.
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
from numpy.typing import NDArray

from alexnet import durable
from alexnet.errors import DataError

FORMAT = 6
PIXELS, INDEX, DONE = "pixels.npy", "index.json", "done.json"
BLOCK = 1 << 24  # bytes, or one picture if that is larger, whose digest is taken together
PIECE = 1 << 18  # bytes read at a time: a processor's own cache holds them until they are hashed
READ_WHOLE = 1 << 30  # bytes up to which all pixels are checked whenever a store is opened: about a second

Shape = tuple[int, int, int, int]


class DamagedError(DataError):
    """Files that are not what was written."""


@dataclass(frozen=True)
class Index:
    """What `index.json` says."""

    shape: Shape
    bad: dict[int, str]
    header: str
    """Digest of what stands in `pixels.npy` before the pixels."""
    length: int
    """Bytes of `pixels.npy`."""
    rows: int
    """Pictures a block; the last block may have fewer."""
    blocks: tuple[str, ...]
    """Digest of each block."""

    @property
    def start(self) -> int:
        """Where in `pixels.npy` the pixels begin."""
        return self.length - math.prod(self.shape)

    @property
    def pictures(self) -> list[range]:
        """The pictures of each block."""
        return _blocks(self.shape, self.rows)


def seal(folder: Path, shape: Shape, bad: Mapping[int, str]) -> None:
    """Write the index of a folder whose pixels are complete and flushed.

    Errors: ResourceError when the disk is full.
    """
    file = folder / PIXELS
    length = file.stat().st_size
    start = length - math.prod(shape)
    rows = max(1, BLOCK // math.prod(shape[1:]))
    said = {
        "format": FORMAT,
        "shape": shape,
        "bad": {str(number): bad[number] for number in sorted(bad)},
        "header": _digest(file, 0, start),
        "length": length,
        "rows": rows,
        "blocks": _digests(file, start, math.prod(shape[1:]), _blocks(shape, rows)),
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
        pixels = np.load(folder / PIXELS, mmap_mode="r", allow_pickle=False)
        if text != _sealed(said) or pixels.shape != shape or pixels.dtype != np.uint8:
            return 0, {}
        return said["done"], {int(number): reason for number, reason in said["bad"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, EOFError):
        return 0, {}


def load(folder: Path, *, sealed_now: bool = False) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Pixels, memory-mapped, and what is wrong with each unreadable picture.

    Length and header are always checked, pixels up to `READ_WHOLE` bytes; of larger ones the blocks that have holes,
    which is what a crash leaves; of a store that was `sealed_now`, whose digests are of what can be read, none.

    Errors: DamagedError; DataError for a whole store of another format.
    """
    index = read_index(folder)
    file = folder / PIXELS
    numbers: Sequence[int] = range(0)
    if not sealed_now:
        numbers = range(len(index.blocks)) if index.length <= READ_WHOLE else _with_holes(file, index)
    damaged = _damaged(file, index, numbers)
    if damaged:
        raise DamagedError(f"{PIXELS}, pictures {damaged[0].start} to {damaged[-1].stop - 1}")
    pixels = np.load(file, mmap_mode="r", allow_pickle=False)
    return pixels, index.bad


def verify(folder: Path) -> list[range]:
    """Read all of a store, whatever its size; the numbers of the pictures in each damaged block.

    Errors: DamagedError when the index, or length or header of the pixels, are damaged.
    """
    index = read_index(folder)
    return _damaged(folder / PIXELS, index, range(len(index.blocks)))


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
            header=said["header"],
            length=said["length"],
            rows=said["rows"],
            blocks=tuple(said["blocks"]),
        )
    except OSError as error:
        raise _unreadable(INDEX, error) from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(INDEX) from error
    try:
        length = (folder / PIXELS).stat().st_size
        if length != index.length:
            raise DamagedError(f"{PIXELS} has {length:,} bytes instead of {index.length:,}")
        if _digest(folder / PIXELS, 0, index.start) != index.header:
            raise DamagedError(f"{PIXELS}, its header")
    except OSError as error:
        raise _unreadable(PIXELS, error) from error
    return index


def _sealed(said: Mapping[str, Any]) -> str:
    """As JSON, with the digest of what is said behind it. An index is whole if it is this of itself, to the byte."""
    body = {key: value for key, value in said.items() if key != "digest"}
    return json.dumps(body | {"digest": durable.digest(json.dumps(body))})


def _unreadable(name: str, error: OSError) -> DamagedError:
    return DamagedError(f"{name}: {(error.strerror or str(error)).lower()}")


def _blocks(shape: Shape, rows: int) -> list[range]:
    return [range(first, min(first + rows, shape[0])) for first in range(0, shape[0], rows)]


def _damaged(file: Path, index: Index, numbers: Sequence[int]) -> list[range]:
    """The pictures of each damaged block, of those asked for."""
    blocks = index.pictures
    asked = [blocks[number] for number in numbers]
    try:
        found = _digests(file, index.start, math.prod(index.shape[1:]), asked)
    except OSError as error:
        raise _unreadable(PIXELS, error) from error
    return [blocks[number] for number, there in zip(numbers, found, strict=True) if there != index.blocks[number]]


def _digests(file: Path, start: int, size: int, blocks: Sequence[range]) -> list[str]:
    """Digest of each block of pictures of `size` bytes, by threads (hashing leaves Python's lock).

    The file is read, not mapped: a disk that fails is then an error and no signal.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda block: _digest(file, start + block.start * size, len(block) * size), blocks))


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
    size = math.prod(index.shape[1:])
    found: list[int] = []
    with contextlib.suppress(OSError), file.open("rb") as opened:  # some disks cannot
        for number, block in enumerate(index.pictures):
            hole = os.lseek(opened.fileno(), index.start + block.start * size, os.SEEK_HOLE)
            if hole < index.start + block.stop * size:
                found.append(number)
    return found
