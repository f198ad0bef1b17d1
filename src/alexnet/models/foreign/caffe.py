"""Caffe's .caffemodel files: a NetParameter message, in today's form (`layer`) or that of 2014 (`layers`).

Source: BVLC/caffe, src/caffe/proto/caffe.proto and src/caffe/blob.cpp. Weights have PyTorch's axes already; what is
turned is the order of the first convolution's colours, B, G, R there and R, G, B here.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alexnet.errors import ModelFileError
from alexnet.models.foreign.pieces import Found, Kind, Piece
from alexnet.models.foreign.wire import WireError, fields

NET = {2: "layers", 100: "layer"}
NEW = {1: "name", 2: "type", 7: "blobs"}
"""LayerParameter: the fields read here."""
OLD = {1: "oldest", 4: "name", 5: "type", 6: "blobs"}
"""V1LayerParameter; field 1 holds a layer of the form before that."""
OLD_TYPES = {4: "Convolution", 14: "InnerProduct", 15: "LRN", 17: "Pooling"}
"""V1LayerParameter.LayerType, as far as it matters here; batch norm came later."""
MOST_SIDES, MOST_BLOBS, LONGEST_NAME = 8, 8, 200
BLOB = {1: "legacy", 2: "legacy", 3: "legacy", 4: "legacy", 5: "data", 7: "shape", 8: "double_data"}


@dataclass(frozen=True)
class Layer:
    """A layer of the file: its blobs as they stand there."""

    name: str
    type: str
    blobs: tuple[NDArray[np.float32], ...]


def read(path: Path) -> list[Found]:
    """What a .caffemodel holds. Errors: ModelFileError where it is no whole NetParameter."""
    try:
        layers = _layers(memoryview(path.read_bytes()))
    except (WireError, ValueError, IndexError) as error:  # numpy has limits of its own
        raise ModelFileError(f"{path} is damaged or no Caffe model: {error}") from error
    if not any(layer.blobs for layer in layers):
        raise ModelFileError(f"{path} holds no weights: give the .caffemodel, not the description of the network")
    pieces = _pieces(path, layers)
    candidates, reason = _order(layers)
    return [Found("Caffe model", tuple(pieces), candidates, reason)]


def _layers(message: memoryview) -> list[Layer]:
    layers: dict[str, list[Layer]] = {"layer": [], "layers": []}
    for field in fields(message):
        form = NET.get(field.number)
        if form is not None:
            layers[form].append(_layer(field.message(), NEW if form == "layer" else OLD))
    return layers["layer"] or layers["layers"]


def _layer(message: memoryview, meaning: dict[int, str]) -> Layer:
    name, kind, blobs = "", "", []
    for field in fields(message):
        what = meaning.get(field.number)
        if what == "name":
            name = field.text()
        elif what == "type":
            kind = field.text() if meaning is NEW else OLD_TYPES.get(field.value, f"type {field.value}")
        elif what == "blobs":
            blobs.append(_blob(field.message()))
        elif what == "oldest":
            raise WireError("it has Caffe's form of 2013: bring it up to date with Caffe's upgrade_net_proto_binary")
    if len(name) > LONGEST_NAME or len(blobs) > MOST_BLOBS:
        raise WireError(f"a layer has a name of {len(name):,} characters and {len(blobs):,} blobs")
    return Layer(name, kind, tuple(blobs))


def _blob(message: memoryview) -> NDArray[np.float32]:
    """A BlobProto as an array of its own; the legacy form has four sides, with ones on the left."""
    shape: list[int] | None = None
    legacy = {1: 0, 2: 0, 3: 0, 4: 0}
    parts: list[NDArray[np.float32] | NDArray[np.float64]] = []
    for field in fields(message):
        what = BLOB.get(field.number)
        if what == "legacy":
            legacy[field.number] = field.integers()[-1]
        elif what == "shape":
            shape = [side for dim in fields(field.message()) if dim.number == 1 for side in dim.integers()]
        elif what is not None:
            parts.append(field.numbers(4 if what == "data" else 8))
    sides = shape if shape is not None else list(legacy.values())
    if len(sides) > MOST_SIDES:
        raise WireError(f"a blob has {len(sides)} sides")
    count = sum(part.size for part in parts)
    if min(sides, default=1) < 0 or math.prod(sides) != count:
        raise WireError(f"a blob of shape {tuple(sides)} has {count} numbers")
    values = np.concatenate([part.astype(np.float32) for part in parts]) if parts else np.zeros(0, np.float32)
    return values.reshape(sides)


def _pieces(path: Path, layers: list[Layer]) -> list[Piece]:
    """The layers with weights; a Scale layer belongs to the BatchNorm before it."""
    pieces: list[Piece] = []
    for layer in layers:
        if not layer.blobs:
            continue
        if layer.type == "Scale" and pieces and pieces[-1].kind == "bn":
            norm = pieces.pop()
            scale = _piece(layer, "bn", ("weight", "bias"))
            pieces.append(Piece(norm.name, "bn", norm.tensors | scale.tensors, norm.names | scale.names))
        elif layer.type == "BatchNorm":
            pieces.append(_norm(path, layer))
        elif layer.type in ("Convolution", "InnerProduct"):
            pieces.append(_piece(layer, "conv" if layer.type == "Convolution" else "fc", ("weight", "bias")))
        else:
            raise ModelFileError(f"{path}: layer {layer.name} of type {layer.type} has weights, which no AlexNet has")
    for index, piece in enumerate(pieces):
        weight = piece.tensors.get("weight")
        if piece.kind == "conv":
            pieces[index] = _turned(piece, 1)
            break
        if weight is not None and weight.shape == (3,):  # batch norm on the picture
            pieces[index] = _turned(piece, 0)
    return pieces


def _piece(layer: Layer, kind: Kind, roles: tuple[str, ...]) -> Piece:
    """The blobs by role; ones on the left are taken away where fewer sides are meant."""
    sides = {"conv": 4, "fc": 2, "bn": 1}[kind]
    tensors = {}
    for number, blob in enumerate(layer.blobs):
        role = roles[number] if number < len(roles) else f"blob {number}"
        wanted = sides if role == "weight" else 1
        while blob.ndim > wanted and blob.shape[0] == 1:
            blob = blob[0]  # noqa: PLW2901
        tensors[role] = torch.from_numpy(blob)
    return Piece(layer.name, kind, tensors, {r: f"{layer.name}, blob {n}," for n, r in enumerate(tensors)})


def _norm(path: Path, layer: Layer) -> Piece:
    """Sums of means and variances, and the number to divide both by."""
    if len(layer.blobs) != 3 or layer.blobs[2].size != 1:
        raise ModelFileError(f"{path}: layer {layer.name} has {len(layer.blobs)} blobs, batch norm has three")
    factor = float(layer.blobs[2].ravel()[0])
    sums = _piece(Layer(layer.name, layer.type, layer.blobs[:2]), "bn", ("running_mean", "running_var"))
    means = {role: tensor / factor if factor else tensor * 0 for role, tensor in sums.tensors.items()}
    return Piece(layer.name, "bn", means, sums.names)


def _turned(piece: Piece, axis: int) -> Piece:
    """Colours from B, G, R to R, G, B, where there are three."""

    def turn(tensor: Tensor) -> Tensor:
        return tensor.flip(axis) if tensor.ndim > axis and tensor.shape[axis] == 3 else tensor

    turned = {r: turn(t) if axis == 0 or r == "weight" else t for r, t in piece.tensors.items()}
    return Piece(piece.name, piece.kind, turned, piece.names)


def _order(layers: list[Layer]) -> tuple[tuple[str, ...], str]:
    """Which variants may be meant: the two of BVLC have equal shapes and differ in the order of LRN and pooling."""
    types = [layer.type for layer in layers]
    if "BatchNorm" in types:
        return ("cvgj",), ""
    if "Pooling" not in types:
        return ("bvlc", "caffenet"), "it does not say whether LRN stands before pooling: taken as bvlc"
    if "LRN" not in types:
        return (), "it is a Caffe model without LRN, which neither bvlc nor caffenet is"
    if types.index("LRN") < types.index("Pooling"):
        return ("bvlc",), "LRN stands before pooling in it, as in bvlc and not in caffenet"
    return ("caffenet",), "pooling stands before LRN in it, as in caffenet and not in bvlc"
