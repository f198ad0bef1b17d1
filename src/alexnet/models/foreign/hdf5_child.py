"""Opens one of Keras's HDF5 files and writes what it holds to standard output: a program, never imported.

HDF5's library trusts the addresses inside a file: of a thousand slightly damaged ones, it loops forever on a few and
crashes on one. So it runs in a process of its own, which may be stopped and may die (see `keras_read`).

    python hdf5_child.py FILE SIZE      or with the file on standard input, FILE being "-"

Out come 8 bytes with the length of a JSON text, the text, and float32 numbers. The text: {"form", "ordered": whether
the layers come in the model's order, "config", "layers": [{"name", "tensors": [{"name", "shape"}]}]}, or {"fault":
what is wrong with the file}.
"""

import io
import json
import math
import re
import sys
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

MODERN = ("_layer_checkpoint_dependencies", "layers")
"""Where Keras 3 keeps its layers; the first for models that are not Sequential."""
ALIGNED = 64  # bytes: the numbers begin where processors like it, 8 bytes more or less
EXPANSION, FLOOR = 20, 1 << 24  # numbers hardly pack: more bytes than this were not written by Keras

Array = np.ndarray[Any, np.dtype[np.float32]]
Layers = Iterator[tuple[str, dict[str, Array]]]


class FaultError(Exception):
    """What is wrong with a file, in words that follow its name."""


class Room:
    """How many bytes the numbers of a file may still have, all together; `size` is the file's."""

    def __init__(self, size: int) -> None:
        self.left = EXPANSION * size + FLOOR

    def take(self, count: int, what: str) -> None:
        """Errors: FaultError when there is no room for so many bytes."""
        self.left -= count
        if self.left < 0:
            raise FaultError(f"claims {what}, more than the file can hold")


def content(file: h5py.File, room: Room) -> tuple[dict[str, Any], list[Array]]:
    """What the file holds: its description and its numbers."""
    whole = file.attrs.get("model_config")
    if "model_weights" in file:
        form, ordered, layers = "Keras whole-model .h5", True, legacy(group(file, "model_weights"), room)
    elif "layer_names" in file.attrs or "layer_names0" in file.attrs:
        form, ordered, layers = "Keras weights .h5 (legacy)", True, legacy(file, room)
    else:
        form, ordered, layers = "Keras .weights.h5", False, modern(file, room)
    described: list[dict[str, Any]] = []
    numbers: list[Array] = []
    for name, arrays in layers:
        tensors = [{"name": key, "shape": array.shape} for key, array in arrays.items()]
        described.append({"name": name, "tensors": tensors})
        numbers += arrays.values()
    text = whole if isinstance(whole, str | None) else bytes(whole).decode("utf-8")
    return {"form": form, "ordered": ordered, "config": text, "layers": described}, numbers


def legacy(place: h5py.Group, room: Room) -> Layers:
    """Layers in the order of the attribute `layer_names`, tensors in that of `weight_names`."""
    for name in texts(place, "layer_names"):
        layer = group(place, name)
        yield name, {weight: array(layer, weight, room) for weight in texts(layer, "weight_names")}


def modern(file: h5py.Group, room: Room) -> Layers:
    """Groups conv2d, conv2d_1, ...: in the order of the model within a class, in none between classes."""
    place = next((name for name in MODERN if name in file), None)
    if place is None:
        raise FaultError("is HDF5, but no file of Keras: it has neither model_weights nor layers")
    layers = group(file, place)
    for name in sorted(layers, key=number):
        layer = group(layers, name)
        if any(inner in layer for inner in MODERN):
            raise FaultError(f"has a model inside the model ({name}), which none of these networks has")
        values = sorted(group(layer, "vars"), key=number) if "vars" in layer else []
        yield name, {f"{name}/{key}": array(layer, f"vars/{key}", room) for key in values}


def number(name: str) -> tuple[str, int]:
    """By which conv2d_2 comes before conv2d_10, and both behind conv2d."""
    found = re.fullmatch(r"(.*?)_?(\d+)", name)
    return (found[1], int(found[2])) if found else (name, 0)


# ---- opening nothing but what is in the file -------------------------------------------------------------------


def group(parent: h5py.Group, name: str) -> h5py.Group:
    """The group at a path."""
    found = child(parent, name)
    if not isinstance(found, h5py.Group):
        raise FaultError(f"has no group {name}")
    return found


def child(parent: h5py.Group, name: str) -> object:
    """What stands at a path, reached by hard links alone: others may lead out of the file."""
    here: object = parent
    for part in name.split("/"):
        if not isinstance(here, h5py.Group) or not part or part in (".", "..") or part not in here:
            raise FaultError(f"lacks {name}")
        if not isinstance(here.get(part, getlink=True), h5py.HardLink):
            raise FaultError(f"has a link at {name}, which may lead anywhere")
        here = here[part]
    return here


def array(parent: h5py.Group, name: str, room: Room) -> Array:
    """A dataset of numbers that are really there."""
    data = child(parent, name)
    if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual or data.dtype.kind != "f":
        raise FaultError(f"has no numbers of its own at {name}")
    room.take(math.prod(data.shape) * max(data.dtype.itemsize, 4), f"a tensor of shape {data.shape} at {name}")
    return np.ascontiguousarray(data[()], np.float32)


def texts(place: h5py.Group, name: str) -> list[str]:
    """An attribute that lists names; long ones are cut into name0, name1, ..."""
    parts = [place.attrs[name]] if name in place.attrs else []
    while name not in place.attrs and f"{name}{len(parts)}" in place.attrs:
        parts.append(place.attrs[f"{name}{len(parts)}"])
    if not parts:
        raise FaultError(f"lacks the attribute {name}")
    listed = [text for part in parts for text in np.asarray(part).ravel().tolist()]
    return [text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in listed]


def main() -> None:
    """Read, and write the answer; whatever goes wrong is an answer too."""
    path, room = sys.argv[1], Room(int(sys.argv[2]))
    try:
        with h5py.File(io.BytesIO(sys.stdin.buffer.read()) if path == "-" else path, "r") as file:
            described, numbers = content(file, room)
    except FaultError as error:
        described, numbers = {"fault": str(error)}, []
    except Exception as error:  # the library's errors are of every kind
        described, numbers = {"fault": f"is damaged or no Keras file: {' '.join(str(error).split())}"}, []
    text = json.dumps(described).encode()
    text += b" " * (-len(text) % ALIGNED)
    sys.stdout.buffer.write(len(text).to_bytes(8, "little") + text)
    for values in numbers:
        sys.stdout.buffer.write(values.data)


if __name__ == "__main__":
    main()
