"""Every layer of a variant in its place, for pictures of a given shape: by arithmetic alone, nothing is built."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from alexnet.errors import UsageError
from alexnet.models.layers import Conv, Dense, Flatten, Layer, Shape
from alexnet.models.variants import Variant


@dataclass(frozen=True)
class Placed:
    """A layer in its place: its name in the network, its stage, its description, the shapes it meets."""

    name: str
    stage: str
    """The name of the layer with weights that it belongs to (see `Variant.stages`)."""
    layer: Layer
    input: Shape
    output: Shape


def place(variant: Variant, classes: int, shape: Shape) -> list[Placed]:
    """Every layer of `variant` for pictures of `shape` (C, H, W), by arithmetic alone.

    The layer with weights carries its stage's name (conv1, fc6); what belongs to it is named by kind and the
    stage's number (relu1, pool1, bn1, drop6). Where a convolution and a dense layer share a number, the
    convolution's say so (relu_conv6).

    Errors: UsageError when the picture is too small for it, with the smallest side that would do.
    """
    placed = _walk(variant, classes, shape)
    if any(side < 1 for each in placed for side in each.output):
        smallest = smallest_side(variant)
        raise UsageError(
            f"{variant.name} cannot take pictures of {shape[1]}×{shape[2]} pixels: "
            f"nothing would be left of them. The smallest side is {smallest} (--imgsz {smallest})"
        )
    return placed


def smallest_side(variant: Variant) -> int:
    """The side in pixels of the smallest square picture of which `variant` leaves anything."""
    channels = variant.input[0]
    return next(
        side
        for side in itertools.count(1)
        if all(length >= 1 for each in _walk(variant, 1, (channels, side, side)) for length in each.output)
    )


def _walk(variant: Variant, classes: int, shape: Shape) -> list[Placed]:
    placed = []
    for stage, layers in variant.stages.items():
        for layer in _with_flatten(layers, flat=len(shape) == 1):
            if isinstance(layer, Dense) and layer.units is None:
                layer = Dense(classes)  # noqa: PLW2901 (filled in here, once)
            elif isinstance(layer, Conv) and layer.filters is None:
                layer = replace(layer, filters=classes)  # noqa: PLW2901
            output = layer.output(shape)
            placed.append(Placed(_name(layer, stage, variant), stage, layer, shape, output))
            shape = output
    if len(shape) > 1:
        placed.append(Placed("flatten", stage, Flatten(), shape, Flatten().output(shape)))
    names = [each.name for each in placed]
    assert len(set(names)) == len(names), f"{variant.name}: two layers of one name among {names}"
    return placed


def _name(layer: Layer, stage: str, variant: Variant) -> str:
    if isinstance(layer, Flatten):
        return layer.kind
    if isinstance(layer, Conv | Dense):
        return stage
    number = stage.lstrip("convfiput") or "0"
    shared = stage.startswith("conv") and f"fc{number}" in variant.stages
    return f"{layer.kind}_{stage}" if shared else f"{layer.kind}{number}"


def _with_flatten(layers: tuple[Layer, ...], flat: bool) -> Iterator[Layer]:
    for layer in layers:
        if isinstance(layer, Dense) and not flat:
            yield Flatten()
            flat = True
        yield layer
