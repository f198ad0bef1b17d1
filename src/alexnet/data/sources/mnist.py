"""mnist: 60,000 + 10,000 handwritten digits of 28×28 pixels, as IDX files, compressed or not.

Source: Y. LeCun, C. Cortes, C. Burges, yann.lecun.com/exdb/mnist. The files are known by the MD5 of their
decompressed content.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet import durable
from alexnet.data.sources.base import Content, Part, Source
from alexnet.data.sources.download import fetch
from alexnet.download import data_folder
from alexnet.errors import DataError
from alexnet.progress import Display

FACTS: dict[str, Any] = {
    "pictures": 70000,
    "classes": 10,
    "picture": "28×28 grey",
    "about": "handwritten digits, official 60,000 / 10,000",
}

MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
"""Of the decompressed files."""

HOSTS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
LARGEST = 60_000 * 28 * 28 + 16  # bytes of the largest decompressed file: a bomb is not read further

PARTS: tuple[tuple[Part, str, int], ...] = (("train", "train", 60_000), ("test", "t10k", 10_000))


def where(data_dir: Path | None = None) -> str | None:
    """The folder that holds the four files, if one does."""
    folder = data_folder(data_dir)[0] / "mnist"
    complete = all(any((folder / spelled).exists() for spelled in _spellings(name)) for name in MD5)
    return str(folder) if complete else None


def load(data_dir: Path | None, display: Display) -> Source:
    """The set, read from the data folder or downloaded.

    Errors: DataError when a file is missing or is not what was published.
    """
    pictures, labels = [], []
    for _, prefix, count in PARTS:
        images = _file(f"{prefix}-images-idx3-ubyte", data_dir, display)
        pictures.append(np.frombuffer(images, np.uint8, offset=16).reshape(count, 28, 28))
        labels.append(np.frombuffer(_file(f"{prefix}-labels-idx1-ubyte", data_dir, display), np.uint8, offset=8))
    grey: NDArray[np.uint8] = np.concatenate(pictures)

    def contents() -> Iterator[Content]:
        for picture in grey:
            yield np.repeat(picture[..., None], 3, axis=-1)

    return Source(
        name="mnist",
        classes=tuple("0123456789"),
        names=tuple(f"mnist/{part}/{index:05d}" for part, _, count in PARTS for index in range(count)),
        labels=np.concatenate(labels).astype(np.int64),
        parts=tuple(part for part, _, count in PARTS for _ in range(count)),
        contents=contents,
        digest=durable.digest("mnist", *MD5.values()),
        why="the official 60,000 training and 10,000 test pictures",
    )


def _spellings(name: str) -> tuple[str, ...]:
    """How the same file is called in different places."""
    return f"{name}.gz", name, name.replace("-idx", ".idx")


def _file(name: str, data_dir: Path | None, display: Display) -> bytes:
    content: dict[Path, bytes] = {}

    def check(path: Path) -> str | None:
        try:
            content[path] = _decompressed(path)
        except (OSError, EOFError, zlib.error) as error:
            return f"cannot be read ({error})"
        if hashlib.md5(content[path], usedforsecurity=False).hexdigest() != MD5[name]:
            return "is not the published file (its MD5 differs)"
        return None

    candidates = [f"mnist/{spelled}" for spelled in _spellings(name)]
    path = fetch(data_dir, candidates, [f"{host}{name}.gz" for host in HOSTS], check, display)
    if path not in content:
        raise DataError(f"{path} could not be read")
    return content[path]


def _decompressed(path: Path) -> bytes:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if compressed else path.open("rb") as file:
        return file.read(LARGEST + 1)
