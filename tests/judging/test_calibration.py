"""Calibration against loops written out here, and against temperatures that are known."""

import math
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alexnet.data.batches import Batches
from alexnet.judging.calibration import BINS, calibration, fit_temperature
from alexnet.models.network import create_model
from alexnet.preprocess import Preprocess


def ece_by_a_loop(scores: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    total = 0.0
    for index in range(BINS):
        inside = [
            i for i, s in enumerate(scores) if index / BINS <= s < (index + 1) / BINS or (s == 1 and index == BINS - 1)
        ]
        if inside:
            accuracy = sum(bool(right[i]) for i in inside) / len(inside)
            confidence = sum(float(scores[i]) for i in inside) / len(inside)
            total += len(inside) / len(scores) * abs(accuracy - confidence)
    return total


def test_the_error_is_that_of_a_plain_loop() -> None:
    random = np.random.default_rng(0)
    scores = np.append(random.uniform(0.1, 1, 499), 1.0).astype(np.float32)
    right = random.uniform(size=500) < scores**2
    result = calibration(scores, right)
    assert result.error == pytest.approx(ece_by_a_loop(scores, right), abs=1e-9)
    assert sum(each["n"] for each in result.bins) == 500
    assert result.interval95[0] < result.error < result.interval95[1]


def test_who_is_right_as_often_as_said_has_an_error_of_noise_only() -> None:
    random = np.random.default_rng(1)
    scores = random.uniform(0.1, 1, 200_000).astype(np.float32)
    assert calibration(scores, random.uniform(size=200_000) < scores).error < 0.005
    assert calibration(scores, np.zeros(200_000, dtype=bool)).error == pytest.approx(scores.mean(), abs=1e-4)


class Told(nn.Module):
    """Answers a picture with the logits that its first pixel names."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, pictures: Tensor) -> Tensor:
        return self.logits[(pictures[:, 0, 0, 0] * 255).round().long()]


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_with_is_found(temperature: float) -> None:
    random = np.random.default_rng(2)
    table = torch.from_numpy(random.normal(0, 2, (250, 5)))
    rows = random.integers(0, 250, 20_000)
    drawn = (table[rows] / temperature).softmax(dim=1)
    labels = torch.multinomial(drawn, 1, generator=torch.Generator().manual_seed(0))[:, 0].numpy()
    pixels = rows.astype(np.uint8).reshape(-1, 1, 1, 1)
    batches = Batches(pixels, labels, np.arange(len(rows)), batch_size=4096, seed=None, device=torch.device("cpu"))
    found = fit_temperature(Told(table), batches, Preprocess(size=1, resize_to=1, channels=1))
    assert found == pytest.approx(temperature, rel=0.05)


def test_cooling_divides_the_logits_and_keeps_the_order() -> None:
    network = create_model("notebook-mnist").eval()
    pictures = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    before = cast(Tensor, network(pictures))
    network.cool(2.0)
    torch.testing.assert_close(network(pictures), before / 2)


def test_labels_that_say_nothing_end_at_a_limit_not_in_an_error() -> None:
    table = torch.eye(5, dtype=torch.float64)
    rows = np.arange(5)
    batches = Batches(
        rows.astype(np.uint8).reshape(-1, 1, 1, 1), rows, rows, batch_size=5, seed=None, device=torch.device("cpu")
    )
    found = fit_temperature(Told(table), batches, Preprocess(size=1, resize_to=1, channels=1))
    assert math.isfinite(found)
    assert found < 0.06, "always right: as sure as is allowed"
