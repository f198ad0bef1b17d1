"""Many processes and their ends: killed, stopped, standing still, never met."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import matplotlib
import pytest
import torch

from alexnet.errors import ResourceError, UsageError
from alexnet.run import Run
from alexnet.training import checkpoint
from alexnet.training.world import World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")

CPU = torch.device("cpu")
HOW = ("--no-amp", "--seed", "3", "--project", "runs", "--name", "run", "--set", "temperature=1")


FULL_DISK = """
import errno, os
sync = os.fsync

def no_room(file):
    if os.fstat(file).st_size > 2_000_000:  # no file but a checkpoint is so large
        raise OSError(errno.ENOSPC, "No space left on device")
    sync(file)

if os.environ["RANK"] == "0":
    os.fsync = no_room
from alexnet.commands.main import main
main()
"""
"""The command, where the leader's disk has no room for a checkpoint."""


def torchrun(folder: Path, *words: str, restarts: int = 0, program: str | None = None) -> subprocess.Popen[str]:
    """Two processes that train, started as a user does; or a `program` instead of the command."""
    given = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    given += ["--max-restarts", str(restarts)]
    if program is None:
        return start(folder, [*given, "-m", "alexnet", "train", *words])
    (folder / "program.py").write_text(program)
    return start(folder, [*given, "program.py", "train", *words])


def agent(folder: Path, port: int, *, replaceable: bool) -> subprocess.Popen[str]:
    """One of two torchruns, as on two machines, with one process each that trains three epochs."""
    given = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    given += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"localhost:{port}", "--rdzv-id", "two"]
    given += ["--max-restarts", "3"]
    given += ["-m", "alexnet", "train", "--epochs", "3", "--save-every", "3", *HOW]
    return start(folder, given, TORCH_DISABLE_SHARE_RDZV_TCP_STORE=str(int(replaceable)))


