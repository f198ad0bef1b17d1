"""Convolution by the faster of two ways."""

import torch
from torch import Tensor, nn

from alexnet.models import strips, winograd
from alexnet.models.tiling import Tiling, best_tiling

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
    """How the maps, (N, C, H, W), are best cut into tiles; None where that gains less, or is not to be had.

    It is for float32 and square kernels, padded with zeros and not dilated, with one stride in both directions, and
    with groups only at stride 1. Of processors it is for those with AVX2 alone: with AVX-512 oneDNN's convolutions are
    faster, and nobody has measured yet whether tiles still are.
    """
    if not _is_plain(layer, input) or isinstance(layer.padding, str):
        return None
    kernel, stride, (above, left) = layer.kernel_size[0], layer.stride[0], layer.padding
    tiling = best_tiling(kernel, stride, (above, left), (input.shape[2], input.shape[3]), len(input))
    channels, filters = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    return tiling if tiling is not None and tiling.gain(channels, filters, len(input)) >= least_gain else None


def gains_by_strips(layer: nn.Conv2d, input: Tensor) -> bool:
    """Whether a picture alone, (1, C, H, W), is better cut into `Strips`, which take what tiles take, at stride 1."""
    if not _is_plain(layer, input) or isinstance(layer.padding, str) or len(input) != 1 or layer.stride != (1, 1):
        return False
    kernel, channels, filters = (
        layer.kernel_size[1],
        layer.in_channels // layer.groups,
        layer.out_channels // layer.groups,
    )
    width = input.shape[3] + 2 * layer.padding[1] - kernel + 1
    return strips.gain(kernel, width, channels, filters) >= strips.LEAST_GAIN


def _is_plain(layer: nn.Conv2d, input: Tensor) -> bool:
    plain = input.device.type == "cpu" and input.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if not plain or torch.backends.cpu.get_cpu_capability() != "AVX2":
        return False
    if input.dim() != 4 or input.shape[1] != layer.in_channels:
        return False
    (kernel, other), (stride, across) = layer.kernel_size, layer.stride
    ordinary = layer.dilation == (1, 1) and layer.padding_mode == "zeros" and (stride == 1 or layer.groups == 1)
    return ordinary and kernel == other and stride == across
