"""Dense layers of a network that is made ready. Of one picture only the weights are read that meet an input above zero.

A dense layer takes as long for one picture as its weights take to come from memory, and behind a ReLU half to four
fifths of its inputs are zero. So the weights lie in rows, one for each input; rows of inputs that are zero are never
read, the others are multiplied and added up (`F.embedding_bag`, which PyTorch does with FBGEMM). That is exact but for
the order of sums. Several pictures need nearly all weights: they go through a matrix product.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Numbers = Literal["float32", "bf16", "fp16"]
"""What weights are kept in; fp16: those of dense layers, the others in float32."""
FEWEST_WEIGHTS = 1 << 20
"""Of a layer that is taken by rows. Smaller ones are in the cache."""
MOST_ROWS = 0.8
"""Rows that are read, as a share of all, with those read for several pictures counted several times. Of more, a product
is faster."""
MOST_PICTURES = 3
"""For which rows are counted at all."""
PARTS = 4
"""For each thread, into which the rows are divided: one may find its rows in the cache and another not."""
LARGEST_HALF = 6e4
"""Nearly the largest number of fp16."""
HALVES = "linear_prepack_fp16"
"""FBGEMM's call in PyTorch; what belongs to quantisation moves to another package by and by."""


def has_fbgemm() -> bool:
    """Whether PyTorch was built with FBGEMM, for processors like this one."""
    return torch.backends.quantized.engine in {"x86", "fbgemm"} and hasattr(torch.ops.quantized, HALVES)


class Dense:
    """x ↦ weight · x + bias, rectified or not, for (N, in) in any type; its weights are copies."""

    def __init__(self, weight: Tensor, bias: Tensor, numbers: Numbers, *, rectified: bool) -> None:
        """`weight`, float (out, in), and `bias`, float (out,)."""
        self._bias, self._numbers, self._rectified = bias.to(torch.float, copy=True), numbers, rectified
        self._rows: Tensor | None = None
        if weight.numel() >= FEWEST_WEIGHTS and has_fbgemm():
            rows = weight.to(torch.float if numbers == "float32" else torch.half).t()
            self._rows = rows.clone(memory_format=torch.contiguous_format)
            least, most = weight.aminmax()
            self._largest_sum = weight.shape[1] * max(-float(least), float(most))  # of rows, each times 1 at most
        else:
            self._weight = weight.to(torch.float, copy=True)

    def __call__(self, values: Tensor) -> Tensor:
        """(N, out)."""
        rows = self._rows if len(values) <= MOST_PICTURES else None
        if rows is not None and int(values.count_nonzero()) <= MOST_ROWS * len(rows):
            return torch.stack([self._of_one(picture, rows) for picture in values])
        return self._product(values)

    def _of_one(self, picture: Tensor, rows: Tensor) -> Tensor:
        places = picture.nonzero().squeeze(1)
        if not len(places):
            return self._rectify(self._bias.clone())
        strengths = picture[places].float()
        unit = 1.0
        if rows.dtype == torch.half:  # no number and no sum may be too large for it
            unit = float(strengths.abs().max()) * max(1, self._largest_sum / LARGEST_HALF)
        parts = torch.arange(0, len(places), -(-len(places) // (PARTS * torch.get_num_threads())))
        strengths = (strengths / unit).to(rows.dtype)
        sums = F.embedding_bag(places, rows, parts, mode="sum", per_sample_weights=strengths)
        return self._rectify(sums.float().sum(dim=0).mul_(unit).add_(self._bias))

    @cached_property
    def _product(self) -> Callable[[Tensor], Tensor]:
        """The layer for many pictures; its weights are packed when the first of them come."""
        weight = (self._weight if self._rows is None else self._rows.t().contiguous()).float()
        if self._numbers == "fp16":
            halves = torch.ops.quantized
            packed = getattr(halves, HALVES)(weight, self._bias)
            call = halves.linear_relu_dynamic_fp16 if self._rectified else halves.linear_dynamic_fp16
            return lambda values: call(values, packed)
        dtype = torch.bfloat16 if self._numbers == "bf16" else torch.float32
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype), 1)
        bias, behind = self._bias.to(dtype), "relu" if self._rectified else "none"
        return lambda values: torch.ops.mkldnn._linear_pointwise(values.to(dtype), packed, bias, behind, [], "")

    def _rectify(self, answer: Tensor) -> Tensor:
        return answer.relu_() if self._rectified else answer
