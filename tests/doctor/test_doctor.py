"""The chart, the order of findings, and what the doctor must not do."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from alexnet.doctor import AILMENTS, examine
from alexnet.doctor.chart import Chart
from alexnet.doctor.records import Asked
from alexnet.run import Run
from tests.doctor.conftest import rows, vitals

LEARNT = [(2.0 * 0.6**epoch, 1 - 0.5 * 0.6**epoch, 2.0 * 0.7**epoch, 0.9) for epoch in range(8)]


def test_the_loss_of_guessing() -> None:
    even = Chart("run", "args", counts={"train": {"a": 50, "b": 50}})
    assert even.chance_loss == pytest.approx(math.log(2))
    counts = {"train": {"a": 90, "b": 10}}
    odd = Chart("run", "args", counts=counts)
    assert odd.chance_loss == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    weighted = Chart("run", "args", Asked(class_weights="auto"), counts=counts)
    assert weighted.chance_loss == pytest.approx(math.log(2))
    smooth = Chart("run", "args", Asked(label_smoothing=1.0), counts=counts)
    assert smooth.chance_loss == pytest.approx(math.log(2))
    assert odd.chance_accuracy == 0.9
    assert Chart("run", "args").chance_loss is None


def test_the_gravest_comes_first(written: Callable[..., Run]) -> None:
    lagging = vitals(
        evaluation={"accuracy": 0.1, "loss": 3.0},
        batch={"accuracy": 0.9, "loss": 0.3},
        batch_norms=[{"name": "bn1", "momentum": 0.01, "steps": 10, "held": 0.99**10}],
    )
    run = written(rows(LEARNT, images_per_second=300.0, data_wait=10.0), inside=lagging, train=(600, 50), val=(9, 9))
    found = examine(run)
    assert [finding.name for finding in found] == ["lagging statistics", "waiting for data", "class imbalance"]
    weights = [finding.sure * finding.severity for finding in found]
    assert weights == sorted(weights, reverse=True)
    assert all(0 <= finding.sure <= 1 and 0 <= finding.severity <= 1 for finding in found)


def test_vitals_given_stand_in_for_the_file(written: Callable[..., Run]) -> None:
    run = written(rows(LEARNT))
    assert examine(run) == []
    dead = [{"name": "relu1", "kind": "relu", "units": 96, "dead": 0.9, "saturated": 0.0}]
    assert [finding.name for finding in examine(run, vitals(activations=dead))] == ["dead units"]


def test_files_alone_are_enough(written: Callable[..., Run]) -> None:
    """A run without vitals, verdict, split or rows is looked at as far as it goes."""
    run = written(rows(LEARNT))
    (run.path / "vitals.json").unlink()
    assert examine(run) == []
    for file in ("metrics.json", "split.csv", "results.csv"):
        (run.path / file).unlink()
    assert [finding.name for finding in examine(run)] == ["not finished"]


def test_every_ailment_stands_in_the_document() -> None:
    text = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
    for ailment in AILMENTS:
        assert f"`{ailment.__name__.rpartition('.')[2]}.py`" in text


def test_nothing_is_written(healthy: Run) -> None:
    before = {file: file.stat().st_mtime_ns for file in healthy.path.rglob("*")}
    examine(healthy)
    assert {file: file.stat().st_mtime_ns for file in healthy.path.rglob("*")} == before
