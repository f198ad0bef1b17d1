from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from alexnet import dataset, download, settings
from alexnet.data import images
from alexnet.dataset import Dataset
from alexnet.progress import Display
from alexnet.run import Run
from tests.conftest import COLOURS, Call, noisy


@pytest.fixture
def jpegs(tmp_path: Path) -> Path:
    """Thirty JPEGs, large enough to be decoded at a half; one of them cannot be read."""
    folder = tmp_path / "jpegs"
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True)
        for number in range(10):
            seed = number + 1000 * len(label)
            Image.fromarray(noisy(colour, seed, side=64)).save(folder / label / f"{number}.jpg", quality=95)
    return folder


def prepared(folder: Path, *, fast: bool) -> Dataset:
    options, recipe = settings.resolve({"data": str(folder), "model": "notebook-mnist", "fast_jpeg": fast})
    return dataset.prepare(options, recipe, Display(quiet=True))


def in_full(data: Dataset, folder: Path) -> NDArray[np.bool_]:
    """Which of the usable pictures are stored as they are when they are decoded in full."""
    same = np.zeros(len(data.source), bool)
    for number in data.store.usable:
        same[number] = np.array_equal(
            data.store.pixels[number], data.preprocess.fit(images.read(folder / data.source.names[number]))
        )
    return same


@pytest.mark.parametrize("unreadable", [0, 1])
def test_fast_jpeg_is_for_training_pictures_alone(jpegs: Path, unreadable: int) -> None:
    for number in range(unreadable):
        (jpegs / "red" / f"{number}.jpg").write_bytes(b"")
    plain, fast = prepared(jpegs, fast=False), prepared(jpegs, fast=True)
    assert in_full(plain, jpegs)[plain.store.usable].all()
    assert fast.split.rows(fast.source) == plain.split.rows(plain.source)
    judged = np.concatenate([fast.split.val, fast.split.test])
    assert len(judged) > 5
    assert in_full(fast, jpegs)[judged].all()
    assert not in_full(fast, jpegs)[fast.split.train].any()


def test_a_run_with_fast_jpeg_says_so_and_is_judged_with_the_same_store(call: Call, jpegs: Path) -> None:
    arguments = ("--model", "notebook-mnist", "--epochs", 1, "--device", "cpu", "--no-amp", "--json")
    trained = call("train", jpegs, *arguments, "--fast-jpeg")
    assert trained.code == 0, trained.err
    assert "--fast-jpeg: training JPEGs of 64 pixels and more a side are decoded at a half or less" in trained.err
    stores = download.cache_folder() / "stores"
    before = sorted(stores.iterdir())
    run = Run(trained.json["run"])
    judged = call("val", run.path, "--json")
    assert judged.json["loss"] == run.metrics["loss"]
    assert sorted(stores.iterdir()) == before
