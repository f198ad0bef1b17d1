"""Patients with one ailment each: it is the first thing that the doctor names."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from alexnet.doctor import Finding, examine
from alexnet.run import Run
from tests.doctor.conftest import NAMES, Ward, by_colour, rows, vitals

Written = Callable[..., Run]

MNIST = (
    (2.3005, 0.1190, 2.2854, 0.1482),
    (2.2777, 0.1534, 2.2624, 0.2334),
    (2.2552, 0.1972, 2.2394, 0.3219),
    (2.2324, 0.2383, 2.2152, 0.3853),
    (2.2092, 0.2754, 2.1890, 0.4397),
    (2.1829, 0.3111, 2.1600, 0.4927),
    (2.1537, 0.3447, 2.1275, 0.5322),
    (2.1216, 0.3750, 2.0908, 0.5628),
    (2.0853, 0.4034, 2.0492, 0.5926),
    (2.0457, 0.4301, 2.0024, 0.6310),
    (1.9995, 0.4567, 1.9500, 0.6615),
    (1.9501, 0.4817, 1.8919, 0.6863),
)
"""docs/notebook.md, part B, ours."""

MNIST_PRINTED = (
    (2.3166, 0.1258, 2.2846, 0.2235),
    (2.2731, 0.1628, 2.2443, 0.2562),
    (2.2360, 0.2039, 2.2072, 0.3285),
    (2.1986, 0.2527, 2.1689, 0.4315),
    (2.1625, 0.3001, 2.1275, 0.5330),
    (2.1219, 0.3475, 2.0818, 0.6103),
    (2.0767, 0.3951, 2.0305, 0.6505),
    (2.0268, 0.4321, 1.9731, 0.6741),
    (1.9714, 0.4653, 1.9091, 0.6948),
    (1.9101, 0.4972, 1.8394, 0.7111),
    (1.8474, 0.5173, 1.7642, 0.7325),
    (1.7755, 0.5402, 1.6838, 0.7509),
)
"""docs/notebook.md, part B, as the notebook printed it."""

FLOWERS = (
    (3.3682, 0.0987, 2.8315, 0.0662),
    (2.7067, 0.2037, 2.8324, 0.0760),
    (2.2605, 0.3211, 2.8369, 0.0809),
    (2.0087, 0.3778, 2.8460, 0.0784),
    (1.7771, 0.4326, 2.8595, 0.0625),
    (1.5704, 0.4997, 2.8771, 0.0625),
    (1.4378, 0.5426, 2.9019, 0.0760),
    (1.2884, 0.5907, 2.9284, 0.0600),
    (1.1907, 0.6204, 2.9580, 0.0588),
    (1.0918, 0.6406, 2.9935, 0.0588),
    (1.0282, 0.6829, 3.0342, 0.0600),
    (0.9297, 0.7025, 3.0762, 0.0588),
)
"""docs/notebook.md, part A, ours."""


def first(run: Run) -> Finding:
    found = examine(run)
    assert found, f"{run.path} was found healthy"
    return found[0]


# ---- trained sick ------------------------------------------------------------------------------------------


def test_lagging_statistics(lagging: Run) -> None:
    finding = first(lagging)
    assert finding.name == "lagging statistics"
    assert "momentum 0.001" in finding.evidence[1]
    assert finding.remedy.startswith("alexnet recalibrate ")
    assert finding.mend == "recalibrate"


def test_learning_rate_too_high(ward: Ward, colours: Path) -> None:
    finding = first(ward.train("plain", colours, optimizer={"lr": 5.0, "weight_decay": 0.05}, keep="last"))
    assert finding.name == "learning rate too high"
    assert finding.mend == {"lr": 0.001}


def test_learning_rate_too_high_at_first(ward: Ward, colours: Path) -> None:
    run = ward.train("plain", colours, optimizer={"name": "sgd", "lr": 1.0}, keep="last")
    assert run.history[-1]["train/loss"] < 1.3
    finding = first(run)
    assert finding.name == "stuck at chance"
    assert "too high" in finding.cause
    assert finding.mend == {"lr": 0.01}


def test_divergence(ward: Ward, colours: Path) -> None:
    run = ward.train("plain", colours, optimizer={"name": "sgd", "lr": 1e20})
    assert run.history == []
    assert run.vitals == {}
    finding = first(run)
    assert finding.name == "diverged"
    assert finding.evidence[0].startswith("epoch 1, step ")
    assert finding.mend == {"lr": 0.01}


def test_learning_rate_far_too_low(ward: Ward, colours: Path) -> None:
    finding = first(ward.train("plain", colours, lr=1e-8))
    assert finding.name == "learning rate too low"
    assert finding.mend == {"lr": 0.001}


def test_dead_relus(ward: Ward, colours: Path) -> None:
    run = ward.train("dead", colours)
    finding = first(run)
    assert finding.name == "stuck at chance"
    assert finding.cause.startswith("Dead ReLUs")
    assert "relu2: 100% of 16 units" in finding.evidence[2]
    told = [line for line in run.log_file.read_text("utf-8").splitlines() if line.startswith("doctor, epoch ")]
    assert len(told) == 1
    assert told[0].startswith("doctor, epoch 3: stuck at chance (50% sure): ")
    assert told[0].endswith(f"To stop: Ctrl-C; then: alexnet train --config {run.args_file} --lr 0.0005")


def test_biases_that_start_at_one(ward: Ward, colours: Path) -> None:
    finding = first(ward.train("ones", colours, optimizer={"name": "sgd", "lr": 0.001}))
    assert finding.name == "stuck at chance"
    assert finding.cause.startswith("Biases that start at 1")
    assert "ones starts fc1, fc2, fc3 with biases of 1" in finding.evidence[2]
    assert finding.remedy.endswith(" --model notebook-mnist")


def test_random_labels(ward: Ward) -> None:
    draw = random.Random(0)
    folder = ward.folder(**{"": lambda colour, number: draw.choice(NAMES)})
    finding = first(ward.train("plain", folder, lr=0.001))
    assert finding.name == "stuck at chance"
    assert finding.cause.startswith("The labels seem wrong")


def test_saturated_tanh(ward: Ward, colours: Path) -> None:
    finding = first(ward.train("flat", colours, lr=0.05))
    assert finding.name == "saturated units"
    assert finding.evidence[0].startswith("tanh1: ")


def test_validation_with_other_labels(ward: Ward) -> None:
    folder = ward.folder(train=by_colour, val=lambda colour, number: NAMES[colour - 1])
    finding = first(ward.train("normed", folder, epochs=5, keep="last"))
    assert finding.name == "validation unlike training"
    assert "mixed up" in finding.cause


def test_class_imbalance(ward: Ward) -> None:
    folder = ward.folder(**{"": lambda colour, number: NAMES[colour] if colour or number < 3 else ""})
    run = ward.train("normed", folder, epochs=5, val_split=0)
    finding = first(run)
    assert finding.name == "class imbalance"
    assert finding.remedy.endswith("--class-weights auto")
    assert finding.evidence[0] == "24 training pictures of green, 2 of blue (split.csv)"


def test_the_same_pictures_in_both_parts(ward: Ward) -> None:
    folder = ward.folder(train=by_colour, val=by_colour)
    for colour in NAMES:
        copy = folder / "val" / colour / "again.png"
        copy.write_bytes((folder / "train" / colour / f"{colour}00.png").read_bytes())
    run = ward.train("normed", folder, epochs=5)
    finding = first(run)
    assert finding.name == "same picture in training and validation"
    assert run.vitals["twins"]["count"] == 3
    assert ["train/red/red00.png", "val/red/again.png"] in run.vitals["twins"]["pairs"]


# ---- written sick ------------------------------------------------------------------------------------------


def test_mnist_as_in_the_notebook(written: Written) -> None:
    args = {"optimizer": {"name": "adadelta", "lr": 0.001}, "keep": "last", "recipe": "notebook"}
    for table in (MNIST, MNIST_PRINTED):
        inside = vitals(evaluation={"accuracy": table[-1][3], "loss": table[-1][2]})
        run = written(rows(table), inside=inside, args=args, accuracy=table[-1][3])
        finding = first(run)
        assert finding.name == "learning rate too low"
        assert finding.mend == {"lr": 1.0}
        for file in ("args.yaml", "results.csv", "metrics.json", "vitals.json", "split.csv"):
            (run.path / file).unlink()


def test_flowers_as_in_the_notebook(written: Written) -> None:
    held = 0.99**108
    inside = vitals(
        classes=17,
        evaluation={"accuracy": 0.06, "loss": 3.1},
        batch={"accuracy": 0.82, "loss": 0.6},
        batch_norms=[{"name": "bn1", "momentum": 0.01, "steps": 108, "held": held}],
    )
    args = {"optimizer": {"name": "adadelta", "lr": 0.01}, "keep": "last"}
    run = written(rows(FLOWERS), inside=inside, args=args, train=(64,) * 17, val=(16,) * 17, accuracy=0.0588)
    found = examine(run)
    assert [finding.name for finding in found] == ["lagging statistics"]
    assert "108 steps: it still holds 34%" in found[0].evidence[1]


def test_over_fitting(written: Written) -> None:
    table = [(2.0 * 0.7**e, 1 - 0.5 * 0.7**e, 1.0 + 0.08 * abs(e - 4), 0.7 - 0.005 * abs(e - 4)) for e in range(12)]
    finding = first(written(rows(table)))
    assert finding.name == "over-fitting"
    assert "in epoch 5, 1.560 in epoch 12" in finding.evidence[0]
    assert "After epoch 5 " in finding.cause


def test_dead_units_of_a_network_that_learns(written: Written) -> None:
    layers = [
        {"name": "relu1", "kind": "relu", "units": 96, "dead": 0.7, "saturated": 0.0},
        {"name": "relu2", "kind": "relu", "units": 96, "dead": 0.2, "saturated": 0.0},
    ]
    finding = first(written(rows(LEARNT), inside=vitals(activations=layers)))
    assert finding.name == "dead units"
    assert len(finding.evidence) == 1
    assert finding.evidence[0].startswith("relu1: 70% of 96 units")


def test_a_class_that_only_validation_has(written: Written) -> None:
    finding = first(written(rows(LEARNT), train=(600, 600), val=(100, 100, 100)))
    assert finding.name == "validation unlike training"
    assert finding.evidence == ("in validation only: 2 (split.csv)",)


def test_waiting_for_data(written: Written) -> None:
    run = written(rows(LEARNT, images_per_second=600.0, data_wait=4.0))
    finding = first(run)
    assert finding.name == "waiting for data"
    assert finding.evidence[0].startswith("32 of 80 seconds")


def test_a_training_that_was_stopped(written: Written) -> None:
    finding = first(written(rows(LEARNT), accuracy=None, args={"epochs": 30}))
    assert finding.name == "not finished"
    assert finding.evidence[0].startswith("8 of 30 epochs")


LEARNT = [
    (2.3 * 0.6**epoch, 1 - 0.8 * 0.6**epoch, 2.2 * 0.65**epoch + 0.1, 0.95 - 0.7 * 0.6**epoch) for epoch in range(8)
]


@pytest.mark.parametrize(
    ("right", "pictures", "sure"), [(0.625, 8, None), (0.4, 5, 0.57), (0.25, 8, 0.8), (0.34, 90, 0.85)]
)
def test_of_few_validation_pictures_less_is_said(
    right: float, pictures: int, sure: float | None, written: Written
) -> None:
    """Five of eight right may be luck or learning; a quarter of eight, where a third is chance, hardly learning."""
    table = [(1.1 * 0.5**epoch, 1 - 0.5**epoch, 1.0, right) for epoch in range(1, 7)]
    known = vitals(classes=3, evaluation={"accuracy": 1.0, "loss": 0.02}, neighbours=None)
    parts = {"train": (30,) * 3, "val": (pictures - 2, 1, 1)}
    found = examine(written(rows(table), inside=known, accuracy=right, **parts))
    assert [finding.sure for finding in found if finding.name == "validation unlike training"] == (
        [] if sure is None else [pytest.approx(sure, abs=0.01)]
    )
