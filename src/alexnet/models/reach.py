"""Which pixels of a map reach a logit at all.

Where windows do not divide a map, its last rows and columns are dropped: a 2 × 2 pooling of 11 × 11 never looks at the
11th. Nothing then depends on what the convolution before it computes there, nor on the pixels that only went into
that. Followed back to the picture it adds up: `notebook-mnist` answers by 26 × 26 of its 28 × 28 pixels.
"""

from torch import Tensor

from alexnet.models.layers import AdaptiveAveragePool, BatchNorm, Conv, Flatten, Layer, MapNorm, MaxPool, Shape
from alexnet.models.placing import Placed

Sides = tuple[int, int]
"""Height and width in pixels."""


def narrowings(layers: list[Placed], *, training: bool) -> dict[str, Sides]:
    """How much of its input each convolution needs, by name: the first rows and columns. Named are those that compute
    less for it, once the ones before them are narrowed.

    In `training` batch norm looks at whole maps, for its mean and variance; afterwards it looks at nothing.
    """
    needed: dict[str, Sides] = {}
    sides: Sides = (0, 0)
    maps = [each for each in layers if len(each.input) == 3]
    for each in reversed(maps):
        needed[each.name] = sides = _needed(each.layer, each.input, sides, training)
    found = {}
    shape = layers[0].input
    for each in maps:
        narrow = (shape[0], *needed[each.name])
        if isinstance(each.layer, Conv) and each.layer.output(narrow) != each.layer.output(shape):
            found[each.name] = needed[each.name]
            shape = narrow
        shape = each.layer.output(shape)
    return found


def narrowed(values: Tensor, sides: Sides) -> Tensor:
    """The first rows and columns of (N, C, H, W): (N, C, *sides)."""
    return values[:, :, : sides[0], : sides[1]]


def _needed(layer: Layer, shape: Shape, behind: Sides, training: bool) -> Sides:
    """The sides of an input of `shape` (C, H, W) that `layer` needs where `behind` is needed of its output."""
    whole: Sides = (shape[1], shape[2])
    looks_everywhere = isinstance(layer, Flatten | AdaptiveAveragePool | MapNorm)
    if looks_everywhere or (training and isinstance(layer, BatchNorm)):
        return whole
    if not isinstance(layer, Conv | MaxPool):
        return behind
    height, width = (
        min(side, (count - 1) * layer.stride + layer.kernel - layer.pads(side)[0])
        for side, count in zip(whole, behind, strict=True)
    )
    return height, width
