"""The pictures of a source into the file of a store, by threads."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from alexnet.data import images, store_files
from alexnet.data.compressed import CompressedWriter
from alexnet.data.sources.base import Content, Source
from alexnet.data.writing import RawWriter, Writer, shape_of
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
    exact: NDArray[np.bool_] | None,
) -> dict[int, str]:
    """Fill `folder` with the pictures; returns the unreadable ones and what is wrong with them. JPEGs that may be
    decoded at a fraction of their size are marked in `roughly`, bool (N,). Pictures are kept raw, or compressed but for
    those marked in `exact`.

    Decoding, resizing and compressing leave Python's lock. What a killed process has noted as done is kept.

    Errors: OSError of the disk; DataError when the source gives fewer pictures than it has.
    """
    shape = shape_of(len(source), preprocess)
    count, bad = store_files.noted(folder, shape)
    if count:
        display.say(f"{count:,} of {len(source):,} pictures were decoded before: going on")
    items = itertools.islice(zip(itertools.count(), source.names, source.contents(), strict=False), count, None)
    writer: Writer = (
        RawWriter(folder, shape, count, display) if exact is None else CompressedWriter(folder, shape, count, exact)
    )

    def work(chunk: list[Item]) -> tuple[int, dict[int, str]]:
        return _decode_chunk(chunk, preprocess, writer, roughly)

    last = time.monotonic()
    with images.without_warnings(), closing(writer), display.bar(f"decoding {source.name}", len(source)) as bar:
        bar.advance(count)
        for looked, faults in by_threads(items, work, workers):
            count += looked
            bad.update(faults)
            bar.advance(looked)
            if time.monotonic() - last > NOTED:
                writer.flush(count)
                store_files.note(folder, count, bad)
                last = time.monotonic()
        if count != len(source):
            raise DataError(f"{source.name} gave {count} of its {len(source)} pictures: it changed while it was read")
        writer.flush(count)
    return bad


def _decode_chunk(
    chunk: list[Item], preprocess: Preprocess, writer: Writer, roughly: NDArray[np.bool_]
) -> tuple[int, dict[int, str]]:
    """Decode and fit some pictures and have them kept."""
    bad: dict[int, str] = {}
    decoded: dict[int, NDArray[np.uint8]] = {}
    for number, name, content in chunk:
        if isinstance(content, np.ndarray):
            decoded[number] = content
            continue
        least = preprocess.resize_to if roughly[number] else None
        try:
            writer.put(number, preprocess.fit(images.read(content, name, least=least)))
        except DataError as error:
            bad[number] = str(error)
    if decoded:  # arrays of one source have one size: fitted together
        for number, picture in zip(decoded, preprocess.fit_all(np.stack(list(decoded.values()))), strict=True):
            writer.put(number, picture)
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
