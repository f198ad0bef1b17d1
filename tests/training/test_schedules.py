"""The learning rate's factor, step by step."""

import itertools
import math

import pydantic
import pytest

from alexnet.training.schedules import Schedule, factor, plateau_drops


def factors(schedule: Schedule, steps: int, steps_per_epoch: int) -> list[float]:
    return [factor(schedule, step, steps, steps_per_epoch) for step in range(steps)]


def test_constant() -> None:
    assert factors(Schedule(), 5, 2) == [1, 1, 1, 1, 1]


def test_cosine() -> None:
    wanted = [(1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)]
    assert factors(Schedule(name="cosine"), 10, 5) == pytest.approx(wanted, abs=1e-12)


def test_floor() -> None:
    found = factors(Schedule(name="cosine", floor=0.1), 1000, 10)
    assert found[0] == 1
    assert found[500] == pytest.approx(0.55, abs=1e-12)
    assert found[-1] == pytest.approx(0.1, abs=1e-4)
    assert min(found) >= 0.1


def test_warmup_is_counted_in_epochs() -> None:
    found = factors(Schedule(name="cosine", warmup=2), 20, 2)
    assert found[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8], abs=1e-12)
    assert found[4] == 1
    assert found[12] == pytest.approx(0.5, abs=1e-12)  # half of the 16 steps after the warm-up
    assert factors(Schedule(warmup=0.5), 12, 4)[:3] == pytest.approx([1 / 3, 2 / 3, 1], abs=1e-12)


def test_warmup_takes_at_most_a_fifth_of_the_run() -> None:
    found = factors(Schedule(name="cosine", warmup=10), 10, 2)
    assert found[:3] == pytest.approx([1 / 3, 2 / 3, 1], abs=1e-12)
    assert factors(Schedule(name="cosine", warmup=10), 4, 2)[0] == 1
    assert factors(Schedule(name="cosine", warmup=10), 1, 1) == [1]


@pytest.mark.parametrize("warmup", [0, 1, 2])
def test_rises_then_falls(warmup: int) -> None:
    found = factors(Schedule(name="cosine", warmup=warmup), 50, 5)
    top = found.index(max(found))
    assert top == 5 * warmup
    assert all(a < b for a, b in itertools.pairwise(found[: top + 1]))
    assert all(a > b for a, b in itertools.pairwise(found[top:]))
    assert all(0 < value <= 1 for value in found)


@pytest.mark.parametrize("steps_per_epoch", [1, 7, 9, 10_010])
@pytest.mark.parametrize(
    ("drops_at", "epochs", "dropped_before"),
    [
        ((23 / 93, 51 / 93, 78 / 93), 93, (23, 51, 78)),
        ((10 / 45, 20 / 45, 30 / 45, 40 / 45), 90, (20, 40, 60, 80)),
        ((0.25, 0.5, 0.75), 88, (22, 44, 66)),
        ((30 / 90, 60 / 90), 90, (30, 60)),
        ((), 10, ()),
    ],
)
def test_steps_drop_at_the_very_step(
    drops_at: tuple[float, ...], epochs: int, dropped_before: tuple[int, ...], steps_per_epoch: int
) -> None:
    schedule = Schedule(name="steps", drops_at=drops_at, drop=0.1)
    steps = epochs * steps_per_epoch
    for drops, epoch in enumerate(dropped_before, 1):
        first = epoch * steps_per_epoch
        assert factor(schedule, first - 1, steps, steps_per_epoch) == pytest.approx(0.1 ** (drops - 1))
        assert factor(schedule, first, steps, steps_per_epoch) == pytest.approx(0.1**drops)
    assert factor(schedule, 0, steps, steps_per_epoch) == 1
    assert factor(schedule, steps - 1, steps, steps_per_epoch) == pytest.approx(0.1 ** len(dropped_before))


def test_steps_of_caffes_iterations() -> None:
    """450,000 iterations, a tenth after each 100,000."""
    schedule = Schedule(name="steps", drops_at=(10 / 45, 20 / 45, 30 / 45, 40 / 45))
    for iteration in range(0, 450_000, 9_999):
        assert factor(schedule, iteration, 450_000, 5_000) == pytest.approx(0.1 ** (iteration // 100_000))


def test_steps_may_end_at_a_total_factor() -> None:
    """cuda-convnet2's dexp: 4 levels from 1 to 1/250."""
    found = factors(Schedule(name="steps", drops_at=(0.25, 0.5, 0.75), drop=250 ** (-1 / 3)), 8, 1)
    assert found == pytest.approx([1, 1, 0.158740, 0.158740, 0.0251984, 0.0251984, 0.004, 0.004], rel=1e-4)


def test_warmup_goes_before_steps_and_plateau() -> None:
    assert factors(Schedule(name="steps", warmup=1, drops_at=(0.5,)), 10, 2)[:2] == pytest.approx([1 / 3, 2 / 3])
    assert factors(Schedule(name="plateau", warmup=1), 10, 2)[:3] == pytest.approx([1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("drops_at", [(0.5, 0.25), (0.5, 0.5), (0.0,), (1.0,), (-0.1, 0.5)])
def test_shares_of_the_run_lie_within_it_and_rise(drops_at: tuple[float, ...]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Schedule(name="steps", drops_at=drops_at)


HISTORY = [0.9, 0.8, 0.85, 0.8, 0.81, 0.5, 0.5, 0.6, 0.5, 0.4, 0.4, 0.4, 0.4, 0.3, 0.3, 0.3, 0.3]


def test_plateau_drops_after_waiting_and_at_most_so_often() -> None:
    """Best 0.8 in epoch 2, three epochs without a better one: a drop after 5; then 0.5 in 6, a drop after 9; …"""
    found = [plateau_drops(HISTORY[:epochs], wait=3, most=3) for epochs in range(len(HISTORY) + 1)]
    assert found == [0] * 5 + [1] * 4 + [2] * 4 + [3] * 5
    assert plateau_drops(HISTORY, wait=3, most=1) == 1
    assert plateau_drops(HISTORY, wait=3, most=0) == 0
    assert plateau_drops([0.5] * 100, wait=1, most=9) == 9


def test_what_was_better_at_a_larger_rate_does_not_count() -> None:
    """After the drop 0.7 is the best at the new rate, though 0.5 was reached before."""
    assert plateau_drops([0.5, 0.6, 0.6, 0.7, 0.65, 0.66], wait=2, most=3) == 1
    assert plateau_drops([0.5, 0.6, 0.6, 0.7, 0.65, 0.66, 0.66], wait=2, most=3) == 2


def test_plateau_replays_the_history_of_validation() -> None:
    schedule = Schedule(name="plateau", wait=3, drop=0.5)
    for epochs in range(len(HISTORY)):
        wanted = 0.5 ** plateau_drops(HISTORY[:epochs], 3, 3)
        for step in (4 * epochs, 4 * epochs + 3):
            assert factor(schedule, step, 4 * len(HISTORY), 4, HISTORY[:epochs]) == wanted
    assert factor(schedule, 0, 10, 1) == 1
