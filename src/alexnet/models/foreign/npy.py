"""caffe-tensorflow's .npy files: a pickled dictionary of layers, such as bvlc_alexnet.npy.

Source: ethereon/caffe-tensorflow, kaffe/transformers.py. Kernels are (h, w, in, out), dense layers (in, out), and the
first dense layer reads its maps in H, W, C order. Colours stay as Caffe has them, B, G, R.
"""

import re
import tokenize
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alexnet.errors import ModelFileError
from alexnet.models.foreign import inert
from alexnet.models.foreign.pieces import Found, Piece

ROLES = {"weights": "weight", "biases": "bias"}


def read(path: Path) -> list[Found]:
    """What such a file holds. Errors: ModelFileError when it is damaged or holds anything else; nothing is run."""
    layers = _dictionary(path)
    _refuse_copies(path, layers)
    pieces = [_piece(path, name, layers[name]) for name in sorted(layers, key=_natural)]
    for index, piece in enumerate(pieces):
        if piece.kind == "conv":
            kernel = piece.tensors["weight"]
            turned = kernel.flip(1) if kernel.shape[1] == 3 else kernel
            pieces[index] = Piece(piece.name, "conv", piece.tensors | {"weight": turned}, piece.names)
            break
    reason = "a file of this kind does not say where LRN stands: taken as bvlc"
    return [Found("caffe-tensorflow .npy", tuple(pieces), ("bvlc", "caffenet"), reason, rows="hwc")]


def _dictionary(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = reader(file)
            if not dtype.hasobject:
                raise ModelFileError(f"{path} is one array of shape {shape}: a dictionary of layers is expected")
            content = inert.load(file.read())
    except inert.InertError as error:
        raise ModelFileError(f"{path} cannot be used: {error}") from error
    except (ValueError, OSError, EOFError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise ModelFileError(f"{path} is damaged or no .npy file: {' '.join(str(error).split())}") from error
    layers = content[0] if isinstance(content, list) and len(content) == 1 else content
    if not isinstance(layers, dict) or not layers or not all(isinstance(name, str) for name in layers):
        raise ModelFileError(f"{path} holds no dictionary of layers, as caffe-tensorflow writes it")
    return layers


def _refuse_copies(path: Path, layers: dict[str, Any]) -> None:
    """Errors: ModelFileError when one array stands in it many times over: each would be copied."""
    listed = [layer.values() if isinstance(layer, dict) else layer for layer in layers.values()]
    arrays = [array for layer in listed for array in _items(layer)]
    claimed = sum(4 * array.size for array in arrays)
    if claimed > 8 * path.stat().st_size:
        raise ModelFileError(f"{path} claims {claimed:,} bytes of weights and has {path.stat().st_size:,}: not opened")


def _items(layer: object) -> list[Any]:
    return [item for item in layer if isinstance(item, np.ndarray)] if isinstance(layer, Iterable) else []


def _piece(path: Path, name: str, content: object) -> Piece:
    """A layer: a list of weights and biases, or a dictionary of them."""
    if isinstance(content, list) and len(content) <= len(ROLES):
        content = dict(zip(ROLES, content, strict=False))
    if not isinstance(content, dict) or "weights" not in content or content.keys() - ROLES.keys():
        raise ModelFileError(f"{path}: {name} is no layer of weights and biases")
    arrays = {key: value for key, value in content.items() if isinstance(value, np.ndarray) and value.ndim}
    if arrays.keys() != content.keys() or arrays["weights"].ndim not in (2, 4):
        raise ModelFileError(f"{path}: {name} is no layer of weights and biases")
    kind = arrays["weights"].ndim
    axes = (3, 2, 0, 1) if kind == 4 else (1, 0)
    turned = {"weight": arrays["weights"].transpose(axes)}
    if "biases" in arrays:
        turned["bias"] = arrays["biases"]
    if odd := next((array.dtype for array in turned.values() if array.dtype.kind != "f"), None):
        raise ModelFileError(f"{path}: {name} holds {odd} values, floating point is expected")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        tensors = {role: torch.from_numpy(array.astype(np.float32, order="C")) for role, array in turned.items()}
    names = {role: f"{name} {key}" for key, role in ROLES.items()}
    return Piece(name, "conv" if kind == 4 else "fc", tensors, names)


def _natural(name: str) -> tuple[str | int, ...]:
    """Dictionaries of Python 2 have no order: conv2 before conv10, conv before fc."""
    parts = re.split(r"([0-9]{1,9})", name)
    return tuple(int(part) if index % 2 else part for index, part in enumerate(parts))
