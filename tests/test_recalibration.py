"""A recalibrated run: beside the original, judged alike, the original untouched."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from alexnet import checkup, dataset, predict, weights
from alexnet.doctor import examine
from alexnet.errors import DataError, UsageError
from alexnet.experiment import train
from alexnet.models import variants
from alexnet.models.layers import BatchNorm, Conv, Dense, Layer, MaxPool, ReLU
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.recalibration import recalibrate
from alexnet.run import Run
from alexnet.validation import validate
from tests.conftest import COLOURS, noisy

QUIET = Display(quiet=True)


STAGES: dict[str, tuple[Layer, ...]] = {
    "conv1": (Conv(8, 5, stride=2), ReLU(), MaxPool(2, 2), BatchNorm(momentum=0.001)),
    "fc2": (Dense(16), ReLU(), BatchNorm(momentum=0.001)),
    "fc3": (Dense(None),),
}


@contextmanager
def tiny_is_known() -> Iterator[pytest.MonkeyPatch]:
    """A tiny network whose statistics hold nearly all of their start after a short training."""
    like = variants.find("notebook-flowers")
    tiny = replace(like, name="tiny", preprocess=Preprocess(24, 24), stages=STAGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(variants.VARIANTS, "tiny", tiny)
        yield patch


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of it; fixtures of a module come before the cache of tests/conftest.py, hence the patch."""
    folder = tmp_path_factory.mktemp("colours")
    for label, colour in COLOURS.items():
        (folder / label).mkdir()
        for number in range(12):
            Image.fromarray(noisy(colour, number + 1000 * len(label))).save(folder / label / f"{number:02d}.png")
    cache = tmp_path_factory.getbasetemp() / "cache"
    with tiny_is_known() as patch:
        patch.setattr("alexnet.dataset.cache_folder", lambda: cache)
        return train(
            folder,
            model="tiny",
            imgsz=24,
            epochs=4,
            batch_size=8,
            batch_norm_momentum=None,
            project=tmp_path_factory.mktemp("runs"),
            device="cpu",
            amp=False,
            display=QUIET,
        ).path


@pytest.fixture
def lagging(original: Path, tmp_path: Path) -> Iterator[Run]:
    """A copy of that run for each test."""
    with tiny_is_known():
        yield Run(shutil.copytree(original, tmp_path / "runs" / "first"))


def digests(run: Run) -> dict[str, str]:
    files = (file for file in run.path.rglob("*") if file.is_file())
    return {str(file.relative_to(run.path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_new_run_beside_the_old_one(lagging: Run, tmp_path: Path) -> None:
    before = digests(lagging)
    made = recalibrate(lagging.path, device="cpu", display=QUIET)
    assert digests(lagging) == before
    assert made.run.path == tmp_path / "runs" / "first-recalibrated"
    assert made.before["accuracy_top1"] == lagging.metrics["accuracy_top1"]
    assert made.after["loss"] < made.before["loss"]
    assert made.run.metrics["recalibrated_from"] == str(lagging.path)
    assert made.run.metrics["accuracy_top1"] == made.after["accuracy_top1"]
    old, _ = weights.load(lagging.best)
    new, card = weights.load(made.run.best)
    for name, tensor in new.items():
        running = name.split(".")[-1] in ("running_mean", "running_var", "num_batches_tracked")
        assert torch.equal(tensor, old[name]) != running, name
    assert card.measured["statistics_over"] == sum(row["split"] == "train" for row in lagging.split)
    judged = validate(made.run.path, split="val", device="cpu", project=tmp_path / "val", display=QUIET)
    assert judged.metrics["accuracy_top1"] == made.after["accuracy_top1"]
    assert set(made.run.pictures) >= {"results", "predictions", "confusion_matrix", "samples"}

    for name in ("env.json", "summary.txt", "labels.txt", "split.csv"):
        assert (made.run.path / name).read_bytes() == (lagging.path / name).read_bytes()
    assert made.run.vitals == checkup.measure(
        made.run,
        predict.load(made.run.path, device="cpu").network,
        dataset.of_run(made.run, card, None, QUIET),
        torch.device("cpu"),
    )
    assert [(norm["steps"], norm["held"]) for norm in made.run.vitals["batch_norms"]] == [(None, None)] * 2
    assert "lagging statistics" not in [finding.name for finding in examine(made.run)]
    assert all("val/loss" in row for row in lagging.history)
    judged_before = ("val/", "metrics/")  # with the statistics of before: beside the new verdict it would be wrong
    assert made.run.history == [
        {column: value for column, value in row.items() if not column.startswith(judged_before)}
        for row in lagging.history
    ]


def test_no_trained_run_is_written_into(lagging: Run, tmp_path: Path) -> None:
    other = Run(shutil.copytree(lagging.path, tmp_path / "runs" / "other"))
    before = digests(lagging), digests(other)
    for name in ("first", "other"):
        with pytest.raises(UsageError, match=f"{name} is a trained run: choose another --name"):
            recalibrate(lagging.path, device="cpu", name=name, exist_ok=True, display=QUIET)
        with pytest.raises(UsageError, match=f"{name} exists already: choose another --name"):
            recalibrate(lagging.path, device="cpu", name=name, display=QUIET)
    assert (digests(lagging), digests(other)) == before


def test_a_free_name_and_what_is_not_needed(lagging: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Called from inside the run, which has lost its sample pictures and its layer table."""
    (lagging.path.parent / "first-recalibrated").mkdir()
    for name in ("thumbnails.npz", "summary.txt"):
        (lagging.path / name).unlink()
    monkeypatch.chdir(lagging.path)
    made = recalibrate(".", device="cpu", display=QUIET)
    assert made.run.path.resolve() == tmp_path / "runs" / "first-recalibrated2"
    assert made.run.pictures.keys() >= {"results", "predictions"}
    assert "samples" not in made.run.pictures


def test_nothing_is_left_behind_when_the_data_have_changed(lagging: Run) -> None:
    lost = {"path": "blue/lost.png", "label": "blue", "split": "train"}
    lagging.write_table("split.csv", ("path", "label", "split"), [*lagging.split, lost])
    with pytest.raises(DataError, match="has it no longer"):
        recalibrate(lagging.path, device="cpu", display=QUIET)
    assert [path.name for path in lagging.path.parent.iterdir()] == ["first"]


def test_a_network_without_batch_norm(digits_run: Run) -> None:
    with pytest.raises(UsageError, match="notebook-mnist has no batch norm"):
        recalibrate(digits_run.path, display=QUIET)
