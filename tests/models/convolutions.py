"""A convolution to compute in several ways, and PyTorch's answer to it."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Case:
    """Its shape; lengths in pixels."""

    channels: int
    filters: int
    kernel: int
    maps: tuple[int, int]
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    groups: int = 1

    def tensors(self, count: int, dtype: torch.dtype) -> list[Tensor]:
        """Input, weights, biases."""
        torch.manual_seed(0)
        weights = torch.randn(self.filters, self.channels // self.groups, self.kernel, self.kernel, dtype=dtype)
        input = torch.randn(count, self.channels, *self.maps, dtype=dtype)
        return [input.contiguous(memory_format=torch.channels_last), weights, torch.randn(self.filters, dtype=dtype)]

    def by_pytorch(self, given: list[Tensor]) -> Tensor:
        """Of input, weights, biases."""
        return F.conv2d(given[0], given[1], given[2], self.stride, self.padding, groups=self.groups)
