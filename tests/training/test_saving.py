"""How often checkpoints are written."""

from pathlib import Path

import pytest
import torch

from alexnet.models.network import create_model
from alexnet.training import checkpoint
from alexnet.training.average import Average
from alexnet.training.checkpoint import Progress
from alexnet.training.parallel import Spread
from alexnet.training.saving import Saver
from alexnet.training.world import World


def save(saver: Saver) -> None:
    spread = Spread(create_model("notebook-mnist"), World(), "data")
    optimizer = torch.optim.SGD(spread.parameters, 0.1)
    saver.save(Progress(epoch=2), spread, optimizer, Average(spread.network, None))


def test_every_so_many_steps_and_every_epoch_where_that_was_asked(tmp_path: Path) -> None:
    saver = Saver(tmp_path / "checkpoint.pt", {}, every=3)
    assert [step for step in range(1, 10) if saver.due_in_epoch(step)] == [3, 6, 9]
    save(saver)
    assert saver.due_after_epoch()
    assert checkpoint.load(tmp_path / "checkpoint.pt").progress.epoch == 2


def test_else_at_ends_of_epochs_and_only_so_often_that_it_costs_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("alexnet.training.saving.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(checkpoint, "save", lambda *_: clock.__setitem__(0, clock[0] + 1.0))  # takes a second
    saver = Saver(tmp_path / "checkpoint.pt", {})
    assert not any(saver.due_in_epoch(step) for step in range(1, 100))
    assert saver.due_after_epoch()
    save(saver)
    ended = clock[0]
    assert not saver.due_after_epoch()
    clock[0] = ended + 49
    assert not saver.due_after_epoch()
    clock[0] = ended + 50
    assert saver.due_after_epoch()


def test_without_a_path_nothing_is_written(tmp_path: Path) -> None:
    save(Saver(None, {}))
    assert list(tmp_path.iterdir()) == []
