"""Decode once: the pictures of a source as uint8 on disk, memory-mapped, or as JPEGs where that would be too large.

A store is a folder `<key>/` with `pixels.npy`, uint8 (N, S, S, C), row i being picture i of the source, or with
`records.bin` (see compressed.py), and `index.json` (see store_files.py). It is built in a folder beside and renamed
when complete, so that what bears the name is whole. The key is a digest of the format, the pictures' content and how
they are resized and kept: other pictures, another size or another version's format make another store, and none is ever
changed. docs/store.md tells people.
"""

import contextlib
import os
import platform
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet import durable
from alexnet.data import images, space, store_files
from alexnet.data.compressed import QUALITY, Compressed, Pixels
from alexnet.data.decode import decode
from alexnet.data.sources.base import Source
from alexnet.data.space import Form
from alexnet.data.store_files import DONE, FORMAT, DamagedError, verify
from alexnet.data.writing import Shape, shape_of
from alexnet.errors import DataError, ResourceError
from alexnet.preprocess import Preprocess
from alexnet.progress import Display

__all__ = ["Store", "open_or_build", "verify"]

FORGOTTEN = 86400  # seconds after which nobody comes back to an unfinished folder


@dataclass(frozen=True)
class Store:
    """The decoded pictures of one source."""

    pixels: Pixels
    """uint8 (N, S, S, C); rows of unreadable pictures are zero and must not be used."""
    bad: dict[int, str]
    """Index of each unreadable picture, and what is wrong with it."""

    @property
    def form(self) -> Form:
        """In which the pictures are kept."""
        return "jpeg" if isinstance(self.pixels, Compressed) else "raw"

    @property
    def usable(self) -> NDArray[np.int64]:
        """Indices of the pictures that could be read."""
        return np.setdiff1d(np.arange(len(self.pixels)), list(self.bad))


def open_or_build(
    source: Source,
    preprocess: Preprocess,
    cache: Path,
    display: Display,
    *,
    workers: int | None = None,
    accept_truncated: bool = False,
    approximate: NDArray[np.int64] | None = None,
    compress: NDArray[np.int64] | None = None,
) -> Store:
    """The store of `source` as `preprocess` wants it, built below `cache` unless it is there and whole.

    Of several processes one builds and the others wait for it. With `accept_truncated`, pictures that are cut short
    are kept; large JPEGs among the pictures named by `approximate` are decoded at a fraction of their size; those named
    by `compress` are kept as JPEGs. Each makes another store.

    Errors: ResourceError when the disk is full or cannot be written (nothing half-built stays); DataError for a store
    of another format under this name, or a source that changes while it is read.
    """
    parts = [str(FORMAT), source.digest, preprocess.resize, str(preprocess.resize_to), str(preprocess.channels)]
    if accept_truncated:
        parts.append("accept truncated")
    roughly = _marked(source, approximate)
    exact = None if compress is None else ~_marked(source, compress)
    if approximate is not None:
        parts.append(f"approximate {durable.digest(np.packbits(roughly).tobytes())}")
    if exact is not None:
        parts.append(f"jpeg {QUALITY}, exact {durable.digest(np.packbits(exact).tobytes())}")
    folder = cache / durable.digest(*parts)
    shape = shape_of(len(source), preprocess)
    store = None
    with contextlib.suppress(DamagedError):  # told by the one who builds it anew
        store = _open(folder, shape)
    if store is None:
        waiting = f"waiting for another process that builds the store {folder}"
        with (
            durable.locked(cache / f".{folder.name}.lock", lambda: display.say(waiting)) as alone,
            images.accepting_truncated(accept_truncated),
        ):
            store = _open_or_tell(folder, shape, display)
            if store is None:
                unfinished = _swept(folder, shape, alone=alone)
                threads = workers or os.cpu_count() or 1
                store = _build(
                    folder,
                    unfinished,
                    shape,
                    exact,
                    display,
                    lambda inside: decode(source, preprocess, inside, display, threads, roughly, exact),
                    source,
                )
    if workers is not None and isinstance(store.pixels, Compressed):
        store.pixels.read_by(workers)
    space.tell_if_larger_than_memory(store.pixels, display)
    return store


