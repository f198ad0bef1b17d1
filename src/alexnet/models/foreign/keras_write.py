"""Weights in the three forms that Keras loads: .weights.h5 and .keras (Keras 3), .h5 of a whole model (all).

Source: the layout that Keras 3.15 itself writes (keras/src/saving/saving_lib.py and
keras/src/legacy/saving/legacy_h5_format.py). The softmax at the end is part of a Keras model.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from alexnet import durable
from alexnet.models import variants
from alexnet.models.foreign.keras_layers import Config, KerasLayer, sequential
from alexnet.models.layers import Conv, Dense, Flatten, Shape, channels_last
from alexnet.models.placing import place
from alexnet.weights import Card

Form = Literal["h5", "weights.h5", "keras"]
VERSION = "3.0.0"
"""Of Keras, as these files name it: the oldest that lays them out like this."""
MODEL = "sequential"
LEGACY_NAMES = {"weight": "kernel", "bias": "bias"}
LEGACY_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same weights, the same bytes

Arrays = dict[str, NDArray[np.float32]]


def write(path: Path, state: Mapping[str, Tensor], card: Card, form: Form) -> None:
    """Write weights as Keras does. Errors: ModelFileError when Keras has no such layers; ResourceError, disk full."""
    variant = variants.find(card.variant)
    shape = (card.preprocess.channels, card.preprocess.size, card.preprocess.size)
    placed = place(variant, len(card.classes), shape)
    layers = sequential(variant, placed)
    flat = next((each.input for each in placed if isinstance(each.layer, Flatten)), None)
    first = next((each.name for each in placed if isinstance(each.layer, Dense)), None)
    kinds = {each.name: each.layer for each in placed}
    arrays: dict[str, Arrays] = {}
    for layer in layers:
        ours = kinds.get(layer.ours)
        names = LEGACY_NAMES if isinstance(ours, Conv | Dense) else LEGACY_NORM
        found = {role: state[f"{layer.ours}.{role}"] for role in names if f"{layer.ours}.{role}" in state}
        rows = flat if layer.ours == first else None
        arrays[layer.name] = {names[role]: _turned(role, tensor, rows) for role, tensor in found.items()}
    content = {"h5": _whole, "weights.h5": _weights, "keras": _archive}[form](layers, arrays, channels_last(shape))
    durable.write(path, lambda file: file.write(content))


def _turned(role: str, tensor: Tensor, rows: Shape | None) -> NDArray[np.float32]:
    """A tensor in Keras's layout; `rows` is the shape (C, H, W) of the maps that the first dense layer reads."""
    tensor = tensor.detach().cpu().float()
    if role == "weight" and tensor.ndim == 4:
        tensor = tensor.permute(2, 3, 1, 0)
    elif role == "weight" and tensor.ndim == 2:
        if rows is not None:
            tensor = tensor.reshape(-1, *rows).permute(0, 2, 3, 1).flatten(1)
        tensor = tensor.T
    return np.ascontiguousarray(tensor.numpy())


def _weights(layers: list[KerasLayer], arrays: dict[str, Arrays], input: Shape) -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.create_group("vars").attrs["name"] = MODEL
        for layer in layers:
            group = file.create_group(f"layers/{layer.name}/vars")
            group.attrs["name"] = layer.name
            for index, array in enumerate(arrays[layer.name].values()):
                group[str(index)] = array
    return memory.getvalue()


def _archive(layers: list[KerasLayer], arrays: dict[str, Arrays], input: Shape) -> bytes:
    memory = io.BytesIO()
    members = {
        "metadata.json": json.dumps({"keras_version": VERSION}).encode(),
        "config.json": json.dumps(_framed("keras", _model(layers, input, framed=True), input)).encode(),
        "model.weights.h5": _weights(layers, arrays, input),
    }
    with zipfile.ZipFile(memory, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), data)
    return memory.getvalue()


def _whole(layers: list[KerasLayer], arrays: dict[str, Arrays], input: Shape) -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.attrs["model_config"] = json.dumps(_model(layers, input, framed=False)).encode()
        weights = file.create_group("model_weights")
        for group in (file, weights):
            group.attrs["keras_version"] = VERSION.encode()
            group.attrs["backend"] = b"torch"
        weights.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            group = weights.create_group(layer.name)
            named = {f"{MODEL}/{layer.name}/{name}": array for name, array in arrays[layer.name].items()}
            group.attrs["weight_names"] = [name.encode() for name in named]
            for name, array in named.items():
                group[name] = array
        weights.create_group("top_level_model_weights").attrs["weight_names"] = np.zeros(0)
    return memory.getvalue()


def _model(layers: list[KerasLayer], input: Shape, framed: bool) -> dict[str, Any]:
    """A Sequential as Keras describes it; Keras 3 frames every object with where its class is found."""
    pictures = {"batch_shape": [None, *input], "dtype": "float32", "name": "input_layer"}
    described: list[tuple[str, Config, Shape | None]] = [("InputLayer", pictures, None)]
    described += [(layer.kind, layer.config, layer.input) for layer in layers]
    frames = [
        _framed("keras.layers", {"class_name": kind, "config": config}, shape)
        if framed
        else {"class_name": kind, "config": config}
        for kind, config, shape in described
    ]
    return {"class_name": "Sequential", "config": {"name": MODEL, "layers": frames}}


def _framed(module: str, content: Config, shape: Shape | None) -> dict[str, Any]:
    build = {} if shape is None else {"build_config": {"input_shape": [None, *shape]}}
    return {"module": module, **content, "registered_name": None, **build}
