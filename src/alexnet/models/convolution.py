"""Convolution that trains by the faster of two ways."""

import torch
from torch import Tensor, nn

from alexnet.models import winograd
from alexnet.models.tiling import Tiling, best_tiling

LEAST_GAIN = 1.1
"""Below it, the two ways are hardly different."""


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d` over (N, C, H, W), zero-padded. In training in float32 on CPUs with AVX2 alone it takes a
    fraction of the multiplications (see `winograd`), with answers and gradients within 1e-5 of their norm.

    Where there is bf16 training takes that; with AVX-512 and without bf16 nobody has measured yet what is faster.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve."""
        tiling = self._tiling(input)
        if tiling is None:
            return super().forward(input)
        assert self.bias is not None, "all convolutions have biases"
        return winograd.convolve(input, self.weight, self.bias, tiling, self.groups)

    def _tiling(self, input: Tensor) -> Tiling | None:
        """How to cut the maps, where that is the faster way."""
        learns = self.training and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
        plain = input.device.type == "cpu" and input.dtype == self.weight.dtype == torch.float32
        if not learns or not plain or torch.backends.cpu.get_cpu_capability() != "AVX2":
            return None
        assert not isinstance(self.padding, str)
        (kernel, other), (stride, _), (above, left) = self.kernel_size, self.stride, self.padding
        if kernel != other or (stride > 1 and self.groups > 1):
            return None
        tiling = best_tiling(kernel, stride, (above, left), (input.shape[2], input.shape[3]))
        if (
            tiling is None
            or tiling.gain(self.in_channels // self.groups, self.out_channels // self.groups) < LEAST_GAIN
        ):
            return None
        return tiling
