"""Keras's files: .h5 of whole models and of weights (Keras 1 and 2), .weights.h5 and .keras (Keras 3).

Source: keras/src/legacy/saving/legacy_h5_format.py, keras/src/saving/saving_lib.py. Kernels are (kh, kw, in, out),
dense layers (in, out), the first of which reads its maps in H, W, C order; batch norm is gamma, beta, moving mean,
moving variance. HDF5 is opened by `hdf5_child`, in a process of its own.
"""

import json
import math
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet.errors import ModelFileError
from alexnet.models.foreign import archives, keras_layers
from alexnet.models.foreign.pieces import Found, Kind, Piece
from alexnet.models.placing import Placed
from alexnet.models.variants import VARIANTS, Variant

PUBLISHED = ("notebook-flowers", "notebook-mnist", "keras-blog", "illustrated")
CHILD = Path(__file__).with_name("hdf5_child.py")
PATIENCE, PACE = 20.0, 5e6  # seconds to start and open, bytes a second to read on the slowest of disks
EXPANSION, FLOOR = 20, 1 << 24  # an archive that unpacks to more bytes than this was not written by Keras
LONGEST_CONFIG = 1 << 20  # bytes; the largest of these networks needs some 20,000
ROLES: dict[Kind, tuple[str, ...]] = {
    "conv": ("weight", "bias"),
    "fc": ("weight", "bias"),
    "bn": ("weight", "bias", "running_mean", "running_var"),
}
KINDS: dict[tuple[int, ...], Kind] = {(4, 1): "conv", (4,): "conv", (2, 1): "fc", (2,): "fc", (1, 1, 1, 1): "bn"}
"""By the number of sides of a layer's tensors."""

Layers = list[tuple[str, dict[str, NDArray[np.float32]]]]
"""Each layer's name, and its tensors by theirs."""


def read_h5(path: Path) -> list[Found]:
    """What an HDF5 file of Keras holds. Errors: ModelFileError when it is damaged or holds anything else."""
    described, layers = _opened(path, None)
    text = described["config"]
    pieces = tuple(_pieces(path, layers, described["ordered"]))
    return [_found(described["form"], pieces, None if text is None else _json(path, text))]


def read_keras(path: Path) -> list[Found]:
    """What a .keras archive holds. Errors: ModelFileError when it is damaged or holds anything else."""
    with archives.opened(path) as archive:
        config = _json(path, _member(archive, "config.json", path))
        weights = _member(archive, "model.weights.h5", path)
    described, layers = _opened(path, weights)
    pieces = tuple(_pieces(path, layers, described["ordered"]))
    return [_found("Keras .keras archive", pieces, config)]


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """A file of an archive; one that claims far more than is there is not unpacked."""
    if name not in archive.namelist():
        raise ModelFileError(f"{path} lacks {name}: no .keras archive")
    claimed, room = archive.getinfo(name).file_size, path.stat().st_size
    if claimed > EXPANSION * room + FLOOR:
        raise ModelFileError(f"{path} claims {claimed:,} bytes for {name} and has {room:,} in all: not opened")
    with archive.open(name) as file:
        return file.read()


def _json(path: Path, text: str | bytes) -> object:
    if len(text) > LONGEST_CONFIG:
        raise ModelFileError(f"{path} has a configuration of {len(text):,} bytes, more than these networks need")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} has a configuration that is no JSON") from error


# ---- HDF5, in a process of its own -------------------------------------------------------------------------


def _opened(path: Path, content: bytes | None) -> tuple[dict[str, Any], Layers]:
    """What an HDF5 file, or its `content`, says of itself, and its layers.

    Errors: ModelFileError when it is damaged, or HDF5's library does not come back from it.
    """
    room = path.stat().st_size if content is None else len(content)
    command = [sys.executable, "-P", str(CHILD), str(path.absolute()) if content is None else "-", str(room)]
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if content is None else {"input": content}
    try:
        done = subprocess.run(command, **given, capture_output=True, timeout=PATIENCE + room / PACE, check=True)
        answer = done.stdout
        length = int.from_bytes(answer[:8], "little")
        described = json.loads(answer[8 : 8 + length])
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: HDF5's library broke off while reading it") from error
    if "fault" in described:
        raise ModelFileError(f"{path} {described['fault']}")
    numbers = np.frombuffer(answer, np.float32, offset=8 + length) if len(answer) > 8 + length else np.zeros(0, "f4")
    return described, list(_layers(described["layers"], numbers))


def _layers(described: list[dict[str, Any]], numbers: NDArray[np.float32]) -> Iterator[Any]:
    at = 0
    for layer in described:
        arrays = {}
        for tensor in layer["tensors"]:
            count = math.prod(tensor["shape"])
            arrays[tensor["name"]] = numbers[at : at + count].reshape(tensor["shape"])
            at += count
        yield layer["name"], arrays


# ---- pieces ----------------------------------------------------------------------------------------------------


def _found(form: str, pieces: tuple[Piece, ...], config: object) -> Found:
    if config is None:
        return Found(form, pieces, PUBLISHED, rows="hwc")

    def compare(variant: Variant, placed: list[Placed]) -> str | None:
        try:
            return keras_layers.difference(config, variant, placed)
        except ModelFileError as error:  # a variant that Keras cannot say
            return str(error)

    others = tuple(name for name in VARIANTS if name not in PUBLISHED)  # a configuration tells them all apart
    side = keras_layers.input_side(config)
    return Found(form, pieces, (*PUBLISHED, *others), rows="hwc", size=side, difference=compare)


def _pieces(path: Path, layers: Layers, ordered: bool) -> Iterator[Piece]:
    bases: dict[Kind, str] = {}
    for name, arrays in layers:
        if not arrays:
            continue
        kind = KINDS.get(tuple(array.ndim for array in arrays.values()))
        if kind is None:
            shapes = ", ".join(str(array.shape) for array in arrays.values())
            raise ModelFileError(f"{path} has in {name} tensors of shape {shapes}: no layer of these networks")
        base = re.sub(r"_\d+$", "", name)
        if not ordered and bases.setdefault(kind, base) != base:
            raise ModelFileError(f"{path} has layers {bases[kind]} and {base}, whose order it does not say")
        axes = {"conv": (3, 2, 0, 1), "fc": (1, 0)}
        turned = [
            array.transpose(axes[kind]) if kind in axes and index == 0 else array
            for index, array in enumerate(arrays.values())
        ]
        roles = ROLES[kind][: len(turned)]
        tensors = {role: torch.tensor(array) for role, array in zip(roles, turned, strict=True)}
        yield Piece(name, kind, tensors, dict(zip(roles, arrays, strict=True)))
