"""Convolution by the faster of two ways."""

import torch
from torch import Tensor, nn

from alexnet.models import winograd
from alexnet.models.tiling import Tiling, best_tiling

LEAST_GAIN = 1.1
"""In training. Below it the two ways are hardly different."""


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d` over (N, C, H, W), zero-padded. In training in float32 on CPUs it takes a fraction of the
    multiplications where that is faster (see `winograd`), with answers and gradients within 1e-5 of their norm.

    Outside of training answers are PyTorch's to the bit; the fast ones are `Ready`'s.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve."""
        tiling = tiling_of(self, input) if self.training and torch.is_grad_enabled() else None
        if tiling is None or tiling.gain(*channels_of(self)) < LEAST_GAIN:
            return super().forward(input)
        assert self.bias is not None, "all convolutions have biases"
        return winograd.convolve(input, self.weight, self.bias, tiling, self.groups)


def tiling_of(layer: nn.Conv2d, input: Tensor) -> Tiling | None:
    """How maps, (N, C, H, W), are best cut into tiles; None where that way is not to be had: for other numbers than
    float32, on processors without AVX, for kernels that are not square."""
    plain = input.device.type == "cpu" and input.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if not plain or not torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        return None
    assert not isinstance(layer.padding, str)
    (kernel, other), (stride, _), (above, left) = layer.kernel_size, layer.stride, layer.padding
    if kernel != other or (stride > 1 and layer.groups > 1):
        return None
    return best_tiling(kernel, stride, (above, left), (input.shape[2], input.shape[3]))


def channels_of(layer: nn.Conv2d) -> tuple[int, int]:
    """Channels in and out of a group."""
    return layer.in_channels // layer.groups, layer.out_channels // layer.groups
