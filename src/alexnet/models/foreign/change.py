"""Weights made to fit other pictures or classes than they were trained on; only ever when asked for."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from alexnet.errors import ModelFileError
from alexnet.models import variants
from alexnet.models.network import AlexNet, create_model
from alexnet.weights import Card

MOST = 1 << 24  # bytes of class names
Weights = tuple[dict[str, Tensor], Card]


def to_grey(state: dict[str, Tensor], card: Card) -> Weights:
    """For grey pictures: conv1 summed over the colours, so that grey gives what red = green = blue gave.

    The colours' means and deviations differ, and one of each is left: the rest of the deviations goes into the
    weights, the rest of the means into the biases. Where conv1 pads, the outermost values differ a little, since
    the padding stood for each colour's own mean.

    Errors: ModelFileError when conv1 does not see the picture's colours first.
    """
    if card.preprocess.channels == 1:
        return state, card
    network = _network(card)
    first = next(each.name for each in network.layers if f"{each.name}.weight" in state)
    kernel = state[f"{first}.weight"]
    if kernel.ndim != 4 or f"{first}.bias" not in state:
        raise ModelFileError(f"{card.variant} cannot be made grey: {first} comes before its first convolution")
    means, deviations = (
        torch.tensor(values, dtype=torch.float64).expand(3) for values in (card.preprocess.mean, card.preprocess.std)
    )
    mean, deviation = means.mean(), deviations.mean()
    scaled = kernel.double() / deviations.view(1, 3, 1, 1)
    grey = scaled.sum(dim=1, keepdim=True) * deviation
    shift = (scaled * (mean - means).view(1, 3, 1, 1)).sum(dim=(1, 2, 3))
    changed = {f"{first}.weight": grey.float(), f"{first}.bias": (state[f"{first}.bias"].double() + shift).float()}
    preprocess = replace(card.preprocess, channels=1, mean=(float(mean),), std=(float(deviation),))
    return state | changed, replace(card, preprocess=preprocess, measured={})


def with_fresh_head(state: dict[str, Tensor], card: Card, classes: int, seed: int) -> Weights:
    """For other classes: the last layer drawn anew, as the variant starts, from `seed`; classes are numbered."""
    numbered = replace(card, classes=tuple(str(index) for index in range(classes)), measured={})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = _network(numbered)
    head = f"{fresh.head}."
    drawn = {name: tensor.detach() for name, tensor in fresh.state_dict().items() if name.startswith(head)}
    return state | drawn, numbered


def named(card: Card, labels: Path) -> Card:
    """The card with class names from a file, one a line, in the order of the answers.

    Errors: ModelFileError when they are too few, too many or not different.
    """
    if labels.exists() and (not labels.is_file() or labels.stat().st_size > MOST):
        raise ModelFileError(f"--labels {labels} is no text file of class names")
    try:
        names = labels.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"--labels {labels} cannot be read: {' '.join(str(error).split())}") from error
    while names and not names[-1].strip():
        names.pop()
    names = [name.strip() for name in names]
    if len(names) != len(card.classes):
        raise ModelFileError(f"--labels {labels} has {len(names)} names, the weights have {len(card.classes)} classes")
    if len(set(names)) < len(names) or "" in names:
        raise ModelFileError(f"--labels {labels}: the names must all be different, and none empty")
    return replace(card, classes=tuple(names))


def _network(card: Card) -> AlexNet:
    preprocess = card.preprocess
    return create_model(
        variants.find(card.variant).name,
        num_classes=len(card.classes),
        in_channels=preprocess.channels,
        image_size=preprocess.size,
    )
