"""The named variants: each a literal to be laid beside its source and compared line by line.

A stage is one layer with weights and what follows it, in the order of the source.
"""

from dataclasses import dataclass, field
from typing import Literal

from alexnet.errors import UsageError, unknown
from alexnet.models.layers import BatchNorm, Conv, Dense, Dropout, Layer, MaxPool, ReLU, Shape


@dataclass(frozen=True)
class Variant:
    """One published network."""

    name: str
    source: str
    input: Shape
    """Channels, height, width of the source's pictures."""
    classes: int
    stages: dict[str, tuple[Layer, ...]] = field(hash=False)
    init: Literal["glorot-uniform"]
    """How the source fills its weights; see `network.init_weights`."""
    parameters: int
    """The total that the source prints, moving statistics included; checked by a test."""
    note: str
    """What sets it apart, in a few words."""
    keras_activations: Literal["layers", "arguments"] = "layers"
    """Whether the source's Keras table lists activations as rows of their own."""

    @property
    def has_batch_norm(self) -> bool:
        """Whether a batch of one picture is too small to train on."""
        return any(isinstance(layer, BatchNorm) for stage in self.stages.values() for layer in stage)


NOTEBOOK_FLOWERS = Variant(
    name="notebook-flowers",
    source="the 2023 teaching notebook, part A (17 flowers, Keras)",
    input=(3, 224, 224),
    classes=17,
    stages={
        "conv1": (Conv(96, 11, stride=4), ReLU(), MaxPool(3, 2), BatchNorm()),
        "conv2": (Conv(256, 5, padding="same"), ReLU(), MaxPool(3, 2), BatchNorm()),
        "conv3": (Conv(384, 3), ReLU(), BatchNorm()),
        "conv4": (Conv(384, 3), ReLU(), BatchNorm()),
        "conv5": (Conv(256, 3), ReLU(), MaxPool(3, 2), BatchNorm()),
        "fc6": (Dense(4096), ReLU(), Dropout(0.4), BatchNorm()),
        "fc7": (Dense(4096), ReLU(), Dropout(0.4), BatchNorm()),
        "fc8": (Dense(None),),
    },
    init="glorot-uniform",
    parameters=24_834_833,
    note="batch norm after every stage but the last, only conv2 padded",
)

NOTEBOOK_MNIST = Variant(
    name="notebook-mnist",
    source="the 2023 teaching notebook, part B (MNIST, Keras)",
    input=(1, 28, 28),
    classes=10,
    stages={
        "conv1": (Conv(32, 3), ReLU(), MaxPool(2, 2)),
        "conv2": (Conv(64, 3), ReLU(), MaxPool(2, 2)),
        "fc3": (Dense(128), ReLU(), Dropout(0.5)),
        "fc4": (Dense(None),),
    },
    init="glorot-uniform",
    parameters=225_034,
    note="two convolutions; far smaller than an AlexNet",
    keras_activations="arguments",
)

VARIANTS = {variant.name: variant for variant in (NOTEBOOK_FLOWERS, NOTEBOOK_MNIST)}


def find(name: str) -> Variant:
    """The variant called `name`. Errors: UsageError that suggests the nearest name."""
    if name not in VARIANTS:
        raise UsageError(unknown("model", name, VARIANTS))
    return VARIANTS[name]
