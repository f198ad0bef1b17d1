"""What many processes cost: two measured here, the model of docs/scale.md checked by them, 1 to 1,024 predicted.

    python benchmarks/scale.py                           # notebook-flowers and owt, two processes of one thread each
    python benchmarks/scale.py --rate 9000 --gigabytes 25 --latency 10     # the model for another machine

Three contestants take turns, round after round: each process for itself, gradients averaged (data), dense layers
divided (hybrid). Sent bytes are read from the loopback device's counters.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import multiprocessing

from alexnet.models.network import AlexNet, create_model
from alexnet.training import optimizers
from alexnet.training.optimizers import Optimizer
from alexnet.training.parallel import Spread, Traffic, traffic
from alexnet.training.world import World

ROUNDS, STEPS, PORT = 5, 3, 29710
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
CONTESTANTS = ("alone", "data", "hybrid")


@dataclass(frozen=True)
class Machine:
    """What the model knows of a machine."""

    rate: float
    """Pictures a second that one worker trains on."""
    bandwidth: float
    """Bytes a second that one worker sends while it receives as many."""
    latency: float
    """Seconds until the first byte arrives."""


def step_seconds(machine: Machine, network: AlexNet, batch: int, workers: int) -> dict[str, float]:
    """The model, for `batch` pictures a worker: computing, then sending, nothing at the same time.

    A sum over n workers takes 2 (n - 1) messages one after another round the ring, a gathering n - 1; the gradients of
    a network go in about one sum a layer with weights.
    """
    sent = traffic(network, batch * workers, workers)
    layers = sum(parameter.dim() > 1 for parameter in network.parameters())
    compute = batch / machine.rate
    waits = 2 * (workers - 1) * layers * machine.latency
    return {way: compute + getattr(sent, way) / machine.bandwidth + waits for way in ("data", "hybrid")}


def measure(rank: int, name: str, batch: int, folder: Path) -> None:
    """One of two processes: seconds a step of each contestant, bytes sent a step, seconds of one large sum."""
    variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": PORT}
    os.environ.update({key: str(value) for key, value in variables.items()}, MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(1)
    world = World.described()
    world.join(torch.device("cpu"))
    steps = {way: _contestant(way, name, batch, world) for way in CONTESTANTS}
    seconds: dict[str, list[float]] = {way: [] for way in CONTESTANTS}
    sent: dict[str, list[float]] = {way: [] for way in CONTESTANTS}
    for turn in range(ROUNDS + 1):  # the first is to warm up
        for way, step in steps.items():
            world.total([0.0])  # begin together
            before, started = _sent(), time.perf_counter()
            for _ in range(STEPS):
                step()
            took = time.perf_counter() - started
            world.total([0.0])
            if turn:
                seconds[way].append(took / STEPS)
                sent[way].append((_sent() - before) / STEPS / 2)  # both send over one device
    large = torch.zeros(16 << 20)
    sums = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        torch.distributed.all_reduce(large)
        sums.append(time.perf_counter() - started)
    if rank == 0:
        torch.save((seconds, sent, large.nbytes / statistics.median(sums[1:])), folder)
    world.leave()


def _contestant(way: str, name: str, batch: int, world: World) -> Callable[[], None]:
    torch.manual_seed(0)
    network = create_model(name)
    spread = Spread(network, World() if way == "alone" else world, "hybrid" if way == "hybrid" else "data")
    optimizer = optimizers.build(Optimizer(name="sgd", lr=1e-4), spread.parameters)
    pictures = torch.rand(batch, *network.input_shape)
    labels = torch.randint(network.classes, (batch,))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(spread.model(pictures), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _sent() -> int:
    """Bytes that the loopback device has sent."""
    line = next(line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[8])


def compare(name: str, batch: int, folder: Path) -> None:
    """Print what was measured beside what the model says."""
    file = folder / f"{name}.pt"
    multiprocessing.spawn(measure, (name, batch, file), nprocs=2)
    seconds, sent, bandwidth = torch.load(file, weights_only=True)
    file.unlink()
    network = create_model(name)
    expected: Traffic = traffic(network, 2 * batch, 2, all_to_all=False)
    alone = statistics.median(seconds["alone"])
    print(f"\n{name}, {batch} pictures a process, two processes of one thread, {bandwidth / 1e9:.2f} GB/s summed")
    print("| way | seconds a step (spread) | sent a step, counted | by the model | model's seconds | efficiency |")
    print("|---|---|---|---|---|---|")
    for way in CONTESTANTS:
        middle, spread = statistics.median(seconds[way]), max(seconds[way]) - min(seconds[way])
        bytes_ = 0 if way == "alone" else getattr(expected, way)
        model = alone + bytes_ / bandwidth
        counted = statistics.median(sent[way]) / 1e6
        print(
            f"| {way} | {middle:.3f} ({spread:.3f}) | {counted:,.1f} MB | {bytes_ / 1e6:,.1f} MB "
            f"| {model:.3f} | {alone / middle:.2f} |"
        )


def predict(name: str, batch: int, machine: Machine) -> None:
    """Print the model for one to many workers."""
    network = create_model(name)
    print(
        f"\n{name}, {batch} pictures a worker, {machine.rate:,.0f} pictures/s alone, {machine.bandwidth / 1e9:g} GB/s, "
        f"{machine.latency * 1e6:g} µs"
    )
    print("| workers | batch | pictures/s, data | efficiency | pictures/s, hybrid | efficiency | sent, data | hybrid |")
    print("|---|---|---|---|---|---|---|---|")
    for workers in WORKERS:
        sent = traffic(network, batch * workers, workers)
        cells = [f"{workers:,}", f"{batch * workers:,}"]
        for seconds in step_seconds(machine, network, batch, workers).values():
            rate = batch * workers / seconds
            cells += [f"{rate:,.0f}", f"{rate / workers / machine.rate:.2f}"]
        print(f"| {' | '.join(cells)} | {sent.data / 1e6:,.0f} MB | {sent.hybrid / 1e6:,.0f} MB |")


def main() -> None:
    """Measure and predict, or predict for another machine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, help="pictures a second that one worker trains on; nothing is measured")
    parser.add_argument(
        "--gigabytes", type=float, default=1.25, help="a second that one worker sends [1.25: 10 Gbit/s]"
    )
    parser.add_argument("--latency", type=float, default=30, help="microseconds until the first byte arrives [30]")
    parser.add_argument("--batch", type=int, default=128, help="pictures a worker")
    asked = parser.parse_args()
    if asked.rate is None:
        for name, batch in (("notebook-flowers", 16), ("owt", 16)):
            compare(name, batch, Path("/tmp"))
    for rate in (asked.rate,) if asked.rate else (75.0, 4000.0):
        predict("owt", asked.batch, Machine(rate, asked.gigabytes * 1e9, asked.latency * 1e-6))


if __name__ == "__main__":
    main()
