"""Patients: tiny networks trained for seconds, and run directories written by hand."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alexnet.errors import DivergedError
from alexnet.experiment import train
from alexnet.models import variants
from alexnet.models.initial import Fill, Init
from alexnet.models.layers import BatchNorm, Conv, Dense, Layer, MaxPool, ReLU, Tanh
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.run import Row, Run
from tests.conftest import COLOURS, noisy

GLOROT = Init(Fill("glorot-uniform"))
NAMES = tuple(COLOURS)
SIDE = 16

Stages = dict[str, tuple[Layer, ...]]


def convolutional(*norm: BatchNorm) -> Stages:
    return {
        "conv1": (Conv(8, 5, stride=2), ReLU(), MaxPool(2, 2), *norm),
        "fc2": (Dense(16), ReLU(), *norm),
        "fc3": (Dense(None),),
    }


def deep(norm: BatchNorm) -> Stages:
    dense: Stages = {f"fc{number}": (Dense(16), ReLU(), norm) for number in (2, 3, 4, 5)}
    return {"conv1": (Conv(8, 5, stride=2), ReLU(), norm), **dense, "fc6": (Dense(None),)}


SLOW_STATISTICS = {"batch_norm_momentum": 0.001}
"""Together with the variant "deep"."""


STARTED_AT_ONE = Init(Fill("normal", 0.01), biases=1.0, biases_of={"fc4": 0.0})
VARIANTS: dict[str, tuple[Stages, Init]] = {
    "plain": (convolutional(), GLOROT),
    "normed": (convolutional(BatchNorm(momentum=0.1)), GLOROT),
    "deep": (deep(BatchNorm(momentum=0.1)), GLOROT),
    "dead": (convolutional(), Init(Fill("glorot-uniform"), biases_of={"fc2": -20.0})),
    "bent": ({"fc1": (Dense(16), Tanh()), "fc2": (Dense(None),)}, GLOROT),
    "flat": ({"fc1": (Dense(16), Tanh()), "fc2": (Dense(None),)}, Init(Fill("normal", 3.0))),
    "ones": ({f"fc{n}": (Dense(16), ReLU()) for n in (1, 2, 3)} | {"fc4": (Dense(None),)}, STARTED_AT_ONE),
}


class Ward:
    """Trains a tiny variant on a folder of three colours."""

    def __init__(self, base: Path, cache: Path) -> None:
        self.base = base
        self.cache = cache
        self.number = 0

    def folder(self, **parts: Callable[[int, int], str]) -> Path:
        """A folder of pictures; each part's function tells the label of the picture (colour, number), or ""."""
        self.number += 1
        folder = self.base / f"pictures{self.number}"
        for part, label_of in parts.items():
            for number in range(30):
                for at, colour in enumerate(COLOURS.values()):
                    if label := label_of(at, number):
                        file = folder / part / label / f"{NAMES[at]}{number:02d}.png"
                        file.parent.mkdir(parents=True, exist_ok=True)
                        seed = 100 * at + number + (50 if part == "val" else 0)
                        Image.fromarray(noisy(colour, seed, SIDE)).save(file)
        return folder

    def train(self, model: str, folder: Path, **given: Any) -> Run:
        """Four epochs of AdamW in batches of 16, unless told otherwise; a run that diverges is returned as well."""
        self.number += 1
        project, name = self.base / "runs", f"{model}{self.number}"
        asked: dict[str, Any] = {"model": model, "imgsz": SIDE, "margin": 1.0, "epochs": 4, "batch_size": 16}
        asked |= {"batch_norm_momentum": None, "values": "unit", "device": "cpu", "amp": False, "lr": 0.005} | given
        asked.setdefault("schedule", {"warmup": 0})
        if "optimizer" in given:
            del asked["lr"]
        with in_the_ward(self.cache):
            try:
                return train(folder, project=project, name=name, display=Display(quiet=True), **asked)
            except DivergedError:
                return Run(project / name)


