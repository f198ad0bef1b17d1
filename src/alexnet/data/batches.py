"""The stream of batches: (seed, epoch, step, rank) -> the same batch, always.

Nothing here has a state that moves on: any batch of any epoch can be asked for at any time. While one is worked on, a
thread fetches the next from the store to the device.
"""

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alexnet.data import on_device
from alexnet.data.compressed import Pixels
from alexnet.errors import UsageError


@dataclass(frozen=True)
class Batch:
    """Some pictures: uint8 (N, C, S, S), their labels, int64 (N,), and their indices in the source."""

    pixels: Tensor
    labels: Tensor
    indices: NDArray[np.int64]
    own: int
    """How many of them count, from the first on; the others are borrowed, so that shares are of one size."""
    weight: float = 1.0
    """What the mean over the own ones must be multiplied by, so that the mean over all processes is the batch's."""


class Batches:
    """Batches of chosen pictures of a store, in a new order each epoch or in their own."""

    def __init__(
        self,
        pixels: Pixels,
        labels: NDArray[np.int64],
        indices: NDArray[np.int64],
        *,
        batch_size: int,
        seed: int | None,
        device: torch.device,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """`pixels`, uint8 (all, S, S, C), and `labels` cover the whole source; `indices` are those served.

        With a `seed` the order is shuffled anew each epoch, for training; None keeps it, for judging. Each of
        `ranks` processes is served its share of every batch: which pictures are in a batch does not depend on
        their number.
        """
        if batch_size < 1:
            raise UsageError(f"--batch-size must be at least 1, not {batch_size}")
        self.indices = indices
        self.seed = seed
        self.device = device
        self.rank, self.ranks = rank, ranks
        self.borders = borders(len(indices), batch_size, merge_single=seed is not None)
        self._pixels = pixels
        self._labels = labels
        self._on_device = on_device.moved(pixels, labels, indices, device)

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self.borders)

    def epoch(self, epoch: int = 0, first: int = 0) -> Generator[Batch, None, None]:
        """The batches of one epoch, each picture in exactly one (of all ranks together); from batch `first` on.

        One is fetched ahead, from the moment the one before it is asked for. Whoever may leave early closes the
        generator, which ends the thread; an error in the thread is raised where its batch is asked for.
        """
        order = self.indices
        if self.seed is not None:
            order = np.random.default_rng([self.seed, epoch]).permutation(order)
        coming: Future[Batch] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
            for start, stop in self.borders[first:]:
                ready, coming = coming, thread.submit(self._share, order[start:stop])
                if ready is not None:
                    yield ready.result()
            if coming is not None:
                yield coming.result()

    def step_seed(self, epoch: int, step: int) -> int:
        """The seed of everything random inside one step: augmentation, dropout."""
        words = np.random.SeedSequence([self.seed or 0, epoch, step, self.rank]).generate_state(2)
        return int(words[0]) << 31 | int(words[1]) >> 1

    def _share(self, batch: NDArray[np.int64]) -> Batch:
        """This process's part. All parts are of one size, and for training of two pictures at least where there are
        two (batch norm needs them): what a part lacks is borrowed from the others and does not count."""
        own = batch[self.rank :: self.ranks]
        weight = len(own) * self.ranks / len(batch)
        if self.ranks > 1:
            least = 1 if self.seed is None else min(2, len(batch))
            size = max(-(-len(batch) // self.ranks), least)
            others = np.delete(batch, np.s_[self.rank :: self.ranks])
            return self._gather(np.concatenate([own, others[: size - len(own)]]), len(own), weight)
        return self._gather(own, len(own), weight)

    def _gather(self, chosen: NDArray[np.int64], own: int, weight: float) -> Batch:
        if self._on_device is not None:
            return Batch(*self._on_device.gather(chosen), chosen, own, weight)
        rows = torch.from_numpy(self._pixels[chosen])
        labels = torch.from_numpy(self._labels[chosen])
        device = self.device
        pinned = device.type == "cuda"
        if pinned:
            rows, labels = rows.pin_memory(), labels.pin_memory()
        # (N, S, S, C) seen as (N, C, S, S): channels last in memory, as convolutions like it
        pixels = rows.to(device, non_blocking=pinned).permute(0, 3, 1, 2)
        return Batch(pixels, labels.to(device, non_blocking=pinned), chosen, own, weight)


def borders(count: int, batch_size: int, *, merge_single: bool) -> list[tuple[int, int]]:
    """Start and stop of each batch; the last one may be smaller.

    With `merge_single`, a last batch of one picture joins the one before: batch norm cannot be trained on it.
    """
    starts = list(range(0, count, batch_size))
    if merge_single and batch_size > 1 and len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts, count][1:], strict=True))
