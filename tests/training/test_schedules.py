"""The learning rate's factor, step by step."""

import itertools
import math

import pytest

from alexnet.training.schedules import Schedule, factor


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
