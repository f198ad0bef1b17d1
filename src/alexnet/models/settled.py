"""A convolution of a network that is made ready: its weights stay, so they are laid out once for the fastest way."""

from collections.abc import Callable
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet.models.convolution import gains_by_strips, tiling_of
from alexnet.models.modules import PaddedConv2d
from alexnet.models.network import channels_last
from alexnet.models.strips import Strips
from alexnet.models.winograd import Settled

LEAST_GAIN = 1.4
"""Of tiles. oneDNN's convolutions are nearer to the peak here than with gradients."""


class SettledConvolution:
    """(N, C, H, W), in any type, to (N, out, H', W') in the type of the weights, channels last.

    By tiles in both directions (`winograd`) or one (`strips`) where that is faster, else by oneDNN with weights in the
    order that it wants. Copies are made when pictures first come that they are for.
    """

    def __init__(self, layer: nn.Conv2d, weight: Tensor, bias: Tensor, dtype: torch.dtype, *, rectified: bool) -> None:
        """The layer's shape with other weights. With `rectified`, a ReLU follows."""
        self._layer, self._dtype, self._rectified = layer, dtype, rectified
        self._weight, self._bias = channels_last(weight.to(dtype, copy=True)), bias.to(dtype, copy=True)
        self._sides = layer.sides if isinstance(layer, PaddedConv2d) else None
        self._geometry = layer.padding, layer.stride, layer.dilation, layer.groups
        self._by_tiles = Settled(self._weight, self._bias, layer.groups, rectified=rectified)
        self._way = cache(self._fastest)
        self._ordered = cache(self._in_order)

    def __call__(self, values: Tensor) -> Tensor:
        """Convolve."""
        values = values.to(self._dtype)
        if self._sides is not None:
            values = F.pad(values, self._sides)
        return self._way(*values.shape)(values)

    def _fastest(self, count: int, *maps: int) -> Callable[[Tensor], Tensor]:
        """The way for so many pictures with maps of (C, H, W)."""
        layer, like = self._layer, torch.empty(count, *maps, dtype=self._dtype)
        tiling = tiling_of(layer, like, LEAST_GAIN)
        if tiling is not None:
            return partial(self._by_tiles, tiling=tiling)
        if gains_by_strips(layer, like):
            padding = int(layer.padding[0]), int(layer.padding[1])
            return Strips(
                self._weight, self._bias, padding, (maps[1], maps[2]), layer.groups, rectified=self._rectified
            )
        ordered = self._ordered(min(count, 2), *maps)  # what suits two suits many as well, but not always one
        behind = "relu" if self._rectified else "none"
        call = torch.ops.mkldnn._convolution_pointwise
        return lambda values: call(values, ordered, self._bias, *self._geometry, behind, [], "")

    def _in_order(self, *shape: int) -> Tensor:
        """The weights as oneDNN takes them for (N, C, H, W)."""
        ordered: Tensor = torch.ops.mkldnn._reorder_convolution_weight(self._weight, *self._geometry, shape)
        return ordered
