"""This process among its peers: alone, and two processes under torchrun."""

import subprocess
import sys
from pathlib import Path

import pytest

from alexnet.errors import UsageError
from alexnet.run import Run
from alexnet.training.world import World


def test_alone_everything_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    world = World.described()
    assert (world.rank, world.size, world.leads) == (0, 1, True)
    assert world.total([1.0, 2.0]) == [1.0, 2.0]
    assert world.share("here") == "here"


def test_half_a_set_of_variables_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UsageError, match="torchrun"):
        World.described()


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun's rendezvous was tried on Linux only")
@pytest.mark.parametrize("way", ["data", "hybrid"])
def test_two_processes_write_one_run_and_judge_every_picture_once(way: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    options = [
        "--parallel",
        way,
        "--epochs",
        "2",
        "--project",
        str(tmp_path),
        "--name",
        "two",
        "--no-amp",
        "--quiet",
        "--set",
        "temperature=1",
    ]
    done = subprocess.run(
        [*command, "-m", "alexnet", "train", *options], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["two"]
    run = Run(tmp_path / "two")
    assert len(run.history) == 2
    assert run.metrics["n"] == len(run.predictions) == sum("val" in row["split"] for row in run.split)
    # what the two counted together is what one judged alone, but for the precision of the sums
    best = run.history[int(run.metrics["epoch"]) - 1]
    assert best["val/acc"] == pytest.approx(run.metrics["accuracy_top1"], abs=1e-9)
    assert best["val/loss"] == pytest.approx(run.metrics["loss"], rel=1e-5)
