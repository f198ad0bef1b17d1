"""Numbers that are none: noticed before they reach a weight, and where they came from."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from alexnet.errors import DivergedError
from alexnet.models.network import AlexNet
from alexnet.training.recipe import Recipe


def gradients_are_finite(parameters: Iterable[Tensor]) -> bool:
    """Whether every gradient is a finite number; after they were averaged over processes."""
    sums = [parameter.grad.sum() for parameter in parameters if parameter.grad is not None]
    return math.isfinite(float(torch.stack(sums).sum()))


def culprit(network: AlexNet, again: Callable[[], Any]) -> str:
    """What went wrong in a step, in words; `again` repeats its way forward.

    The first layer whose output is not finite; where all are, the last whose gradient is not: they go backward.
    """
    broken: list[str] = []

    def listen(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, given, output: None if output.isfinite().all() else broken.append(name)

    hooks = [module.register_forward_hook(listen(name)) for name, module in network.named_children()]
    try:
        with torch.no_grad():
            loss = again().loss
    finally:
        for hook in hooks:
            hook.remove()
    if broken:
        return f"the output of {broken[0]} holds numbers that are not finite"
    if not loss.isfinite():
        return f"the loss is {float(loss)}"
    names = [name for name, p in network.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
    return f"the gradient of {names[-1]} holds numbers that are not finite" if names else "a gradient was not finite"


def refuse_broken_weights(state: Mapping[str, Tensor], epoch: int, recipe: Recipe) -> None:
    """Errors: DivergedError when a weight or a running statistic is no finite number after the epoch's last step."""
    broken = next((name for name, tensor in state.items() if not tensor.isfinite().all()), None)
    if broken is not None:
        raise diverged(f"epoch {epoch}", f"{broken} holds numbers that are not finite", recipe)


def refuse_broken_loss(loss: float, epoch: int, recipe: Recipe) -> None:
    """Errors: DivergedError when the loss on validation pictures is no finite number."""
    if not math.isfinite(loss):
        raise diverged(f"epoch {epoch}", f"the loss on validation pictures is {loss}", recipe)


def diverged(where: str, what: str, recipe: Recipe) -> DivergedError:
    """The error that says so."""
    return DivergedError(f"training diverged in {where}: {what}. Try a smaller --lr (it was {recipe.optimizer.lr:g})")