def _open(folder: Path, shape: Shape) -> Store | None:
    """The store in `folder`, or None where there is none.

    Errors: DamagedError.
    """
    if not folder.exists():
        return None
    store = Store(*store_files.load(folder))
    if store.pixels.shape != shape:
        raise DamagedError("its pictures have another shape")
    return store


def _open_or_tell(folder: Path, shape: Shape, display: Display) -> Store | None:
    """The same; a damaged one is told and counts for nothing."""
    try:
        return _open(folder, shape)
    except DamagedError as error:
        display.say(f"the store {folder} is damaged ({error}): it is built anew")
        return None


def _build(
    folder: Path,
    unfinished: Path | None,
    shape: Shape,
    exact: NDArray[np.bool_] | None,
    display: Display,
    fill: Callable[[Path], dict[int, str]],
    source: Source,
) -> Store:
    """Build in a folder beside, the `unfinished` one that a killed process has left if there is one. `fill` decodes
    the pictures of `source` into it."""
    fresh = unfinished is None
    if unfinished is None:
        unfinished = folder.parent / f"{_prefix(folder)}{secrets.token_hex(4)}"
        try:
            unfinished.mkdir(parents=True)
        except OSError as error:
            raise _unwritable(folder, error) from error
    try:
        if fresh:
            space.tell_need(folder, shape, exact, display)
        bad = fill(unfinished)
        if source.rescan is not None and source.rescan() != source.digest:
            display.say(f"pictures of {source.name} changed while they were read: they are decoded anew the next time")
            changed = Store(store_files.opened(unfinished, shape), bad)
            shutil.rmtree(unfinished, ignore_errors=True)
            return changed
        store_files.seal(unfinished, shape, bad)
        (unfinished / DONE).unlink(missing_ok=True)
        _give_name(unfinished, folder, shape)
    except Exception as error:  # but not Ctrl-C, after which the next build goes on
        shutil.rmtree(unfinished, ignore_errors=True)
        if isinstance(error, OSError):
            raise durable.translated(error, folder) from error
        raise
    try:
        return Store(*store_files.load(folder, sealed_now=True))
    except DamagedError as error:
        raise DataError(
            f"the store {folder} was damaged while it was made ({error}): delete it and try again"
        ) from error


def _give_name(unfinished: Path, folder: Path, shape: Shape) -> None:
    """Rename what is complete, unless another process was first, where the disk knows no locks."""
    try:
        _open(folder, shape)
    except DamagedError:  # it would stand in the way
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    try:
        unfinished.rename(folder)
        durable.sync_folder(folder.parent)
    except OSError:
        if not folder.exists():
            raise
        shutil.rmtree(unfinished, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> Exception:
    told = durable.translated(error, folder)
    if told is not error:
        return told
    return ResourceError(
        f"{folder.parent} cannot be written ({(error.strerror or str(error)).lower()}), and these pictures have no "
        "store there: name another cache with XDG_CACHE_HOME"
    )


def _prefix(folder: Path) -> str:
    """How names of unfinished folders begin: locks may not reach beyond one machine."""
    return f".{folder.name}.{platform.node()}."


def _swept(folder: Path, shape: Shape, *, alone: bool) -> Path | None:
    """Remove what killed builds have left: of this store, where the lock is held; else what is older than a day. What
    is left of this store and can be gone on with is returned instead."""
    goes_on: Path | None = None
    for left in folder.parent.glob(".*"):
        with contextlib.suppress(OSError):  # another process finishes or sweeps just now
            newest = max(file.stat().st_mtime for file in (left, *left.glob("*")))
            dead = alone and left.name.startswith(_prefix(folder))
            if not left.is_dir() or not (dead or time.time() - newest > FORGOTTEN):
                continue
            if dead and goes_on is None and store_files.noted(left, shape)[0]:
                goes_on = left
            else:
                shutil.rmtree(left, ignore_errors=True)
    return goes_on


def _marked(source: Source, chosen: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    marks = np.zeros(len(source), bool)
    if chosen is not None:
        marks[chosen] = True
    return marks
