"""Fetching files from the net: where they are kept, and pooch doing the transfer. Callers check what came."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import platformdirs

from alexnet import durable
from alexnet.errors import DataError
from alexnet.progress import Bar, Display


def cache_folder() -> Path:
    """The user's cache directory for this program."""
    try:
        return Path(platformdirs.user_cache_dir("alexnet", appauthor=False))
    except RuntimeError as error:
        raise DataError("there is no home directory to keep decoded pictures in: set XDG_CACHE_HOME or HOME") from error


def data_folder(data_dir: Path | None = None) -> tuple[Path, bool]:
    """The folder of named sets, and whether a person named it (then nothing is ever written into it).

    Errors: DataError when it is below the home of a user that is not there.
    """
    named = data_dir or (Path(os.environ["ALEXNET_DATA"]) if os.environ.get("ALEXNET_DATA") else None)
    if named is None:
        return cache_folder() / "data", False
    try:
        return named.expanduser(), True
    except RuntimeError as error:
        raise DataError(f"{named}, from --data-dir or ALEXNET_DATA, names a user that is not there") from error


def retrieve(urls: Sequence[str], target: Path, check: Callable[[Path], str | None], display: Display) -> bool:
    """Download to `target` from the first of `urls` that works; whether one did.

    `check` says what is wrong with a file's content, or None; a download that fails it is removed.

    Errors: DataError when the folder cannot be made; ResourceError when the disk is full.
    """
    for url in urls:
        if _download(url, target, display):
            fault = check(target)
            if fault is None:
                return True
            target.unlink()
            display.say(f"{url}: {fault}")
    return False


def _download(url: str, target: Path, display: Display) -> bool:
    import pooch
    import requests

    logger = pooch.get_logger()
    logger.setLevel(logging.WARNING)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{target.parent} cannot be made ({error.strerror}): name another cache with XDG_CACHE_HOME"
        ) from error
    with display.bar(f"downloading {url}", 1, "bytes") as bar:
        downloader = pooch.HTTPDownloader(progressbar=_PoochBar(bar), timeout=30)
        try:
            # pooch writes beside and renames; the content is checked by the caller, decompressed
            pooch.retrieve(url, known_hash=None, fname=target.name, path=target.parent, downloader=downloader)
        except (requests.RequestException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                full = durable.translated(error, target)
                if full is not error:
                    raise full from error
            display.detail(f"{url}: {error}")
            return False
    return True


class _PoochBar:
    """What pooch expects of a progress bar, shown on ours."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar

    @property
    def total(self) -> float:
        return self.bar.total

    @total.setter
    def total(self, value: float) -> None:
        self.bar.total = value

    def update(self, amount: float) -> None:
        self.bar.advance(amount)

    def reset(self) -> None:
        """Pooch calls this before it repeats the total; nothing to do."""

    def close(self) -> None:
        """The bar is closed by whoever opened it."""
