"""The arithmetic of fast convolution: how maps are cut into tiles, and the matrices that a tile is multiplied with.

A kernel of r × r makes a tile of m × m outputs from t × t inputs, t = m + r - 1. Read as polynomials, a tile is known
from its values at t points a direction, and there convolution is multiplication: t² products a pair of channels instead
of m² r², 64 instead of 400 for tiles of 4 × 4 and kernels of 5 × 5. A small matrix from the left and the right leads to
the points and back:

    output = A' [ (G kernel G') · (B input B') ] A,   summed over channels at each point

Sources: S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for
Convolutional Neural Networks, 2016; the points are among those that B. Barabasz and others, Error Analysis and Improving
the Accuracy of Winograd Convolution for Deep Neural Networks, 2020, found to lose the fewest digits.
"""

import functools
import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

POINTS = (0.0, 1.0, -1.0, 2.0, -0.5, 0.5, -2.0)
"""Where tiles are evaluated, besides infinity. With more of them digits get lost faster than products."""
ONE = 1
"""The place of 1 in them. What is added to a tile there, in both directions, is added once to each of its outputs."""
LARGEST_KERNEL = 5
"""r: of those tried. A larger one leaves tiles too few outputs for their points."""
Pair = tuple[int, int]


class Transforms(NamedTuple):
    """The matrices of tiles with `m` outputs a side and kernels of `r`."""

    outputs: Tensor
    """A', (m, t)."""
    kernels: Tensor
    """G, (t, r)."""
    inputs: Tensor
    """B, (t, t)."""


@functools.cache
def transforms(m: int, r: int, dtype: torch.dtype) -> Transforms:
    """The interpolation of Toom and Cook, transposed. Each row of B is divided by a power of two near its largest
    number, and the row of G multiplied by it."""
    points = np.array(POINTS[: m + r - 2])
    inputs = np.zeros((len(points) + 1, len(points) + 1))
    scales = np.ones(len(inputs))
    for place, point in enumerate(points):
        others = np.delete(points, place)
        inputs[place, :-1] = np.poly(others)[::-1]
        scales[place] = np.prod(point - others)
    inputs[-1] = np.poly(points)[::-1]
    sizes = 2.0 ** np.round(np.log2(np.abs(inputs).max(axis=1)))
    outputs, kernels = (np.vstack([np.vander(points, n, increasing=True), np.eye(n)[-1]]) for n in (m, r))
    found = outputs.T, kernels * (sizes / scales)[:, None], inputs / sizes[:, None]
    return Transforms(*(torch.tensor(each, dtype=dtype) for each in found))


@dataclass(frozen=True)
class Tiling:
    """How the maps of a convolution with stride 1 are cut; lengths in pixels."""

    kernel: int
    """r."""
    padding: Pair
    """Zeros above and below, left and right."""
    maps: Pair
    """Height and width of the input."""
    side: int = 2
    """m."""

    @property
    def points(self) -> int:
        """t."""
        return self.side + self.kernel - 1

    @property
    def outputs(self) -> Pair:
        """Height and width of the output."""
        (height, width), (above, left) = self.maps, self.padding
        return height + 2 * above - self.kernel + 1, width + 2 * left - self.kernel + 1

    @property
    def counts(self) -> Pair:
        """Tiles below and beside each other. The last ones may stand out over the output."""
        height, width = self.outputs
        return -(-height // self.side), -(-width // self.side)

    @property
    def covered(self) -> Pair:
        """Height and width of the input that all tiles together look at."""
        down, across = self.counts
        return down * self.side + self.kernel - 1, across * self.side + self.kernel - 1

    @property
    def products(self) -> int:
        """Multiplications a picture and pair of channels."""
        return math.prod(self.counts) * self.points**2

    @property
    def products_saved(self) -> float:
        """How many times as many a convolution takes."""
        return math.prod(self.outputs) * self.kernel**2 / self.products


@functools.cache
def best_tiling(kernel: int, padding: Pair, maps: Pair) -> Tiling:
    """The one with the fewest products."""
    cut = Tiling(kernel, padding, maps)
    return min((replace(cut, side=side) for side in range(2, len(POINTS) + 3 - kernel)), key=lambda each: each.products)
