"""Trainings that stop and go on, as a user has it: signals and kills from outside, the same files in the end."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import alexnet
from alexnet import weights
from alexnet.errors import DataError, StoppedError, UsageError
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.training import checkpoint
from tests.conftest import Call

QUIET = Display(quiet=True)
TIMES = ("time", "images_per_second", "data_wait")
HOW = ("--epochs", "3", "--save-every", "2", "--seed", "3")


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    return alexnet.train("digits", epochs=3, save_every=2, seed=3, project=folder, display=QUIET)


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    given = [sys.executable, "-m", "alexnet", "train", *words]
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
    }
    return subprocess.Popen(given, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for(file: Path, process: subprocess.Popen[bytes]) -> None:
    while not file.exists() and process.poll() is None:
        time.sleep(0.02)


def refuse_difference(one: Run, other: Run) -> None:
    """The same weights, byte by byte, the same rows and the same verdict."""
    for name in ("best.safetensors", "last.safetensors", "config.json"):
        assert (one.path / "weights" / name).read_bytes() == (other.path / "weights" / name).read_bytes(), name
    rows = [
        [{key: value for key, value in row.items() if key not in TIMES} for row in run.history] for run in (one, other)
    ]
    assert rows[0] == rows[1]
    assert one.metrics == other.metrics
    assert one.predictions == other.predictions
    assert [file.name for file in other.path.rglob(".*.tmp")] == []


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_a_signal_saves_leaves_with_75_and_nothing_is_lost(name: str, straight: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "runs" / "paused")
    process = start(tmp_path, "digits", *HOW, "--project", "runs", "--name", "paused")
    wait_for(run.checkpoint, process)
    process.send_signal(getattr(signal, name))
    said = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 75, said
    assert f"stopped by {name}" in said
    assert "Go on: alexnet train --resume runs/paused" in said
    assert checkpoint.load(run.checkpoint).progress.epoch <= 3
    refuse_difference(straight, alexnet.resume(run.path, display=QUIET))


def test_kills_at_any_moment_lose_at_most_the_steps_since_the_last_save(straight: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "runs" / "killed")
    random_times = random.Random(0)
    process = start(tmp_path, "digits", *HOW, "--project", "runs", "--name", "killed")
    for _ in range(4):
        before = run.checkpoint.stat().st_mtime_ns if run.checkpoint.exists() else 0
        while process.poll() is None and (not run.checkpoint.exists() or run.checkpoint.stat().st_mtime_ns == before):
            time.sleep(0.005)
        time.sleep(random_times.uniform(0, 0.4))
        process.kill()
        process.communicate()
        checkpoint.load(run.checkpoint)
        process = start(tmp_path, "--resume", "runs/killed")
    assert process.communicate(timeout=120)[1] == b""
    assert process.returncode == 0
    refuse_difference(straight, run)


def test_one_that_was_stopped_before_its_first_checkpoint_starts_anew(straight: Run, tmp_path: Path) -> None:
    run = alexnet.train("digits", epochs=3, save_every=2, seed=3, project=tmp_path, name="run", display=QUIET)
    run.checkpoint.unlink()
    run.best.unlink()
    refuse_difference(straight, alexnet.resume(run.path, display=QUIET))


def test_a_verdict_that_was_stopped_is_made_good(
    straight: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its worst moment: the weights have their temperature already, the pictures are not drawn."""

    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr("alexnet.checkup.measure", interrupted)
        with pytest.raises(
            StoppedError, match=r"after training; the verdict is missing\. Go on: alexnet train --resume"
        ):
            alexnet.train("digits", epochs=3, save_every=2, seed=3, project=tmp_path, name="run", display=QUIET)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    run = Run(tmp_path / "run")
    assert "temperature" in weights.load_card(run.best).measured
    refuse_difference(straight, alexnet.resume(run.path, display=QUIET))
    assert run.vitals["pictures"] == straight.vitals["pictures"]


def test_more_epochs_go_on_from_a_finished_run(tmp_path: Path, call: Call) -> None:
    run = alexnet.train("digits", epochs=1, project=tmp_path, name="run", display=QUIET)
    first = run.history[0]
    done = call("train", "--resume", run.path, "--epochs", 2, "--workers", 1)
    assert done.code == 0
    assert "resumed: 1 epochs and 0 steps are done" in done.out
    assert [row["epoch"] for row in run.history] == [1, 2]
    assert run.history[0] == first
    assert run.args["epochs"] == 2
    fewer = call("train", "--resume", run.path, "--epochs", 1)
    assert (fewer.code, "2 are done in" in fewer.error) == (2, True)


def test_the_newest_run_is_meant_where_none_is_named(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is no run below runs/train yet" in call("train", "--resume").error
    run = alexnet.train("digits", epochs=1, display=QUIET)
    done = call("train", "--resume", "--quiet")
    assert done.code == 0
    assert run.metrics["epoch"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lr", "0.1"), "--lr belongs to the run"),
        (("--model", "paper"), "--model belongs to the run"),
        (("--name", "other"), "--name belongs to the run"),
        (("--set", "epochs=3"), "leave out --config and --set"),
    ],
)
def test_what_belongs_to_the_run_cannot_change(words: tuple[str, ...], said: str, straight: Run, call: Call) -> None:
    refused = call("train", "--resume", straight.path, *words)
    assert refused.code == 2
    assert said in refused.error


def test_a_damaged_checkpoint_is_refused_and_named(tmp_path: Path, call: Call) -> None:
    run = alexnet.train("digits", epochs=1, project=tmp_path, name="run", display=QUIET)
    whole = run.checkpoint.read_bytes()
    run.checkpoint.write_bytes(whole[: len(whole) // 2])
    before = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
    refused = call("train", "--resume", run.path)
    assert refused.code == 4
    assert f"{run.checkpoint} is damaged or cut short" in refused.error
    assert before == {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}


def test_pictures_that_changed_are_refused(folder_of_colours: "object", tmp_path: Path) -> None:
    folder = folder_of_colours(count=15, side=64)  # type: ignore[operator]
    how = {"model": "notebook-mnist", "epochs": 1, "project": tmp_path, "name": "run", "display": QUIET}
    run = alexnet.train(folder, **how)  # type: ignore[arg-type]
    next(iter(sorted(folder.rglob("*.*")))).unlink()
    with pytest.raises(DataError, match="has it no longer"):
        alexnet.resume(run.path, display=QUIET)


def test_folds_are_resumed_one_by_one(tmp_path: Path) -> None:
    run = alexnet.train("digits", epochs=1, project=tmp_path, name="run", display=QUIET)
    run.write_args({**run.args, "folds": 3})
    with pytest.raises(UsageError, match="3 trainings: resume one of them"):
        alexnet.resume(run.path, display=QUIET)
