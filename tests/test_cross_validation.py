"""Folds: each training picture is judged once, by a network that has not seen it, and the test part never."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alexnet import cross_validation
from alexnet.errors import DataError, UsageError
from alexnet.progress import Display

QUIET = Display(quiet=True)


def test_every_training_picture_is_judged_once(folder_of_colours: Callable[..., Path], tmp_path: Path) -> None:
    folder = folder_of_colours(count=10, side=28)
    run = cross_validation.train(
        folder, folds=2, model="notebook-mnist", epochs=2, batch_size=8, amp=False, device="cpu",
        project=tmp_path / "runs", display=QUIET,
    )  # fmt: skip
    parts = [
        {part: {row["path"] for row in each.split if row["split"] == part} for part in ("train", "val", "test")}
        for each in (type(run)(run.path / "fold1"), type(run)(run.path / "fold2"))
    ]
    assert parts[0]["test"] == parts[1]["test"]
    assert len(parts[0]["test"]) == 6
    assert parts[0]["val"] == parts[1]["train"]
    assert parts[1]["val"] == parts[0]["train"]
    judged = [row["path"] for row in run.predictions]
    assert sorted(judged) == sorted(parts[0]["val"] | parts[1]["val"])
    metrics = run.metrics
    assert metrics["n"] == 24
    assert metrics["accuracy_top1"] == pytest.approx(np.mean(metrics["folds"]))
    assert {"confusion_matrix", "reliability"} <= run.pictures.keys()
    assert type(run)(run.path / "fold1").args["keep"] == "last"


def test_more_folds_than_a_class_has_pictures(folder_of_colours: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a class of 4 pictures, too few for 5 folds: take --folds 4"):
        cross_validation.train(
            folder_of_colours(count=5, side=28),
            folds=5,
            model="notebook-mnist",
            project=tmp_path / "runs",
            display=QUIET,
        )


def test_recipes_that_judge_on_the_test_part_have_no_folds() -> None:
    with pytest.raises(UsageError, match="recipe notebook judges on the test part"):
        cross_validation.train("digits", folds=3, recipe="notebook", display=QUIET)
