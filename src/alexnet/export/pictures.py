"""`Preprocess` as ONNX operations: raw pictures, uint8 (N, H, W, 3), to what the network reads, (V·N, C, size, size).

ONNX has a Resize with `antialias`, but runtimes disagree about its borders and it rounds the scale; TensorRT has none.
A separable filter is two matrix products, whose weights follow from the picture's height and width: that is exact to
float32, and any runtime can do it.
"""

import numpy as np
from onnx import TensorProto

from alexnet.export.graph import Graph, Value, floats, integers
from alexnet.preprocess import GREY, Preprocess

_END = np.iinfo(np.int64).max  # "to the end", and "to before the beginning" with a minus: the ONNX convention


def fit(graph: Graph, preprocess: Preprocess, pictures: Value) -> Value:
    """As `Preprocess.fit`: pictures of one size, uint8 (N, H, W, 3), to stored squares as whole float numbers 0 to 255,
    (N, C, S, S)."""
    if preprocess.resize == "crop":
        pictures = _central_square(graph, pictures)
    values = graph.add("Cast", pictures, name="fit.float", to=TensorProto.FLOAT)
    values = graph.add("Transpose", values, name="fit.channels_first", perm=[0, 3, 1, 2])
    if preprocess.channels == 1:
        weighted = graph.add("Mul", values, floats(*GREY).reshape(1, 3, 1, 1), name="fit.luma")
        values = graph.add("ReduceSum", weighted, integers(1), name="fit.grey", keepdims=1)
    rows = _filter(graph, pictures, 1, preprocess.resize_to, "fit.rows")
    columns = _filter(graph, pictures, 2, preprocess.resize_to, "fit.columns")
    columns = graph.add("Transpose", columns, name="fit.columns_transposed", perm=[1, 0])
    values = graph.add("MatMul", values, columns, name="fit.narrowed")
    values = graph.add("MatMul", rows, values, name="fit.resized")
    values = graph.add("Round", values, name="fit.rounded")
    return graph.add("Clip", values, np.float32(0), np.float32(255), name="fit.stored")


def views(graph: Graph, preprocess: Preprocess, stored: Value) -> Value:
    """As `Preprocess.test_views`, one after another in one batch, (V·N, C, size, size)."""
    values = graph.add("Div", stored, np.float32(255), name="views.unit")
    values = graph.add("Sub", values, floats(*preprocess.mean).reshape(1, -1, 1, 1), name="views.centred")
    values = graph.add("Div", values, floats(*preprocess.std).reshape(1, -1, 1, 1), name="views.scaled")
    cut = []
    for number, (top, left) in enumerate(_corners(preprocess)):
        name = f"views.{number}"
        size = preprocess.size
        if size < preprocess.resize_to:
            limits = integers(top, left), integers(top + size, left + size)
            crop = graph.add("Slice", values, *limits, integers(2, 3), name=name)
        else:
            crop = values
        cut.append(crop)
        if preprocess.views > 1:
            backwards = integers(-1), integers(-_END), integers(3), integers(-1)
            cut.append(graph.add("Slice", crop, *backwards, name=f"{name}_mirrored"))
    return cut[0] if len(cut) == 1 else graph.add("Concat", *cut, name="views", axis=0)


def _corners(preprocess: Preprocess) -> list[tuple[int, int]]:
    margin = preprocess.resize_to - preprocess.size
    centre = [(margin // 2, margin // 2)]
    return centre if preprocess.views < 10 else [*centre, (0, 0), (0, margin), (margin, 0), (margin, margin)]


def _central_square(graph: Graph, pictures: Value) -> Value:
    sides = graph.add("Shape", pictures, name="square.sides", start=1, end=3)
    side = graph.add("ReduceMin", sides, name="square.side", keepdims=1)
    both = graph.add("Sub", sides, side, name="square.margins")
    start = graph.add("Div", both, integers(2), name="square.start")
    end = graph.add("Add", start, side, name="square.end")
    return graph.add("Slice", pictures, start, end, integers(1, 2), name="square")


def _filter(graph: Graph, pictures: Value, axis: int, side: int, name: str) -> Value:
    """The weights of an antialiased triangle filter from the length of `axis` to `side`: (side, length), rows sum to 1.

    Operation by operation and in float32 as PyTorch's `interpolate` computes them, so that equal weights result.
    """
    whole = graph.add("Shape", pictures, name=f"{name}.length", start=axis, end=axis + 1)
    length = graph.add("Cast", whole, name=f"{name}.length_float", to=TensorProto.FLOAT)
    scale = graph.add("Div", length, floats(side), name=f"{name}.scale")
    middles = (np.arange(side, dtype=np.float32) + np.float32(0.5)).reshape(side, 1)
    centres = graph.add("Mul", scale, middles, name=f"{name}.centres")
    count = graph.add("Squeeze", whole, integers(0), name=f"{name}.count")
    pixels = graph.add("Range", np.int64(0), count, np.int64(1), name=f"{name}.pixels")
    pixels = graph.add("Cast", pixels, name=f"{name}.pixels_float", to=TensorProto.FLOAT)
    distance = graph.add("Sub", pixels, centres, name=f"{name}.offset")
    distance = graph.add("Add", distance, np.float32(0.5), name=f"{name}.distance")
    support = graph.add("Max", scale, np.float32(1), name=f"{name}.support")
    inverse = graph.add("Reciprocal", support, name=f"{name}.inverse")
    distance = graph.add("Mul", distance, inverse, name=f"{name}.in_supports")
    distance = graph.add("Abs", distance, name=f"{name}.absolute")
    weights = graph.add("Sub", np.float32(1), distance, name=f"{name}.triangle")
    weights = graph.add("Relu", weights, name=f"{name}.weights")
    sums = graph.add("CumSum", weights, np.int64(1), name=f"{name}.sums")  # one after another, as in PyTorch
    total = graph.add("Slice", sums, integers(-1), integers(_END), integers(1), name=f"{name}.total")
    return graph.add("Div", weights, total, name=name)
