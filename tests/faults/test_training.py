"""Trainings on a machine that is not as it should be: full, small, strange, deaf; and what they leave then."""

import os
import resource
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import alexnet.training.loop
from alexnet.commands.main import main
from alexnet.run import Run
from alexnet.training import checkpoint
from alexnet.training.step import Answered, answer
from tests.conftest import Call

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its limits, users and devices are Linux's")

FLOAT32 = ("--device", "cpu", "--no-amp")
QUICK = ("--epochs", "1", *FLOAT32)
NOBODY = 65534
NEEDED = ("args.yaml", "labels.txt", "split.csv", "thumbnails.npz", "results.csv", "checkpoint.pt", "weights")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of this file keep their store."""
    return tmp_path_factory.mktemp("cache")


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "alexnet", "train", *map(str, words)]


def variables(cache: Path, **more: str) -> dict[str, str]:
    threads = str(torch.get_num_threads())
    return {**os.environ, "XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": threads, "NO_COLOR": "1", **more}


def ran(folder: Path, environment: dict[str, str], *words: object, **how: Any) -> tuple[int, str]:
    """The command in a process of its own: exit code, and what it said on standard error."""
    done = subprocess.run(
        command(*words), cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600, **how
    )
    return done.returncode, done.stderr


def refuse_torn(run: Run) -> None:
    """Whole: weights, verdict, pictures, and nothing unfinished."""
    assert run.metrics["n"] == len(run.predictions)
    assert len(run.pictures) == 7
    assert checkpoint.load(run.checkpoint).progress.epoch == len(run.history) + 1
    assert list(run.path.rglob(".*")) == []


def copied(run: Run, folder: Path) -> Run:
    """What a run needs to be gone on with."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NEEDED:
        copy = shutil.copytree if (run.path / name).is_dir() else shutil.copy
        copy(run.path / name, folder / name)
    return Run(folder)


# ---- C8: the disk fills ------------------------------------------------------------------------------------


@pytest.mark.fault("C8")
def test_files_that_may_not_grow(digits_run: Run, cache: Path, tmp_path: Path) -> None:
    """RLIMIT_FSIZE below the checkpoint's size: exit 6, one line, the checkpoint before as it was, no rests."""
    run = copied(digits_run, tmp_path / "run")
    before = run.checkpoint.read_bytes()
    assert len(before) > 2_500_000
    limit = 2_000_000  # more than the store or the weights have

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    code, said = ran(tmp_path, variables(cache), "--resume", run.path, "--epochs", 3, preexec_fn=small_files)
    assert (code, said) == (
        6,
        f"error: the disk is full: {run.checkpoint} could not be written. Free some space and try again\n",
    )
    assert run.checkpoint.read_bytes() == before
    assert list(run.path.rglob(".*")) == []
    assert len(run.history) == 3, "the epoch itself is kept"


@contextmanager
def disk_of(room: int, folder: Path) -> Iterator[None]:
    """A disk of so many bytes at `folder`; where none may be mounted, files that cannot grow beyond what is left."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={room}", "none", folder], check=False, capture_output=True
    )
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        if mounted.returncode:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
        yield
    finally:
        if mounted.returncode:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        else:
            subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.fault("C8")
def test_a_disk_that_is_full(digits_run: Run, tmp_path: Path, call: Call) -> None:
    """A disk with room for the weights and not for the checkpoint: exit 6; freed, the training goes on from the old."""
    disk = tmp_path / "disk"
    disk.mkdir()
    needed = sum(file.stat().st_size for file in copied(digits_run, tmp_path / "measured").path.rglob("*"))
    with disk_of(needed + 1_500_000, disk):
        run = copied(digits_run, disk / "run")
        before = run.checkpoint.read_bytes()
        full = call("train", "--resume", run.path, "--epochs", 3, "--quiet")
        assert full.code == 6
        assert f"the disk is full: {run.checkpoint} could not be written" in full.error
        assert run.checkpoint.read_bytes() == before
        assert list(run.path.rglob(".*")) == []
        shutil.copytree(run.path, tmp_path / "elsewhere")
    done = call("train", "--resume", tmp_path / "elsewhere", "--quiet")
    assert (done.code, done.err) == (0, "")
    refuse_torn(Run(tmp_path / "elsewhere"))


# ---- C14: numbers that are none ----------------------------------------------------------------------------

ONE_IS_SPOILT = """
import os
import alexnet.training.loop as loop
from alexnet.commands.main import main
from alexnet.training.step import answer
steps = 0
def spoilt(*given):
    global steps
    steps += 1
    answered = answer(*given)
    if steps == 5 and os.environ["RANK"] == "1":
        answered.loss.mul_(float("nan"))
    return answered
