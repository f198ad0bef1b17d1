"""What this machine can do, and the seeds."""

import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from alexnet import device
from alexnet.errors import UsageError


@pytest.fixture
def _settings_restored() -> Iterator[None]:
    benchmark = torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = benchmark


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "CPU"])
def test_unknown_device(name: str) -> None:
    with pytest.raises(UsageError, match="unknown device"):
        device.choose(name)


@pytest.mark.fault("C18")
@pytest.mark.parametrize("name", ["cuda:99", "meta"])
def test_absent_device(name: str) -> None:
    """Devices that this machine lacks: refused, with those that may be named."""
    with pytest.raises(UsageError, match=f"this machine has no device '{name}'"):
        device.choose(name)


def test_choose() -> None:
    assert device.choose("cpu") == torch.device("cpu")
    if torch.cuda.is_available():
        assert device.choose().type == "cuda"


def test_auto_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device.choose() == torch.device("cpu")


def with_gpus(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_each_process_takes_a_gpu_of_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(4, monkeypatch)
    assert [device.choose(name, rank, 4) for rank in range(4)] == [torch.device("cuda", rank) for rank in range(4)]
    assert device.choose(name) == torch.device("cuda", 0)


def test_a_device_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(2, monkeypatch)
    assert device.choose("cuda:1") == torch.device("cuda", 1)
    assert device.choose("cpu", 3, 4) == torch.device("cpu"), "CPUs may be shared by any number"


@pytest.mark.fault("C18")
@pytest.mark.parametrize(
    ("name", "gpus", "processes", "said"),
    [
        ("auto", 2, 3, r"3 processes on this machine, which has 2 GPUs: .*--nproc-per-node 2\), or use --device cpu"),
        ("cuda", 1, 2, r"2 processes on this machine, which has 1 GPU: .*--nproc-per-node 1"),
        ("cuda:1", 2, 2, "--device cuda:1 is one GPU for 2 processes: use --device cuda"),
    ],
)
def test_more_processes_than_gpus(
    name: str, gpus: int, processes: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More processes on a machine than GPUs, or all on one: refused, with the numbers and what to do."""
    with_gpus(gpus, monkeypatch)
    with pytest.raises(UsageError, match=said):
        device.choose(name, 0, processes)


def test_apples_gpu_is_for_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(0, monkeypatch)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device.choose() == torch.device("mps")
    assert device.choose("auto", 0, 2) == torch.device("cpu")
    with pytest.raises(UsageError, match="2 processes cannot share one Apple GPU"):
        device.choose("mps", 0, 2)


def test_precision() -> None:
    cpu = torch.device("cpu")
    assert device.choose_precision(cpu, True) == "bf16"
    assert device.choose_precision(cpu, False) == "float32"
    assert device.choose_precision(cpu) in ("bf16", "float32")
    assert device.choose_precision(torch.device("mps")) == "float32"


def test_precision_follows_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    for probe in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, probe, lambda: False, raising=False)
    assert device.choose_precision(torch.device("cpu")) == "float32"
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert device.choose_precision(torch.device("cpu")) == "bf16"


def test_precision_of_a_run_that_was_begun_here() -> None:
    """Its env.json counts on the machine that it was written on, and nowhere else."""
    cpu = torch.device("cpu")
    written = device.environment(cpu, "bf16")
    assert device.precision_of(written, cpu) == "bf16"
    assert device.precision_of({**written, "precision": "int8"}, cpu) is None
    for name in ("torch", "processor", "device", "cpu_capability"):
        assert device.precision_of({**written, name: "another"}, cpu) is None
    assert device.precision_of({}, cpu) is None


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast(precision: device.Precision, dtype: torch.dtype) -> None:
    layer = torch.nn.Linear(4, 4)
    with device.autocast(torch.device("cpu"), precision):
        assert layer(torch.ones(2, 4)).dtype == dtype


def test_keep_memory() -> None:
    first = device.keep_memory()
    assert isinstance(first, bool)
    assert device.keep_memory() is first


@pytest.mark.usefixtures("_settings_restored")
@pytest.mark.parametrize("deterministic", [False, True])
def test_seeds_repeat(deterministic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

    def numbers(seed: int) -> tuple[float, float, float]:
        device.seed_everything(seed, deterministic)
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    assert numbers(7) == numbers(7)
    assert all(a != b for a, b in zip(numbers(7), numbers(8), strict=True))
    assert torch.are_deterministic_algorithms_enabled() is deterministic
    assert len(numbers(2**63 - 1)) == 3


def test_environment() -> None:
    said = device.environment(torch.device("cpu"), "bf16")
    assert said["torch"] == torch.__version__
    assert said["precision"] == "bf16"
    assert said["device"] == f"cpu ({torch.get_num_threads()} threads)"


def test_a_steps_seed_is_the_one_of_torch() -> None:
    device.seed_step(2**40 + 5, torch.device("cpu"))
    numbers = torch.rand(3)
    torch.manual_seed(2**40 + 5)
    assert torch.equal(numbers, torch.rand(3))
