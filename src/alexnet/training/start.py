"""How a network starts: batch-norm constants, weights from elsewhere, layers that stand still."""

from pathlib import Path

from alexnet.errors import UsageError
from alexnet.models import foreign
from alexnet.models.modules import batch_norms
from alexnet.models.network import AlexNet, parameter_count
from alexnet.progress import Display
from alexnet.training.recipe import Recipe


def prepare(
    network: AlexNet,
    classes: tuple[str, ...],
    recipe: Recipe,
    weights_from: str | None,
    frozen: str | None,
    display: Display,
) -> tuple[str, ...]:
    """Make a fresh network for `classes` ready to be trained; returns the names of its children that stand still.

    Errors: ModelFileError when other weights do not fit; UsageError for layers that are not there.
    """
    if weights_from is not None:
        start_from(network, classes, Path(weights_from), display)
    if frozen is not None and weights_from is None:
        raise UsageError(f"--freeze {frozen} keeps layers as they are, which needs --weights: fresh ones know nothing")
    return hold(network, recipe, frozen, display)


def hold(network: AlexNet, recipe: Recipe, frozen: str | None, display: Display) -> tuple[str, ...]:
    """Set what the recipe and `--freeze` hold fixed; returns the names of the children that stand still.

    Errors: UsageError for layers that are not there.
    """
    if recipe.batch_norm_momentum is not None:
        set_batch_norm_momentum(network, recipe.batch_norm_momentum)
    names = freeze(network, frozen) if frozen is not None else ()
    if names:
        trained = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
        display.say(f"{frozen} are frozen: {trained:,} of {parameter_count(network):,} parameters are trained")
    return names


def set_batch_norm_momentum(network: AlexNet, momentum: float) -> None:
    """Set the weight of the newest batch in all running statistics."""
    for norm in batch_norms(network).values():
        norm.momentum = momentum


def start_from(network: AlexNet, classes: tuple[str, ...], file: Path, display: Display) -> None:
    """Load weights; the last layer stays freshly initialised when its class names, or their order, are others.

    Errors: ModelFileError when the variant is another or the weights do not fit.
    """
    matched = foreign.read(file, network.variant.name)
    state, card = matched.state, matched.card
    head = network.head
    fresh = network.state_dict()
    if card.classes != classes:
        others = "other ones" if len(card.classes) == len(classes) else str(len(classes))
        display.say(f"{head} is initialised anew: {file} knows {len(card.classes)} classes, the data have {others}")
        state |= {name: tensor for name, tensor in fresh.items() if name.startswith(f"{head}.")}
    network.load_weights(state, file)
    display.say(f"weights from {file} ({matched.form})")


def freeze(network: AlexNet, layers: str) -> tuple[str, ...]:
    """Keep `layers` as they are; returns the names of all children that stand still.

    Errors: UsageError for unknown layers, or when nothing is left to train.
    """
    stages = frozen_stages(layers, list(dict.fromkeys(each.stage for each in network.layers)))
    names = tuple(each.name for each in network.layers if each.stage in stages)
    for name in names:
        for parameter in network.get_submodule(name).parameters():
            parameter.requires_grad = False
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UsageError(f"--freeze {layers!r} leaves nothing to train")
    return names


def frozen_stages(freeze: str, stages: list[str]) -> set[str]:
    """The stages of a network that `freeze` names: `conv1-conv5` means from conv1 to conv5; several ranges or names
    are divided by commas. What a network does to its input before conv1 goes with conv1.

    >>> sorted(frozen_stages("conv1-conv2,fc6", ["conv1", "conv2", "conv3", "fc6", "fc7"]))
    ['conv1', 'conv2', 'fc6']

    Errors: UsageError for a name that the network does not have.
    """
    named = [stage for stage in stages if stage != "input"]
    chosen: set[str] = set()
    for item in freeze.split(","):
        first, to, last = item.strip().partition("-")
        last = last if to else first
        for name in (first, last):
            if name not in named:
                raise UsageError(f"--freeze {freeze!r}: the network has no {name!r}; it has {', '.join(named)}")
        if named.index(first) > named.index(last):
            raise UsageError(f"--freeze {freeze!r}: {first} stands behind {last}, write {last}-{first}")
        chosen.update(named[named.index(first) : named.index(last) + 1])
    return chosen | ({"input"} if named[0] in chosen else set())
