import gc
import threading
import time
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alexnet.data.batches import Batches, borders
from alexnet.errors import UsageError

COUNT = 50
PIXELS: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (COUNT, 6, 6, 3)).astype(np.uint8)
LABELS: NDArray[np.int64] = np.arange(COUNT) % 7
SERVED: NDArray[np.int64] = np.arange(3, 47)
"""44 of the 50 pictures."""


def batches(size: int = 8, *, seed: int | None = 5, rank: int = 0, ranks: int = 1, served: int = 44) -> Batches:
    device = torch.device("cpu")
    return Batches(PIXELS, LABELS, SERVED[:served], batch_size=size, seed=seed, device=device, rank=rank, ranks=ranks)


def order(stream: Batches, epoch: int = 0) -> list[int]:
    return [int(index) for batch in stream.epoch(epoch) for index in batch.indices]


def test_every_picture_is_served_exactly_once_an_epoch() -> None:
    for size in (1, 7, 8, 44, 100):
        for epoch in (0, 1, 9):
            assert sorted(order(batches(size), epoch)) == SERVED.tolist()


def test_a_batch_holds_the_pixels_and_labels_of_its_indices() -> None:
    for batch in batches().epoch(2):
        assert batch.pixels.dtype == torch.uint8
        assert batch.labels.dtype == torch.int64
        np.testing.assert_array_equal(batch.pixels.permute(0, 2, 3, 1).numpy(), PIXELS[batch.indices])
        np.testing.assert_array_equal(batch.labels.numpy(), LABELS[batch.indices])


def test_pixels_are_seen_channels_first_and_lie_channels_last() -> None:
    batch = next(batches().epoch())
    assert batch.pixels.shape == (8, 3, 6, 6)
    assert batch.pixels.is_contiguous(memory_format=torch.channels_last)


def test_changing_a_batch_leaves_the_store_as_it_was() -> None:
    before = PIXELS.copy()
    next(batches().epoch()).pixels.zero_()
    np.testing.assert_array_equal(PIXELS, before)


def test_each_epoch_has_another_order() -> None:
    orders = [tuple(order(batches(), epoch)) for epoch in range(5)]
    assert len(set(orders)) == 5
    assert SERVED.tolist() not in [list(one) for one in orders]


def test_seed_and_epoch_make_the_order_whatever_was_asked_before() -> None:
    asked = batches()
    next(asked.epoch(1))
    assert order(asked, 3) == order(batches(), 3)
    assert order(batches(seed=6), 3) != order(batches(seed=5), 3)


def test_the_order_does_not_depend_on_the_batch_size() -> None:
    assert order(batches(8), 1) == order(batches(3), 1)


def test_without_a_seed_the_order_is_kept() -> None:
    assert order(batches(seed=None), 0) == order(batches(seed=None), 4) == SERVED.tolist()


@pytest.mark.parametrize("ranks", [2, 3, 4])
@pytest.mark.parametrize("seed", [5, None])
def test_ranks_partition_each_batch(ranks: int, seed: int | None) -> None:
    alone = list(batches(seed=seed).epoch(2))
    shares = [list(batches(seed=seed, rank=rank, ranks=ranks).epoch(2)) for rank in range(ranks)]
    assert {len(share) for share in shares} == {len(alone)}
    for number, batch in enumerate(alone):
        together = np.concatenate([share[number].indices[: share[number].own] for share in shares])
        np.testing.assert_array_equal(np.sort(together), np.sort(batch.indices))
        counts = [len(share[number].indices) for share in shares]
        assert max(counts) - min(counts) <= 1


def test_a_last_single_picture_joins_the_batch_before_in_training() -> None:
    assert [len(batch.indices) for batch in batches(8, served=41).epoch()] == [8, 8, 8, 8, 9]
    assert [len(batch.indices) for batch in batches(8, served=41, seed=None).epoch()] == [8, 8, 8, 8, 8, 1]
    assert [len(batch.indices) for batch in batches(8, served=42).epoch()] == [8, 8, 8, 8, 8, 2]


def test_len_is_the_number_of_batches() -> None:
    for size in (1, 8, 43, 100):
        for seed in (5, None):
            assert len(batches(size, seed=seed)) == len(list(batches(size, seed=seed).epoch()))


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (0, 4, []),
        (1, 4, [(0, 1)]),
        (4, 4, [(0, 4)]),
        (5, 4, [(0, 5)]),
        (6, 4, [(0, 4), (4, 6)]),
        (3, 1, [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_borders(count: int, size: int, expected: list[tuple[int, int]]) -> None:
    assert borders(count, size, merge_single=True) == expected


def test_step_seeds_differ_by_seed_epoch_step_and_rank() -> None:
    seeds = [
        batches(seed=seed, rank=rank, ranks=2).step_seed(epoch, step)
        for seed in range(4)
        for rank in range(2)
        for epoch in range(10)
        for step in range(10)
    ]
    assert len(set(seeds)) == len(seeds) == 800
    assert all(0 <= seed < 2**63 for seed in seeds)
    torch.Generator().manual_seed(max(seeds))


def test_step_seeds_are_the_same_every_time() -> None:
    assert batches().step_seed(3, 4) == batches().step_seed(3, 4)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")]


class Slowly:
    """Labels that say when they are asked for, and may fail."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.asked: list[int] = []
        self.fails_at = fails_at

    def __getitem__(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        if len(self.asked) == self.fails_at:
            raise OSError("the disk has gone")
        self.asked.append(threading.get_ident())
        return LABELS[chosen]


def watched(labels: Slowly) -> Batches:
    given: Any = labels
    return Batches(PIXELS, given, SERVED, batch_size=8, seed=5, device=torch.device("cpu"))


def test_the_next_batch_is_fetched_by_a_thread_while_one_is_worked_on() -> None:
    labels = Slowly()
    with closing(watched(labels).epoch()) as stream:
        next(stream)
        latest = time.monotonic() + 60
        while len(labels.asked) < 2:
            assert time.monotonic() < latest
            time.sleep(0.001)
        assert len(threads()) == 1
        time.sleep(0.05)
        assert len(labels.asked) == 2  # and no more
    assert threading.get_ident() not in labels.asked


def test_no_thread_is_left_after_the_last_batch_a_break_or_an_error() -> None:
    assert len(list(batches().epoch())) == 6
    assert threads() == []
    with closing(batches().epoch()) as stream:
        for _ in stream:
            break
    assert threads() == []
    with pytest.raises(ZeroDivisionError), closing(batches().epoch()) as stream:
        _ = 1 / (len(next(stream).labels) - 8)
    assert threads() == []
    for _ in batches().epoch():
        break  # nobody holds the generator any more
    gc.collect()
    assert threads() == []


def test_an_error_of_the_thread_is_raised_where_its_batch_is_asked_for() -> None:
    stream = watched(Slowly(fails_at=3)).epoch()
    for _ in range(3):
        next(stream)
    with pytest.raises(OSError, match="the disk has gone"):
        next(stream)
    assert threads() == []


def test_an_epoch_goes_on_from_any_batch() -> None:
    whole = list(batches().epoch(2))
    for first in range(7):
        rest = list(batches().epoch(2, first))
        assert [batch.indices.tolist() for batch in rest] == [batch.indices.tolist() for batch in whole[first:]]


def test_a_batch_size_below_one_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1, not 0"):
        batches(0)
