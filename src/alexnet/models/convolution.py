"""Convolution whose weights learn by a matrix product, where that is the faster way.

The gradient of the weights is one product: all patches of the input, a row each, against the gradient of the output.
oneDNN, whose convolutions PyTorch calls, has fast kernels for it from AVX-512 on. With AVX2 alone it takes up to twice
as long as laying out the patches and multiplying, as Caffe did (Y. Jia, Learning Semantic Image Representations at a
Large Scale, 2014, chapter 6); answers and the gradient of the input are fast there too. See docs/speed.md.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

PATCH_BYTES = 16 << 20
"""Patches are laid out for as many pictures at a time as fit into this; all of a batch would take gigabytes."""
SHORTEST_RUN = 16
"""Values that lie side by side in a patch and in the picture; shorter ones are slow to copy."""
Pair = tuple[int, int]
Context = Any
"""What PyTorch hands from a forward pass to its backward pass; it has no type of its own for both."""


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d` over (N, C, H, W), zero-padded; in training on CPUs with AVX2 alone the gradient of its
    weights is a matrix product. Answers are the same to the bit, the gradient but for the order of its sums.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve."""
        if not self._learns_by_product(input):
            return super().forward(input)
        geometry = self.stride, self.padding, self.groups
        output: Tensor = _Convolution.apply(input, self.weight, self.bias, *geometry)  # type: ignore[no-untyped-call]
        return output

    def _learns_by_product(self, input: Tensor) -> bool:
        learns = self.training and torch.is_grad_enabled() and self.weight.requires_grad
        plain = input.device.type == "cpu" and input.dtype == self.weight.dtype == torch.float32
        if not learns or not plain or torch.is_autocast_enabled("cpu"):
            return False
        run = input.shape[1] // self.groups * (self.kernel_size[1] if self.groups == 1 else 1)
        return run >= SHORTEST_RUN and torch.backends.cpu.get_cpu_capability() == "AVX2"


class _Convolution(torch.autograd.Function):
    """Forward and the gradient of the input as PyTorch has them."""

    @staticmethod
    def forward(
        ctx: Context, input: Tensor, weight: Tensor, bias: Tensor, stride: Pair, padding: Pair, groups: int
    ) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.geometry = stride, padding, groups
        return F.conv2d(input, weight, bias, stride, padding, groups=groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        stride, padding, groups = ctx.geometry
        input, gradient = (each.contiguous(memory_format=torch.channels_last) for each in (input, gradient))
        of_input = None
        if ctx.needs_input_grad[0]:
            of_input, _, _ = torch.ops.aten.convolution_backward(
                gradient, input, weight, None, stride, padding, (1, 1), False, (0, 0), groups, (True, False, False)
            )
        of_bias = gradient.permute(0, 2, 3, 1).flatten(0, 2).sum(dim=0)
        return of_input, weight_gradient(input, gradient, weight.shape, stride, padding, groups), of_bias, *[None] * 3


def weight_gradient(
    input: Tensor, gradient: Tensor, shape: torch.Size, stride: Pair, padding: Pair, groups: int
) -> Tensor:
    """The gradient of kernels of `shape` (out, C / groups, h, w), from that of the output, (N, out, H', W'), and the
    input, (N, C, H, W), both channels last; so is the answer."""
    filters, channels, height, width = shape
    rows = gradient[0, 0].numel()
    at_once = max(1, PATCH_BYTES // (rows * channels * height * width * input.element_size()))
    sums = input.new_zeros(groups, height * width * channels, filters // groups)
    for some, learned in zip(torch.split(input, at_once), torch.split(gradient, at_once), strict=True):
        padded = F.pad(some, (padding[1], padding[1], padding[0], padding[0])) if any(padding) else some
        for group, (maps, learns) in enumerate(
            zip(padded.chunk(groups, dim=1), learned.chunk(groups, dim=1), strict=True)
        ):
            patches = _patches(maps, (height, width), stride)
            sums[group].addmm_(patches.t(), learns.permute(0, 2, 3, 1).reshape(len(patches), -1))
    return sums.transpose(1, 2).reshape(filters, height, width, channels).permute(0, 3, 1, 2)


def _patches(maps: Tensor, kernel: Pair, stride: Pair) -> Tensor:
    """All patches of (N, C, H, W), channels last, that a kernel meets: a row each, (windows, height · width · C)."""
    windows = maps.permute(0, 2, 3, 1).unfold(1, kernel[0], stride[0]).unfold(2, kernel[1], stride[1])
    return windows.permute(0, 1, 2, 4, 5, 3).reshape(-1, kernel[0] * kernel[1] * maps.shape[1])
