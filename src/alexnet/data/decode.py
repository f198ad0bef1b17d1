"""The pictures of a source into one file, by threads."""

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from alexnet import durable
from alexnet.data import images, store_files
from alexnet.data.sources.base import Content, Source
from alexnet.data.store_files import PIXELS
from alexnet.errors import DataError
from alexnet.preprocess import Preprocess
from alexnet.progress import Display

CHUNK = 32  # pictures a thread takes at a time
NOTED = 0.5  # seconds of decoding that a killed build may lose

Item = tuple[int, str, Content]
"""A picture's number, name and content."""
Result = TypeVar("Result")


def decode(
    source: Source,
    preprocess: Preprocess,
    folder: Path,
    display: Display,
    workers: int,
    roughly: NDArray[np.bool_],
) -> dict[int, str]:
    """Fill `folder`'s pixels, uint8 (N, S, S, C); returns the unreadable pictures and what is wrong with them. JPEGs
    that may be decoded at a fraction of their size are marked in `roughly`, bool (N,).

    Decoding and resizing leave Python's lock. The space is reserved first: a full disk is an error at the start, and
    not a signal on the way. What a killed process has noted as done is kept.

    Errors: OSError of the disk; DataError when the source gives fewer pictures than it has.
    """
    shape = (len(source), preprocess.resize_to, preprocess.resize_to, preprocess.channels)
    file = folder / PIXELS
    count, bad = store_files.noted(folder, shape)
    if count:
        display.say(f"{count:,} of {len(source):,} pictures were decoded before: going on")
        pixels = np.load(file, mmap_mode="r+")
    else:
        pixels = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
        _reserve(file, display)
    items = itertools.islice(zip(itertools.count(), source.names, source.contents(), strict=False), count, None)

    def work(chunk: list[Item]) -> tuple[int, dict[int, str]]:
        return _decode_chunk(chunk, preprocess, pixels, roughly)

    last = time.monotonic()
    with images.without_warnings(), display.bar(f"decoding {source.name}", len(source)) as bar:
        bar.advance(count)
        for looked, faults in by_threads(items, work, workers):
            count += looked
            bad.update(faults)
            bar.advance(looked)
            if time.monotonic() - last > NOTED:
                pixels.flush()
                store_files.note(folder, count, bad)
                last = time.monotonic()
    if count != len(source):
        raise DataError(f"{source.name} gave {count} of its {len(source)} pictures: it changed while it was read")
    pixels.flush()
    return bad


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


def _decode_chunk(
    chunk: list[Item], preprocess: Preprocess, pixels: NDArray[np.uint8], roughly: NDArray[np.bool_]
) -> tuple[int, dict[int, str]]:
    """Decode and fit some pictures into their rows."""
    bad: dict[int, str] = {}
    decoded: dict[int, NDArray[np.uint8]] = {}
    for number, name, content in chunk:
        if isinstance(content, np.ndarray):
            decoded[number] = content
            continue
        least = preprocess.resize_to if roughly[number] else None
        try:
            pixels[number] = preprocess.fit(images.read(content, name, least=least))
        except DataError as error:
            bad[number] = str(error)
    if decoded:  # arrays of one source have one size: fitted together
        pixels[list(decoded)] = preprocess.fit_all(np.stack(list(decoded.values())))
    return len(chunk), bad


def by_threads(items: Iterator[Item], work: Callable[[list[Item]], Result], workers: int) -> Iterator[Result]:
    """What `work` gives for chunks of `items`, in their order; no more chunks wait than threads need."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result]] = deque()
        while chunk := list(itertools.islice(items, CHUNK)):
            waiting.append(pool.submit(work, chunk))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
