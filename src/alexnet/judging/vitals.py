"""How a trained network is doing inside: plain values from some of its training pictures, for the doctor to read.

Nothing of the network is changed: not its weights, not its statistics, not its mode.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alexnet.data.batches import Batches
from alexnet.judging.metrics import Tally
from alexnet.models.modules import batch_norms
from alexnet.models.network import AlexNet
from alexnet.preprocess import Preprocess

FLAT = 0.99  # |tanh| above it hardly passes a gradient on: 1 - 0.99² = 0.02
MOSTLY = 0.95  # share of a unit's values that must be flat
THUMB = 16  # pixels a side when pictures are compared as they are


def measure(
    network: AlexNet, batches: Batches, preprocess: Preprocess, *, averaged_from_start: bool = True
) -> dict[str, Any]:
    """Plain values about `network` on the pictures of `batches`: un-augmented, the central view, no dropout.

    `averaged_from_start` says that the running statistics began at mean 0 and variance 1, and that each step of the
    training, and nothing else, has been averaged in since.

    pictures, classes   how many
    evaluation          accuracy and loss with the running statistics, as in answers
    batch               the same pictures with each batch's own statistics, as in training; None without batch norm
    batch_norms         of each: momentum (weight of the newest batch), the steps that went in, and the share of mean 0
                        and variance 1 that it still holds, (1 - momentum)^steps; the latter two are None where the
                        statistics did not start there, or came about otherwise
    activations         of each ReLU and tanh: units (maps count as one), the share that is dead (never above 0) and
                        the share that is saturated (|tanh| > 0.99 nearly always)
    output_spread       the most that the probability of any class differs between two pictures
    neighbours          share of pictures whose nearest other one, pixel by pixel, has the same label; `chance` is
                        what random labels would give
    biases_at_one       layers whose biases start at 1

    Activations and outputs are seen with the statistics of each batch: what running statistics that lag do to
    later layers is not the layers' fault. The batches should be shuffled, and as large as in training.
    """
    norms = batch_norms(network)
    centre = replace(preprocess, views=1)
    watched = {name: _Activation(name, module) for name, module in network.named_modules() if _is_activation(module)}
    evaluation = None
    with _unchanged(network):
        network.eval()
        if norms:
            evaluation = _figures(_answers(network, batches, centre))
            for norm in norms.values():
                norm.train()
        with ExitStack() as hooks:
            for name, activation in watched.items():
                hook = network.get_submodule(name).register_forward_hook(activation.see)
                hooks.callback(hook.remove)
            answers = list(_answers(network, batches, centre))
    seen = _figures(iter(answers))
    scores = torch.cat([scores for scores, _ in answers])
    return {
        "pictures": len(scores),
        "classes": network.classes,
        "evaluation": evaluation or seen,
        "batch": seen if norms else None,
        "batch_norms": [_history(name, norm, averaged_from_start) for name, norm in norms.items()],
        "activations": [activation.figures() for activation in watched.values()],
        "output_spread": float((scores.amax(dim=0) - scores.amin(dim=0)).max()),
        "neighbours": _neighbours(batches),
        "biases_at_one": [
            name
            for name, module in network.named_children()
            if isinstance(module, nn.Conv2d | nn.Linear) and network.variant.init.bias_of(name) == 1
        ],
    }


class _Activation:
    """What passes through one ReLU or tanh, unit by unit.

    Max pooling runs before the ReLU (see `models.network`): whether a map is ever above 0 is the same there.
    """

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name = name
        self.tanh = isinstance(module, nn.Tanh)
        self.alive = self.flat = torch.zeros(0)
        self.values = 0

    def see(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """The forward hook: values of (N, F) or (N, C, H, W)."""
        others = [dimension for dimension in range(output.dim()) if dimension != 1]
        alive = (inputs[0] > 0).any(dim=0).reshape(output.shape[1], -1).any(dim=1)
        flat = (output.abs() > FLAT).sum(dim=others)
        self.alive = alive if self.values == 0 else self.alive | alive
        self.flat = flat if self.values == 0 else self.flat + flat
        self.values += output.numel() // output.shape[1]

    def figures(self) -> dict[str, Any]:
        """As plain values; a ReLU is never saturated, a tanh never dead."""
        saturated = (self.flat >= MOSTLY * self.values).float().mean()
        return {
            "name": self.name,
            "kind": "tanh" if self.tanh else "relu",
            "units": len(self.alive),
            "dead": 0.0 if self.tanh else 1 - float(self.alive.float().mean()),
            "saturated": float(saturated) if self.tanh else 0.0,
        }


def _is_activation(module: nn.Module) -> bool:
    return isinstance(module, nn.ReLU | nn.Threshold | nn.Tanh)


@contextmanager
def _unchanged(network: nn.Module) -> Iterator[None]:
    """Put every module's mode and every running statistic back, to the last bit."""
    modes = {module: module.training for module in network.modules()}
    kept = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(kept[name])


def _answers(network: nn.Module, batches: Batches, centre: Preprocess) -> Iterator[tuple[Tensor, Tensor]]:
    """Probabilities (N, classes) and labels (N,) of each batch, in the mode that the modules are in."""
    for batch in batches.epoch():
        with torch.inference_mode():
            yield network(centre.test_views(batch.pixels)[0]).float().softmax(dim=1), batch.labels


def _figures(answers: Iterator[tuple[Tensor, Tensor]]) -> dict[str, float]:
    tally = Tally()
    for scores, labels in answers:
        tally.add(scores, labels)
    return {"accuracy": tally.top1 / tally.count, "loss": tally.loss / tally.count}


def _history(name: str, norm: nn.modules.batchnorm._BatchNorm, averaged_from_start: bool) -> dict[str, Any]:
    """How a batch norm's running statistics came about; a cumulative average (momentum None) holds no start."""
    steps = held = None
    if averaged_from_start and norm.momentum is not None and norm.num_batches_tracked is not None:
        steps = int(norm.num_batches_tracked)
        held = (1 - norm.momentum) ** steps
    return {"name": name, "momentum": norm.momentum, "steps": steps, "held": held}


def _neighbours(batches: Batches) -> dict[str, float]:
    """The labels of nearest neighbours among pictures of 16 × 16 pixels: do labels follow what is on the pictures?"""
    seen = [(F.adaptive_avg_pool2d(batch.pixels.float(), THUMB).flatten(1), batch.labels) for batch in batches.epoch()]
    pictures, labels = (torch.cat(column) for column in zip(*seen, strict=True))
    shares = torch.bincount(labels).float() / len(labels)
    chance = float((shares**2).sum())
    if len(labels) < 2:
        return {"accuracy": 1.0, "chance": chance}
    distances = torch.cdist(pictures, pictures).fill_diagonal_(torch.inf)
    return {"accuracy": float((labels[distances.argmin(dim=1)] == labels).float().mean()), "chance": chance}
