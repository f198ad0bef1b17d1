"""AlexNet: one module whose children are conv1 ... fc8 in every variant."""

import itertools
import math

import torch
from torch import Tensor, nn

from alexnet.errors import ModelFileError, UsageError
from alexnet.models import reach, variants
from alexnet.models.initial import init_weights
from alexnet.models.layers import Conv, Dense, MaxPool, ReLU, Shape
from alexnet.models.placing import Placed, place
from alexnet.models.variants import Variant
from alexnet.preprocess import Preprocess


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
        self._narrowings = reach.narrowings(self.layers, training=True)
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
                parameter.data = channels_last(parameter.data)
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

    def in_order(self) -> dict[str, nn.Module]:
        """The children as they run one after another (see `_execution_order`), by name."""
        return {name: self.get_submodule(name) for name in self._order}

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of a batch. In training nothing is computed that reaches none of them (see `reach`)."""
        values = pictures
        narrow = self.training and pictures.shape[1:] == self.input_shape
        for name in self._order:
            if narrow and name in self._narrowings:
                values = reach.narrowed(values, self._narrowings[name])
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


def channels_last(kernels: Tensor) -> Tensor:
    """A copy of (out, in, height, width) that lies channels last in memory, and says so.

    Of kernels for one channel PyTorch's own call leaves the strides as they are, since both orders are the same there;
    the convolution, asking the strides, then answers grey pictures channels first, and all that follows is slower.
    """
    return kernels.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format).permute(0, 3, 1, 2)


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
