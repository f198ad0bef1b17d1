"""Trainings that stop and go on, as a user has it: signals and kills from outside, the same files in the end."""

import io
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import alexnet
import alexnet.training.loop
from alexnet import speed_record, weights
from alexnet.errors import DataError, StoppedError, UsageError
from alexnet.judging.evaluate import evaluate
from alexnet.judging.metrics import Tally
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.training import checkpoint
from alexnet.training.step import Answered, answer
from tests.conftest import Call

QUIET = Display(quiet=True)
TIMES = ("time", "images_per_second", "data_wait")
HOW = ("--epochs", "3", "--save-every", "2", "--seed", "3")

SLOW_DISK = """
import os, time
sync = os.fsync
os.fsync = lambda file: (time.sleep(0.3), sync(file))[1]
from alexnet.commands.main import main
main()
"""
"""The command on a disk that takes its time: a save lasts so long that a kill surely falls into it."""


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    return alexnet.train("digits", epochs=3, save_every=2, seed=3, project=folder, display=QUIET)


def start(folder: Path, *words: str, slow_disk: bool = False) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    given = [sys.executable, *(("-c", SLOW_DISK) if slow_disk else ("-m", "alexnet")), "train", *words]
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


def stop_in_step(step: int, call: Call, *words: object) -> checkpoint.Progress:
    """Train until a signal comes in this step of the session; how far `paused` is then."""
    steps = [0]

    def counted(*given: Any) -> Answered:
        steps[0] += 1
        if steps[0] == step:
            signal.raise_signal(signal.SIGTERM)
        return answer(*given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(alexnet.training.loop, "answer", counted)
        stopped = call("train", *words, "--quiet")
    assert stopped.code == 75, stopped.err
    return checkpoint.load(Path("runs/train/paused/checkpoint.pt")).progress


def test_a_run_keeps_its_precision_whatever_was_measured_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_record, "cache_folder", lambda: tmp_path / "cache")
    cpu, threads = torch.device("cpu"), torch.get_num_threads()
    speed_record.remember(cpu, threads, "notebook-mnist", "float32", {"float32": 2, "bf16": 1})
    run = alexnet.train("digits", epochs=1, device="cpu", project=tmp_path, display=Display(quiet=True))
    speed_record.remember(cpu, threads, "notebook-mnist", "bf16", {"float32": 1, "bf16": 2})
    alexnet.resume(run.path, epochs=2, display=Display(quiet=True))
    log = run.log_file.read_text()
    assert log.count(" threads) · float32\n") == 2
    assert log.count("float32: the faster precision for notebook-mnist on this machine") == 1


@pytest.mark.fault("C6")
@pytest.mark.parametrize(
    "name", ["SIGTERM", "SIGINT", *(pytest.param(name, marks=pytest.mark.long) for name in ("SIGUSR1", "SIGHUP"))]
)
def test_a_signal_saves_leaves_with_75_and_nothing_is_lost(name: str, straight: Run, tmp_path: Path) -> None:
    """Each signal to a training process: a checkpoint, exit 75 within 30 s; resumed, the same bytes."""
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


@pytest.mark.fault("C1")
def test_kills_at_any_moment_lose_at_most_the_steps_since_the_last_save(long: bool, tmp_path: Path) -> None:
    """SIGKILL again and again, every other time within a save: the newest checkpoint goes on, to the same bytes."""
    kills, epochs = (20, 30) if long else (4, 6)
    straight = alexnet.train("digits", epochs=epochs, save_every=2, seed=3, project=tmp_path / "whole", display=QUIET)
    run = Run(tmp_path / "runs" / "killed")
    moments = random.Random(0)
    how = ("--epochs", str(epochs), "--save-every", "2", "--seed", "3", "--project", "runs", "--name", "killed")
    process = start(tmp_path, "digits", *how)
    reached = (0, 0)
    for number in range(kills):
        before = run.checkpoint.stat().st_mtime_ns if run.checkpoint.exists() else 0
        while process.poll() is None and (not run.checkpoint.exists() or run.checkpoint.stat().st_mtime_ns == before):
            time.sleep(0.001)
        within_a_save = number % 2 == 1
        if within_a_save:
            while process.poll() is None and not list(run.path.glob(".checkpoint.pt.*")):
                pass
        else:
            time.sleep(moments.uniform(0, 0.1))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert bool(list(run.path.glob(".checkpoint.pt.*"))) or not within_a_save
        progress = checkpoint.load(run.checkpoint).progress
        assert (progress.epoch, progress.step) > reached
        reached = progress.epoch, progress.step
        process = start(tmp_path, "--resume", "runs/killed", slow_disk=number % 2 == 0)
    assert process.communicate(timeout=300)[1] == b""
    assert process.returncode == 0
    refuse_difference(straight, run)


