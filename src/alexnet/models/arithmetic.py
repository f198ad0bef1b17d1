"""What a layer costs and sees, by arithmetic alone: parameters, multiplications, receptive field, sides."""

import math
from collections.abc import Iterable

from alexnet.models.layers import AdaptiveAveragePool, BatchNorm, Conv, Dense, MapNorm, MaxPool
from alexnet.models.placing import Placed


def counts(placed: Placed) -> tuple[int, int]:
    """Parameters of a layer in all, and those trained."""
    layer, inputs = placed.layer, placed.input[0]
    if isinstance(layer, Conv):
        count = placed.output[0] * (inputs // layer.groups * layer.kernel**2 + 1)
        return count, count
    if isinstance(layer, Dense):
        count = placed.output[0] * (inputs + 1)
        return count, count
    if isinstance(layer, BatchNorm):
        trained = 2 * inputs if layer.affine else 0
        return trained + 2 * inputs, trained
    return 0, 0


def multiply_adds(placed: Placed) -> int:
    """Multiplications of a layer for one picture."""
    layer, inputs = placed.layer, placed.input[0]
    if isinstance(layer, Conv):
        return math.prod(placed.output) * inputs // layer.groups * layer.kernel**2
    return placed.output[0] * inputs if isinstance(layer, Dense) else 0


def flop(layers: Iterable[Placed], *, training: bool) -> float:
    """Additions and multiplications for one picture, dense layers and convolutions alone: of an answer, or of a step.

    A step costs three answers (forward, gradients of the weights, gradients of the inputs), less the gradient of the
    pictures themselves, which nobody asks for.
    """
    forward = [count for each in layers if (count := multiply_adds(each))]
    return 2.0 * (3 * sum(forward) - forward[0] if training else sum(forward))


def receptive_field(placed: Placed, field: int | None, stride: int | None) -> tuple[int | None, int | None]:
    """Receptive field and stride behind a layer, from those before it."""
    layer = placed.layer
    averaged = isinstance(layer, AdaptiveAveragePool) and placed.output != placed.input
    if field is None or stride is None or averaged or len(placed.output) == 1:
        return None, None
    if isinstance(layer, Conv | MaxPool):
        return field + (layer.kernel - 1) * stride, stride * layer.stride
    if isinstance(layer, MapNorm):
        return field + (layer.size - 1) * stride, stride
    return field, stride


def side(placed: Placed) -> str:
    """How the height follows, as one would work it out by hand: "⌊(224 + 0 + 3 - 11) / 4⌋ + 1 = 55"."""
    layer = placed.layer
    if not isinstance(layer, Conv | MaxPool):
        return ""
    side, out = placed.input[1], placed.output[1]
    before, behind = layer.pads(side)
    padded = f"({side} + {before} + {behind} - {layer.kernel})" if before + behind else f"({side} - {layer.kernel})"
    steps = f"{padded} / {layer.stride}" if layer.stride > 1 else padded
    steps = f"⌊{steps}⌋" if (side + before + behind - layer.kernel) % layer.stride else steps
    return f"{steps} + 1 = {out}"
