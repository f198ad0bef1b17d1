"""Convolution that trains by the faster of two ways."""

import torch
from torch import Tensor, nn

from alexnet.models import winograd

LEAST_SAVING = 2.0
"""Fewer multiplications saved do not make up for the way to the points and back."""


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d` over (N, C, H, W), zero-padded. In training in float32 on CPUs with AVX2 alone it takes a
    fraction of the multiplications (see `winograd`), with answers and gradients within 1e-5 of their norm.

    With AVX-512 nobody has measured yet which way is faster; bf16, where there is one, is faster than both.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve."""
        if not self._saves(input):
            return super().forward(input)
        assert self.bias is not None, "all convolutions have biases"
        return winograd.convolve(input, self.weight, self.bias, self.stride[0], self._pads, self.groups)

    def _saves(self, input: Tensor) -> bool:
        learns = self.training and torch.is_grad_enabled()
        plain = input.device.type == "cpu" and input.dtype == self.weight.dtype == torch.float32
        if not learns or not plain or torch.is_autocast_enabled("cpu"):
            return False
        if torch.backends.cpu.get_cpu_capability() != "AVX2":
            return False
        saved = winograd.saving(input.shape, self.weight.shape, (self.stride[0], self.stride[1]), self._pads, self.groups)
        return saved >= LEAST_SAVING

    @property
    def _pads(self) -> tuple[int, int]:
        above, left = self.padding
        assert isinstance(above, int)
        assert isinstance(left, int)
        return above, left
