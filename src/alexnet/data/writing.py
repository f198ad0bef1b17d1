"""Stored pictures as they are written: raw here, as JPEGs in `compressed`."""

import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alexnet import durable
from alexnet.preprocess import Preprocess
from alexnet.progress import Display

PIXELS = "pixels.npy"
Shape = tuple[int, int, int, int]


def shape_of(count: int, preprocess: Preprocess) -> Shape:
    """Of so many pictures, stored: (N, S, S, C)."""
    return count, preprocess.resize_to, preprocess.resize_to, preprocess.channels


class Writer(Protocol):
    """What takes decoded pictures, by threads and in any order, and brings them to the disk in theirs."""

    def put(self, number: int, picture: NDArray[np.uint8]) -> None:
        """Keep a picture, uint8 (S, S, C)."""

    def flush(self, count: int) -> None:
        """Bring the first `count` pictures to the disk; all of them have been put, or cannot be read."""

    def close(self) -> None:
        """Nothing more will come."""


class RawWriter:
    """Pictures as they are, in a mapped file of numpy's format."""

    def __init__(self, folder: Path, shape: Shape, done: int, display: Display) -> None:
        """Go on in `folder` after `done` pictures, or begin: the space is reserved, and a full disk is an error at the
        start and not a signal on the way."""
        file = folder / PIXELS
        if done:
            self._pixels = np.load(file, mmap_mode="r+")
        else:
            self._pixels = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
            _reserve(file, display)

    def put(self, number: int, picture: NDArray[np.uint8]) -> None:
        """Into its row."""
        self._pixels[number] = picture

    def flush(self, count: int) -> None:
        """All that has been put."""
        self._pixels.flush()

    def close(self) -> None:
        """Nothing is left to do."""


def _reserve(file: Path, display: Display) -> None:
    if not hasattr(os, "posix_fallocate"):
        return
    with file.open("r+b") as sparse:
        try:
            os.posix_fallocate(sparse.fileno(), 0, os.fstat(sparse.fileno()).st_size)
        except OSError as error:
            if error.errno in durable.DISK_IS_FULL:
                raise
            display.detail(f"{file}: this disk cannot reserve space ({error.strerror})")
