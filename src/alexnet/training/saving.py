"""When and where checkpoints are written: as often as was asked, or as often as costs next to nothing."""

import time
from pathlib import Path

import torch

from alexnet.training import checkpoint
from alexnet.training.average import Average
from alexnet.training.checkpoint import Checkpoint, Progress
from alexnet.training.parallel import Spread
from alexnet.training.world import World

SHARE = 0.02  # of the time, at most, where nothing was asked for


class Saver:
    """Writes one file again and again. Every process has one; the leader's writes."""

    def __init__(
        self, path: Path | None, card: dict[str, str], every: int | None = None, world: World | None = None
    ) -> None:
        """`every` so many steps, and at every epoch's end. None: at the ends of epochs, unless the one before is so
        fresh that saving would take more than `SHARE` of the time. Without a `path` nothing is written.
        """
        self.path = path
        self.every = every
        self._world = world or World()
        self._card = card
        self._not_before = 0.0

    def due_in_epoch(self, step: int) -> bool:
        """Whether to save after so many steps of an epoch; the same on all processes."""
        return self.every is not None and step % self.every == 0

    def due_after_epoch(self) -> bool:
        """Whether to save at an epoch's end."""
        return self.every is not None or time.monotonic() >= self._not_before

    def save(self, progress: Progress, spread: Spread, optimizer: torch.optim.Optimizer, average: Average) -> None:
        """Replace the file in one step; all processes must call it, one writes.

        Errors: ResourceError when the disk is full, in the leader, and the others leave; the file before stays.
        """
        path, started = self.path, time.monotonic()
        if path is None:
            return
        state = spread.whole(spread.network.state_dict()), spread.optimizer_state(optimizer), average.state_dict()
        self._world.led(lambda: checkpoint.save(path, Checkpoint(self._card, progress, *state)))
        ended = time.monotonic()
        self._not_before = ended + (ended - started) / SHARE
