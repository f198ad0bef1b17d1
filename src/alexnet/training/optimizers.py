"""The optimizers, each with its constants spelled out."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor


class Optimizer(BaseModel):
    """Which rule, and its numbers; those that a rule does not know are ignored by it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Literal["sgd", "paper", "adadelta", "adamw"]
    """paper: momentum with the learning rate inside the velocity, see `PaperSGD`; sgd: with the rate outside."""
    lr: float = Field(gt=0)
    """Learning rate at its highest; the schedule multiplies it."""
    bias_lr: float = Field(1.0, gt=0)
    """The rate of biases and batch norm, as a factor of `lr`."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """sgd, paper: share of the last step that is kept."""
    nesterov: bool = True
    """sgd: look ahead."""
    weight_decay: float = Field(0.0, ge=0)
    """L2 penalty of the weights (adamw: decoupled)."""
    bias_decay: bool = False
    """Whether biases and batch norm are decayed as well."""
    rho: float = Field(0.95, ge=0, lt=1)
    """adadelta: decay of its averages."""
    epsilon: float = Field(1e-7, gt=0)
    """adadelta, adamw: keeps denominators from zero."""


Kind = Literal["weights", "biases"]
"""What a group of parameters holds: matrices and kernels, or vectors, those of batch norm included."""


def build(settings: Optimizer, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The optimizer of those that are to be trained, in two groups; `group["of"]` is a `Kind`."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {
            "of": "weights",
            "params": [p for p in trained if p.dim() > 1],
            "lr": settings.lr,
            "weight_decay": settings.weight_decay,
        },
        {
            "of": "biases",
            "params": [p for p in trained if p.dim() <= 1],
            "lr": settings.lr * settings.bias_lr,
            "weight_decay": settings.weight_decay if settings.bias_decay else 0.0,
        },
    ]
    if settings.name == "paper":
        return PaperSGD(groups, settings.lr, settings.momentum)
    if settings.name == "sgd":
        nesterov = settings.nesterov and settings.momentum > 0
        return torch.optim.SGD(groups, settings.lr, settings.momentum, nesterov=nesterov, fused=True)
    if settings.name == "adadelta":
        # Same rule as Keras's; only the defaults differ (Keras: lr 0.001, rho 0.95, epsilon 1e-7)
        return torch.optim.Adadelta(groups, settings.lr, settings.rho, settings.epsilon, foreach=True)
    return torch.optim.AdamW(groups, settings.lr, eps=settings.epsilon, fused=True)


class PaperSGD(torch.optim.Optimizer):
    """Gradient descent with momentum, the learning rate inside the velocity.

        v <- momentum * v - decay * lr * w - lr * gradient
        w <- w + v

    Sources: Krizhevsky, Sutskever, Hinton 2012, section 5; cuda-convnet `src/weights.cu`; Caffe
    `sgd_solver.cpp`. Where the rate never changes this is torch's SGD without nesterov. After a drop of the
    rate it differs: here the steps taken so far go on at the old rate until momentum has used them up, in
    torch's they shrink at once.
    """

    def __init__(
        self, params: Iterable[Tensor] | Iterable[dict[str, Any]], lr: float, momentum: float, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step with the gradients at hand; parameters without one stay as they are."""
        assert closure is None, "the gradients are computed by the loop"
        for group in self.param_groups:
            weights = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not weights:
                continue
            gradients = [parameter.grad for parameter in weights]
            velocities = [self._velocity(parameter) for parameter in weights]
            torch._foreach_mul_(velocities, group["momentum"])
            torch._foreach_add_(velocities, gradients, alpha=-group["lr"])
            if group["weight_decay"]:
                torch._foreach_add_(velocities, weights, alpha=-group["lr"] * group["weight_decay"])
            torch._foreach_add_(weights, velocities)

    def _velocity(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(parameter)
        velocity: Tensor = state["velocity"]
        return velocity