loop.answer = spoilt
main()
"""


@pytest.mark.fault("C14")
def test_a_number_that_is_none_in_one_of_two_processes_ends_both(cache: Path, tmp_path: Path) -> None:
    """NaN in the fifth step of the second of two processes: both leave with exit 5 in that step, nothing is saved."""
    (tmp_path / "spoilt.py").write_text(ONE_IS_SPOILT)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "spoilt.py", "train", *QUICK, "--save-every", "3", "--name", "run"],
        cwd=tmp_path,
        env=variables(cache),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stderr.count("error: training diverged in epoch 1, step 5") == 1, done.stderr
    assert "exitcode  : 5" in done.stderr
    run = Run(tmp_path / "runs" / "train" / "run")
    assert checkpoint.load(run.checkpoint).progress.step == 3
    assert list(run.path.rglob("*.safetensors")) == []


# ---- C18: memory, devices, instructions --------------------------------------------------------------------


@pytest.mark.fault("C18")
def test_memory_that_runs_out_is_told_with_a_hint(cache: Path, tmp_path: Path) -> None:
    """A step that wants more memory than RLIMIT_AS allows: one line with what to make smaller, exit 6."""

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    huge = ("--batch-size", 1200, "--imgsz", 96)
    code, said = ran(tmp_path, variables(cache), *QUICK, *huge, "--quiet", preexec_fn=little_memory)
    assert (code, said) == (6, "error: out of memory: try a smaller --batch-size or --imgsz\n")


@pytest.mark.fault("C18")
@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (MemoryError(), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("could not create a primitive descriptor for a convolution"), False),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), True),
        (ImportError("no such module"), False),
        (OSError(12, "Cannot allocate memory"), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
    ],
)
def test_what_libraries_say_when_memory_runs_out(
    error: Exception, hint: bool, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way in which Python, torch, oneDNN or the loader of libraries say that memory has run out."""

    def raise_it(*_: object) -> None:
        raise error

    monkeypatch.setattr("alexnet.peers.together", raise_it)
    if hint:
        assert "out of memory: try a smaller --batch-size" in call("train", "--quiet").error
    else:
        with pytest.raises(type(error)):
            call("train", "--quiet")


@pytest.mark.fault("C18")
def test_a_gpu_that_is_not_there(call: Call) -> None:
    """--device cuda without a GPU: exit 2, and which devices there are."""
    missing = "cuda:99" if torch.cuda.is_available() else "cuda"
    refused = call("train", "--device", missing, "--quiet")
    assert refused.code == 2
    assert f"this machine has no device '{missing}': use --device auto or --device cpu" in refused.error


@pytest.mark.fault("C18")
def test_a_processor_without_the_newest_instructions_comes_to_the_same(
    cache: Path, tmp_path: Path, call: Call, long: bool
) -> None:
    """An epoch with plain instructions instead of AVX512 or AMX, judged with both: the same within tolerance."""
    assert call("train", *QUICK, "--name", "here", "--quiet").code == 0
    here = Run("runs/train/here").history[0]
    for level in ("avx2", "default") if long else ("default",):
        older = {"ATEN_CPU_CAPABILITY": level, "ONEDNN_MAX_CPU_ISA": "AVX2" if level == "avx2" else "SSE41"}
        assert ran(tmp_path, variables(cache, **older), *QUICK, "--name", level, "--quiet") == (0, "")
        run = Run(tmp_path / "runs" / "train" / level)
        assert run.environment["cpu_capability"].lower() == level
        assert run.history[0]["train/loss"] == pytest.approx(here["train/loss"], rel=0.02)  # twenty steps apart
        assert run.history[0]["val/loss"] == pytest.approx(here["val/loss"], rel=0.04)
        judged = call("val", run.path, "--device", "cpu", "--json").json  # the same weights
        assert judged["loss"] == pytest.approx(run.metrics["loss"], rel=1e-4)
        assert judged["accuracy_top1"] == pytest.approx(run.metrics["accuracy_top1"], abs=0.01)


