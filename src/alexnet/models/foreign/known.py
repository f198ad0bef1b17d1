"""Weights known by name: where they are published, where they lie, and the digest that tells them from others."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from alexnet import download
from alexnet.errors import ModelFileError
from alexnet.progress import Display

PIECE = 1 << 22  # bytes read between two looks at the display


@dataclass(frozen=True)
class Known:
    """One published file."""

    file: str
    url: str
    size: int
    sha256: str


KNOWN = {
    "torchvision": Known(
        file="alexnet-owt-7be5be79.pth",
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        size=244_408_911,
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    )
}
"""By the name that stands for them; torchvision's are its IMAGENET1K_V1."""


def locate(name: str, display: Display) -> Path:
    """The file that `name` stands for: below ALEXNET_DATA/weights, in the cache, where torchvision keeps its own, or
    downloaded into the cache.

    Errors: ModelFileError when one of these is damaged, or nothing can be downloaded; ResourceError, the disk is full.
    """
    known = KNOWN[name]
    target = download.cache_folder() / "weights" / known.file
    for path in (*_named(known), target, Path(torch.hub.get_dir()) / "checkpoints" / known.file):
        if path.is_file():
            fault = _fault(path, known, display)
            if fault:
                raise ModelFileError(f"{path} {fault}: delete or replace it (it is published at {known.url})")
            return path
    if download.retrieve([known.url], target, lambda path: _fault(path, known, display), display):
        return target
    raise ModelFileError(
        f"{known.file} could not be downloaded from {known.url}. Fetch it where there is a network and put it at "
        f"{target}, or in the folder weights below the one that ALEXNET_DATA names"
    )


def _named(known: Known) -> list[Path]:
    folder, named = download.data_folder()
    return [folder / "weights" / known.file] if named else []


def _fault(path: Path, known: Known, display: Display) -> str | None:
    """What is wrong with a file that should be the published one."""
    size = path.stat().st_size
    if size != known.size:
        return f"is damaged: it has {size:,} bytes, {known.size:,} are expected"
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file, display.bar(f"checking {path.name}", size, "bytes") as bar:
            while data := file.read(PIECE):
                digest.update(data)
                bar.advance(len(data))
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if digest.hexdigest() == known.sha256 else "is damaged or another file: its SHA-256 differs"
