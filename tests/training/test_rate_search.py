"""The sweep: the network stays as it is, the rate rises evenly, and what it suggests trains."""

import math

import numpy as np
import pytest
import torch

from alexnet.models.network import create_model
from alexnet.progress import Display
from alexnet.training.loop import Setting
from alexnet.training.rate_search import Sweep, sweep
from alexnet.training.world import World
from tests.training.test_loop import CPU, PREPROCESS, data, small, train

QUIET = Setting(CPU, "float32", World(), Display(quiet=True))


def searched(lowest: float = 1e-6, highest: float = 10.0, steps: int = 60) -> Sweep:
    torch.manual_seed(0)
    network = create_model("notebook-mnist", num_classes=2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = sweep(
        network,
        data(60, batch_size=16, seed=0),
        PREPROCESS,
        small(),
        QUIET,
        lowest=lowest,
        highest=highest,
        steps=steps,
    )
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    return found


def test_the_rate_rises_by_one_factor_and_the_sweep_ends_when_the_loss_explodes() -> None:
    found = searched()
    factors = np.diff(np.log(found.rates))
    assert found.rates[0] == pytest.approx(1e-6)
    assert factors == pytest.approx(math.log(1e7) / 59)
    assert len(found.rates) < 60, "at a rate of 10 no AdamW holds"
    assert all(math.isfinite(loss) for loss in found.losses)


def test_the_suggested_rate_trains() -> None:
    rate = searched().suggested
    assert rate is not None
    assert 1e-4 < rate < 0.1
    assert train(small(optimizer={"lr": rate})).rows[-1]["val/acc"] == 1.0


def test_the_steepest_place_is_found_without_lag() -> None:
    rates = np.geomspace(1e-6, 1, 121)
    falling = 2 / (1 + np.exp(3 * (np.log10(rates) + 3)))  # steepest at 1e-3
    rising = np.where(rates > 0.1, 10 * (np.log10(rates) + 1), 0)
    suggested = Sweep(tuple(rates), tuple(falling + rising)).suggested
    assert suggested is not None
    assert 0.5e-3 < suggested < 2e-3


def test_a_loss_that_never_falls_suggests_nothing() -> None:
    assert Sweep(tuple(np.geomspace(1e-6, 1, 50)), tuple(np.linspace(1, 2, 50))).suggested is None


def test_the_same_seed_gives_the_same_sweep() -> None:
    assert searched(steps=20) == searched(steps=20)
