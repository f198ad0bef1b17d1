"""The named recipes: their numbers beside their sources', and one epoch of each on a few pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alexnet
from alexnet import predict
from alexnet.models import variants
from alexnet.progress import Display
from alexnet.training import recipes
from alexnet.training.recipe import Recipe, merged

OF_SOURCES = ("paper", "caffe", "owt", "torchvision")
EPOCH = {128: 10_010, 256: 5_005}
"""Steps of an epoch of 1,281,167 pictures, by batch size."""


def rates(recipe: Recipe, epoch: int) -> tuple[float, float]:
    """Of weights and biases in the first step after `epoch` epochs of ImageNet."""
    steps_per_epoch = EPOCH[recipe.batch_size]
    found = recipe.rates(epoch * steps_per_epoch, recipe.epochs * steps_per_epoch, steps_per_epoch)
    return found["weights"], found["biases"]


@pytest.mark.parametrize("name", OF_SOURCES)
def test_what_the_sources_have_in_common(name: str) -> None:
    recipe = recipes.find(name, "path/to/imagenet")
    assert recipe.name == name
    assert recipe.model in variants.VARIANTS
    assert (recipe.optimizer.lr, recipe.optimizer.momentum) == (0.01, 0.9)
    assert recipe.augment.flip
    assert recipe.keep == "last"
    assert recipe.validate_on == "cut"
    assert recipe.patience is None
    assert recipe.label_smoothing == 0
    size = recipe.imgsz or variants.find(recipe.model).input[1]
    assert round(size * recipe.margin) == 256
    assert recipes.find(name, "flowers17") == recipe


def test_the_papers_numbers() -> None:
    recipe = recipes.find("paper", "folder")
    assert (recipe.batch_size, recipe.epochs, recipe.views, recipe.resize) == (128, 93, 10, "crop")
    assert (recipe.optimizer.name, recipe.optimizer.weight_decay) == ("paper", 0.0005)
    assert not recipe.optimizer.bias_decay
    assert recipe.values == "centred"
    assert (recipe.augment.crop, recipe.augment.colour_noise) == ("random", 0.1)
    assert recipe.augment.colour_noise_reading == "cuda-convnet"
    for epoch, wanted in ((0, 0.01), (22, 0.01), (23, 1e-3), (50, 1e-3), (51, 1e-4), (77, 1e-4), (78, 1e-5)):
        assert rates(recipe, epoch) == pytest.approx((wanted, 2 * wanted))
    by_hand = merged(recipe, {"schedule": {"name": "plateau"}})
    assert by_hand.rates(0, 1, 1, [0.5] * 99) == pytest.approx({"weights": 1e-5, "biases": 2e-5}), "three drops"


def test_caffes_numbers() -> None:
    recipe = recipes.find("caffe", "folder")
    assert (recipe.batch_size, recipe.views, recipe.resize, recipe.values) == (256, 1, "squash", "centred")
    assert recipe.epochs * EPOCH[256] == pytest.approx(450_000, rel=0.002)
    assert (recipe.optimizer.name, recipe.optimizer.weight_decay) == ("paper", 0.0005)
    assert recipe.augment.colour_noise == 0
    assert recipe.augment.crop == "random"
    for epoch, drops in ((19, 0), (20, 1), (39, 1), (40, 2), (60, 3), (79, 3), (80, 4), (89, 4)):
        assert rates(recipe, epoch) == pytest.approx((0.01 * 0.1**drops, 0.02 * 0.1**drops))


def test_the_one_towers_numbers() -> None:
    recipe = recipes.find("owt", "folder")
    assert (recipe.batch_size, recipe.epochs, recipe.views, recipe.values) == (128, 90, 10, "centred")
    assert (recipe.optimizer.name, recipe.optimizer.weight_decay) == ("paper", 0.0005)
    assert (recipe.augment.crop, recipe.augment.colour_noise) == ("random", 0.1)
    assert rates(recipe, 0) == pytest.approx((0.01, 0.02))
    assert rates(recipe, 23) == pytest.approx((0.01 * 0.1587401, 0.02))
    assert rates(recipe, 45) == pytest.approx((0.01 * 0.0251984, 0.002), rel=1e-5)
    assert rates(recipe, 89) == pytest.approx((0.01 / 250, 0.002))


def test_torchvisions_numbers() -> None:
    recipe = recipes.find("torchvision", "folder")
    assert (recipe.batch_size, recipe.epochs, recipe.views, recipe.values) == (256, 90, 1, "standardised")
    rule = recipe.optimizer
    assert (rule.name, rule.nesterov, rule.weight_decay, rule.bias_decay, rule.bias_lr) == ("sgd", False, 1e-4, True, 1)
    assert (recipe.augment.crop_area, recipe.augment.crop_ratio) == ((0.08, 1.0), (3 / 4, 4 / 3))
    for epoch, wanted in ((29, 0.01), (30, 1e-3), (59, 1e-3), (60, 1e-4), (89, 1e-4)):
        assert rates(recipe, epoch) == pytest.approx((wanted, wanted))


@pytest.mark.parametrize("name", OF_SOURCES)
def test_one_epoch_on_a_few_pictures(name: str, folder_of_colours: Callable[..., Path], tmp_path: Path) -> None:
    """At the smallest size that all four networks have; with the recipe's own views, also in `val` and `predict`."""
    folder = folder_of_colours(count=8)
    given: dict[str, Any] = {"imgsz": 67, "epochs": 1, "batch_size": 8, "lr": 0.001, "device": "cpu", "amp": False}
    run = alexnet.train(folder, recipe=name, project=tmp_path / "runs", display=Display(quiet=True), **given)
    classifier = predict.load(run.path)
    preprocess = classifier.card.preprocess
    recipe = recipes.find(name, "folder")
    assert (classifier.card.variant, preprocess.views) == (recipe.model, recipe.views)
    assert preprocess.resize_to == round(67 * recipe.margin)
    centred = recipe.values == "centred"
    assert (preprocess.std == (1 / 255,)) == centred
    assert all(0.2 < mean < 0.6 for mean in preprocess.mean)
    assert len(run.history) == 1
    assert run.metrics["n"] == 3
    row = run.predictions[0]
    answer = classifier.predict(folder / row["path"], topk=3)
    assert answer[0]["label"] == row["predicted"]
    assert answer[0]["score"] == pytest.approx(float(row["score"]), abs=2e-6)
    assert np.isclose(sum(each["score"] for each in answer), 1, atol=1e-5)
