"""A convolution of a network that is made ready: its weights stay, so they are laid out once for the fastest way."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet.models import strips
from alexnet.models.convolution import is_ordinary, padding_of, tiling_of
from alexnet.models.modules import PaddedConv2d
from alexnet.models.network import channels_last
from alexnet.models.strips import Strips
from alexnet.models.winograd import Tiles

LEAST_GAIN_BY_TILES = 1.4
"""As `Tiling.gain` has it. oneDNN's convolutions are nearer to the peak here than with gradients."""
LEAST_GAIN_BY_STRIPS = 1.7
"""As `strips.gain` has it. Where that is less, oneDNN's convolution was as fast."""


class SettledConvolution:
    """(N, C, H, W), in any type, to (N, out, H', W') in the type of the weights, channels last; without autocast.

    By tiles in both directions or one (`Tiles`, `Strips`) where that is faster, else by oneDNN with weights in the
    order that it wants. They are laid out when pictures first come that it is for.
    """

    def __init__(self, layer: nn.Conv2d, weight: Tensor, bias: Tensor, dtype: torch.dtype, *, rectified: bool) -> None:
        """The layer's shape with other weights. With `rectified`, a ReLU follows."""
        self._layer, self._dtype, self._rectified = layer, dtype, rectified
        self._weight, self._bias = channels_last(weight.to(dtype, copy=True)), bias.to(dtype, copy=True)
        self._sides = layer.sides if isinstance(layer, PaddedConv2d) else None
        self._by_tiles = Tiles(self._weight, self._bias, layer.groups, rectified=rectified)
        self._ways: dict[torch.Size, Callable[[Tensor], Tensor]] = {}
        self._orders: dict[tuple[int, ...], Tensor] = {}

    def __call__(self, values: Tensor) -> Tensor:
        """Convolve."""
        values = values.to(self._dtype)
        if self._sides is not None:
            values = F.pad(values, self._sides)
        if values.shape not in self._ways:
            self._ways[values.shape] = self._fastest(values)
        return self._ways[values.shape](values)

    def _fastest(self, values: Tensor) -> Callable[[Tensor], Tensor]:
        """The way for as many pictures of that size."""
        tiling = tiling_of(self._layer, values, LEAST_GAIN_BY_TILES)
        if tiling is not None:
            return partial(self._by_tiles, tiling=tiling)
        if self._gains_by_strips(values):
            padding, maps, groups = padding_of(self._layer), (values.shape[2], values.shape[3]), self._layer.groups
            return Strips(self._weight, self._bias, padding, maps, groups, rectified=self._rectified)
        return self._by_onednn(min(len(values), 2), *values.shape[1:])  # what suits two suits many, but not always one

    def _gains_by_strips(self, values: Tensor) -> bool:
        layer = self._layer
        if len(values) != 1 or not is_ordinary(layer, values) or layer.stride != (1, 1):
            return False
        kernel, width = layer.kernel_size[1], values.shape[3] + 2 * padding_of(layer)[1]
        channels, filters = layer.in_channels // layer.groups, layer.out_channels // layer.groups
        return strips.gain(kernel, width - kernel + 1, channels, filters) >= LEAST_GAIN_BY_STRIPS

    def _by_onednn(self, *shape: int) -> Callable[[Tensor], Tensor]:
        """Its convolution, with weights in the order for (N, C, H, W)."""
        layer, bias, calls = self._layer, self._bias, torch.ops.mkldnn
        geometry = layer.padding, layer.stride, layer.dilation, layer.groups
        behind = "relu" if self._rectified else "none"
        if shape not in self._orders:
            self._orders[shape] = calls._reorder_convolution_weight(self._weight, *geometry, shape)
        ordered = self._orders[shape]
        return lambda values: calls._convolution_pointwise(values, ordered, bias, *geometry, behind, [], "")
