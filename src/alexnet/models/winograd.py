"""Convolution with a fraction of the multiplications, by tiles and their values at a few points (see `tiling`).

Gradients are the same steps as answers, transposed (see `at_points`).
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from alexnet.models.at_points import AtPoints, pixels
from alexnet.models.tiling import Tiling

MOST_KEPT = 48 << 20
"""Bytes of values that a convolution keeps for its gradients. Where there are more of them it keeps its input, which is
smaller, and computes them again."""
Context = Any
"""What PyTorch hands from a forward pass to its backward pass; it has no type of its own for both."""


def convolve(input: Tensor, weight: Tensor, bias: Tensor, tiling: Tiling, groups: int) -> Tensor:
    """`torch.nn.functional.conv2d` of (N, C, H, W) with (out, C / groups, kernel, kernel), of which there is a first
    derivative. `tiling` says stride and padding. A stride other than 1 wants one group. The answer, (N, out, H', W'),
    lies channels last."""
    output: Tensor = _Convolution.apply(input, weight, bias, tiling, groups)  # type: ignore[no-untyped-call]
    return output


class Tiles:
    """A convolution whose weights stay as they are: its kernels are led to the points once for each size of tiles.

    That takes up to 64 / 9 times the memory of 3 × 3 kernels. The best size depends on the number of pictures; of one
    layer there are up to three.
    """

    def __init__(self, weight: Tensor, bias: Tensor, groups: int, *, rectified: bool) -> None:
        """With `rectified`, a ReLU follows."""
        self._weight, self._bias, self._groups, self._rectified = weight, bias, groups, rectified
        self._kernels: dict[int, Tensor] = {}

    @torch.no_grad()
    def __call__(self, input: Tensor, tiling: Tiling) -> Tensor:
        """The answer to (N, C, H, W), channels last, without a gradient."""
        maps = pixels(input)
        work = AtPoints(tiling, self._groups, maps)
        if tiling.side not in self._kernels:
            self._kernels[tiling.side] = work.kernels_at_points(self._weight)
        return work.answer(maps, self._kernels[tiling.side], self._bias, kept=None, rectified=self._rectified)


class _Convolution(torch.autograd.Function):
    """Inside, maps are (N, H, W, C); at the points, tiles are matrices, (t · t · groups, tiles, s² C / groups), and
    kernels (t · t · groups, s² C / groups, out / groups)."""

    @staticmethod
    def forward(ctx: Context, input: Tensor, weight: Tensor, bias: Tensor, tiling: Tiling, groups: int) -> Tensor:
        maps = pixels(input)
        work = AtPoints(tiling, groups, maps)
        kernels = work.kernels_at_points(weight)
        a_picture = tiling.values * maps.shape[3]
        learns = ctx.needs_input_grad[1]
        keeps = learns and a_picture * len(maps) * maps.element_size() <= MOST_KEPT
        kept = maps.new_empty(len(maps), a_picture) if keeps else None
        output = work.answer(maps, kernels, bias, kept)
        ctx.save_for_backward(kernels, maps if kept is None and learns else kept)
        ctx.tiling, ctx.groups, ctx.keeps, ctx.channels = tiling, groups, keeps, weight.shape[1]
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
        kernels, kept = ctx.saved_tensors
        slopes = pixels(gradient)
        work = AtPoints(ctx.tiling, ctx.groups, slopes)
        of_input = of_kernels = None
        if ctx.needs_input_grad[0]:
            of_input = slopes.new_empty(len(slopes), *ctx.tiling.maps, ctx.channels * ctx.groups)
        if ctx.needs_input_grad[1]:
            of_kernels = torch.zeros_like(kernels)
        of_bias = slopes.new_zeros(ctx.groups, kernels.shape[2])
        for some in work.slices(len(slopes)):
            values = work.values(kernels, len(slopes[some]), kept[some] if ctx.keeps else None)
            products = work.products(kernels, values)
            work.from_points_transposed(slopes[some], products)
            of_bias += work.at_one(products).sum(dim=1)
            if of_kernels is not None:
                if not ctx.keeps:
                    work.to_points(kept[some], values)
                of_kernels.baddbmm_(values.transpose(1, 2), products)
            if of_input is not None:
                of_values = work.memory("of values", *values.shape)
                torch.bmm(products, kernels.transpose(1, 2), out=of_values)
                work.to_points_transposed(of_values, of_input[some])
        of_maps = None if of_input is None else of_input.permute(0, 3, 1, 2)
        of_weight = None if of_kernels is None else work.kernels_at_points_transposed(of_kernels, ctx.channels)
        return of_maps, of_weight, of_bias.flatten(), None, None