# ---- C19: the same again -----------------------------------------------------------------------------------


@pytest.mark.fault("C19")
@pytest.mark.parametrize("threads", [pytest.param(1, marks=pytest.mark.long), 2])
def test_the_same_seed_in_two_processes_gives_the_same_bytes(threads: int, cache: Path, tmp_path: Path) -> None:
    """The same command in two processes, --deterministic, with one thread and with two: equal bytes."""
    runs = [Run(tmp_path / "runs" / "train" / name) for name in ("one", "other")]
    so_many = variables(cache, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="passive")
    for run in runs:
        how = ("--epochs", 1, "--deterministic", "--seed", 5, "--name", run.path.name, "--quiet")
        assert ran(tmp_path, so_many, *how) == (0, "")
        assert run.environment["threads"] == threads
    one, other = runs
    for name in ("best.safetensors", "last.safetensors", "config.json"):
        assert (one.path / "weights" / name).read_bytes() == (other.path / "weights" / name).read_bytes()
    assert (one.path / "predictions.csv").read_bytes() == (other.path / "predictions.csv").read_bytes()


@pytest.mark.fault("C19")
def test_an_operation_that_cannot_repeat_itself_is_refused(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation of torch that may end in any order, within a step of --deterministic: exit 2 before it is done."""

    def any_order(*given: Any) -> Answered:
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))
        return answer(*given)

    monkeypatch.setattr(alexnet.training.loop, "answer", any_order)
    try:
        refused = call("train", *QUICK, "--deterministic", "--quiet")
        assert refused.code == 2
        assert "--deterministic: put_ cannot be repeated bit for bit here: leave it out" in refused.error
        torch.use_deterministic_algorithms(False)
        assert call("train", *QUICK, "--quiet").code == 0, "without the option it may be used"
    finally:
        torch.use_deterministic_algorithms(False)


# ---- C20: batches that do not come out even ----------------------------------------------------------------


@pytest.mark.fault("C20")
def test_every_picture_counts_once_however_batches_come_out(
    folder_of_colours: Callable[..., Path], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A last batch of one, a batch of all and more, batches of one: each picture once an epoch; batch norm: exit 2."""
    seen: list[NDArray[np.int64]] = []

    def heard(network: Any, batch: Any, *rest: Any) -> Answered:
        seen.append(batch.indices)
        return answer(network, batch, *rest)

    monkeypatch.setattr(alexnet.training.loop, "answer", heard)
    monkeypatch.setattr("alexnet.pictures.draw", lambda run: None)  # takes longer than the training
    folder = folder_of_colours(count=15)
    how = ("--model", "notebook-mnist", *QUICK, "--quiet")
    assert call("train", folder, *how, "--name", "first").code == 0
    run = Run("runs/train/first")
    pictures = [row["split"] for row in run.split].count("train")
    for size in (1, pictures - 1, pictures // 3, 10 * pictures):
        seen.clear()
        assert call("train", folder, *how, "--batch-size", size, "--name", f"of{size}").code == 0
        indices = np.concatenate(seen)
        assert len(indices) == len(set(indices.tolist())) == pictures
        assert size == 1 or min(map(len, seen)) > 1, "batch norm wants two"
        judged = [row["path"] for row in Run(f"runs/train/of{size}").predictions]
        assert sorted(judged) == sorted(row["path"] for row in run.split if row["split"] == "val")
    refused = call("train", folder, *QUICK, "--quiet", "--model", "notebook-flowers", "--batch-size", 1)
    assert (refused.code, "needs at least 2 pictures a step" in refused.error) == (2, True)


# ---- C21: settings that cannot be meant --------------------------------------------------------------------


@pytest.mark.fault("C21")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lr", "-1"), "optimizer.lr: input should be greater than"),
        (("--lr", "nan"), "optimizer.lr: input should be a finite number"),
        (("--epochs", "0"), "epochs: input should be greater than or equal to 1"),
        (("--epochs", "many"), "'many' is not a valid integer"),
        (("--batch-size", "0"), "batch_size: input should be greater than or equal to 1"),
        (("--val-split", "1.5"), "val_split: input should be less than"),
        (("--imgsz", "-28"), "imgsz: input should be greater than"),
        (("--seed", "-1"), "seed: input should be greater than or equal to 0"),
        (("--save-every", "0"), "save_every: input should be greater than or equal to 1"),
        (("--workers", "0"), "workers: input should be greater than or equal to 1"),
        (("--time", "soon"), "time: input should be a valid number"),
        (("--set", "optimiser.lr=1"), "Did you mean 'optimizer'?"),
        (("--set", "optimizer.momentun=0.9"), "Did you mean 'optimizer.momentum'?"),
        (("--set", "augment.flip=perhaps"), "augment.flip: input should be a valid boolean"),
        (("--set", "schedule.name=cosin"), "schedule.name: input should be"),
        (("--epoch-s", "3"), "No such option '--epoch-s'"),
        (("--config", "gone.yaml"), "--config gone.yaml cannot be read"),
        (("--config", "list.yaml"), "must hold fields and values"),
        (("--resume", "gone"), "gone is no run directory"),
    ],
)
def test_settings_are_refused_before_any_picture_is_read(
    words: tuple[str, ...], said: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown names, wrong types and impossible values, one by one: exit 2, one line, no data opened, no run begun."""

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("data were opened")

    monkeypatch.setattr("alexnet.data.sources.open_source", opened)
    (tmp_path / "list.yaml").write_text("- 1\n")
    refused = call("train", *words, "--quiet")
    assert refused.code == 2
    assert said in refused.error
    assert not (tmp_path / "runs").exists()


# ---- C22: odd surroundings ---------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder that every user can enter, unlike those of pytest."""
    folder = Path("/tmp") / f"alexnet-test-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.fault("C22")
def test_a_user_without_a_home_in_a_folder_that_cannot_be_written(outside: Path) -> None:
    """Another user (if root tests), no HOME, locale C, umask 077, a read-only folder, all at once: it trains."""
    root = os.geteuid() == 0
    for name in ("here", "cache", "project"):
        (outside / name).mkdir()
        if root and name != "here":
            os.chown(outside / name, NOBODY, NOBODY)
    (outside / "here").chmod(0o555)
    # Python itself may lie where only root can read; writing is what counts
    as_nobody = [
        *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
        *(
            "--inh-caps=-all,+dac_read_search",
            "--ambient-caps=+dac_read_search",
            "--bounding-set=-all,+dac_read_search",
        ),
    ]
    environment = variables(outside / "cache", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    for name in ("HOME", "LANG", "USER", "LOGNAME", "PYTHONIOENCODING"):
        environment.pop(name, None)
    done = subprocess.run(
        [*(as_nobody if root else []), *command(*QUICK, "--project", outside / "project", "--name", "run")],
        cwd=outside / "here",
        env=environment,
        capture_output=True,
        check=False,
        umask=0o077,
    )
    assert done.returncode == 0, done.stderr
    assert b"Error" not in done.stderr, "matplotlib may say that it keeps its own files elsewhere"
    assert b"alexnet" in done.stdout
    run = Run(outside / "project" / "run")
    refuse_torn(run)
    owner = NOBODY if root else os.geteuid()
    for path in [run.path, *run.path.rglob("*")]:
        found = path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o700 if path.is_dir() else 0o600, owner), path
    assert list((outside / "here").iterdir()) == []


@pytest.mark.fault("C22")
def test_a_clock_that_is_set_back_while_it_trains(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes back by a day in the third step: times and rates in the results stay right."""
    steps, clock = [0], time.time

    def counted(*given: Any) -> Answered:
        steps[0] += 1
        return answer(*given)

    monkeypatch.setattr(alexnet.training.loop, "answer", counted)
    monkeypatch.setattr(time, "time", lambda: clock() - 86_400 * (steps[0] >= 3))
    started = time.monotonic()
    assert call("train", "--epochs", 2, *FLOAT32, "--quiet").code == 0
    took = time.monotonic() - started
    run = Run.find("last")
    refuse_torn(run)
    first, second = run.history
    assert 0 < first["time"] < second["time"] < took
    assert first["images_per_second"] > 1000 / took
    assert 0 <= second["data_wait"] < took


# ---- C23: nobody listens -----------------------------------------------------------------------------------


@pytest.mark.fault("C23")
def test_a_reader_that_goes_away(cache: Path, tmp_path: Path) -> None:
    """`alexnet train | head -1`: the training goes on to its end, exit 0; the log says that nobody reads."""
    read, write = os.pipe()
    with subprocess.Popen(["head", "-1"], stdin=read, stdout=subprocess.PIPE, text=True) as head:
        os.close(read)
        given = command("--epochs", 2, *FLOAT32, "--name", "run")
        pipe = subprocess.PIPE
        with subprocess.Popen(given, cwd=tmp_path, env=variables(cache), stdout=write, stderr=pipe) as process:
            os.close(write)
            said = process.communicate()[1]
        assert (process.returncode, said) == (0, b"")
        assert head.stdout is not None
        assert head.stdout.read().startswith("alexnet ")
    run = Run(tmp_path / "runs" / "train" / "run")
    refuse_torn(run)
    log = run.log_file.read_text()
    assert "note: lines can no longer be shown (broken pipe): they stand here alone" in log
    assert "epoch   2/2" in log


@pytest.mark.fault("C23")
def test_standard_streams_that_are_closed(cache: Path, tmp_path: Path) -> None:
    """`alexnet train <&- >&- 2>&-`: it trains; no file of the run takes the streams' numbers."""

    given = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command(*QUICK, "--name", "run")]
    assert subprocess.run(given, cwd=tmp_path, env=variables(cache), check=False).returncode == 0
    refuse_torn(Run(tmp_path / "runs" / "train" / "run"))


@contextmanager
def full_disk() -> Iterator[IO[str]]:
    """A stream that is written to it."""
    file = Path("/dev/full").open("w")  # noqa: SIM115 (closing it tries once more)
    yield file
    with suppress(OSError):
        file.close()


@pytest.mark.fault("C23")
def test_standard_output_and_errors_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`alexnet train >/dev/full 2>/dev/full`: it trains; an error still has its exit code."""
    monkeypatch.chdir(tmp_path)
    for words, code in ((QUICK, 0), (("--epochs", "0"), 2)):
        with full_disk() as out, full_disk() as errors, monkeypatch.context() as patched:
            patched.setattr(sys, "argv", ["alexnet", "train", *words])
            patched.setattr(sys, "stdout", out)
            patched.setattr(sys, "stderr", errors)
            with pytest.raises(SystemExit) as left:
                main()
        assert left.value.code == code
    run = Run(tmp_path / "runs" / "train" / "exp")
    refuse_torn(run)
    assert "can no longer be shown (no space left on device)" in run.log_file.read_text()


@pytest.mark.fault("C23")
def test_a_log_whose_disk_is_full(digits_run: Run, tmp_path: Path, call: Call) -> None:
    """train.log on a full disk: it is said once where somebody reads, and training goes on."""
    run = copied(digits_run, tmp_path / "run")
    run.log_file.symlink_to("/dev/full")
    done = call("train", "--resume", run.path, "--epochs", 3)
    assert (done.code, done.err) == (0, "")
    assert done.out.count("train.log cannot be written (no space left on device): what follows is not in it") == 1
    assert "epoch   3/3" in done.out
    refuse_torn(run)
