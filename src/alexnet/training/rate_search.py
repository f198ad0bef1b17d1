"""The learning rate by a sweep: it rises at every step until the loss explodes; where the loss fell fastest is good.

Source: L. Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017, section 3.3.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alexnet.data.batches import Batches
from alexnet.models.network import AlexNet
from alexnet.preprocess import Preprocess
from alexnet.training import optimizers
from alexnet.training.loop import Setting
from alexnet.training.recipe import Recipe
from alexnet.training.step import answer

SMOOTHING = 0.85  # of the running means of the loss
EXPLODED = 2.0  # times the smallest smoothed loss
FEWEST = 10  # steps before anything is concluded


@dataclass(frozen=True)
class Sweep:
    """Rates, one a step, and the loss at each."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def smoothed(self) -> tuple[float, ...]:
        """The mean of a running mean forwards and one backwards: a running mean alone would lag by some steps, and
        every step here raises the rate."""
        forwards, backwards = _running(self.losses), _running(self.losses[::-1])[::-1]
        return tuple((one + two) / 2 for one, two in zip(forwards, backwards, strict=True))

    @property
    def suggested(self) -> float | None:
        """The rate at which the smoothed loss fell fastest, before its lowest point; None where it never fell.

        The slope is taken against the logarithm of the rate, over a tenth of the sweep.
        """
        smoothed = self.smoothed
        lowest = int(np.argmin(smoothed))
        window = max(len(self.rates) // 10, 2)
        if lowest < window:
            return None
        falls = [smoothed[at] - smoothed[at + window] for at in range(lowest - window + 1)]
        steepest = int(np.argmax(falls))
        return math.sqrt(self.rates[steepest] * self.rates[steepest + window])


def sweep(
    network: AlexNet,
    train: Batches,
    preprocess: Preprocess,
    recipe: Recipe,
    setting: Setting,
    *,
    lowest: float,
    highest: float,
    steps: int,
) -> Sweep:
    """Train a copy of `network` for `steps` steps at most, the rate rising by the same factor each time.

    `network` itself stays as it is. It ends early when the loss has exploded or is no number.
    """
    tried = copy.deepcopy(network).train()
    optimizer = optimizers.build(recipe.optimizer, tried.parameters())
    rates: list[float] = []
    losses: list[float] = []
    with setting.display.bar("learning rates", steps, "steps") as bar:
        for step in range(steps):
            epoch, place = divmod(step, len(train))
            if place == 0:
                batches = train.epoch(epoch + 1)
            rate = lowest * (highest / lowest) ** (step / max(steps - 1, 1))
            for group in optimizer.param_groups:
                group["lr"] = rate * (recipe.optimizer.bias_lr if group["of"] == "biases" else 1)
            seed = train.step_seed(epoch + 1, place)
            answered = answer(tried, next(batches), seed, preprocess, recipe, setting.precision, None)
            loss = float(answered.loss.detach())
            means = _running([*losses, loss])
            if not math.isfinite(loss) or (step >= FEWEST and means[-1] > EXPLODED * min(means)):
                break
            rates.append(rate)
            losses.append(loss)
            optimizer.zero_grad(set_to_none=True)
            answered.loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            bar.advance(1, f"rate {rate:.2g}  loss {means[-1]:.4f}")
    return Sweep(tuple(rates), tuple(losses))


def _running(losses: Sequence[float]) -> list[float]:
    """The running mean of `losses`, not drawn towards 0 at its start."""
    means, kept = [], 0.0
    for step, loss in enumerate(losses, start=1):
        kept = SMOOTHING * kept + (1 - SMOOTHING) * loss
        means.append(kept / (1 - SMOOTHING**step))
    return means
