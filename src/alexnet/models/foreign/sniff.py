"""What kind of file this is, by its first bytes: the name is only a hint where the bytes say nothing."""

import json
from pathlib import Path
from typing import Literal

from alexnet.errors import ModelFileError
from alexnet.models.foreign import archives
from alexnet.weights import FORMAT

Kind = Literal["ours", "safetensors", "torch", "keras", "hdf5", "npy", "caffe"]

KNOWN = "safetensors, PyTorch (.pth), Caffe (.caffemodel), caffe-tensorflow (.npy), Keras (.h5, .weights.h5, .keras)"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt", ".caffemodel", ".npy", ".h5", ".hdf5", ".keras")
"""By which a path that does not exist is known to have meant a file of weights."""
MAGIC: tuple[tuple[bytes, int, Kind], ...] = (
    (b"PK\x03\x04", 0, "torch"),  # an archive, Keras's too
    (b"\x89HDF\r\n\x1a\n", 0, "hdf5"),
    (b"\x93NUMPY", 0, "npy"),
    (b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", 2, "torch"),  # a number that old torch.save writes first, behind the protocol
)
NET = (b"\x0a", b"\x12", b"\x1a", b"\xa2\x06")
"""How a NetParameter may begin: its name, a layer of 2014, an input, a layer."""
LONGEST_HEADER = 100_000_000  # bytes, safetensors' own limit


def kind(path: Path) -> Kind:
    """The kind of a file of weights.

    Errors: ModelFileError when there is none, it is empty or cannot be read, or is of no known kind.
    """
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder and no run: give a run directory or a file of weights ({KNOWN})")
    if not path.exists():
        raise ModelFileError(f"no weights file at {path}: give a run directory, 'last', or a file of weights ({KNOWN})")
    if not path.is_file():
        raise ModelFileError(f"{path} is no regular file: give a file of weights ({KNOWN})")
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from error
    if not start:
        raise ModelFileError(f"{path} is empty: fetch or save it again")
    found = _by_bytes(path, start)
    if found is None:
        raise ModelFileError(f"{path} is no file of weights that is known here, or damaged ({KNOWN})")
    return found


def _by_bytes(path: Path, start: bytes) -> Kind | None:
    for magic, at, found in MAGIC:
        if start[at:].startswith(magic):
            return "keras" if found == "torch" and at == 0 and archives.holds(path, "config.json") else found
    if path.suffix.lower() == ".safetensors" or start[8:10] == b'{"':
        return "ours" if _is_ours(path) else "safetensors"
    if path.suffix.lower() == ".caffemodel" or start.startswith(NET):
        return "caffe"
    return None


def _is_ours(path: Path) -> bool:
    """Whether a safetensors file says that it is of this program, or is too damaged to say anything."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > LONGEST_HEADER:
                return True
            header = json.loads(file.read(length))
        return str(header.get("__metadata__", {}).get("format", "")).startswith(FORMAT.rpartition("-")[0])
    except (OSError, ValueError, AttributeError, RecursionError):
        return True