@pytest.mark.fault("C2", "C3")
def test_three_pauses_within_one_epoch(straight: Run, call: Call) -> None:
    """A signal, and twice again after going on, all within the first epoch: the same files as without a pause."""
    steps = [stop_in_step(3, call, "digits", *HOW, "--name", "paused").step]
    steps += [stop_in_step(2, call, "--resume", "paused").step for _ in range(2)]
    assert steps == [3, 5, 7]
    assert call("train", "--resume", "paused", "--quiet").code == 0
    refuse_difference(straight, Run("runs/train/paused"))


@pytest.mark.fault("C4")
def test_another_number_of_workers_changes_nothing(
    folder_of_colours: Callable[..., Path], tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped within an epoch; all pictures decoded anew by another number of workers: the same bytes."""
    how = ("--model", "notebook-mnist", "--epochs", 2, "--batch-size", 8, "--workers", 2)
    folder = folder_of_colours(count=15)
    assert call("train", folder, *how, "--name", "straight", "--quiet").code == 0
    assert stop_in_step(2, call, folder, *how, "--name", "paused").step == 2
    for module in ("download", "dataset"):
        monkeypatch.setattr(f"alexnet.{module}.cache_folder", lambda: tmp_path / "fresh")
    assert call("train", "--resume", "paused", "--workers", 5, "--quiet").code == 0
    assert list((tmp_path / "fresh").rglob("*.*")), "decoded anew"
    refuse_difference(Run("runs/train/straight"), Run("runs/train/paused"))


def test_one_that_was_stopped_before_its_first_checkpoint_starts_anew(straight: Run, tmp_path: Path) -> None:
    run = alexnet.train("digits", epochs=3, save_every=2, seed=3, project=tmp_path, name="run", display=QUIET)
    run.checkpoint.unlink()
    run.best.unlink()
    refuse_difference(straight, alexnet.resume(run.path, display=QUIET))


def while_saving(patched: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Let something happen while a checkpoint is written: its bytes are there, its name is not."""
    sync = os.fsync

    def disturbed(file: int) -> None:
        if os.fstat(file).st_size > 2_000_000:  # no other file is so large
            happens()
        sync(file)

    patched.setattr(os, "fsync", disturbed)


@pytest.mark.fault("C7")
def test_a_signal_within_a_save(straight: Run, call: Call) -> None:
    """SIGTERM while a checkpoint is written: it is finished, exit 75; gone on with, the same bytes."""
    with pytest.MonkeyPatch.context() as patched:
        while_saving(patched, lambda: signal.raise_signal(signal.SIGTERM))
        stopped = call("train", "digits", *HOW, "--name", "paused", "--quiet")
    assert stopped.code == 75
    assert "in epoch 1 after 3 of 20 steps; saved" in stopped.error
    assert call("train", "--resume", "paused", "--quiet").code == 0
    refuse_difference(straight, Run("runs/train/paused"))


@pytest.mark.fault("C7")
def test_a_signal_within_the_last_save_leaves_before_the_verdict(call: Call) -> None:
    """SIGTERM while the last checkpoint is written, when no step follows: exit 75, the verdict is made good later."""
    run = Run("runs/train/paused")

    def at_last() -> None:
        if run.history:
            signal.raise_signal(signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patched:
        while_saving(patched, at_last)
        stopped = call("train", "digits", "--epochs", 1, "--name", "paused", "--quiet")
    assert stopped.code == 75
    assert "stopped by SIGTERM after training; the verdict is missing" in stopped.error
    assert run.metrics == {}
    assert call("train", "--resume", "paused", "--quiet").code == 0
    assert run.metrics["epoch"] == 1


@pytest.mark.fault("C7")
def test_a_second_ctrl_c_within_a_save(straight: Run, call: Call) -> None:
    """Ctrl-C, and once more while it saves: it leaves at once, exit 130, with the checkpoint before and no rests."""
    run, before = Run("runs/train/paused"), list[bytes]()

    def again() -> None:
        if run.checkpoint.exists():
            before.append(run.checkpoint.read_bytes())
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patched:
        while_saving(patched, again)
        left = call("train", "digits", *HOW, "--name", "paused", "--quiet")
    assert left.code == 130
    assert "stopped; if this was a training, alexnet train --resume goes on with it" in left.error
    assert [run.checkpoint.read_bytes()] == before
    assert checkpoint.load(run.checkpoint).progress.step == 2
    assert list(run.path.rglob(".*")) == []
    assert call("train", "--resume", "paused", "--quiet").code == 0
    refuse_difference(straight, run)


@pytest.mark.fault("C7")
def test_a_signal_while_an_epoch_is_judged(straight: Run, call: Call) -> None:
    """SIGTERM during validation: saved as it was before, exit 75; gone on with, judged anew, the same bytes."""

    def judged(*given: Any) -> Tally:
        signal.raise_signal(signal.SIGTERM)
        return evaluate(*given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(alexnet.training.loop, "evaluate", judged)
        stopped = call("train", "digits", *HOW, "--name", "paused", "--quiet")
    assert stopped.code == 75
    assert "in epoch 1 after 20 of 20 steps; saved" in stopped.error
    assert call("train", "--resume", "paused", "--quiet").code == 0
    refuse_difference(straight, Run("runs/train/paused"))


@pytest.mark.fault("C7")
def test_a_verdict_that_was_stopped_is_made_good(
    straight: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM during the verdict, at its worst moment: the weights have their temperature, no picture is drawn."""

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


@pytest.mark.fault("C10", "C11")
def test_a_damaged_checkpoint_is_refused_and_named(digits_run: Run, tmp_path: Path, call: Call) -> None:
    """A checkpoint empty, cut, flipped, or a pickle that runs a command: exit 4, nothing is changed, nothing is run."""
    run = Run(shutil.copytree(digits_run.path, tmp_path / "run"))
    whole = run.checkpoint.read_bytes()
    middle, canary = len(whole) // 2, tmp_path / "canary"
    flipped = whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :]
    evil = pickle.dumps(Command(f"touch {canary}"))
    for bad in (b"", whole[:middle], whole[:-1], flipped, evil, archive_of(Command(f"touch {canary}"))):
        run.checkpoint.write_bytes(bad)
        before = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
        refused = call("train", "--resume", run.path)
        assert refused.code == 4
        assert f"{run.checkpoint} is damaged or cut short" in refused.error
        assert before == {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
    assert not canary.exists()


class Command:
    """What runs a command where a pickle is opened without care."""

    def __init__(self, line: str) -> None:
        self.line = line

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.line,)


def archive_of(command: Command) -> bytes:
    """A checkpoint as torch.save writes it, by itself."""
    file = io.BytesIO()
    torch.save({"network": command}, file)
    return file.getvalue()


@pytest.mark.fault("C9")
def test_rests_are_swept_and_the_newest_run_that_was_begun_goes_on(digits_run: Run, tmp_path: Path, call: Call) -> None:
    """Unfinished files beside a run, and a newer folder that got no args.yaml: the run is named, all rests are gone."""
    run = Run(shutil.copytree(digits_run.path, tmp_path / "runs" / "train" / "exp"))
    for rest in (".checkpoint.pt.k1l.tmp", ".results.csv.ed.tmp", "weights/.best.safetensors.x.tmp"):
        (run.path / rest).write_bytes(b"half")
    torn = run.path.with_name("exp2")
    torn.mkdir()
    (torn / ".args.yaml.q.tmp").write_bytes(b"da")
    done = call("train", "--resume")
    assert (done.code, done.err) == (0, "")
    assert "run: runs/train/exp\n" in done.out
    assert [file for file in run.path.rglob(".*") if file.is_file()] == []
    refused = call("train", "--resume", "exp2")
    assert (refused.code, "exp2 is no run directory (it has no args.yaml)" in refused.error) == (2, True)
    (torn / "args.yaml").touch()
    refused = call("train", "--resume")
    assert (refused.code, "exp2/args.yaml is damaged or not whole" in refused.error) == (3, True)
    anew = call("train", "digits", "--epochs", 1, "--name", "exp2", "--exist-ok", "--quiet")
    assert (anew.code, list(torn.rglob(".*.tmp"))) == (0, [])


def test_pictures_that_changed_are_refused(folder_of_colours: Callable[..., Path], tmp_path: Path) -> None:
    folder = folder_of_colours(count=15, side=64)
    how: dict[str, Any] = {"model": "notebook-mnist", "epochs": 1, "project": tmp_path, "name": "run"}
    run = alexnet.train(folder, **how, display=QUIET)
    next(iter(sorted(folder.rglob("*.*")))).unlink()
    with pytest.raises(DataError, match="has it no longer"):
        alexnet.resume(run.path, display=QUIET)


def test_folds_are_resumed_one_by_one(tmp_path: Path) -> None:
    run = alexnet.train("digits", epochs=1, project=tmp_path, name="run", display=QUIET)
    run.write_args({**run.args, "folds": 3})
    with pytest.raises(UsageError, match="3 trainings: resume one of them"):
        alexnet.resume(run.path, display=QUIET)


class Torchrun:
    """The variables that torchrun sets for one process alone."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self._patched = patched

    def starts(self, job: str, agent: str, restarts: int = 0) -> None:
        """`agent` is what it calls its own folder."""
        self._patched.setenv("TORCHELASTIC_RUN_ID", job)
        self._patched.setenv("TORCHELASTIC_ERROR_FILE", f"/tmp/torchelastic_x/{agent}/attempt_{restarts}/0/error.json")
        self._patched.setenv("TORCHELASTIC_RESTART_COUNT", str(restarts))


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch) -> Torchrun:
    return Torchrun(monkeypatch)


def runs() -> list[str]:
    return sorted(path.name for path in Path("runs/train").iterdir())


def test_a_job_that_is_started_once_more_goes_on_with_its_own_run(
    straight: Run, torchrun: Torchrun, call: Call
) -> None:
    """The machine was lost, another agent of the same --rdzv-id comes, and counts from nought: the same bytes."""
    torchrun.starts("flowers", "flowers_a1")
    assert stop_in_step(3, call, "digits", *HOW, "--name", "paused").step == 3
    torchrun.starts("flowers", "flowers_b2")
    done = call("train", "digits", *HOW, "--name", "paused")
    assert (done.code, done.err) == (0, "")
    assert "runs/train/paused was begun by the same torchrun: the processes go on with it" in done.out
    assert "resumed: 0 epochs and 3 steps are done" in done.out
    refuse_difference(straight, Run("runs/train/paused"))


def test_a_finished_run_is_not_gone_on_with_by_the_next_launch(torchrun: Torchrun, call: Call) -> None:
    quick = ("digits", "--epochs", 1, "--quiet")
    torchrun.starts("flowers", "flowers_a1")
    assert call("train", *quick).code == 0
    torchrun.starts("flowers", "flowers_b2")
    assert call("train", *quick).code == 0
    assert runs() == ["exp", "exp2"]
    torchrun.starts("flowers", "flowers_b2", restarts=1)  # one of its processes fell at the very end
    assert call("train", *quick).code == 0
    assert runs() == ["exp", "exp2"]
    torchrun.starts("flowers", "flowers_c3", restarts=1)  # one fell before its run was begun
    assert call("train", *quick).code == 0
    assert runs() == ["exp", "exp2", "exp3"]


def test_launches_without_a_name_are_told_apart_by_their_agents(torchrun: Torchrun, call: Call) -> None:
    quick = ("digits", "--epochs", 1, "--save-every", 2)
    torchrun.starts("none", "none_a1")
    stop_in_step(3, call, *quick, "--name", "paused")
    torchrun.starts("none", "none_b2")
    assert call("train", *quick, "--quiet").code == 0
    assert runs() == ["exp", "paused"], "yesterday's is left alone"
    torchrun.starts("none", "none_b2", restarts=1)
    assert call("train", *quick, "--quiet").code == 0
    assert runs() == ["exp", "paused"], "its own is found"


def test_other_options_are_another_training(torchrun: Torchrun, call: Call) -> None:
    torchrun.starts("flowers", "flowers_a1")
    stop_in_step(3, call, "digits", *HOW, "--name", "paused")
    assert call("train", "digits", "--epochs", 1, "--quiet").code == 0
    assert runs() == ["exp", "paused"]


def test_what_was_left_on_purpose_is_not_begun_again_by_torchruns_restarts(
    straight: Run, torchrun: Torchrun, call: Call
) -> None:
    """torchrun starts its processes anew after any end. They leave at once; whoever resumes goes on."""
    torchrun.starts("flowers", "flowers_a1")
    stop_in_step(3, call, "digits", *HOW, "--name", "paused")
    run = Run("runs/train/paused")
    written = run.checkpoint.stat().st_mtime_ns
    for restarts in (1, 2):
        torchrun.starts("flowers", "flowers_a1", restarts)
        for words in (("digits", *HOW, "--name", "paused"), ("--resume", "paused")):
            again = call("train", *words, "--quiet")
            assert again.code == 75
            assert "stopped by SIGTERM in epoch 1 after 3 of 20 steps; saved" in again.error
    assert run.checkpoint.stat().st_mtime_ns == written
    torchrun.starts("flowers", "flowers_a1", restarts=0)  # others have come: it was torchrun that stopped it
    assert stop_in_step(2, call, "digits", *HOW, "--name", "paused").step == 5
    torchrun.starts("flowers", "flowers_b2", restarts=1)
    assert call("train", "--resume", "paused", "--quiet").code == 0
    assert not run.stopped
    refuse_difference(straight, run)


def test_what_has_diverged_is_not_begun_again_by_torchruns_restarts(torchrun: Torchrun, call: Call) -> None:
    words = ("digits", *HOW, "--set", "optimizer.name=sgd", "--lr", "1e12", "--name", "wild", "--quiet")
    said = []
    for restarts in (0, 1):
        torchrun.starts("flowers", "flowers_a1", restarts)
        left = call("train", *words)
        assert left.code == 5
        said.append(left.error)
    assert said[0] == said[1]
    assert runs() == ["wild"]
