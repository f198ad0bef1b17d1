"""AlexNet: one module whose children are conv1 ... fc8 in every variant."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from alexnet.errors import ModelFileError, UsageError
from alexnet.models import variants
from alexnet.models.initial import init_weights
from alexnet.models.layers import Conv, Dense, Flatten, Layer, MaxPool, ReLU, Shape
from alexnet.models.variants import Variant
from alexnet.preprocess import Preprocess


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


class AlexNet(nn.Module):
    """A network of the family: pictures, float (N, C, H, W), to logits, float (N, classes)."""

    def __init__(self, variant: Variant, classes: int, shape: Shape) -> None:
        super().__init__()
        self.variant = variant
        self.classes = classes
        self.input_shape = shape
        self.layers = place(variant, classes, shape)
        for each in self.layers:
            self.add_module(each.name, each.layer.module(each.input))
        self._order = _execution_order(self.layers)
        init_weights(self, variant.init)

    @property
    def head(self) -> str:
        """The name of the layer that gives one value a class."""
        return next(each.name for each in reversed(self.layers) if isinstance(each.layer, Conv | Dense))

    def on(self, device: torch.device) -> "AlexNet":
        """Move to `device`, kernels channels last in memory, as convolutions like it."""
        self.to(device)
        for parameter in self.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return self

    def load_weights(self, state: dict[str, Tensor], origin: object) -> None:
        """Take weights whose names and shapes all match; `origin` is named in the error.

        Errors: ModelFileError naming the first tensor that does not match.
        """
        self.refuse_misfits(state, origin)
        self.load_state_dict(state)

    def refuse_misfits(self, state: dict[str, Tensor], origin: object) -> None:
        """Errors: ModelFileError naming the first tensor whose name or shape does not match."""
        wanted = {name: tuple(tensor.shape) for name, tensor in self.state_dict().items()}
        given = {name: tuple(tensor.shape) for name, tensor in state.items()}
        for name in [*wanted, *sorted(given.keys() - wanted.keys())]:
            if wanted.get(name) != given.get(name):
                raise ModelFileError(
                    f"{origin} does not fit {self.variant.name}: {name} is {given.get(name, 'missing')}, "
                    f"{wanted.get(name, 'nothing')} is expected"
                )

    @torch.no_grad()
    def cool(self, temperature: float) -> None:
        """Divide the logits by `temperature` for good, in the last layer's weights: the order of a picture's classes
        stays as it is, the probabilities become more even (above 1) or less (below 1)."""
        for parameter in self.get_submodule(self.head).parameters():
            parameter.div_(temperature)

    def in_order(self) -> list[nn.Module]:
        """The children as they run one after another (see `_execution_order`)."""
        return [self.get_submodule(name) for name in self._order]

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of a batch."""
        values = pictures
        for name in self._order:
            values = getattr(self, name)(values)
        return values


def _execution_order(layers: list[Placed]) -> list[str]:
    """The layers' order, but max pooling before the ReLU that precedes it.

    The two commute exactly, ties and gradients included (the maximum of rectified values is the rectified
    maximum), and the ReLU then works on a map four to nine times smaller.
    """
    names = [each.name for each in layers]
    for index, (first, second) in enumerate(itertools.pairwise(layers)):
        if isinstance(first.layer, ReLU) and isinstance(second.layer, MaxPool):
            names[index], names[index + 1] = names[index + 1], names[index]
    return names


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    image_size: int | None = None,
) -> AlexNet:
    """A network of the variant called `name`, freshly initialised from torch's generator.

    What is not said comes from the source: its classes, channels and picture size.

    >>> create_model("notebook-mnist")(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])

    Errors: UsageError for an unknown name, numbers below 1, or a size that leaves nothing of a picture.
    """
    for what, given in (("num_classes", num_classes), ("in_channels", in_channels), ("image_size", image_size)):
        if given is not None and (type(given) is not int or given < 1):
            raise UsageError(f"{what} must be a whole number from 1 up, not {given!r}")
    variant = variants.find(name)
    channels, height, width = variant.input
    if image_size is not None:
        height = width = image_size
    return AlexNet(variant, num_classes or variant.classes, (in_channels or channels, height, width))


def list_models() -> list[str]:
    """The names that `create_model` takes."""
    return sorted(variants.VARIANTS)


def probabilities(network: nn.Module, preprocess: Preprocess, stored: Tensor) -> Tensor:
    """Class probabilities, float32 (N, classes), of stored pictures, uint8 (N, C, S, S).

    Softmax of the logits of each test view, then the mean over the views: the one way to an answer.
    """
    return mean_over_views(logits_of_views(network, preprocess, stored))


def logits_of_views(network: nn.Module, preprocess: Preprocess, stored: Tensor) -> list[Tensor]:
    """The logits of each test view, float32 (N, classes), of stored pictures, uint8 (N, C, S, S)."""
    return [network(view).float() for view in preprocess.test_views(stored)]


def mean_over_views(logits: list[Tensor]) -> Tensor:
    """Softmax of the logits of each test view, then the mean over the views."""
    answers = [view.softmax(dim=1) for view in logits]
    return answers[0] if len(answers) == 1 else torch.stack(answers).mean(dim=0)


def parameter_count(network: nn.Module) -> int:
    """All numbers that training sets: weights and biases, without running statistics."""
    return sum(math.prod(parameter.shape) for parameter in network.parameters())
