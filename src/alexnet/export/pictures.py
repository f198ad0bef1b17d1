"""`Preprocess` as ONNX operations: raw pictures, uint8 (N, H, W, 3), to what the network reads, (V·N, C, size, size).

ONNX has a Resize with `antialias`, but runtimes disagree about its borders and it rounds the scale; TensorRT has none.
A separable filter is two matrix products, whose weights follow from the picture's height and width. Weights and
pictures are whole numbers, kept in float64, which holds their sums exactly: the stored squares are ours to the bit.
"""

import numpy as np
from onnx import TensorProto

from alexnet.export.graph import Graph, Value, doubles, floats, integers
from alexnet.preprocess import GREY_OF_65536, Preprocess

_END = np.iinfo(np.int64).max  # "to the end", and "to before the beginning" with a minus: the ONNX convention


def fit(graph: Graph, preprocess: Preprocess, pictures: Value) -> Value:
    """As `Preprocess.fit`: pictures of one size, uint8 (N, H, W, 3), to stored squares as whole float numbers 0 to 255,
    (N, C, S, S)."""
    if preprocess.resize == "crop":
        pictures = _central_square(graph, pictures)
    values = graph.add("Cast", pictures, name="fit.double", to=TensorProto.DOUBLE)
    values = graph.add("Transpose", values, name="fit.channels_first", perm=[0, 3, 1, 2])
    if preprocess.channels == 1:
        weighted = graph.add("Mul", values, doubles(*GREY_OF_65536).reshape(1, 3, 1, 1), name="fit.luma")
        values = graph.add("ReduceSum", weighted, integers(1), name="fit.luma_sum", keepdims=1)
        values = _rounded(graph, values, np.float64(1 << 16), "fit.grey")
    weights, unit = _filter(graph, pictures, 2, preprocess.resize_to, "fit.columns")
    columns = graph.add("Transpose", weights, name="fit.columns_transposed", perm=[1, 0])
    values = graph.add("MatMul", values, columns, name="fit.narrowed")
    values = _rounded(graph, values, unit, "fit.narrow")
    rows, unit = _filter(graph, pictures, 1, preprocess.resize_to, "fit.rows")
    values = graph.add("MatMul", rows, values, name="fit.resized")
    values = _rounded(graph, values, unit, "fit.square")
    return graph.add("Cast", values, name="fit.stored", to=TensorProto.FLOAT)


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


def _filter(graph: Graph, pictures: Value, axis: int, side: int, name: str) -> tuple[Value, Value]:
    """The weights of an antialiased triangle filter from the length of `axis` to `side`, (side, length), as whole
    numbers, and the power of two that stands for one.

    Operation by operation as PyTorch computes them. Source: aten/src/ATen/native/cpu/UpSampleKernel.cpp, its 16-bit
    weights for uint8.
    """
    whole = graph.add("Shape", pictures, name=f"{name}.length", start=axis, end=axis + 1)
    length = graph.add("Cast", whole, name=f"{name}.length_double", to=TensorProto.DOUBLE)
    scale = graph.add("Div", length, doubles(side), name=f"{name}.scale")
    middles = (np.arange(side, dtype=np.float64) + 0.5).reshape(side, 1)
    centres = graph.add("Mul", scale, middles, name=f"{name}.centres")
    count = graph.add("Squeeze", whole, integers(0), name=f"{name}.count")
    pixels = graph.add("Range", np.int64(0), count, np.int64(1), name=f"{name}.pixels")
    pixels = graph.add("Cast", pixels, name=f"{name}.pixels_double", to=TensorProto.DOUBLE)
    distance = graph.add("Sub", pixels, centres, name=f"{name}.offset")
    distance = graph.add("Add", distance, np.float64(0.5), name=f"{name}.distance")
    support = graph.add("Max", scale, np.float64(1), name=f"{name}.support")
    inverse = graph.add("Reciprocal", support, name=f"{name}.inverse")
    distance = graph.add("Mul", distance, inverse, name=f"{name}.in_supports")
    distance = graph.add("Abs", distance, name=f"{name}.absolute")
    weights = graph.add("Sub", np.float64(1), distance, name=f"{name}.triangle")
    weights = graph.add("Max", weights, np.float64(0), name=f"{name}.positive")
    sums = graph.add("CumSum", weights, np.int64(1), name=f"{name}.sums")  # one after another, as in PyTorch
    total = graph.add("Slice", sums, integers(-1), integers(_END), integers(1), name=f"{name}.total")
    weights = graph.add("Div", weights, total, name=f"{name}.weights")
    unit = _largest_unit(graph, weights, name)
    scaled = graph.add("Mul", weights, unit, name=f"{name}.scaled")
    half_up = graph.add("Add", scaled, np.float64(0.5), name=f"{name}.half_up")
    return graph.add("Floor", half_up, name=name), unit


def _largest_unit(graph: Graph, weights: Value, name: str) -> Value:
    """The largest power of two, up to 2²², by which all weights still fit 16 bits with a sign."""
    powers = doubles(*(2.0**power for power in range(23)))
    largest = graph.add("ReduceMax", weights, name=f"{name}.largest", keepdims=0)
    multiples = graph.add("Mul", largest, powers[1:], name=f"{name}.multiples")
    fits = graph.add("Less", multiples, np.float64((1 << 15) - 0.5), name=f"{name}.fits")
    fits = graph.add("Cast", fits, name=f"{name}.fits_number", to=TensorProto.INT64)
    power = graph.add("ReduceSum", fits, name=f"{name}.power", keepdims=0)
    return graph.add("Gather", powers, power, name=f"{name}.unit")


def _rounded(graph: Graph, sums: Value, unit: Value | np.float64, name: str) -> Value:
    """Sums in `unit`s to whole numbers 0 to 255, halves up."""
    values = graph.add("Div", sums, unit, name=f"{name}_sums")
    values = graph.add("Add", values, np.float64(0.5), name=f"{name}_half_up")
    values = graph.add("Floor", values, name=f"{name}_floor")
    return graph.add("Clip", values, np.float64(0), np.float64(255), name=f"{name}_clipped")
