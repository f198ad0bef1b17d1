"""The optimizers, each with its constants spelled out."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn


class Optimizer(BaseModel):
    """Which rule, and its numbers; those that a rule does not know are ignored by it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Literal["sgd", "adadelta", "adamw"]
    lr: float = Field(gt=0)
    """Learning rate at its highest; the schedule multiplies it."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """sgd: share of the last step that is kept."""
    nesterov: bool = True
    """sgd: look ahead."""
    weight_decay: float = Field(0.0, ge=0)
    """L2 penalty of the weights (adamw: decoupled); biases and batch norm have none."""
    rho: float = Field(0.95, ge=0, lt=1)
    """adadelta: decay of its averages."""
    epsilon: float = Field(1e-7, gt=0)
    """adadelta, adamw: keeps denominators from zero."""


def build(settings: Optimizer, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of the parameters that are to be trained; weight decay on matrices and kernels only."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if settings.name == "sgd":
        nesterov = settings.nesterov and settings.momentum > 0
        return torch.optim.SGD(groups, settings.lr, settings.momentum, nesterov=nesterov, fused=True)
    if settings.name == "adadelta":
        # Same rule as Keras's; only the defaults differ (Keras: lr 0.001, rho 0.95, epsilon 1e-7)
        return torch.optim.Adadelta(groups, settings.lr, settings.rho, settings.epsilon, foreach=True)
    return torch.optim.AdamW(groups, settings.lr, eps=settings.epsilon, fused=True)
