"""Files of which a part is wrong or missing: an error that names the file, whatever the part."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from alexnet.doctor import examine
from alexnet.doctor.records import Augment
from alexnet.errors import DataError
from alexnet.run import Run
from tests.doctor.conftest import rows, vitals

Written = Callable[..., Run]

LEARNT = [(2.0 * 0.6**epoch, 1 - 0.5 * 0.6**epoch, 2.0 * 0.7**epoch, 0.9) for epoch in range(8)]
RELU = {"name": "relu1", "kind": "relu", "units": 96, "dead": 0.1, "saturated": 0.0}
TWINS = {"count": 1, "of": 100, "pairs": [["a", "b"]]}
NORM = {"name": "bn1", "momentum": 0.1, "steps": 9, "held": 0.4}


def without(whole: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in whole.items() if name != key}


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({}, "vitals.json is damaged"),
        ({"pictures": 1, "evaluation": {}, "activations": []}, r"\(evaluation.accuracy: field required\)"),
        (vitals(pictures=0), "pictures: "),
        (vitals(pictures=None), "pictures: "),
        (vitals(batch={"loss": 1.0}), "batch.accuracy: "),
        (vitals(activations=[RELU, without(RELU, "kind")]), "activations.1.kind: "),
        (vitals(activations=[without(RELU, "dead")]), "activations.0.dead: "),
        (vitals(activations=[{**RELU, "units": "many"}]), "activations.0.units: "),
        (vitals(activations=7), "activations: "),
        (vitals(batch_norms=[without(NORM, "held")]), "batch_norms.0.held: "),
        (vitals(neighbours={"accuracy": 0.5}), "neighbours.chance: "),
        (vitals(twins={"count": 1, "of": 100, "pairs": [["a"]]}), "twins.pairs.0.1: "),
        (vitals(twins=without(TWINS, "of")), "twins.of: "),
    ],
)
def test_vitals(written: Written, content: dict[str, Any], where: str) -> None:
    run = written(rows(LEARNT))
    run.write_json("vitals.json", content)
    with pytest.raises(DataError, match=r"vitals\.json is damaged") as error:
        examine(run)
    assert str(run.path / "vitals.json") in str(error.value)
    assert error.match(where)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"optimizer": None}, "optimizer: "),
        ({"optimizer": {"name": "adamw", "lr": "fast"}}, "optimizer.lr: "),
        ({"optimizer": ["adamw"]}, "optimizer: "),
        ({"epochs": "many"}, "epochs: "),
        ({"augment": {"crop_area": [1.0]}}, "augment.crop_area.1: "),
        ({"mixing": None}, "mixing: "),
        ({"label_smoothing": None}, "label_smoothing: "),
        ({"schedule": 3}, "schedule: "),
    ],
)
def test_args(written: Written, changed: dict[str, Any], where: str) -> None:
    run = written(rows(LEARNT))
    run.args_file.write_text(yaml.safe_dump({**run.args, **changed}))
    with pytest.raises(DataError, match=rf"args\.yaml is damaged or not whole \({where}"):
        examine(run)


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"n": "many"}, "n: "),
        ({"per_class": [{"label": "a"}]}, "per_class.0.recall: "),
        ({"per_class": {"a": 1}}, "per_class: "),
    ],
)
def test_metrics(written: Written, changed: dict[str, Any], where: str) -> None:
    run = written(rows(LEARNT), train=(600, 30))
    run.write_json("metrics.json", {**run.metrics, **changed})
    with pytest.raises(DataError, match=rf"metrics\.json is damaged or not whole \({where}"):
        examine(run)


@pytest.mark.parametrize("column", ["val/loss", "val/acc"])
def test_half_a_validation(written: Written, column: str) -> None:
    table = rows(LEARNT)
    del table[5][column]
    with pytest.raises(DataError, match=r"results\.csv is damaged or not whole"):
        examine(written(table))


def test_vitals_measured_now_are_checked_alike(written: Written) -> None:
    with pytest.raises(DataError, match=r"vitals\.json is damaged"):
        examine(written(rows(LEARNT)), {"pictures": 1})


def test_what_is_not_needed_may_be_missing_or_unknown(written: Written) -> None:
    run = written(rows(LEARNT), inside={"pictures": 9, "evaluation": {"accuracy": 1.0}, "activations": [], "new": {}})
    run.write_args({"data": "a", "model": "b", "recipe": "c", "unheard": [1]})
    run.write_json("metrics.json", {key: value for key, value in run.metrics.items() if key != "per_class"})
    assert examine(run) == []
    assert json.loads((run.path / "vitals.json").read_text())["new"] == {}


def test_a_mirror_image_moves_nothing() -> None:
    assert not Augment(flip=True).moves
    assert not Augment(crop="centre", crop_area=(1.0, 1.0)).moves
    assert Augment(crop_area=(0.99, 1.0)).moves
