"""Convolution of a picture alone with a fraction of the multiplications, by tiles in one direction (see `tiling`).

Tiles in both directions save more of them, but take many steps, and small maps of one picture are through with the
products before they are through with the steps. In one direction there are few: a line of a map is cut into strips of
m outputs, known from their values at t = m + r - 1 points, and what lies between is an ordinary convolution with
kernels of r × 1, in as many groups as points: t r products instead of m r².
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from alexnet.models.tiling import LARGEST_KERNEL, ONE, POINTS, Pair, transforms

FEWEST = 3
"""Strips a line. With fewer the convolution between leaves the processor's registers unused."""
A_WAY_IN_ONE_DIRECTION = 30
"""What it costs to lead a number to the points or back, in multiplications of a convolution."""


class Strips:
    """A convolution of float32 maps of one size, with stride 1, whose weights stay as they are."""

    def __init__(
        self, weight: Tensor, bias: Tensor, padding: Pair, maps: Pair, groups: int, *, rectified: bool
    ) -> None:
        """`weight`, (out, C / groups, r, r). With `rectified`, a ReLU follows. `maps`: height and width, in pixels."""
        size = weight.shape[2]
        self._height, self._width = (side + 2 * zeros - size + 1 for side, zeros in zip(maps, padding, strict=True))
        self._side = best_side(size, self._width)
        self._strips = strips_a_line(size, self._width, self._side)
        self._zeros = padding[1], self._strips * self._side - maps[1] - padding[1]
        outputs, kernels, inputs = (torch.from_numpy(each).to(weight) for each in transforms(self._side, size))
        points = len(kernels)
        self._inputs = inputs.expand(maps[0] * self._strips, points, points)
        self._outputs = outputs.expand(self._height * self._strips, self._side, points)
        self._geometry = (padding[0], 0), (1, 1), (1, 1), points * groups
        at_points = torch.einsum("tx,ocyx->tocy", kernels, weight).flatten(0, 1).unsqueeze(3)
        shape = 1, points * groups * weight.shape[1], maps[0], self._strips
        self._kernels = torch.ops.mkldnn._reorder_convolution_weight(at_points, *self._geometry, shape)
        self._bias = F.one_hot(torch.tensor(ONE), points).to(bias).outer(bias).flatten()
        self._rectified = rectified

    def __call__(self, picture: Tensor) -> Tensor:
        """The answer to (1, C, H, W), channels last.

        The last strip of a line ends in the next one. No output that is kept depends on that, but for rounding, as long
        as all values are finite.
        """
        _, channels, height, _ = picture.shape
        lines = F.pad(picture[0].permute(1, 2, 0), (0, 0, *self._zeros, 0, 1))
        count, points, _ = self._inputs.shape
        strips = lines.as_strided((count, points, channels), (self._side * channels, channels, 1))
        values = torch.bmm(self._inputs, strips).view(1, height, self._strips, points * channels).permute(0, 3, 1, 2)
        products = torch.ops.mkldnn._convolution_pointwise(
            values, self._kernels, self._bias, *self._geometry, "none", [], ""
        )
        at_points = products.permute(0, 2, 3, 1).reshape(len(self._outputs), points, -1)
        answers = torch.bmm(self._outputs, at_points).view(1, self._height, self._strips * self._side, -1)
        kept = answers[:, :, : self._width].permute(0, 3, 1, 2)
        return kept.clamp_min(0) if self._rectified else kept.contiguous(memory_format=torch.channels_last)


def best_side(size: int, width: int) -> int:
    """m with the fewest products for lines of `width` outputs and kernels of `size`, if there are enough strips."""
    sides = [side for side in range(2, len(POINTS) + 3 - size) if strips_a_line(size, width, side) >= FEWEST]
    return min(sides or [2], key=lambda side: strips_a_line(size, width, side) * (side + size - 1))


def strips_a_line(size: int, width: int, side: int) -> int:
    """They reach over all that a line's outputs look at."""
    return -(-(width + size - 1) // side)


def gain(size: int, width: int, channels: int, filters: int) -> float:
    """How many times as long an ordinary convolution takes, about, from so many channels a group to so many; 0 where
    kernels are too small, too large, or larger than the maps."""
    if not 2 <= size <= LARGEST_KERNEL or width < 1:
        return 0.0
    side = best_side(size, width)
    saving = width * size / (strips_a_line(size, width, side) * (side + size - 1))
    return saving / (1 + A_WAY_IN_ONE_DIRECTION * (1 / channels + 1 / filters) / size)