def start(folder: Path, given: list[str], **variables: str) -> subprocess.Popen[str]:
    environment = {
        **{key: value for key, value in os.environ.items() if key != "MASTER_PORT"},
        **{"XDG_CACHE_HOME": str(folder / "cache"), "MPLCONFIGDIR": matplotlib.get_cachedir()},  # fonts take seconds
        **{"OMP_NUM_THREADS": "1", **variables},
    }
    folder.mkdir(exist_ok=True)
    pipe = subprocess.PIPE
    return subprocess.Popen(
        given, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def ranks(process: subprocess.Popen[str]) -> dict[int, int]:
    """Rank and number of each process that torchrun has started and that runs."""
    found = {}
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        try:
            variables = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        except OSError:  # it ended in between
            continue
        rank = next((word.removeprefix(b"RANK=") for word in variables if word.startswith(b"RANK=")), None)
        if rank is not None:
            found[int(rank)] = int(child)
    return found


def wait_for_checkpoint(run: Run, process: subprocess.Popen[str], after: int = 0) -> None:
    while process.poll() is None and (not run.checkpoint.exists() or run.checkpoint.stat().st_mtime_ns <= after):
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()


def ended(process: subprocess.Popen[str], seconds: float = 300) -> str:
    """What it said on standard error, once it has ended; all that it has started ends with it."""
    try:
        return process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        for number in (process.pid, *ranks(process).values()):
            os.kill(number, signal.SIGKILL)
        raise AssertionError(f"it did not end: {process.communicate()}") from None


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two processes, three epochs, nobody disturbs them."""
    folder = tmp_path_factory.mktemp("undisturbed")
    process = torchrun(folder, "--epochs", "3", *HOW)
    said = ended(process)
    assert process.returncode == 0, said
    return Run(folder / "runs" / "run")


def refuse_difference(one: Run, other: Run) -> None:
    """The same weights, byte by byte, and the same verdict."""
    for name in ("best.safetensors", "last.safetensors"):
        assert (one.path / "weights" / name).read_bytes() == (other.path / "weights" / name).read_bytes(), name
    assert one.metrics == other.metrics


@pytest.mark.fault("D1")
def test_one_of_two_is_killed_and_torchrun_brings_the_run_to_its_end(undisturbed: Run, tmp_path: Path) -> None:
    """SIGKILL of the second process in a step: torchrun starts both anew, the same run goes on, the same bytes."""
    run = Run(tmp_path / "runs" / "run")
    process = torchrun(tmp_path, "--epochs", "3", "--save-every", "3", *HOW, restarts=1)
    wait_for_checkpoint(run, process)
    first = ranks(process)
    os.kill(first[1], signal.SIGKILL)
    killed = time.monotonic()
    while process.poll() is None and (set(ranks(process).values()) & set(first.values()) or len(ranks(process)) < 2):
        time.sleep(0.05)
    assert time.monotonic() - killed < 60
    said = ended(process)
    assert process.returncode == 0, said
    assert [path.name for path in run.path.parent.iterdir()] == ["run"]
    assert "was begun by the same torchrun: the processes go on with it" in run.log_file.read_text()
    refuse_difference(undisturbed, run)


@pytest.mark.fault("D1")
@pytest.mark.parametrize("lost", ["process", pytest.param("machine", marks=pytest.mark.long)])
def test_one_of_two_machines_loses_its_process_or_is_lost(lost: str, undisturbed: Run, tmp_path: Path) -> None:
    """SIGKILL of the second machine's process; or of its torchrun too, and another one comes: the same run, the same
    bytes."""
    run, port = Run(tmp_path / "runs" / "run"), free_port()
    first = agent(tmp_path, port, replaceable=lost == "machine")
    time.sleep(1)  # the lower process number leads
    second = agent(tmp_path, port, replaceable=lost == "machine")
    wait_for_checkpoint(run, first)
    worker = ranks(second)[1]
    if lost == "machine":
        second.kill()
    os.kill(worker, signal.SIGKILL)
    last = agent(tmp_path, port, replaceable=True) if lost == "machine" else second
    said = [ended(process) for process in (first, last)]
    second.communicate()
    assert [first.returncode, last.returncode] == [0, 0], said
    assert [path.name for path in run.path.parent.iterdir()] == ["run"]
    refuse_difference(undisturbed, run)


@pytest.mark.fault("D1")
def test_without_restarts_all_leave_and_say_how_to_go_on(tmp_path: Path) -> None:
    """SIGKILL of one process without restarts: the other ends within a minute, with one line."""
    run = Run(tmp_path / "runs" / "run")
    process = torchrun(tmp_path, "--epochs", "500", "--save-every", "3", *HOW)
    wait_for_checkpoint(run, process)
    os.kill(ranks(process)[1], signal.SIGKILL)
    said = ended(process, 60)
    assert process.returncode != 0
    assert "error: process 0 of 2 has lost another one" in said
    assert "alexnet train --resume" in said
    checkpoint.load(run.checkpoint)


@pytest.mark.fault("D2")
def test_the_leader_is_killed_while_it_saves(undisturbed: Run, long: bool, tmp_path: Path) -> None:
    """SIGKILL of the leader as soon as a checkpoint is begun: the one before goes on, the same bytes."""
    run = Run(tmp_path / "runs" / "run")
    process = torchrun(tmp_path, "--epochs", "3", "--save-every", "1", *HOW)
    for again in range(5 if long else 1):
        written = run.checkpoint.stat().st_mtime_ns if again else 0
        wait_for_checkpoint(run, process, written)
        leader = ranks(process)[0]
        while process.poll() is None and not list(run.path.glob(".checkpoint.pt.*")):
            pass
        os.kill(leader, signal.SIGKILL)
        ended(process, 60)
        checkpoint.load(run.checkpoint)
        process = torchrun(tmp_path, "--resume", "runs/run")
    said = ended(process)
    assert process.returncode == 0, said
    refuse_difference(undisturbed, run)


@pytest.mark.fault("D4")
@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.long), 1])
def test_a_signal_to_one_stops_both_at_one_step(rank: int, undisturbed: Run, tmp_path: Path) -> None:
    """SIGTERM to one process only: both stop after the same step, one checkpoint; they go on to the same bytes."""
    run = Run(tmp_path / "runs" / "run")
    process = torchrun(tmp_path, "--epochs", "3", "--save-every", "3", *HOW)
    wait_for_checkpoint(run, process)
    os.kill(ranks(process)[rank], signal.SIGTERM)
    said = ended(process, 60)
    assert process.returncode != 0
    assert said.count("error: stopped") == 1, said
    assert "exitcode  : 75" in said, said
    again = torchrun(tmp_path, "--resume", "runs/run")
    said = ended(again)
    assert again.returncode == 0, said
    refuse_difference(undisturbed, run)


@pytest.mark.fault("D4")
def test_a_stop_stays_one_where_torchrun_may_start_anew(undisturbed: Run, tmp_path: Path) -> None:
    """SIGTERM to one process with --max-restarts 2: nothing is trained any more; resumed, the same bytes."""
    run = Run(tmp_path / "runs" / "run")
    process = torchrun(tmp_path, "--epochs", "3", "--save-every", "3", *HOW, restarts=2)
    wait_for_checkpoint(run, process)
    os.kill(ranks(process)[0], signal.SIGTERM)
    said = ended(process)
    lines = [line for line in said.splitlines() if "error: stopped by SIGTERM" in line]
    assert (len(lines), len(set(lines))) == (3, 1), said
    assert "exitcode  : 75" in said, said
    again = torchrun(tmp_path, "--resume", "runs/run")
    said = ended(again)
    assert again.returncode == 0, said
    refuse_difference(undisturbed, run)


@pytest.mark.fault("C8", "D2")
def test_a_disk_that_is_full_for_the_leader_ends_all_in_one_line(tmp_path: Path) -> None:
    """The leader alone saves, and finds no room: both leave with 6; the line is printed once."""
    process = torchrun(tmp_path, "--epochs", "3", "--save-every", "3", *HOW, program=FULL_DISK)
    said = ended(process)
    assert said.count("error: the disk is full") == 1, said
    assert "exitcode  : 6" in said, said
    assert "has lost another one" not in said


def test_a_name_that_is_taken_ends_all_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs" / "run").mkdir(parents=True)
    (tmp_path / "runs" / "run" / "notes.txt").touch()
    said = ended(torchrun(tmp_path, "--epochs", "3", *HOW))
    assert said.count("error: runs/run exists already") == 1, said
    assert "exitcode  : 2" in said, said


@pytest.mark.fault("D5")
def test_a_leader_that_stands_still_is_waited_for(undisturbed: Run, tmp_path: Path) -> None:
    """SIGSTOP of the leader for eight seconds in the middle of training: the same bytes in the end."""
    run = Run(tmp_path / "runs" / "run")
    process = torchrun(tmp_path, "--epochs", "3", "--save-every", "3", *HOW)
    wait_for_checkpoint(run, process)
    leader = ranks(process)[0]
    os.kill(leader, signal.SIGSTOP)
    time.sleep(8)
    os.kill(leader, signal.SIGCONT)
    said = ended(process)
    assert process.returncode == 0, said
    refuse_difference(undisturbed, run)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.fault("D3")
@pytest.mark.parametrize("differing", ["options", "pictures"])
def test_processes_that_differ_are_refused(differing: str, folder_of_colours: "object", tmp_path: Path) -> None:
    """Two processes with another number of epochs, or other pictures: exit 2, the difference named."""
    folders = [folder_of_colours(f"of rank {rank}", 6) for rank in range(2)]  # type: ignore[operator]
    if differing == "pictures":
        (folders[1] / "red" / "000.png").unlink()
    port = str(free_port())
    processes = []
    for rank in range(2):
        (tmp_path / f"home {rank}").mkdir()
        (tmp_path / f"home {rank}" / "pictures").symlink_to(folders[rank])
        how = ["--model", "notebook-mnist", "--epochs", str(3 + rank * (differing == "options"))]
        given = [sys.executable, "-m", "alexnet", "train", "pictures", *how, "--project", str(tmp_path / "runs")]
        variables = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_PORT": port}
        processes.append(start(tmp_path / f"home {rank}", given, MASTER_ADDR="127.0.0.1", **variables))
    said = [ended(process) for process in processes]
    assert [process.returncode for process in processes] == [2, 2], said
    what = "epochs: 3 in process 0, 4 in process 1" if differing == "options" else "the pictures: "
    assert f"error: the processes differ in {what}" in said[0]
    assert said[1] == "", "the leader speaks for all"


def test_what_only_one_process_lacks_is_told_by_the_leader(folder_of_colours: "object", tmp_path: Path) -> None:
    """The second machine has no pictures: both leave with its exit code, the leader says why."""
    pictures = folder_of_colours("pictures", 6)  # type: ignore[operator]
    port, processes = str(free_port()), []
    for rank in range(2):
        given = [sys.executable, "-m", "alexnet", "train", str(pictures) if rank == 0 else "nowhere"]
        variables = {"RANK": str(rank), "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": port}
        processes.append(start(tmp_path, given, MASTER_ADDR="127.0.0.1", **variables))
    said = [ended(process) for process in processes]
    assert [process.returncode for process in processes] == [2, 2], said
    assert "nowhere" in said[0]
    assert said[1] == ""


@pytest.fixture
def of_two(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The variables of the first of two processes, and little patience."""
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    monkeypatch.setattr("alexnet.training.world.MEETING", timedelta(seconds=2))
    return monkeypatch


@pytest.mark.fault("D6")
def test_others_that_never_come_are_not_waited_for_without_end(of_two: pytest.MonkeyPatch) -> None:
    """The leader waits for a second process that is not there; the second for a leader that is not there."""
    with pytest.raises(ResourceError, match=r"process 0 of 2 does not meet the others at 127\.0\.0\.1:\d+"):
        World.described().join(CPU)
    of_two.setenv("RANK", "1")
    of_two.setenv("MASTER_PORT", str(free_port()))
    with pytest.raises(ResourceError, match=r"process 1 of 2 does not meet the others at 127\.0\.0\.1:\d+"):
        World.described().join(CPU)


@pytest.mark.fault("D6")
def test_a_taken_port_is_told(of_two: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        of_two.setenv("MASTER_PORT", str(taken.getsockname()[1]))
        with pytest.raises(ResourceError, match="is the port free"):
            World.described().join(CPU)


@pytest.mark.fault("D6")
@pytest.mark.parametrize(("name", "value"), [("RANK", "2"), ("RANK", "-1"), ("WORLD_SIZE", "two"), ("MASTER_PORT", "")])
def test_numbers_that_contradict_one_another(name: str, value: str, of_two: pytest.MonkeyPatch) -> None:
    of_two.setenv(name, value)
    with pytest.raises(UsageError, match="torchrun -m alexnet"):
        World.described().join(CPU)


def test_the_run_tells_who_started_it(undisturbed: Run) -> None:
    assert json.loads((undisturbed.path / "env.json").read_text())["torchrun"]
