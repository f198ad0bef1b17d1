"""Learning rate over the run, as a factor of the recipe's rate."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Schedule(BaseModel):
    """How the learning rate moves."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Literal["constant", "cosine", "steps", "plateau"] = "constant"
    warmup: float = Field(0.0, ge=0)
    """Epochs of linear rise at the start; at most a fifth of the run."""
    floor: float = Field(0.0, ge=0, le=1)
    """cosine: the factor that is reached at the end."""
    drops_at: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (1 / 3, 2 / 3)
    """steps: shares of the run after which the rate drops."""
    drop: float = Field(0.1, gt=0, lt=1)
    """steps, plateau: what one drop multiplies the rate by."""
    wait: int = Field(5, ge=1)
    """plateau: epochs without a smaller validation error, at the current rate, before the rate drops."""
    most_drops: int = Field(3, ge=0)
    """plateau: after so many drops the rate stays."""

    @field_validator("drops_at")
    @classmethod
    def _from_early_to_late(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if list(shares) != sorted(set(shares)):
            raise ValueError("shares of the run are needed, each later than the one before")
        return shares


def factor(settings: Schedule, step: int, steps: int, steps_per_epoch: int, val_errors: Sequence[float] = ()) -> float:
    """The factor for `step` (0 is the first) of `steps`; `val_errors` are those of the epochs before it.

    >>> [round(factor(Schedule(name="cosine"), step, 4, 2), 3) for step in range(4)]
    [1.0, 0.854, 0.5, 0.146]
    >>> [round(factor(Schedule(name="steps", drops_at=(0.25, 0.75)), step, 4, 2), 3) for step in range(4)]
    [1.0, 0.1, 0.1, 0.01]
    """
    warmup = min(round(settings.warmup * steps_per_epoch), steps // 5)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if settings.name == "cosine":
        progress = (step - warmup) / (steps - warmup)
        return settings.floor + (1 - settings.floor) * (1 + math.cos(math.pi * progress)) / 2
    if settings.name == "steps":  # rounded, since 23 / 93 of 93 epochs is not quite 23 in floating point
        return settings.drop ** sum(step >= round(share * steps) for share in settings.drops_at)
    if settings.name == "plateau":
        return settings.drop ** plateau_drops(val_errors, settings.wait, settings.most_drops)
    return 1.0


def plateau_drops(val_errors: Sequence[float], wait: int, most: int) -> int:
    """How often the rate has dropped after these epochs: the history is replayed, nothing is remembered.

    A drop follows `wait` epochs of which none was better than the best at the same rate.

    >>> [plateau_drops([0.9, 0.5, 0.6, 0.5, 0.4, 0.4, 0.4][:epochs], wait=2, most=3) for epochs in range(8)]
    [0, 0, 0, 0, 1, 1, 1, 2]
    """
    drops, waited, best = 0, 0, math.inf
    for error in val_errors:
        waited = 0 if error < best else waited + 1
        best = min(best, error)
        if waited == wait and drops < most:
            drops, waited, best = drops + 1, 0, math.inf
    return drops
