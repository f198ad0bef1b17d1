"""flowers17: Oxford's 17 category flower set, 1,360 pictures, 80 a class.

Source: M-E. Nilsback and A. Zisserman, A Visual Vocabulary for Flower Classification, CVPR 2006,
www.robots.ox.ac.uk/~vgg/data/flowers/17. Read from the official archive, member by member and never
extracted, or from its unpacked folder `jpg/`. The archive has no class names; they are the site's.
"""

import bz2
import gzip
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from alexnet import durable
from alexnet.data.sources.base import Content, Part, Source
from alexnet.data.sources.download import fetch
from alexnet.download import data_folder
from alexnet.errors import DataError, UsageError, unknown
from alexnet.progress import Display

FACTS: dict[str, Any] = {
    "pictures": 1360,
    "classes": 17,
    "picture": "about 500×600 colour",
    "about": "Oxford's 17 flowers, 80 pictures a class",
}

CLASSES = (
    "daffodil", "snowdrop", "lily of the valley", "bluebell", "crocus", "iris", "tiger lily", "tulip",
    "fritillary", "sunflower", "daisy", "colt's foot", "dandelion", "cowslip", "buttercup", "windflower", "pansy",
)  # fmt: skip
"""In the order of the archive: picture n is of class (n - 1) // 80."""

COUNT = 1360
URL = "https://www.robots.ox.ac.uk/~vgg/data/flowers/17/"
LARGEST_PICTURE = 32 << 20  # bytes; the real ones have up to 0.3 MB
LARGEST_ARCHIVE = 256 << 20  # bytes once decompressed; the real one has 60 MB

_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError)
_MEMBER = re.compile(r"(?:\./)?jpg/(image_(\d{4})\.jpg)")


def where(data_dir: Path | None = None) -> str | None:
    """The archive or folder, if there is one."""
    folder = data_folder(data_dir)[0]
    return next((str(folder / name) for name in _CANDIDATES if (folder / name).exists()), None)


_CANDIDATES = ("17flowers/17flowers.tgz", "17flowers/jpg", "17flowers.tgz", "jpg")


def load(data_dir: Path | None, display: Display, protocol: str | None = None) -> Source:
    """The set. `protocol`: None for the notebook's split, or oxford-1, oxford-2, oxford-3.

    Errors: DataError when pictures are missing; UsageError for an unknown protocol.
    """
    path = fetch(data_dir, _CANDIDATES, [f"{URL}17flowers.tgz"], _fault, display)
    parts, why = _notebook_split() if protocol is None else _oxford_split(protocol, path, data_dir, display)

    def contents() -> Iterator[Content]:
        if path.is_dir():
            yield from (path / f"image_{number:04d}.jpg" for number in range(1, COUNT + 1))
        else:
            try:
                yield from _members(path)
            except _DAMAGED as error:
                raise DataError(f"{path}: changed while it was read ({error})") from error

    return Source(
        name="flowers17",
        classes=CLASSES,
        names=tuple(f"jpg/image_{number:04d}.jpg" for number in range(1, COUNT + 1)),
        labels=np.arange(COUNT, dtype=np.int64) // 80,
        parts=parts,
        contents=contents,
        digest=durable.digest("flowers17", *_digests(path)),
        why=why,
    )


def _fault(path: Path) -> str | None:
    """What is wrong with the archive or folder, or None."""
    if path.is_dir():
        present = sum((path / f"image_{number:04d}.jpg").is_file() for number in range(1, COUNT + 1))
        return None if present == COUNT else f"holds {present} of the {COUNT:,} pictures"
    try:
        numbers = sum(1 for _ in _members(path))
    except _DAMAGED as error:
        return f"is no whole archive ({error})"
    except DataError as error:
        return str(error)
    return None if numbers == COUNT else f"holds {numbers} of the {COUNT:,} pictures"


