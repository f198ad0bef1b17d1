"""Stored pictures as JPEGs, for sets that are larger than the memory: a fifth of the bytes.

`records.bin` holds the length of every record, uint32 (N,), and the records one after another. A record is a JPEG of
the resized picture; or its pixels as they are, if it has just as many bytes, where the picture must be exact (what
judges a network) or a JPEG would be no shorter; or nothing, for a picture that cannot be read.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray

from alexnet.data.writing import Shape
from alexnet.errors import DataError

RECORDS = "records.bin"
QUALITY = 95
"""Of libjpeg, colours at full resolution: 43 dB on the flowers of 256 pixels in the median, 40 dB at worst."""
LENGTHS = np.dtype("<u4")


class Compressed:
    """Pictures that are decoded, by threads, when they are asked for; reads like uint8 (N, S, S, C)."""

    def __init__(self, file: Path, shape: Shape) -> None:
        self.shape = shape
        self.nbytes = file.stat().st_size
        self._file = file
        self._ends = np.cumsum(np.fromfile(file, LENGTHS, shape[0]), dtype=np.int64)
        start = self.header_size(shape[0])
        self._records = np.memmap(file, np.uint8, "r", start) if self._ends[-1] else np.empty(0, np.uint8)
        self.read_by(torch.get_num_threads())

    def read_by(self, threads: int) -> None:
        """Decode by so many threads; else by as many as PyTorch has, which torchrun divides among its processes."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="records")  # starts none before they are needed

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: int | NDArray[np.int64], /) -> NDArray[np.uint8]:
        """A picture, uint8 (S, S, C), or some by an array, (n, S, S, C); zeros for those that could not be read.

        Errors: DataError for a record that is damaged.
        """
        if isinstance(chosen, np.ndarray):
            pictures = np.empty((len(chosen), *self.shape[1:]), np.uint8)
            list(self._threads.map(self._read, chosen.tolist(), pictures))
            return pictures
        picture = np.empty(self.shape[1:], np.uint8)
        self._read(chosen, picture)
        return picture

    def as_trained(self, number: int) -> NDArray[np.uint8]:
        """A picture as it would be if it did not have to be exact."""
        picture = self[number]
        if self._length(number) == picture.size:
            expand(np.frombuffer(compress(picture), np.uint8), picture)
        return picture

    def pictures(self, parts: Sequence[range]) -> list[range]:
        """The pictures of which some byte lies in each part of the records."""
        first = np.searchsorted(self._ends, [part.start for part in parts], side="right")
        last = np.searchsorted(self._ends, [part.stop - 1 for part in parts], side="right")
        return [range(int(one), int(other) + 1) for one, other in zip(first, last, strict=True)]

    @staticmethod
    def header_size(count: int) -> int:
        """Bytes before the records of `count` pictures."""
        return LENGTHS.itemsize * count

    def _length(self, number: int) -> int:
        return int(self._ends[number] - self._ends[number - 1] if number else self._ends[0])

    def _read(self, number: int, picture: NDArray[np.uint8]) -> None:
        record = self._records[self._ends[number] - self._length(number) : self._ends[number]]
        try:
            expand(record, picture)
        except ValueError as error:
            raise DataError(
                f"{self._file} is damaged, picture {number:,}: delete the folder {self._file.parent}, it is built anew"
            ) from error


Pixels = NDArray[np.uint8] | Compressed
"""Stored pictures, uint8 (N, S, S, C)."""


class CompressedWriter:
    """Records, one after another."""

    def __init__(self, folder: Path, shape: Shape, done: int, exact: NDArray[np.bool_]) -> None:
        """Go on in `folder` after `done` pictures, or begin; those marked in `exact`, bool (N,), stay as they are."""
        self._exact, self._done = exact, done
        self._waiting: dict[int, bytes] = {}
        file = folder / RECORDS
        start = Compressed.header_size(shape[0])
        self._file = file.open("r+b" if done else "w+b")
        self._file.truncate(start + int(np.fromfile(file, LENGTHS, done).sum(dtype=np.int64)) if done else start)

    def put(self, number: int, picture: NDArray[np.uint8]) -> None:
        """Compressed here, in the thread that has decoded it."""
        self._waiting[number] = picture.tobytes() if self._exact[number] else compress(picture)

    def flush(self, count: int) -> None:
        """The records first, then their lengths."""
        records = [self._waiting.pop(number, b"") for number in range(self._done, count)]
        self._file.seek(0, os.SEEK_END)
        self._file.writelines(records)
        self._file.seek(Compressed.header_size(self._done))
        self._file.write(np.array([len(record) for record in records], LENGTHS).tobytes())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._done = count

    def close(self) -> None:
        """The file."""
        self._file.close()


def holds(file: Path, done: int, shape: Shape) -> bool:
    """Whether a file that is being written has the records of so many pictures."""
    lengths = np.fromfile(file, LENGTHS, done)
    return len(lengths) == done and file.stat().st_size >= Compressed.header_size(shape[0]) + int(
        lengths.sum(dtype=np.int64)
    )


def compress(picture: NDArray[np.uint8]) -> bytes:
    """A record of a picture, uint8 (S, S, C)."""
    space, colours = ("GRAY", "Gray") if picture.shape[2] == 1 else ("RGB", "444")
    record = simplejpeg.encode_jpeg(np.ascontiguousarray(picture), QUALITY, space, colours, fastdct=False)
    return record if len(record) < picture.size else picture.tobytes()


def expand(record: NDArray[np.uint8], picture: NDArray[np.uint8]) -> None:
    """The picture of a record, into uint8 (S, S, C).

    Errors: ValueError for what is no record of such a picture.
    """
    if len(record) == 0:
        picture[:] = 0
    elif len(record) == picture.size:
        picture[:] = record.reshape(picture.shape)
    else:
        space = "GRAY" if picture.shape[2] == 1 else "RGB"
        read = simplejpeg.decode_jpeg(record, space, fastdct=False, fastupsample=False)
        if read.shape != picture.shape:
            raise ValueError(f"{read.shape} is not {picture.shape}")
        picture[:] = read


def as_trained(pixels: Pixels, number: int) -> NDArray[np.uint8]:
    """A stored picture as it would be among the training pictures, whichever part it is in."""
    return pixels.as_trained(number) if isinstance(pixels, Compressed) else pixels[number]
