"""The checkpoint file: whole, or refused in one line; and nothing in it is ever run."""

import errno
import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from alexnet.errors import ModelFileError, ResourceError
from alexnet.training import checkpoint
from alexnet.training.checkpoint import Checkpoint, Progress


def some(value: float = 1.0, **progress: Any) -> Checkpoint:
    weights = {"conv1.weight": torch.full((300, 40), value)}
    rules = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "of": "weights", "params": [0]}]}
    return Checkpoint({"variant": "paper"}, Progress(**progress), weights, rules, None)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    rows = [{"epoch": 1, "val/acc": 0.75}, {"epoch": 2, "train/loss": 0.1}]
    checkpoint.save(file, some(0.1, epoch=3, step=7, sums=[0.1, 0.2, 0.3], best=(0.75, -0.5), best_epoch=1, rows=rows))
    loaded = checkpoint.load(file)
    assert loaded.progress == Progress(3, 7, [0.1, 0.2, 0.3], best=(0.75, -0.5), best_epoch=1, rows=rows)
    assert loaded.progress.val_errors == [0.25]
    assert torch.equal(loaded.network["conv1.weight"], some(0.1).network["conv1.weight"])
    assert loaded.optimizer["param_groups"] == some().optimizer["param_groups"]
    assert (loaded.card, loaded.average) == ({"variant": "paper"}, None)
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.fault("C10")
def test_every_flipped_byte_and_every_cut_is_noticed(tmp_path: Path) -> None:
    """A bit flipped and the file cut at a hundred places, each byte of its end among them: none is read."""
    file = tmp_path / "checkpoint.pt"
    checkpoint.save(file, some())
    whole = file.read_bytes()
    damaged = tmp_path / "damaged.pt"
    places = [*range(0, len(whole), len(whole) // 40), *range(len(whole) - checkpoint.FOOTER, len(whole))]
    for place in places:
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ModelFileError, match=r"damaged or cut short|newer version"):
            checkpoint.load(damaged)
        damaged.write_bytes(whole[:place])
        with pytest.raises(ModelFileError, match="damaged or cut short"):
            checkpoint.load(damaged)


def test_a_newer_format_says_so(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    checkpoint.save(file, some())
    whole = file.read_bytes()
    place = len(whole) - checkpoint.FOOTER + len(checkpoint.MAGIC)
    file.write_bytes(whole[:place] + struct.pack("<I", checkpoint.FORMAT + 1) + whole[place + 4 :])
    with pytest.raises(ModelFileError, match=r"newer version \(format 2, this one reads 1\)"):
        checkpoint.load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"checkpoint\.pt is missing"):
        checkpoint.load(tmp_path / "checkpoint.pt")


class Canary:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.file}",)


@pytest.mark.fault("C11")
def test_code_in_a_file_is_not_run_even_where_the_digest_is_right(tmp_path: Path) -> None:
    """A checkpoint with os.system inside and a right digest: refused, the command does not run."""
    file, canary = tmp_path / "checkpoint.pt", tmp_path / "canary"
    whole = some()
    evil = Checkpoint(whole.card, whole.progress, {"conv1.weight": Canary(canary)}, whole.optimizer, None)
    checkpoint.save(file, evil)
    with pytest.raises(ModelFileError, match="no checkpoint that can be read"):
        checkpoint.load(file)
    assert not canary.exists()


@pytest.mark.fault("C8")
@pytest.mark.parametrize("number", [errno.EIO, errno.EDQUOT, errno.ENOSPC])
def test_a_disk_that_fails_when_it_is_flushed(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EIO, EDQUOT and ENOSPC when a save is flushed to the disk: the checkpoint before stays, no rests."""
    file = tmp_path / "checkpoint.pt"
    checkpoint.save(file, some(1.0))
    before = file.read_bytes()

    def failing(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises(OSError if number == errno.EIO else ResourceError):
            checkpoint.save(file, some(2.0))
    assert file.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.fault("C8")
def test_a_full_disk_leaves_the_checkpoint_before_as_it_was(tmp_path: Path) -> None:
    """RLIMIT_FSIZE while torch writes: the disk is named as full, the checkpoint before stays, no rests."""
    resource = pytest.importorskip("resource")
    file = tmp_path / "checkpoint.pt"
    checkpoint.save(file, some(1.0))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(ResourceError, match="the disk is full"):
            checkpoint.save(file, some(2.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert torch.equal(checkpoint.load(file).network["conv1.weight"], some(1.0).network["conv1.weight"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.pt"]
