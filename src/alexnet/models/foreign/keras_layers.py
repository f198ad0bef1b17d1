"""A variant in Keras's words: its layers as Keras's own configuration describes them, and the comparison with a file's.

Nothing of Keras is imported, and nothing that a configuration names is ever made: two lists of words are compared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from alexnet.errors import ModelFileError
from alexnet.models.layers import (
    AdaptiveAveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    ReLU,
    Shape,
    Tanh,
    channels_last,
)
from alexnet.models.placing import Placed
from alexnet.models.variants import Variant

NAMES = {
    "Conv2D": "conv2d",
    "Activation": "activation",
    "MaxPooling2D": "max_pooling2d",
    "BatchNormalization": "batch_normalization",
    "Flatten": "flatten",
    "Dense": "dense",
    "Dropout": "dropout",
    "ZeroPadding2D": "zero_padding2d",
}
"""What Keras calls the first layer of a class; later ones are numbered from 1."""

Config = dict[str, Any]


@dataclass(frozen=True)
class KerasLayer:
    """One layer of a Sequential: class, configuration, the shape it meets (H, W, C), and our layer's name."""

    kind: str
    config: Config
    input: Shape
    ours: str

    @property
    def name(self) -> str:
        """Keras's name for it."""
        return str(self.config["name"])


def sequential(variant: Variant, layers: list[Placed]) -> list[KerasLayer]:
    """The layers of a network as Keras has them, softmax included.

    Errors: ModelFileError for a layer that Keras cannot say.
    """
    plain: list[KerasLayer] = []
    for each in layers:
        plain += _said(variant, each, channels_last(each.input))
    merged: list[KerasLayer] = []
    for layer in (*plain, KerasLayer("Activation", {"activation": "softmax"}, plain[-1].input, "")):
        before = merged[-1] if merged else layer
        if layer.kind == "Activation" and variant.keras_activations == "arguments" and "activation" in before.config:
            merged[-1] = replace(before, config=before.config | layer.config)
        else:
            merged.append(layer)
    return [replace(layer, config={"name": name, **layer.config}) for name, layer in _numbered(merged)]


def _said(variant: Variant, each: Placed, shape: Shape) -> Iterator[KerasLayer]:
    layer = each.layer
    kind, config = "", {}
    if isinstance(layer, Conv):
        if isinstance(layer.padding, int) and layer.padding:
            sides = [[layer.padding, layer.padding]] * 2
            yield KerasLayer("ZeroPadding2D", {"padding": sides, "data_format": "channels_last"}, shape, "")
            shape = (*(side + 2 * layer.padding for side in shape[:2]), shape[2])
        groups = {"groups": layer.groups} if layer.groups > 1 else {}
        if layer.padding != "ceil":
            kind = "Conv2D"
            config = {
                **{"filters": each.output[0], "kernel_size": [layer.kernel] * 2, "strides": [layer.stride] * 2},
                **{"padding": "same" if layer.padding == "same" else "valid", "data_format": "channels_last"},
                **{**groups, "activation": "linear"},
            }
    elif isinstance(layer, MaxPool) and (layer.padding != "ceil" or _whole(layer, each)):
        kind = "MaxPooling2D"
        config = {"pool_size": [layer.kernel] * 2, "strides": [layer.stride] * 2, "data_format": "channels_last"}
        config["padding"] = "same" if layer.padding == "same" else "valid"
    elif isinstance(layer, Dense):
        kind, config = "Dense", {"units": each.output[0], "activation": "linear"}
    elif isinstance(layer, BatchNorm) and layer.affine:
        kind = "BatchNormalization"
        config = {"axis": -1, "momentum": 1 - layer.momentum, "epsilon": layer.epsilon}
    elif isinstance(layer, Dropout) and layer.scaled == "training":
        kind, config = "Dropout", {"rate": layer.rate}
    elif isinstance(layer, Flatten):
        kind, config = "Flatten", {"data_format": "channels_last"}
    elif isinstance(layer, ReLU | Tanh):
        kind, config = "Activation", {"activation": layer.kind}
    elif isinstance(layer, AdaptiveAveragePool) and each.input == each.output:
        return
    if not kind:
        raise ModelFileError(
            f"Keras has no layer for {each.name} of {variant.name} ({layer}): write .safetensors or .pth instead"
        )
    yield KerasLayer(kind, config, shape, each.name)


