"""Learning rate over the run, as a factor of the recipe's rate."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Schedule(BaseModel):
    """How the learning rate moves."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Literal["constant", "cosine"] = "constant"
    warmup: float = Field(0.0, ge=0)
    """Epochs of linear rise at the start; at most a fifth of the run."""
    floor: float = Field(0.0, ge=0, le=1)
    """cosine: the factor that is reached at the end."""


def factor(settings: Schedule, step: int, steps: int, steps_per_epoch: int) -> float:
    """The factor for `step` (0 is the first) of `steps`.

    >>> [round(factor(Schedule(name="cosine"), step, 4, 2), 3) for step in range(4)]
    [1.0, 0.854, 0.5, 0.146]
    """
    warmup = min(round(settings.warmup * steps_per_epoch), steps // 5)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if settings.name == "constant":
        return 1.0
    progress = (step - warmup) / (steps - warmup)
    return settings.floor + (1 - settings.floor) * (1 + math.cos(math.pi * progress)) / 2
