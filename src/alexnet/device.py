"""What this machine can do: device, precision, memory policy, seeds."""

import ctypes
import os
import platform
import random
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np
import torch

from alexnet.errors import UsageError

Precision = Literal["float32", "bf16"]


def choose(name: str = "auto", local_rank: int = 0, local_size: int = 1) -> torch.device:
    """The device called `name`: auto, cpu, cuda, cuda:1, mps. `auto` takes a GPU where there is one.

    Of `local_size` processes on one machine each takes the GPU of its `local_rank`.

    Errors: UsageError for an unknown name or a device that this machine lacks, or that the processes cannot share.
    """
    if name == "auto":
        apple = torch.backends.mps.is_available() and local_size == 1
        name = "cuda" if torch.cuda.is_available() else "mps" if apple else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"unknown device {name!r}: use auto, cpu, cuda, cuda:1 or mps") from error
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(device.type, False):
        raise UsageError(f"this machine has no device {name!r}: use --device auto or --device cpu")
    if device.type == "mps" and local_size > 1:
        raise UsageError(f"{local_size} processes cannot share one Apple GPU: use --device cpu, or one process")
    return _own_gpu(device, local_rank, local_size) if device.type == "cuda" else device


def _own_gpu(device: torch.device, local_rank: int, local_size: int) -> torch.device:
    """The GPU of one process: NCCL wants one for each."""
    gpus = torch.cuda.device_count()
    if local_size > 1 and device.index is not None:
        raise UsageError(f"--device {device} is one GPU for {local_size} processes: use --device cuda, one for each")
    if local_size > gpus:
        raise UsageError(
            f"{local_size} processes on this machine, which has {gpus} GPU{'s'[: gpus != 1]}: "
            f"start one for each (torchrun --nproc-per-node {gpus}), or use --device cpu"
        )
    return torch.device("cuda", local_rank if device.index is None else device.index)


def choose_precision(device: torch.device, amp: bool | None = None) -> Precision:
    """bf16 where the hardware multiplies it natively, float32 elsewhere; `amp` overrides.

    On a CPU that means AMX or AVX512-BF16: without them bf16 is emulated and slower than float32.
    """
    if amp is not None:
        return "bf16" if amp else "float32"
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type == "cpu":
        probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        fast = any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
        return "bf16" if fast else "float32"
    return "float32"


def sum_type(device: torch.device) -> torch.dtype:
    """The widest float to add up in: Apple's GPUs have no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """The context in which a network runs at `precision`; weights and sums stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def send(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A few numbers drawn on the CPU, on `device`; a CUDA GPU goes on with what it does meanwhile."""
    return values.to(device, non_blocking=device.type == "cuda")


def keep_memory() -> bool:
    """Tell glibc to keep freed memory instead of handing it back after every step.

    A training step frees and asks for the same large buffers again and again; by default each goes back to
    the kernel, and every page is faulted in anew. Call before the first large allocation. Returns whether it
    was set: only glibc (Linux) has the knobs, elsewhere nothing happens.
    """
    trim_threshold, top_pad, mmap_threshold = (
        -1,
        -2,
        -3,
    )  # malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    gigabyte = 1 << 30
    settings = ((mmap_threshold, gigabyte), (trim_threshold, 2 * gigabyte - 1), (top_pad, 64 << 20))
    return all(mallopt(knob, value) == 1 for knob, value in settings)


def seed_everything(seed: int, deterministic: bool = False) -> None:
    """Seed every generator; with `deterministic`, refuse operations that cannot be repeated bit for bit."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    if torch.are_deterministic_algorithms_enabled() != deterministic:  # asking PyTorch to change nothing takes seconds
        torch.use_deterministic_algorithms(deterministic)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = not deterministic


def seed_step(seed: int, device: torch.device) -> None:
    """Seed what draws on the CPU and on `device`: `torch.manual_seed` without the ms it takes to ask all backends."""
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


def describe(device: torch.device) -> str:
    """The device in words, such as ``cpu (2 threads)`` or the GPU's name."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)" if device.type == "cpu" else str(device)


def python_version() -> str:
    """Such as 3.11.7."""
    return platform.python_version()


def environment(device: torch.device, precision: Precision) -> dict[str, Any]:
    """What a run needs to say about where it ran (written as env.json)."""
    import PIL

    return {
        "python": python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "device": describe(device),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def precision_of(written: Mapping[str, Any], device: torch.device) -> Precision | None:
    """The precision in a run's env.json, if `device` is of the machine that it was written on; else None."""
    here = environment(device, "float32")

    def plain(said: object) -> str:
        return re.sub(r":\d+", "", str(said))  # each of torchrun's processes has a GPU of its own

    kept = ("torch", "processor", "device", "cpu_capability")
    same = all(plain(written.get(name)) == plain(here[name]) for name in kept)
    precision: Precision | None = written.get("precision") if same else None
    return precision if precision in ("float32", "bf16") else None
