"""A recalibrated run: beside the original, judged alike, the original untouched."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from alexnet import weights
from alexnet.errors import UsageError
from alexnet.experiment import train
from alexnet.models import variants
from alexnet.models.layers import BatchNorm, Conv, Dense, Layer, MaxPool, ReLU
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.recalibration import recalibrate
from alexnet.run import Run
from alexnet.validation import validate

QUIET = Display(quiet=True)


@pytest.fixture
def lagging(folder_of_colours: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A short training of a tiny network whose statistics hold nearly all of their start."""
    stages: dict[str, tuple[Layer, ...]] = {
        "conv1": (Conv(8, 5, stride=2), ReLU(), MaxPool(2, 2), BatchNorm(momentum=0.001)),
        "fc2": (Dense(16), ReLU(), BatchNorm(momentum=0.001)),
        "fc3": (Dense(None),),
    }
    tiny = replace(variants.find("notebook-flowers"), name="tiny", preprocess=Preprocess(24, 24), stages=stages)
    monkeypatch.setitem(variants.VARIANTS, "tiny", tiny)
    return train(
        folder_of_colours(count=12),
        model="tiny",
        imgsz=24,
        epochs=4,
        batch_size=8,
        batch_norm_momentum=None,
        project=tmp_path / "runs",
        name="first",
        device="cpu",
        amp=False,
        display=Display(quiet=True),
    )


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
        moving = name.split(".")[-1] in ("running_mean", "running_var", "num_batches_tracked")
        assert torch.equal(tensor, old[name]) != moving, name
    assert card.measured["statistics_over"] == sum(row["split"] == "train" for row in lagging.split)
    judged = validate(made.run.path, split="val", device="cpu", project=tmp_path / "val", display=QUIET)
    assert judged.metrics["accuracy_top1"] == made.after["accuracy_top1"]
    assert set(made.run.pictures) >= {"results", "predictions", "confusion_matrix", "samples"}

    again = recalibrate(lagging.path, device="cpu", display=QUIET)
    assert again.run.path.name == "first-recalibrated2"
    with pytest.raises(UsageError, match="stays as it is"):
        recalibrate(lagging.path, device="cpu", name="first", exist_ok=True, display=QUIET)
    assert digests(lagging) == before


def test_a_network_without_batch_norm(digits_run: Run) -> None:
    with pytest.raises(UsageError, match="notebook-mnist has no batch norm"):
        recalibrate(digits_run.path, display=QUIET)
