"""Sources: each answers which pictures, which labels, which class names. One file a source.

`open_source` takes what a person types: the name of a data set, a folder, or a CSV file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alexnet.data.sources import digits, flowers17, folder, mnist, table
from alexnet.data.sources.base import Source
from alexnet.download import data_folder
from alexnet.errors import DataError, UsageError, unknown
from alexnet.progress import Display

_NAMED: dict[str, Callable[..., Source]] = {
    "digits": digits.load,
    "mnist": mnist.load,
    "flowers17": flowers17.load,
}


def list_datasets() -> list[str]:
    """The names that can be trained on without having any files."""
    return sorted(_NAMED)


def describe_datasets(data_dir: Path | None = None) -> list[dict[str, Any]]:
    """What is known of each named set, and where it lies on this machine."""
    folder, named = data_folder(data_dir)
    absent = f"not in {folder}" if named else "downloaded when first used"
    modules = {"digits": digits, "mnist": mnist, "flowers17": flowers17}
    rows = []
    for name in list_datasets():
        rows.append({"name": name, **modules[name].FACTS, "found": modules[name].where(data_dir) or absent})
    return rows


def open_source(
    data: str | Path,
    *,
    data_dir: Path | None = None,
    protocol: str | None = None,
    display: Display | None = None,
) -> Source:
    """The source that `data` means.

    `data_dir` is where named sets live (else ALEXNET_DATA, else the user's cache directory); `protocol` names
    one of a set's published splits (flowers17: oxford-1, oxford-2, oxford-3).

    Errors: UsageError for an unknown name; DataError when files are missing or wrong.
    """
    name = str(data)
    if name in _NAMED:
        if protocol is not None and name != "flowers17":
            raise UsageError(f"{name} has one split only: --protocol is for flowers17")
        extra = {"protocol": protocol} if name == "flowers17" else {}
        return _NAMED[name](data_dir, display or Display(quiet=True), **extra)
    if protocol is not None:
        raise UsageError("--protocol is for flowers17: your own pictures bring their split as folders or in a CSV file")
    path = Path(data).expanduser()
    if path.is_dir():
        return folder.load(path)
    if path.is_file() and path.suffix.lower() in (".csv", ".tsv"):
        return table.load(path)
    if path.exists():
        raise DataError(f"{path} is neither a folder nor a CSV file of path,label; an archive must be unpacked first")
    looks_like_a_path = len(path.parts) > 1 or path.suffix
    if looks_like_a_path:
        raise DataError(
            f"{path} does not exist: give a folder of class folders, a CSV file, or one of {list_datasets()}"
        )
    raise UsageError(f"no folder or file {name!r} is here, and {unknown('data set', name, _NAMED)}")


__all__ = ["Source", "describe_datasets", "list_datasets", "open_source"]
