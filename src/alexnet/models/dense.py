"""Dense layers of a network that is made ready: of few pictures only weights are read that meet an input above zero.

A dense layer takes as long for one picture as its weights take to come from memory, and behind a ReLU half to four
fifths of its inputs are zero. So the weights lie in rows, one for each input; rows of inputs that are zero are never
read, the others are multiplied and added up (`F.embedding_bag`, which PyTorch does with FBGEMM). That is exact but for
the order of sums. Many pictures need nearly all weights: they go through a matrix product.
"""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Numbers = Literal["float32", "bf16", "fp16"]
"""What weights are kept in. fp16: those of dense layers, the others in float32. Rows of dense layers are in fp16 in
both short forms, since it has more digits."""
FEWEST_WEIGHTS = 1 << 20
"""Of a layer that is taken by rows, or packed. Smaller ones are in the cache, and a packed call begins more slowly."""
MOST_ROWS = 0.8
"""Rows that are read, as a share of all, with those read for several pictures counted several times. Of more, a product
is faster."""
FEW = 3
"""Pictures for which rows are counted at all."""
PARTS = 8
"""For each thread, into which the rows are divided: one may find its rows in the cache and another not."""
LARGEST_HALF = 6e4
"""Nearly the largest number of fp16."""
HALVES = "linear_prepack_fp16"
"""FBGEMM's call in PyTorch; what belongs to quantisation moves to another package by and by."""


def has_fbgemm() -> bool:
    """Whether PyTorch was built with FBGEMM, for processors like this one."""
    return torch.backends.quantized.engine in {"x86", "fbgemm"} and hasattr(torch.ops.quantized, HALVES)


class SettledDense:
    """x ↦ weight · x + bias, rectified or not, for (N, in) in any type; its weights are copies.

    They lie in rows where few pictures may come whose inputs are zero in part (`sparse`), and are packed for a product
    as well when many come; elsewhere they are packed at once.
    """

    def __init__(self, weight: Tensor, bias: Tensor, numbers: Numbers, *, rectified: bool, sparse: bool) -> None:
        """`weight`, float (out, in), and `bias`, float (out,)."""
        self._bias, self._numbers, self._rectified = bias.to(torch.float, copy=True), numbers, rectified
        self._scale = 1.0
        self._rows: Tensor | None = None
        if numbers != "float32":
            self._scale = _scale_for_halves(weight)
            weight = weight * self._scale
        if sparse and weight.numel() >= FEWEST_WEIGHTS and has_fbgemm():
            rows = weight.to(torch.float if numbers == "float32" else torch.half).t()
            self._rows = rows.clone(memory_format=torch.contiguous_format)
        else:
            self._product = self._packed(weight)

    def __call__(self, values: Tensor) -> Tensor:
        """(N, out)."""
        if self._rows is None or not 0 < len(values) <= FEW:
            return self._product(values)
        pictures = values.float().numpy()
        places = [np.flatnonzero(picture != 0) for picture in pictures]
        if sum(map(len, places)) > MOST_ROWS * len(self._rows):
            return self._product(values)
        return torch.stack([self._by_rows(*each) for each in zip(pictures, places, strict=True)])

    def _by_rows(self, picture: NDArray[np.float32], places: NDArray[np.intp]) -> Tensor:
        """(in,), and where it is not zero, to (out,). What is done with these few numbers is done in numpy, whose calls
        begin faster."""
        assert self._rows is not None
        if not len(places):
            return _rectify(self._bias.clone(), self._rectified)
        strengths = picture[places]
        largest = float(np.abs(strengths).max()) if self._rows.dtype == torch.half else 1.0
        parts = np.arange(0, len(places), -(-len(places) // (PARTS * torch.get_num_threads())))
        weights = torch.from_numpy(strengths / np.float32(largest)).to(self._rows.dtype)
        indices, offsets = torch.from_numpy(places), torch.from_numpy(parts)
        sums = F.embedding_bag(indices, self._rows, offsets, mode="sum", per_sample_weights=weights)
        total = sums.float().sum(dim=0)
        return _rectify(torch.add(self._bias, total, alpha=largest / self._scale), self._rectified)

    @cached_property
    def _product(self) -> Callable[[Tensor], Tensor]:
        """The layer for many pictures; its weights are packed when the first of them come."""
        assert self._rows is not None
        return self._packed(self._rows.t())

    def _packed(self, weight: Tensor) -> Callable[[Tensor], Tensor]:
        weight = weight.float().contiguous()
        bias, scale, rectified = self._bias, self._scale, self._rectified
        if self._numbers == "float32" and weight.numel() < FEWEST_WEIGHTS:
            weight = weight.clone()
            return lambda values: _rectify(F.linear(values.float(), weight, bias), rectified)
        if self._numbers == "fp16":
            halves = torch.ops.quantized
            packed = getattr(halves, HALVES)(weight, bias * scale)
            call = halves.linear_relu_dynamic_fp16 if rectified else halves.linear_dynamic_fp16
            return lambda values: call(values.float(), packed) / scale
        dtype = torch.bfloat16 if self._numbers == "bf16" else torch.float32
        packed = torch.ops.mkldnn._reorder_linear_weight((weight / scale).to(dtype), 1)
        bias, behind = bias.to(dtype), "relu" if rectified else "none"
        return lambda values: torch.ops.mkldnn._linear_pointwise(values.to(dtype), packed, bias, behind, [], "")


def _rectify(answer: Tensor, rectified: bool) -> Tensor:
    return answer.relu_() if rectified else answer


def _scale_for_halves(weight: Tensor) -> float:
    """A power of two that makes weights, (out, in), fit into fp16: the largest is about 1, or less where a sum of all
    inputs up to 1 would be too large."""
    least, most = weight.aminmax()
    largest = max(-float(least), float(most))
    if not 0 < largest < math.inf:
        return 1.0
    return 2.0 ** math.floor(math.log2(min(1.0, LARGEST_HALF / weight.shape[1]) / largest))
