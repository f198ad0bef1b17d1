"""The arithmetic of fast convolution: how maps are cut into tiles, and the matrices that a tile is multiplied with.

A kernel of r × r makes a tile of m × m outputs from t × t inputs, t = m + r - 1. Read as polynomials, a tile is known
from its values at t points a direction, and there convolution is multiplication: t² products a pair of channels instead
of m² r², 64 instead of 400 for tiles of 4 × 4 and kernels of 5 × 5. A small matrix from the left and the right leads to
the points and back (the transforms of input, filter and output, as the field calls them):

    output = A' [ (G kernel G') · (B' input B) ] A,   summed over channels at each point

Sources: S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for
Convolutional Neural Networks, 2016; the points are those with which B. Barabasz and others, Error Analysis and
Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2020, lost the fewest digits.
"""

import functools
import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

POINTS = (0.0, 1.0, -1.0, 2.0, -0.5, 0.5, -2.0)
"""Where tiles are evaluated, besides infinity. With more of them digits get lost faster than products."""
ONE = 1
"""The place of 1 in them. What is added to a tile there, in both directions, is added once to each of its outputs."""
LARGEST_KERNEL = 5
"""r at most. A larger one leaves tiles too few outputs for their points."""
A_NUMBERS_WAY = 60
"""What it costs to lead a number to the points or back, in multiplications within a matrix product: measured on an AMD
EPYC with AVX2, whose products run at 174 GFLOP/s on two cores."""
FETCHING = 25
"""What it costs to fetch a number of a kernel, in the same: measured on the same machine for pictures alone, of which
a kernel meets few tiles."""
Pair = tuple[int, int]
Matrix = NDArray[np.float64]


class Transforms(NamedTuple):
    """The matrices of tiles with `m` outputs a side and kernels of `r`."""

    outputs: Matrix
    """A', (m, t)."""
    kernels: Matrix
    """G, (t, r)."""
    inputs: Matrix
    """B', (t, t)."""


@functools.cache
def transforms(m: int, r: int) -> Transforms:
    """The interpolation of Toom and Cook, transposed. Each row of B' is divided by a power of two near its largest
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
    return Transforms(outputs.T, kernels * (sizes / scales)[:, None], inputs / sizes[:, None])


@dataclass(frozen=True)
class Tiling:
    """How the maps of a convolution are cut; lengths in pixels.

    With a stride s, s × s pixels of C channels are read as one of s² C channels, and kernels too, with zeros behind
    them where s does not divide their side: what is left is a convolution with stride 1.
    """

    kernel: int
    """Its side."""
    stride: int
    """s."""
    padding: Pair
    """Zeros above and below, left and right."""
    maps: Pair
    """Height and width of the input."""
    side: int = 2
    """m."""

    @property
    def size(self) -> int:
        """r."""
        return -(-self.kernel // self.stride)

    @property
    def points(self) -> int:
        """t."""
        return self.side + self.size - 1

    @property
    def outputs(self) -> Pair:
        """Height and width of the output."""
        (height, width), (above, left) = self.maps, self.padding
        last = height + 2 * above - self.kernel, width + 2 * left - self.kernel
        return last[0] // self.stride + 1, last[1] // self.stride + 1

    @property
    def counts(self) -> Pair:
        """Tiles below and beside each other. The last ones may stand out over the output."""
        height, width = self.outputs
        return -(-height // self.side), -(-width // self.side)

    @property
    def covered(self) -> Pair:
        """Height and width of the input that all tiles together look at, from the first zero on."""
        down, across = self.counts
        return (down * self.side + self.size - 1) * self.stride, (across * self.side + self.size - 1) * self.stride

    @property
    def values(self) -> int:
        """Numbers a picture and channel that tiles have at their points, and multiplications with one kernel."""
        return math.prod(self.counts) * (self.points * self.stride) ** 2

    def work(self, pictures: int) -> int:
        """What a kernel costs for so many pictures, in multiplications: those with it, and fetching it."""
        return pictures * self.values + FETCHING * (self.points * self.stride) ** 2

    def saving(self, pictures: int) -> float:
        """How many times as much an ordinary convolution works."""
        return (pictures * math.prod(self.outputs) + FETCHING) * self.kernel**2 / self.work(pictures)

    def gain(self, channels: int, filters: int, pictures: int) -> float:
        """How many times as long an ordinary convolution takes, about, from so many channels a group to so many."""
        ways = A_NUMBERS_WAY * (1 / (channels * self.stride**2) + 1 / filters)
        return self.saving(pictures) / (1 + ways)


@functools.lru_cache(maxsize=1024)
def best_tiling(kernel: int, stride: int, padding: Pair, maps: Pair, pictures: int) -> Tiling | None:
    """The one with the least work for so many pictures; None where kernels are too small, too large, or larger than
    the maps."""
    cut = Tiling(kernel, stride, padding, maps)
    if not 2 <= cut.size <= LARGEST_KERNEL or min(cut.outputs) < 1:
        return None
    sides = range(2, len(POINTS) + 3 - cut.size)
    return min((replace(cut, side=side) for side in sides), key=lambda each: each.work(pictures))
