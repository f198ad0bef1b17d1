"""Convolution with a fraction of the multiplications, by tiles and their values at a few points (see `tiling`).

The values of all tiles at one point are a matrix, so that the work is t² matrix products, and gradients are the same
steps, transposed. A slice of the batch is led from the maps to its outputs before the next one, in memory that is used
again, so that most of it stays in the cache.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from alexnet.models.tiling import LARGEST_KERNEL, ONE, Pair, Tiling, best_tiling, transforms

TILES_AT_ONCE = 256
"""Rows of a matrix product: enough for it to be fast."""
FEWEST_CHANNELS = 16
"""Of a group, in and out. With fewer, the way to the points and back costs more than the products."""
Context = Any
"""What PyTorch hands from a forward pass to its backward pass; it has no type of its own for both."""


def saving(maps: torch.Size, kernels: torch.Size, stride: Pair, padding: Pair, groups: int) -> float:
    """How many times as many multiplications a convolution of (N, C, H, W) with (out, C / groups, r, r) takes as this
    one does; 1 where this one is not to be had or too small to be fast."""
    filters, channels, kernel, _ = kernels
    step = stride[0]
    size = -(-kernel // step)
    windows = [(side + 2 * pad - kernel) // step + 1 for side, pad in zip(maps[2:], padding, strict=True)]
    square = kernel == kernels[3] and step == stride[1] and (step == 1 or groups == 1)
    wide = min(channels * step**2, filters // groups) >= FEWEST_CHANNELS
    if not square or not wide or min(windows) < 1 or not 2 <= size <= LARGEST_KERNEL:
        return 1.0
    tiling = best_tiling(size, (0, 0), (windows[0] + size - 1, windows[1] + size - 1))
    return math.prod(windows) * kernel**2 / (tiling.products * step**2)


def convolve(input: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: Pair, groups: int) -> Tensor:
    """`torch.nn.functional.conv2d` of (N, C, H, W) with (out, C / groups, r, r), where there is a `saving`; it has a
    first derivative. The answer, (N, out, H', W'), lies channels last."""
    if stride > 1:
        input, weight, padding = _unstrided(input, weight, stride, padding)
    output: Tensor = _Convolution.apply(input, weight, bias, padding, groups)  # type: ignore[no-untyped-call]
    return output


def _unstrided(input: Tensor, weight: Tensor, stride: int, padding: Pair) -> tuple[Tensor, Tensor, Pair]:
    """The same convolution with stride 1: s × s pixels of C channels are read as one of s² C channels, and so are
    kernels, with zeros behind them where s does not divide r."""
    kernel = weight.shape[2]
    size = -(-kernel // stride)
    behind = [  # fewer than none where pixels are left over
        ((side + 2 * pad - kernel) // stride + size) * stride - side - pad
        for side, pad in zip(input.shape[2:], padding, strict=True)
    ]
    missing = size * stride - kernel
    maps = F.pad(input.permute(0, 2, 3, 1), (0, 0, padding[1], behind[1], padding[0], behind[0]))
    kernels = F.pad(weight.permute(0, 2, 3, 1), (0, 0, 0, missing, 0, missing))
    return _in_blocks(maps, stride), _in_blocks(kernels, stride), (0, 0)


def _in_blocks(maps: Tensor, stride: int) -> Tensor:
    """(N, H, W, C) as (N, s² C, H / s, W / s), channels last in memory."""
    blocks = maps.unflatten(1, (-1, stride)).unflatten(3, (-1, stride))
    return blocks.permute(0, 1, 3, 2, 4, 5).flatten(3).permute(0, 3, 1, 2)


class _Convolution(torch.autograd.Function):
    """With stride 1. Inside, maps are (N, H, W, C); at the points, tiles are matrices, (t · t · groups, tiles, C /
    groups), and kernels (t · t · groups, C / groups, out / groups)."""

    @staticmethod
    def forward(ctx: Context, input: Tensor, weight: Tensor, bias: Tensor, padding: Pair, groups: int) -> Tensor:
        filters, channels, kernel, _ = weight.shape
        maps = _pixels(input)
        work = _Work(best_tiling(kernel, padding, (maps.shape[1], maps.shape[2])), groups, maps)
        kernels = work.kernels_at_points(weight)
        output = maps.new_empty(len(maps), *work.tiling.outputs, filters)
        kept = []
        for some, answers in zip(maps.split(work.at_once), output.split(work.at_once), strict=True):
            values = maps.new_empty(kernels.shape[0], len(some) * work.tiles, channels)
            work.to_points(some, values)
            kept.append(values)
            products = work.memory("products", kernels.shape[0], values.shape[1], filters // groups)
            torch.bmm(values, kernels, out=products)
            work.at_one(products).add_(bias.view(groups, 1, -1))
            work.from_points(products, answers)
        ctx.save_for_backward(kernels, *kept)
        ctx.work = work.tiling, groups, weight.shape
        return output.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
        kernels, *kept = ctx.saved_tensors
        tiling, groups, shape = ctx.work
        slopes = _pixels(gradient)
        work = _Work(tiling, groups, slopes)
        of_kernels, of_bias = torch.zeros_like(kernels), slopes.new_zeros(groups, shape[0] // groups)
        of_input = slopes.new_empty(len(slopes), *tiling.maps, shape[1] * groups) if ctx.needs_input_grad[0] else None
        for place, (some, values) in enumerate(zip(slopes.split(work.at_once), kept, strict=True)):
            products = work.memory("products", kernels.shape[0], values.shape[1], shape[0] // groups)
            work.from_points_transposed(some, products)
            of_kernels.baddbmm_(values.transpose(1, 2), products)
            of_bias += work.at_one(products).sum(dim=1)
            if of_input is not None:
                torch.bmm(products, kernels.transpose(1, 2), out=values)
                first = place * work.at_once
                work.to_points_transposed(values, of_input[first : first + len(some)])
        of_weight = work.kernels_at_points_transposed(of_kernels, shape)
        return None if of_input is None else of_input.permute(0, 3, 1, 2), of_weight, of_bias.flatten(), None, None


def _pixels(maps: Tensor) -> Tensor:
    """(N, C, H, W) as (N, H, W, C), channels beside each other in memory."""
    pixels = maps.permute(0, 2, 3, 1)
    return pixels if pixels.stride(3) == 1 else pixels.contiguous()


class _Work:
    """The steps of one pass: from maps to points and back, and the same transposed, which is what gradients take.

    Tiles are (t, t, groups, N, down, across, C / groups), outputs of tiles m × m.
    """

    def __init__(self, tiling: Tiling, groups: int, like: Tensor) -> None:
        self.tiling, self.groups = tiling, groups
        self.tiles = math.prod(tiling.counts)
        self.at_once = max(1, TILES_AT_ONCE // self.tiles)
        self._outputs, self._kernels, self._inputs = transforms(tiling.side, tiling.kernel, like.dtype)
        self._like = like
        self._pieces: dict[str, Tensor] = {}

    def memory(self, name: str, *shape: int, zeros: bool = False) -> Tensor:
        """A piece of memory, the same one for a `name` where it is large enough; of `zeros` where nothing was ever
        written to it."""
        size = math.prod(shape)
        if name not in self._pieces or self._pieces[name].numel() < size:
            self._pieces[name] = self._like.new_zeros(size) if zeros else self._like.new_empty(size)
        return self._pieces[name][:size].view(shape)

    def at_one(self, products: Tensor) -> Tensor:
        """What stands at the point (1, 1): (groups, tiles, out / groups)."""
        return products.unflatten(0, (self.tiling.points, self.tiling.points, self.groups))[ONE, ONE]

    def kernels_at_points(self, weight: Tensor) -> Tensor:
        """G kernel G', of (out, C / groups, r, r)."""
        kernels = weight.unflatten(0, (self.groups, -1)).permute(3, 4, 0, 2, 1).contiguous()
        values = kernels.new_empty(*[self.tiling.points] * 2, *kernels.shape[2:])
        self._both_sides(self._kernels, kernels, values)
        return values.flatten(0, 2)

    def kernels_at_points_transposed(self, values: Tensor, shape: torch.Size) -> Tensor:
        """The gradient of weights of `shape`, channels last in memory."""
        kernels = values.new_empty(*shape[2:], self.groups, shape[1], shape[0] // self.groups)
        self._both_sides(self._kernels.t(), values, kernels)
        return kernels.permute(2, 4, 0, 1, 3).flatten(0, 1).contiguous().permute(0, 3, 1, 2)

    def to_points(self, maps: Tensor, values: Tensor) -> None:
        """B input B', of all tiles of some maps."""
        if maps.shape[1:3] != self.tiling.covered:
            wide = self.memory("maps", len(maps), *self.tiling.covered, maps.shape[3], zeros=True)
            self._inner(wide).copy_(maps)
            maps = wide
        size = self.tiling.points
        self._both_sides(self._inputs, self._copied("tiles", self._view(maps, size, size)), values)

    def to_points_transposed(self, values: Tensor, maps: Tensor) -> None:
        """Where tiles overlap, what they say of a pixel is added up."""
        tiles = self.memory("tiles", *self._shape(self.tiling.points, len(maps), maps.shape[3]))
        self._both_sides(self._inputs.t(), values, tiles)
        wide = self.memory("maps", len(maps), *self.tiling.covered, maps.shape[3]).zero_()
        blocks = [slice(start, start + self.tiling.side) for start in range(0, self.tiling.points, self.tiling.side)]
        for rows in blocks:  # in a block, pixels of tiles lie side by side
            for columns in blocks:
                block = tiles[rows, columns]
                self._view(wide[:, rows.start :, columns.start :], *block.shape[:2]).add_(block)
        maps.copy_(self._inner(wide))

    def from_points(self, products: Tensor, maps: Tensor) -> None:
        """A' products A, of all tiles of some maps."""
        tiles = self.memory("outputs", *self._shape(self.tiling.side, len(maps), maps.shape[3]))
        self._both_sides(self._outputs, products, tiles)
        wide = self._with_standing_out(maps)
        self._view(wide, *tiles.shape[:2]).copy_(tiles)
        if wide is not maps:
            maps.copy_(wide[:, : maps.shape[1], : maps.shape[2]])

    def from_points_transposed(self, maps: Tensor, products: Tensor) -> None:
        """A gradient A'."""
        wide = self._with_standing_out(maps)
        if wide is not maps:
            wide[:, : maps.shape[1], : maps.shape[2]].copy_(maps)
        size = self.tiling.side
        self._both_sides(self._outputs.t(), self._copied("outputs", self._view(wide, size, size)), products)

    def _both_sides(self, matrix: Tensor, values: Tensor, into: Tensor) -> None:
        """matrix · values · matrix', of (i, i, ...) to (o, o, ...)."""
        out, given = matrix.shape
        between = self.memory("between", out, given * (values.numel() // given**2))
        torch.mm(matrix, values.view(given, -1), out=between)
        torch.bmm(matrix.expand(out, out, given), between.view(out, given, -1), out=into.view(out, out, -1))

    def _copied(self, name: str, view: Tensor) -> Tensor:
        return self.memory(name, *view.shape).copy_(view)

    def _shape(self, size: int, count: int, channels: int) -> tuple[int, ...]:
        return size, size, self.groups, count, *self.tiling.counts, channels // self.groups

    def _view(self, maps: Tensor, height: int, width: int) -> Tensor:
        """The first pixels of each tile of (N, H, W, C): (height, width, groups, N, down, across, C / groups)."""
        picture, row, pixel, _ = maps.stride()
        channels, step = maps.shape[3] // self.groups, self.tiling.side
        shape = height, width, self.groups, len(maps), *self.tiling.counts, channels
        return maps.as_strided(shape, (row, pixel, channels, picture, step * row, step * pixel, 1))

    def _inner(self, wide: Tensor) -> Tensor:
        """The maps in what is covered by tiles."""
        (above, left), (height, width) = self.tiling.padding, self.tiling.maps
        return wide[:, above : above + height, left : left + width]

    def _with_standing_out(self, maps: Tensor) -> Tensor:
        """Memory for outputs and what stands out over them; the outputs themselves where nothing does."""
        height, width = (count * self.tiling.side for count in self.tiling.counts)
        if maps.shape[1:3] == (height, width):
            return maps
        return self.memory("standing out", len(maps), height, width, maps.shape[3], zeros=True)