def _members(path: Path) -> Iterator[bytes]:
    """The pictures of the archive in the order of their numbers: read from the stream, never extracted."""
    waiting: dict[int, bytes] = {}
    following = 1
    with (
        _decompressed(path) as content,
        tarfile.open(fileobj=(stream := cast(IO[bytes], _Bounded(content))), mode="r|") as archive,
    ):
        for member in archive:
            match = _MEMBER.fullmatch(member.name)
            if match is None or not member.isreg():
                continue
            if member.size > LARGEST_PICTURE:
                raise DataError(f"member {member.name} claims {member.size:,} bytes")
            picture = archive.extractfile(member)
            assert picture is not None, "a regular member has content"
            waiting.setdefault(int(match[2]), picture.read())
            while following in waiting:
                yield waiting.pop(following)
                following += 1
        while stream.read(1 << 20):  # the sum of the whole stands at its end
            pass


def _decompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        head = file.read(6)
    for begins, kind in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ\0", lzma)):
        if head.startswith(begins):
            return cast(IO[bytes], kind.open(path))
    return path.open("rb")


class _Bounded:
    """Reads no more than LARGEST_ARCHIVE bytes: a small file may unpack without end, even in a member's name."""

    def __init__(self, content: IO[bytes]) -> None:
        self.content = content
        self.left = LARGEST_ARCHIVE

    def read(self, size: int) -> bytes:
        """Errors: DataError when there is more."""
        part = self.content.read(size)
        self.left -= len(part)
        if self.left < 0:
            raise DataError(f"unpacks to more than {LARGEST_ARCHIVE:,} bytes, which the real archive does not")
        return part


def _digests(path: Path) -> list[str]:
    files = sorted(path.glob("image_*.jpg")) if path.is_dir() else [path]
    return [durable.digest_file(file) for file in files]


def _notebook_split() -> tuple[tuple[Part, ...], str]:
    """The notebook shuffles once, without saying how, then calls scikit-learn's train_test_split.

    Ours shuffles by numpy's RandomState(42): the same 272 pictures for every run and seed.
    """
    from sklearn.model_selection import train_test_split

    shuffled = np.random.RandomState(42).permutation(COUNT)
    _, test = train_test_split(shuffled, test_size=0.2, random_state=42)
    parts = np.full(COUNT, "train", dtype=object)
    parts[test] = "test"
    return tuple(parts), "the notebook's: one shuffle, then train_test_split(test_size=0.2, random_state=42)"


def _oxford_split(protocol: str, path: Path, data_dir: Path | None, display: Display) -> tuple[tuple[Part, ...], str]:
    """One of Oxford's three published splits: 40 training, 20 validation, 20 test pictures a class."""
    from scipy.io import loadmat

    protocols = ("oxford-1", "oxford-2", "oxford-3")
    if protocol not in protocols:
        raise UsageError(unknown("protocol", protocol, protocols))
    beside = [str((path.parent / "datasplits.mat").resolve()), "17flowers/datasplits.mat", "datasplits.mat"]
    number = protocol[-1]
    fields: dict[Part, str] = {"train": f"trn{number}", "val": f"val{number}", "test": f"tst{number}"}

    def check(file: Path) -> str | None:
        try:
            matrices = loadmat(file, variable_names=list(fields.values()))
        except Exception as error:  # scipy has no one kind for a damaged file
            return f"is no MATLAB file that can be read ({error})"
        numbers = np.concatenate([matrices.get(name, np.array([])).ravel() for name in fields.values()])
        whole = np.array_equal(np.sort(numbers), np.arange(1, COUNT + 1))
        return None if whole else f"does not put each of the {COUNT:,} pictures into one part"

    file = fetch(
        data_dir,
        beside[1:] if not Path(beside[0]).exists() else beside,
        [f"{URL}datasplits.mat"],
        check,
        display,
    )
    matrices: dict[str, NDArray[Any]] = loadmat(file, variable_names=list(fields.values()))
    parts = np.full(COUNT, "", dtype=object)
    for part, name in fields.items():
        parts[matrices[name].ravel().astype(int) - 1] = part
    return tuple(parts), f"Oxford's published split {number}"
