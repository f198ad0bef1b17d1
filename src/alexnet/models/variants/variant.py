"""What is known of one published network."""

from dataclasses import dataclass, field
from typing import Literal

from alexnet.models.initial import Init
from alexnet.models.layers import BatchNorm, Layer, Shape
from alexnet.preprocess import Preprocess


@dataclass(frozen=True)
class Accuracy:
    """A published result, in percent of right answers."""

    top1: float
    top5: float | None
    on: str
    """The pictures and the views, such as "ILSVRC-2012 validation, centre"."""
    source: str

    def __str__(self) -> str:
        return f"{self.top1:g} / {self.top5:g}" if self.top5 is not None else f"{self.top1:g}"


@dataclass(frozen=True)
class Variant:
    """One published network.

    A stage is one layer with weights and what belongs to it, in the order of the source; its name is the layer's,
    conv1 … fc8, so that "fc7" means the same in all variants. A stage "input" stands before the first layer.
    """

    name: str
    source: str
    """Who published it and where: repository and file, or paper and section."""
    note: str
    """What sets it apart, in a few words."""
    preprocess: Preprocess
    """How the source prepares a picture at test time; its size and channels are the network's."""
    classes: int
    stages: dict[str, tuple[Layer, ...]] = field(hash=False)
    init: Init = field(hash=False)
    accuracy: Accuracy | None = None
    remarks: tuple[str, ...] = ()
    """What a careful reader should know: departures, contradictions between sources, open questions."""
    keras_activations: Literal["layers", "arguments"] = "layers"
    """Whether the source's Keras table lists activations as rows of their own."""

    def __post_init__(self) -> None:
        """Errors: ValueError for a start of stages that are not there."""
        if strangers := self.init.stages - self.stages.keys():
            raise ValueError(f"{self.name} has no stages {', '.join(sorted(strangers))}, but a start for them")

    @property
    def input(self) -> Shape:
        """Channels, height, width of the source's pictures."""
        return (self.preprocess.channels, self.preprocess.size, self.preprocess.size)

    @property
    def has_batch_norm(self) -> bool:
        """Whether a batch of one picture is too small to train on."""
        return any(isinstance(layer, BatchNorm) for stage in self.stages.values() for layer in stage)