@contextmanager
def in_the_ward(cache: Path) -> Iterator[None]:
    """The tiny variants are known, nothing is drawn, and the cache is the session's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alexnet.download.cache_folder", lambda: cache)
        patch.setattr("alexnet.dataset.cache_folder", lambda: cache)
        patch.setattr("alexnet.pictures.draw", lambda run: {})
        for name, (stages, init) in VARIANTS.items():
            like = variants.find("notebook-flowers")
            tiny = replace(like, name=name, preprocess=Preprocess(SIDE, SIDE), stages=stages, init=init, accuracy=None)
            patch.setitem(variants.VARIANTS, name, tiny)
        yield


@pytest.fixture(autouse=True)
def _in_the_ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with in_the_ward(tmp_path_factory.getbasetemp() / "cache"):
        yield


@pytest.fixture(scope="session")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Ward:
    """One for all tests; it lets no patch out (fixtures of a session come before `_in_the_ward`)."""
    return Ward(tmp_path_factory.mktemp("ward"), tmp_path_factory.getbasetemp() / "cache")


def by_colour(colour: int, number: int) -> str:
    return NAMES[colour]


@pytest.fixture(scope="session")
def colours(ward: Ward) -> Path:
    """Thirty pictures of each colour, rightly labelled."""
    return ward.folder(**{"": by_colour})


@pytest.fixture(scope="session")
def lagging(ward: Ward, colours: Path) -> Run:
    """A run whose statistics hold nearly all of their start; only read by tests."""
    return ward.train("deep", colours, **SLOW_STATISTICS)


@pytest.fixture(scope="session")
def healthy(ward: Ward, colours: Path) -> Run:
    """A run that nothing is wrong with; only read by tests."""
    return ward.train("normed", colours, epochs=8)


def copy_of(run: Run, where: Path, *without: str) -> Run:
    shutil.copytree(run.path, where)
    for name in without:
        (where / name).unlink()
    return Run(where)


def digests(run: Run) -> dict[str, str]:
    files = (file for file in run.path.rglob("*") if file.is_file())
    return {str(file.relative_to(run.path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def rows(losses: Sequence[Sequence[float]], **columns: float) -> list[Row]:
    """Rows of results.csv from (loss, acc, val_loss, val_acc)."""
    names = ("train/loss", "train/acc", "val/loss", "val/acc")
    usual = {"lr": 0.001, "images_per_second": 1000.0, "data_wait": 0.0} | columns
    return [
        {"epoch": epoch, "time": 10.0 * epoch, **dict(zip(names, row, strict=True)), **usual}
        for epoch, row in enumerate(losses, start=1)
    ]


def vitals(**changed: Any) -> dict[str, Any]:
    """Those of a network in good health, but for what is changed."""
    healthy = {
        "pictures": 512,
        "classes": 10,
        "evaluation": {"accuracy": 0.9, "loss": 0.3},
        "batch": None,
        "batch_norms": [],
        "activations": [{"name": "relu1", "kind": "relu", "units": 96, "dead": 0.1, "saturated": 0.0}],
        "output_spread": 0.99,
        "neighbours": {"accuracy": 0.9, "chance": 0.1},
        "biases_at_one": [],
        "twins": {"count": 0, "of": 100, "pairs": []},
    }
    return healthy | changed


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Run]:
    """Makes a run directory from what its files should say."""

    def make(
        history: Sequence[Row],
        *,
        inside: dict[str, Any] | None = None,
        args: dict[str, Any] | None = None,
        train: Sequence[int] = (600,) * 10,
        val: Sequence[int] = (100,) * 10,
        accuracy: float | None = 0.9,
    ) -> Run:
        run = Run.create(tmp_path, "written by hand")
        optimizer = {"name": "adamw", "lr": 0.001}
        plain = {"data": "mnist", "model": "notebook-mnist", "recipe": "modern", "epochs": len(history)}
        run.write_args({**plain, "optimizer": optimizer, "keep": "best", **(args or {})})
        parts = {"train": train, "val": val}
        counted = [(part, label, count) for part, counts in parts.items() for label, count in enumerate(counts)]
        split = [
            {"path": f"{part}{label}/{number}", "label": str(label), "split": part}
            for part, label, count in counted
            for number in range(count)
        ]
        run.write_table("split.csv", ("path", "label", "split"), split)
        run.write_results(history)
        run.write_json("vitals.json", inside or vitals())
        if accuracy is not None:
            matrix = np.eye(len(train), dtype=int).tolist()
            verdict = {"split": "val", "n": sum(val), "accuracy_top1": accuracy, "interval95": [0.0, 1.0]}
            run.write_json("metrics.json", {**verdict, "confusion_matrix": matrix, "per_class": []})
        return run

    return make
