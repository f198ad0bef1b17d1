"""The files of named data sets: found where they should lie, or downloaded."""

from collections.abc import Callable, Sequence
from pathlib import Path

from alexnet.download import data_folder, retrieve
from alexnet.errors import DataError
from alexnet.progress import Display


def fetch(
    data_dir: Path | None,
    candidates: Sequence[str],
    urls: Sequence[str],
    check: Callable[[Path], str | None],
    display: Display,
) -> Path:
    """The first of `candidates` (paths below the data folder) that is there, downloaded if none is.

    `check` says what is wrong with a file's content, or None. Downloads go to the cache directory and try
    `urls` in turn; a download that fails its check is removed.

    Errors: DataError naming the file, where it should lie and where it comes from; ResourceError when the disk
    is full.
    """
    folder, named = data_folder(data_dir)
    for candidate in candidates:
        path = folder / candidate
        if path.exists():
            fault = check(path)
            if fault:
                remedy = "replace it" if named else "delete it, it will be downloaded again"
                raise DataError(f"{path}: {fault}; {remedy}")
            return path
    if named:
        raise DataError(
            f"no {candidates[0]} below {folder}. Put the file there (it is published at {urls[0]}), "
            "or leave out --data-dir and ALEXNET_DATA to have it downloaded"
        )
    target = folder / candidates[0]
    if retrieve(urls, target, check, display):
        return target
    raise DataError(
        f"{target.name} could not be downloaded from {' or '.join(urls)}. "
        f"Fetch it where there is a network and put it at {target}, or name its folder with --data-dir"
    )
