"""Decode once: the pictures of a source as uint8 on disk, memory-mapped.

A store is a folder `<key>/` with `pixels.npy`, uint8 (N, S, S, C), row i being picture i of the source, and
`index.json`. It is built in a folder beside and renamed when complete, so that what bears the name is whole.
The key is a digest of the pictures' content and of how they are resized: other pictures or another size make
another store, and none is ever changed.
"""

import itertools
import json
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet import durable
from alexnet.data import images
from alexnet.data.sources.base import Content, Source
from alexnet.errors import DataError
from alexnet.preprocess import Preprocess
from alexnet.progress import Display

FORMAT = 2
CHUNK = 32  # pictures a worker takes at a time


@dataclass(frozen=True)
class Store:
    """The decoded pictures of one source."""

    pixels: NDArray[np.uint8]
    """uint8 (N, S, S, C); rows of unreadable pictures are zero and must not be used."""
    bad: dict[int, str]
    """Index of each unreadable picture, and what is wrong with it."""

    @property
    def usable(self) -> NDArray[np.int64]:
        """Indices of the pictures that could be read."""
        return np.setdiff1d(np.arange(len(self.pixels)), list(self.bad))


def open_or_build(
    source: Source, preprocess: Preprocess, cache: Path, display: Display, *, workers: int | None = None
) -> Store:
    """The store of `source` as `preprocess` wants it, built below `cache` unless it is there.

    Errors: ResourceError when the disk is full (nothing half-built stays).
    """
    key = durable.digest(
        str(FORMAT), source.digest, preprocess.resize, str(preprocess.resize_to), str(preprocess.channels)
    )
    folder = cache / key
    shape = (len(source), preprocess.resize_to, preprocess.resize_to, preprocess.channels)
    store = _open(folder, shape)
    if store is None:
        display.detail(f"store {folder}: {np.prod(shape) / 1e6:,.0f} MB to be written")
        _build(folder, shape, source, preprocess, display, workers or os.cpu_count() or 1)
        store = _open(folder, shape)
    if store is None:
        raise DataError(f"the store {folder} was damaged while it was made: delete it and try again")
    return store


def _open(folder: Path, shape: tuple[int, int, int, int]) -> Store | None:
    """The store in `folder`, or None when it is missing, of another format, or not whole."""
    try:
        index: dict[str, Any] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        pixels = np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False)
        bad = {int(number): reason for number, reason in index["bad"].items()}
        whole = index["format"] == FORMAT and index["digest"] == _digest(bad)
    except (OSError, ValueError, EOFError, LookupError, TypeError, AttributeError, SyntaxError):
        return None
    if not whole or pixels.shape != shape or pixels.dtype != np.uint8 or not pixels.flags.c_contiguous:
        return None
    return Store(pixels, bad)


def _digest(bad: dict[int, str]) -> str:
    return durable.digest(json.dumps(bad, sort_keys=True))


def _build(
    folder: Path,
    shape: tuple[int, int, int, int],
    source: Source,
    preprocess: Preprocess,
    display: Display,
    workers: int,
) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise durable.translated(error, folder) from error
    try:
        bad = _decode_all(unfinished / "pixels.npy", shape, source, preprocess, display, workers)
        index = {"format": FORMAT, "bad": bad}
        durable.write_text(unfinished / "index.json", json.dumps(index | {"digest": _digest(bad)}))
        if folder.exists() and _open(folder, shape) is None:
            shutil.rmtree(folder)  # a damaged one, which would stand in the way
        unfinished.chmod(0o755)
        try:
            unfinished.rename(folder)
            durable.sync_folder(folder.parent)
        except OSError:
            if not folder.exists():  # else somebody else was first, with the same content
                raise
    except OSError as error:
        raise durable.translated(error, folder) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _sweep(cache: Path) -> None:
    """Remove what killed builds have left: unfinished folders that nobody has touched for a day."""
    for left in cache.glob(".*"):
        newest = max((file.stat().st_mtime for file in (left, *left.glob("*"))), default=0.0)
        if left.is_dir() and time.time() - newest > 86400:
            shutil.rmtree(left, ignore_errors=True)


def _decode_all(
    file: Path,
    shape: tuple[int, int, int, int],
    source: Source,
    preprocess: Preprocess,
    display: Display,
    workers: int,
) -> dict[int, str]:
    """Fill the file with threads (decoding and resizing leave Python's lock); returns the unreadable ones."""
    pixels = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    with file.open("r+b") as sparse:  # reserve the space: a full disk is an error now, not a signal later
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(sparse.fileno(), 0, os.fstat(sparse.fileno()).st_size)
            except OSError as error:
                if error.errno not in durable.DISK_IS_FULL:
                    display.detail(f"{file}: this disk cannot reserve space ({error.strerror})")
                else:
                    raise
    bad: dict[int, str] = {}
    chunks = _chunks(zip(itertools.count(), source.names, source.contents(), strict=False), CHUNK)
    with (
        images.without_warnings(),
        display.bar(f"decoding {source.name}", len(source)) as bar,
        ThreadPoolExecutor(workers) as pool,
    ):
        count = 0
        waiting: deque[Future[tuple[int, dict[int, str]]]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_decode_chunk, chunk, preprocess, pixels))
            if len(waiting) > 2 * workers:
                count += _collect(waiting, bad, bar.advance)
        while waiting:
            count += _collect(waiting, bad, bar.advance)
    if count != len(source):
        raise DataError(f"{source.name} gave {count} of its {len(source)} pictures: it changed while it was read")
    pixels.flush()
    return bad


def _collect(
    waiting: "deque[Future[tuple[int, dict[int, str]]]]", bad: dict[int, str], advance: Callable[[float], None]
) -> int:
    count, faults = waiting.popleft().result()
    bad.update(faults)
    advance(count)
    return count


def _decode_chunk(
    chunk: list[tuple[int, str, Content]], preprocess: Preprocess, pixels: NDArray[np.uint8]
) -> tuple[int, dict[int, str]]:
    """Decode and fit some pictures into their rows."""
    bad: dict[int, str] = {}
    decoded: dict[int, NDArray[np.uint8]] = {}
    for number, name, content in chunk:
        if isinstance(content, np.ndarray):
            decoded[number] = content
            continue
        try:
            pixels[number] = preprocess.fit(images.read(content, name))
        except DataError as error:
            bad[number] = str(error)
    if decoded:  # arrays of one source have one size: fitted together
        pixels[list(decoded)] = preprocess.fit_all(np.stack(list(decoded.values())))
    return len(chunk), bad


def _chunks(items: Iterable[tuple[int, str, Content]], size: int) -> Iterator[list[tuple[int, str, Content]]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
