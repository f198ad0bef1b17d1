"""This process among its peers: alone, and two processes under torchrun."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import distributed
from torch._C._distributed_c10d import HashStore, Store

from alexnet.errors import ResourceError, UsageError
from alexnet.run import Run
from alexnet.training.world import World


def test_alone_everything_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    world = World.described()
    assert (world.rank, world.size, world.leads) == (0, 1, True)
    assert world.total([1.0, 2.0]) == [1.0, 2.0]
    assert world.share("here") == "here"
    assert world.gather("here") == ["here"]
    assert world.each(lambda: 3) == 3
    assert world.led(lambda: "done") == "done"


def test_half_a_set_of_variables_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UsageError, match="torchrun"):
        World.described()


@pytest.mark.parametrize(
    ("device", "backend", "current"),
    [("cpu", "gloo", []), ("cuda:1", "cpu:gloo,cuda:nccl", [torch.device("cuda:1")])],
)
def test_what_is_exchanged_follows_the_device_and_not_the_machine(
    device: str, backend: str, current: list[torch.device], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--device cpu meets over gloo also where there are GPUs; on a GPU, CPU tensors still go over gloo."""
    taken: list[torch.device] = []
    asked: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(distributed, "init_process_group", lambda backend, **_: asked.append(backend))
    monkeypatch.setattr("alexnet.training.world.rendezvous", lambda *_, **__: iter([(HashStore(), 0, 2)]))
    monkeypatch.setattr(World, "_password", lambda *_: "here")
    World(1, 2, 1, 2).join(torch.device(device))
    assert (asked, taken) == ([backend], current)


def meet(store: Store, size: int) -> list[str]:
    """The words that so many processes agree on, each a thread."""
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(lambda rank: World(rank, size)._password(store), range(size)))


def test_those_who_meet_agree_on_a_word_whatever_others_have_left() -> None:
    """Three attempts in one store, as torchrun keeps it; in the second, a process asked and was gone."""
    store = HashStore()
    first = meet(store, 3)
    store.set("2 asks", "one that is gone")
    second, third = meet(store, 3), meet(store, 2)
    for words in (first, second, third):
        assert len(set(words)) == 1
    assert len({first[0], second[0], third[0]}) == 3


def test_one_that_does_not_come_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alexnet.training.world.MEETING", timedelta(seconds=0.2))
    store = HashStore()
    store.set("2 asks", "one that is gone")
    with pytest.raises(RuntimeError, match="process 1 has not come"):
        World(0, 3)._password(store)


REMOTE = (
    "NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.cpp:94, remote process exited or there was a "
    "network error, NCCL version 2.27.3\nncclRemoteError: A call failed possibly due to a network error or a remote "
    "process exiting prematurely.\nLast error:\nsocketProgressOpt: Call to recv from 10.0.0.2 failed"
)
TWICE = (
    "NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.cpp:94, invalid usage (run with NCCL_DEBUG=WARN for "
    "details), NCCL version 2.27.3\nncclInvalidUsage: This usually reflects invalid usage of NCCL library.\n"
    "Last error:\nDuplicate GPU detected : rank 1 and rank 0 both on CUDA device 1000"
)
GLOO = "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:44321"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (GLOO, r"process 1 of 2 has lost another one \(Connection closed by peer \[127.0.0.1\]:44321\)"),
        (REMOTE, r"process 1 of 2 has lost another one \(ncclRemoteError: A call failed"),
        (TWICE, r"process 1 of 2 has no way to the others \(ncclInvalidUsage: .*\): NCCL_DEBUG=INFO tells more"),
        ("mat1 and mat2 shapes cannot be multiplied", None),
    ],
)
def test_what_is_said_of_the_way_to_the_others(error: str, said: str | None) -> None:
    lost = World(1, 2).lost(RuntimeError(error))
    if said is None:
        assert lost is None
    else:
        assert isinstance(lost, ResourceError)
        assert re.match(said, str(lost))
    assert World().lost(RuntimeError(error)) is None, "one process has nobody to lose"


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
        "--json",
        "--set",
        "temperature=1",
    ]
    done = subprocess.run(
        [*command, "-m", "alexnet", "train", *options], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["two"]
    run = Run(tmp_path / "two")
    assert json.loads(done.stdout)["run"] == str(run.path), "the leader alone speaks"
    assert len(run.history) == 2
    assert run.metrics["n"] == len(run.predictions) == sum("val" in row["split"] for row in run.split)
    # what the two counted together is what one judged alone, but for the precision of the sums
    best = run.history[int(run.metrics["epoch"]) - 1]
    assert best["val/acc"] == pytest.approx(run.metrics["accuracy_top1"], abs=1e-9)
    assert best["val/loss"] == pytest.approx(run.metrics["loss"], rel=1e-5)
