"""The steps of fast convolution: maps and kernels led to the points, outputs led back, and the same transposed.

The values of all tiles at one point are a matrix, so that what lies between is t² matrix products. A slice of the batch
is led from the maps to its outputs before the next one, in memory that is used again, so that most of it stays in the
cache.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from alexnet.models.tiling import ONE, Tiling, transforms

TILES_AT_ONCE = 256
"""Rows of a matrix product: enough for it to be fast."""


def pixels(maps: Tensor) -> Tensor:
    """(N, C, H, W) as (N, H, W, C), channels beside each other in memory."""
    seen = maps.permute(0, 2, 3, 1)
    return seen if seen.stride(3) == 1 else seen.contiguous()


def _in_blocks(maps: Tensor, stride: int) -> Tensor:
    """(N, H, W, C) as (N, H / s, W / s, s² C)."""
    columns = torch.unflatten(maps, 2, (-1, stride))
    return torch.unflatten(columns, 1, (-1, stride)).transpose(2, 3).flatten(3)


def _out_of_blocks(blocks: Tensor, stride: int) -> Tensor:
    """The other way."""
    return torch.unflatten(blocks, 3, (stride, stride, -1)).transpose(2, 3).flatten(3, 4).flatten(1, 2)


class AtPoints:
    """The steps of one pass: from maps to the points and back, and the same transposed, which is what gradients take.

    Tiles are (t, t, groups, N, down, across, s² C / groups), outputs of tiles (m, m, groups, N, ..., out / groups).
    """

    def __init__(self, tiling: Tiling, groups: int, like: Tensor) -> None:
        self._tiling, self._groups, self._like = tiling, groups, like
        matrices = transforms(tiling.side, tiling.size)
        self._outputs, self._kernels, self._inputs = (torch.from_numpy(each).to(like) for each in matrices)
        self._pieces: dict[str, Tensor] = {}

    def answer(
        self, maps: Tensor, kernels: Tensor, bias: Tensor, kept: Tensor | None, *, rectified: bool = False
    ) -> Tensor:
        """The convolution, (N, out, H', W'), of maps and kernels at their points. What the maps are at the points goes
        to `kept`, as many numbers a picture as there are; the rows of a slice hold its matrices."""
        output = maps.new_empty(len(maps), *self._tiling.outputs, len(bias))
        for some in self.slices(len(maps)):
            values = self.values(kernels, len(maps[some]), None if kept is None else kept[some])
            self.to_points(maps[some], values)
            products = self.products(kernels, values)
            torch.bmm(values, kernels, out=products)
            self.at_one(products).add_(bias.view(self._groups, 1, -1))
            self.from_points(products, output[some])
            if rectified:
                output[some].relu_()
        return output.permute(0, 3, 1, 2)

    def slices(self, count: int) -> list[slice]:
        """Of so many pictures, those that are worked on together."""
        at_once = max(1, TILES_AT_ONCE // math.prod(self._tiling.counts))
        return [slice(first, first + at_once) for first in range(0, count, at_once)]

    def values(self, kernels: Tensor, count: int, kept: Tensor | None) -> Tensor:
        """Where so many pictures are at the points: what is `kept` of them, or memory for it."""
        shape = len(kernels), count * math.prod(self._tiling.counts), kernels.shape[1]
        return self.memory("values", *shape) if kept is None else kept.view(shape)

    def products(self, kernels: Tensor, values: Tensor) -> Tensor:
        """Memory for outputs at the points."""
        return self.memory("products", *values.shape[:2], kernels.shape[2])

    def memory(self, name: str, *shape: int, zeros: bool = False) -> Tensor:
        """A piece of memory, the same one for a `name` where it is large enough. With `zeros`, what is never written
        stays zero."""
        size = math.prod(shape)
        if name not in self._pieces or self._pieces[name].numel() < size:
            self._pieces[name] = self._like.new_zeros(size) if zeros else self._like.new_empty(size)
        return self._pieces[name][:size].view(shape)

    def at_one(self, products: Tensor) -> Tensor:
        """What stands at the point (1, 1): (groups, tiles, out / groups)."""
        return torch.unflatten(products, 0, (self._tiling.points, self._tiling.points, self._groups))[ONE, ONE]

    def kernels_at_points(self, weight: Tensor) -> Tensor:
        """G kernel G', of (out, C / groups, kernel, kernel)."""
        size, stride = self._tiling.size, self._tiling.stride
        missing = size * stride - self._tiling.kernel
        by_group = torch.unflatten(F.pad(weight, (0, missing, 0, missing)), 0, (self._groups, -1))
        by_block = torch.unflatten(torch.unflatten(by_group, 4, (size, stride)), 3, (size, stride))
        kernels = by_block.permute(3, 5, 0, 4, 6, 2, 1).flatten(3, 5).contiguous()
        values = kernels.new_empty(self._tiling.points, self._tiling.points, *kernels.shape[2:])
        self._both_sides(self._kernels, kernels, values)
        return values.flatten(0, 2)

    def kernels_at_points_transposed(self, values: Tensor, channels: int) -> Tensor:
        """The gradient of weights, of so many `channels` a group; it lies channels last in memory."""
        size, stride, kernel = self._tiling.size, self._tiling.stride, self._tiling.kernel
        kernels = values.new_empty(size, size, self._groups, *values.shape[1:])
        self._both_sides(self._kernels.t(), values, kernels)
        by_block = torch.unflatten(kernels, 3, (stride, stride, channels)).permute(2, 6, 0, 3, 1, 4, 5)
        padded = by_block.flatten(4, 5).flatten(2, 3).flatten(0, 1)
        return padded[:, :kernel, :kernel].contiguous().permute(0, 3, 1, 2)

    def to_points(self, maps: Tensor, values: Tensor) -> None:
        """B' input B, of all tiles of some maps."""
        if maps.shape[1:3] != self._tiling.covered or any(self._tiling.padding):
            wide = self.memory("maps", len(maps), *self._tiling.covered, maps.shape[3], zeros=True)
            inner = self._inner(wide)
            inner.copy_(maps[:, : inner.shape[1], : inner.shape[2]])
            maps = wide
        view = self._view(_in_blocks(maps, self._tiling.stride), self._tiling.points, self._tiling.points)
        tiles = self.memory("tiles", *view.shape)
        self._both_sides(self._inputs, tiles.copy_(view), values)

    def to_points_transposed(self, values: Tensor, maps: Tensor) -> None:
        """Where tiles overlap, what they say of a pixel is added up."""
        points, side, stride = self._tiling.points, self._tiling.side, self._tiling.stride
        height, width = self._tiling.covered
        blocks = self.memory("sums", len(maps), height // stride, width // stride, maps.shape[3] * stride**2).zero_()
        tiles = self.memory("tiles", *self._view(blocks, points, points).shape)
        self._both_sides(self._inputs.t(), values, tiles)
        parts = [slice(start, start + side) for start in range(0, points, side)]
        for rows in parts:  # within one, pixels of different tiles are different pixels
            for columns in parts:
                part = tiles[rows, columns]
                self._view(blocks[:, rows.start :, columns.start :], part.shape[0], part.shape[1]).add_(part)
        inner = self._inner(_out_of_blocks(blocks, stride))
        if inner.shape != maps.shape:  # no window looks at the last pixels
            maps.zero_()
        maps[:, : inner.shape[1], : inner.shape[2]].copy_(inner)

    def from_points(self, products: Tensor, maps: Tensor) -> None:
        """A' products A, of all tiles of some maps."""
        wide = self._with_what_stands_out(maps, zeros=False)
        view = self._view(wide, self._tiling.side, self._tiling.side)
        tiles = self.memory("outputs", *view.shape)
        self._both_sides(self._outputs, products, tiles)
        view.copy_(tiles)
        if wide is not maps:
            maps.copy_(wide[:, : maps.shape[1], : maps.shape[2]])

    def from_points_transposed(self, maps: Tensor, products: Tensor) -> None:
        """A gradient A', of all tiles of some maps."""
        wide = self._with_what_stands_out(maps, zeros=True)
        if wide is not maps:
            wide[:, : maps.shape[1], : maps.shape[2]].copy_(maps)
        view = self._view(wide, self._tiling.side, self._tiling.side)
        tiles = self.memory("outputs", *view.shape)
        self._both_sides(self._outputs.t(), tiles.copy_(view), products)

    def _both_sides(self, matrix: Tensor, values: Tensor, into: Tensor) -> None:
        """matrix · values · matrix', of (i, i, ...) to (o, o, ...); the two directions change places."""
        out, given = matrix.shape
        between = self.memory("between", given, out, values.numel() // given**2)
        torch.bmm(matrix.expand(given, out, given), values.view(given, given, -1), out=between)
        torch.bmm(matrix.expand(out, out, given), between.transpose(0, 1), out=into.view(out, out, -1))

    def _view(self, maps: Tensor, height: int, width: int) -> Tensor:
        """The first height × width pixels of each tile of (N, H, W, C)."""
        picture, row, pixel, _ = maps.stride()
        channels, step = maps.shape[3] // self._groups, self._tiling.side
        shape = height, width, self._groups, len(maps), *self._tiling.counts, channels
        return maps.as_strided(shape, (row, pixel, channels, picture, step * row, step * pixel, 1))

    def _inner(self, wide: Tensor) -> Tensor:
        """The maps in what is covered by tiles, or as much of them as is."""
        (above, left), (height, width) = self._tiling.padding, self._tiling.maps
        return wide[:, above : above + height, left : left + width]

    def _with_what_stands_out(self, maps: Tensor, *, zeros: bool) -> Tensor:
        """Memory for outputs and what stands out over them; the outputs themselves where nothing does."""
        height, width = (count * self._tiling.side for count in self._tiling.counts)
        if maps.shape[1:3] == (height, width):
            return maps
        return self.memory("standing out", len(maps), height, width, maps.shape[3], zeros=zeros)
