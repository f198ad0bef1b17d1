"""How a network starts: batch-norm constants, weights from elsewhere, layers that stand still."""

from pathlib import Path

from torch import nn

from alexnet.errors import UsageError
from alexnet.models import foreign
from alexnet.models.network import AlexNet, parameter_count
from alexnet.progress import Display
from alexnet.training.recipe import Recipe


def prepare(
    network: AlexNet,
    classes: tuple[str, ...],
    recipe: Recipe,
    weights_from: Path | None,
    frozen: str | None,
    display: Display,
) -> tuple[str, ...]:
    """Make a fresh network for `classes` ready to be trained; returns the names of its children that stand still.

    Errors: ModelFileError when other weights do not fit; UsageError for layers that are not there.
    """
    if recipe.batch_norm_momentum is not None:
        set_batch_norm_momentum(network, recipe.batch_norm_momentum)
    if weights_from is not None:
        start_from(network, classes, weights_from, display)
    if frozen is not None and weights_from is None:
        raise UsageError(f"--freeze {frozen} keeps layers as they are, which needs --weights: fresh ones know nothing")
    names = freeze(network, frozen) if frozen is not None else ()
    if names:
        trained = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
        display.say(f"{frozen} stand still: {trained:,} of {parameter_count(network):,} parameters are trained")
    return names


def set_batch_norm_momentum(network: AlexNet, momentum: float) -> None:
    """Set the weight of the newest batch in all moving statistics."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = momentum


def start_from(network: AlexNet, classes: tuple[str, ...], file: Path, display: Display) -> None:
    """Load weights; the last layer is left fresh when its classes, by name and order, are
    others.

    Errors: ModelFileError when the variant is another or the weights do not fit.
    """
    matched = foreign.read(file, network.variant.name)
    state, card = matched.state, matched.card
    head = network.head
    fresh = network.state_dict()
    if card.classes != classes:
        others = "other ones" if len(card.classes) == len(classes) else str(len(classes))
        display.say(f"{head} starts anew: {file} knows {len(card.classes)} classes, the data have {others}")
        state |= {name: tensor for name, tensor in fresh.items() if name.startswith(f"{head}.")}
    network.load_weights(state, file)
    display.say(f"weights from {file} ({matched.form})")


def freeze(network: AlexNet, layers: str) -> tuple[str, ...]:
    """Keep `layers` as they are; returns the names of all children that stand still.

    Errors: UsageError for unknown layers, or when nothing is left to train.
    """
    names = frozen_layers(layers, [name for name, _ in network.named_children()])
    for name in names:
        for parameter in network.get_submodule(name).parameters():
            parameter.requires_grad = False
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UsageError(f"--freeze {layers!r} leaves nothing to train")
    return names


def frozen_layers(freeze: str, children: list[str]) -> tuple[str, ...]:
    """The children of a network that `freeze` names: `conv1-conv5` means from conv1 to conv5 with all that
    belongs to those stages; several ranges or names are divided by commas.

    >>> frozen_layers("conv1", ["conv1", "relu1", "bn1", "conv2"])
    ('conv1', 'relu1', 'bn1')

    Errors: UsageError for a name that the network does not have.
    """
    stages = [name for name in children if name.startswith(("conv", "fc"))]
    chosen: set[str] = set()
    for item in freeze.split(","):
        first, to, last = item.strip().partition("-")
        last = last if to else first
        for name in (first, last):
            if name not in stages:
                raise UsageError(f"--freeze {freeze!r}: the network has no {name!r}; it has {', '.join(stages)}")
        if stages.index(first) > stages.index(last):
            raise UsageError(f"--freeze {freeze!r}: {first} stands behind {last}, write {last}-{first}")
        chosen.update(stages[stages.index(first) : stages.index(last) + 1])
    stage, frozen = "", []
    for name in children:
        stage = name if name in stages else stage
        if stage in chosen:
            frozen.append(name)
    return tuple(frozen)