def _whole(layer: MaxPool, each: Placed) -> bool:
    """Whether no window is cut off, so that keeping those makes no difference."""
    return all((side - layer.kernel) % layer.stride == 0 for side in each.input[1:])


def _numbered(layers: list[KerasLayer]) -> Iterator[tuple[str, KerasLayer]]:
    seen: dict[str, int] = {}
    for layer in layers:
        number = seen.get(layer.kind, 0)
        seen[layer.kind] = number + 1
        yield f"{NAMES[layer.kind]}_{number}" if number else NAMES[layer.kind], layer


# ---- a file's configuration --------------------------------------------------------------------------------


def input_side(config: object) -> int | None:
    """Side of the pictures in pixels that a model's configuration says, if it says one."""
    for layer in _layers(config):
        values = _values(layer)
        shape = values.get("batch_shape", values.get("batch_input_shape"))
        if isinstance(shape, list) and len(shape) == 4 and shape[1] == shape[2]:
            return shape[1] if isinstance(shape[1], int) and 0 < shape[1] <= 65_536 else None
    return None


def difference(config: object, variant: Variant, layers: list[Placed]) -> str | None:
    """The first thing that a file's configuration says otherwise than the variant, in words.

    What has no effect on answers is not compared: dropout, names, initial values, the softmax at the end.
    """
    theirs = list(_steps(_layers(config)))
    ours = list(_steps([{"class_name": layer.kind, "config": layer.config} for layer in sequential(variant, layers)]))
    for steps in (theirs, ours):
        if steps and steps[-1] == "softmax":
            steps.pop()
    for number in range(max(len(theirs), len(ours))):
        given = theirs[number] if number < len(theirs) else "nothing"
        wanted = ours[number] if number < len(ours) else "nothing"
        if given != wanted:
            return f"step {number + 1} of its configuration is {given}, {wanted} is expected"
    return None


def _layers(config: object) -> list[Mapping[str, Any]]:
    """The list of layers in a model's configuration; old ones have it without a frame."""
    inner = config.get("config") if isinstance(config, Mapping) else None
    layers = inner.get("layers") if isinstance(inner, Mapping) else inner
    return [layer for layer in layers if isinstance(layer, Mapping)] if isinstance(layers, list) else []


def _values(layer: Mapping[str, Any]) -> Mapping[str, Any]:
    values = layer.get("config")
    return values if isinstance(values, Mapping) else {}


def _steps(layers: list[Mapping[str, Any]]) -> Iterator[str]:
    """What each layer does to its input, in words that are equal where the doing is."""
    for layer in layers:
        kind, config = str(layer.get("class_name")), _values(layer)
        order = config.get("data_format", "channels_last")
        turned = "" if order in ("channels_last", None) else f" {order}"
        if kind in ("InputLayer", "Dropout", "Flatten"):
            continue
        if kind == "Conv2D":
            groups, spread = config.get("groups", 1), config.get("dilation_rate", [1, 1])
            extra = f" groups {groups}" if groups != 1 else ""
            extra += f" dilated {spread}" if spread not in ([1, 1], 1) else ""
            kernel, strides = _square(config.get("kernel_size")), _square(config.get("strides", [1, 1]))
            yield f"conv {config.get('filters')}@{kernel}/{strides} {config.get('padding')}{extra}{turned}"
        elif kind == "MaxPooling2D":
            size = config.get("pool_size", [2, 2])
            yield f"max pool {_square(size)}/{_square(config.get('strides') or size)} {config.get('padding')}{turned}"
        elif kind == "BatchNormalization":
            yield f"batch norm ε {config.get('epsilon')}"
        elif kind == "Dense":
            yield f"dense {config.get('units')}"
        elif kind == "ZeroPadding2D":
            yield f"padding {config.get('padding')}{turned}"
        elif kind not in ("Activation", "ReLU", "Softmax"):
            yield kind
        activation = kind.lower() if kind in ("ReLU", "Softmax") else config.get("activation", "linear")
        if activation != "linear":
            yield f"{activation}{_bent(config) if kind == 'ReLU' else ''}"


def _bent(relu: Mapping[str, Any]) -> str:
    """What a ReLU layer does besides cutting at 0: a ceiling, a slope below, another threshold."""
    plain = {"max_value": None, "negative_slope": 0, "threshold": 0}
    return "".join(
        f" {name} {relu[name]}" for name, usual in plain.items() if relu.get(name, usual) not in (usual, None)
    )


def _square(sides: object) -> str:
    return "×".join(str(side) for side in sides) if isinstance(sides, list) else str(sides)
