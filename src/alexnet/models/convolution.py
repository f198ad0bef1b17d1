"""Convolution by the faster of two ways."""

import torch
from torch import Tensor, nn

from alexnet.models import winograd
from alexnet.models.tiling import Pair, Tiling, best_tiling

LEAST_GAIN_IN_TRAINING = 1.1
"""Below it the two ways are hardly different."""


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d` over (N, C, H, W). In training in float32 on CPUs with AVX2 alone it takes a fraction of
    the multiplications where that is faster (see `winograd`), with answers and gradients within 1e-5 of their norm.

    Outside of training answers are PyTorch's to the bit; the fast ones are `Ready`'s.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve."""
        learns = self.training and torch.is_grad_enabled()
        tiling = tiling_of(self, input, LEAST_GAIN_IN_TRAINING) if learns else None
        if tiling is None or self.bias is None:
            return super().forward(input)
        return winograd.convolve(input, self.weight, self.bias, tiling, self.groups)


def tiling_of(layer: nn.Conv2d, input: Tensor, least_gain: float) -> Tiling | None:
    """How the maps, (N, C, H, W), are best cut into tiles; None where that gains less, or is not to be had."""
    if not is_ordinary(layer, input):
        return None
    kernel, stride, padding = layer.kernel_size[0], layer.stride[0], padding_of(layer)
    tiling = best_tiling(kernel, stride, padding, (input.shape[2], input.shape[3]), len(input))
    channels, filters = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    return tiling if tiling is not None and tiling.gain(channels, filters, len(input)) >= least_gain else None


def is_ordinary(layer: nn.Conv2d, input: Tensor) -> bool:
    """Whether it is one that can do with fewer multiplications, of maps, (N, C, H, W), that it takes.

    Those are of float32 and square kernels, padded with zeros and not dilated, with one stride in both directions, and
    with groups only at stride 1. Of processors it is those with AVX2 alone: with AVX-512 oneDNN's convolutions are
    faster, and nobody has measured yet whether tiles still are.
    """
    on_cpu = input.device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX2"
    if not on_cpu or input.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return False
    if input.dim() != 4 or input.shape[1] != layer.in_channels or isinstance(layer.padding, str):
        return False
    (kernel, other), (stride, across) = layer.kernel_size, layer.stride
    zeros = layer.dilation == (1, 1) and layer.padding_mode == "zeros" and (stride == 1 or layer.groups == 1)
    return zeros and kernel == other and stride == across


def padding_of(layer: nn.Conv2d) -> Pair:
    """Zeros above and below, left and right, where they are given as numbers."""
    assert not isinstance(layer.padding, str)
    above, left = layer.padding
    return above, left
