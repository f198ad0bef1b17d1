"""The network's layers as ONNX operations, under the names they have everywhere: conv1 ... fc8.

Written from the same descriptions as the modules, in the order of the source. Dropout is gone, except the share that
networks of 2012 multiply by at test time.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from alexnet.errors import UsageError
from alexnet.export.graph import Graph, Value, integers
from alexnet.models.layers import (
    LRN,
    AdaptiveAveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MapNorm,
    MaxPool,
    ReLU,
    Tanh,
    Threshold,
)
from alexnet.models.network import AlexNet
from alexnet.models.placing import Placed


def logits(graph: Graph, network: AlexNet, pictures: Value) -> Value:
    """The whole network: prepared pictures, float (N, C, size, size), to logits, float (N, classes)."""
    values = pictures
    for placed in network.layers:
        values = _layer(graph, placed, network.get_submodule(placed.name), values)
    return values


def _layer(graph: Graph, placed: Placed, module: nn.Module, values: Value) -> Value:  # noqa: PLR0911
    name, layer = placed.name, placed.layer
    match layer:
        case Conv():
            return graph.add(
                "Conv",
                values,
                *_parameters(graph, name, module, "weight", "bias"),
                name=name,
                **_window(layer, placed),
                group=layer.groups,
            )
        case Dense():
            return graph.add("Gemm", values, *_parameters(graph, name, module, "weight", "bias"), name=name, transB=1)
        case MaxPool():  # padding never wins here, as with us
            return graph.add("MaxPool", values, name=name, **_window(layer, placed))
        case AdaptiveAveragePool():
            return _grid_means(graph, placed, layer.side, values)
        case BatchNorm():
            return graph.add(
                "BatchNormalization",
                values,
                *_scale_and_shift(graph, placed, layer, module),
                *_parameters(graph, name, module, "running_mean", "running_var"),
                name=name,
                epsilon=layer.epsilon,
            )
        case LRN():
            return _across_maps(graph, placed, layer, values)
        case MapNorm():
            return _within_map(graph, name, layer, values)
        case Threshold():
            above = graph.add("Greater", values, np.float32(0), name=f"{name}.above")
            return graph.add("Where", above, values, np.float32(layer.value), name=name)
        case ReLU():
            return graph.add("Relu", values, name=name)
        case Tanh():
            return graph.add("Tanh", values, name=name)
        case Flatten():
            return graph.add("Flatten", values, name=name, axis=1)
        case Dropout():
            kept = np.float32(1 - layer.rate)
            return graph.add("Mul", values, kept, name=name) if layer.scaled == "test" else values


def _parameters(graph: Graph, name: str, module: nn.Module, *which: str) -> list[Value]:
    """Constants with the names that the tensors have in our weights files."""
    return [graph.constant(f"{name}.{each}", _array(getattr(module, each))) for each in which]


def _scale_and_shift(graph: Graph, placed: Placed, layer: BatchNorm, module: nn.Module) -> list[Value]:
    """ONNX wants them always: where the network has none they change nothing."""
    if layer.affine:
        return _parameters(graph, placed.name, module, "weight", "bias")
    maps = placed.input[0]
    neutral = {"weight": np.ones(maps, np.float32), "bias": np.zeros(maps, np.float32)}
    return [graph.constant(f"{placed.name}.{each}", value) for each, value in neutral.items()]


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().contiguous().numpy()


def _window(layer: Conv | MaxPool, placed: Placed) -> dict[str, list[int]]:
    """Kernel, strides and paddings of height and width; the latter in ONNX's order: top, left, bottom, right."""
    (top, bottom), (left, right) = (layer.pads(side) for side in placed.input[1:])
    kernel, strides = [layer.kernel, layer.kernel], [layer.stride, layer.stride]
    return {"kernel_shape": kernel, "strides": strides, "pads": [top, left, bottom, right]}


def _across_maps(graph: Graph, placed: Placed, layer: LRN, values: Value) -> Value:
    """ONNX divides α by the size; columns become pictures of their own for the time being."""
    if layer.size % 2 == 0:
        raise UsageError(f"{placed.name} normalises over {layer.size} maps: ONNX can say odd numbers only")
    name, (maps, height, width) = placed.name, placed.input
    alpha = layer.alpha if layer.divided else layer.alpha * layer.size
    if layer.columns > 1:
        apart = integers(-1, maps // layer.columns, height, width)
        values = graph.add("Reshape", values, apart, name=f"{name}.columns")
    inner = name if layer.columns == 1 else f"{name}.apart"
    values = graph.add("LRN", values, name=inner, size=layer.size, alpha=alpha, beta=layer.beta, bias=float(layer.k))
    if layer.columns > 1:
        values = graph.add("Reshape", values, integers(-1, maps, height, width), name=name)
    return values


def _within_map(graph: Graph, name: str, layer: MapNorm, values: Value) -> Value:
    """The mean over a window with its padding counted is the sum / size², which is what α multiplies."""
    before, behind = layer.size // 2, (layer.size - 1) // 2
    squares = graph.add("Mul", values, values, name=f"{name}.squares")
    mean = graph.add(
        "AveragePool",
        squares,
        name=f"{name}.mean",
        kernel_shape=[layer.size, layer.size],
        pads=[before, before, behind, behind],
        count_include_pad=1,
    )
    share = graph.add("Mul", mean, np.float32(layer.alpha), name=f"{name}.share")
    base = graph.add("Add", share, np.float32(layer.k), name=f"{name}.base")
    factor = graph.add("Pow", base, np.float32(-layer.beta), name=f"{name}.factor")
    return graph.add("Mul", values, factor, name=name)


def _grid_means(graph: Graph, placed: Placed, side: int, values: Value) -> Value:
    """Means over a grid of cells that may overlap: one matrix product over the rows, one over the columns."""
    _, height, width = placed.input
    if height != side:
        values = graph.add("MatMul", _cells(height, side), values, name=f"{placed.name}.rows")
    if width != side:
        values = graph.add("MatMul", values, _cells(width, side).T, name=f"{placed.name}.columns")
    return values


def _cells(length: int, side: int) -> NDArray[np.float32]:
    """Which pixels each of `side` cells averages, float (side, length), as PyTorch's adaptive pooling divides them."""
    weights = np.zeros((side, length), np.float32)
    for cell in range(side):
        first, last = cell * length // side, math.ceil((cell + 1) * length / side)
        weights[cell, first:last] = 1 / (last - first)
    return weights
