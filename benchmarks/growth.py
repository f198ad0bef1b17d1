"""How cost grows with the work: 1,000 to 100,000 pictures, batches of 16 to 512, one thread and two.

    python benchmarks/growth.py                    # all; minutes
    python benchmarks/growth.py --pictures 1000    # one size

Pictures are made up: JPEG files of 48 pixels in ten folders. Each size is one `alexnet train` in a process of its own,
with a cache of its own; what it took is divided by the number of pictures.
"""

import argparse
import csv
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.contest import Contestant, Outcome, hold, say

SIZES = (1_000, 10_000, 100_000)
BATCHES = (16, 32, 64, 128, 256, 512)
CLASSES, SIDE = 10, 48
NETWORKS = {"notebook-mnist": 20, "notebook-flowers": 1}
"""And how many batches of the largest size a turn has."""


@dataclass(frozen=True)
class Cost:
    """What a training of one epoch took."""

    pictures: int
    seconds: float
    """From start to finish: finding files, digests, decoding, one epoch, the verdict, pictures."""
    images_per_second: float
    memory: int
    """The most bytes held."""


def make_pictures(folder: Path, count: int) -> None:
    """`count` JPEG files of noise, each class of its own brightness."""
    random = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True)
    for number in range(count):
        label = number % CLASSES
        noise = random.integers(0, 60, (SIDE, SIDE, 3)) + 19 * label
        Image.fromarray(noise.astype(np.uint8)).save(folder / f"class{label}" / f"{number}.jpg", quality=80)


def train(count: int) -> Cost:
    """One epoch over `count` pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder / "pictures", count)
        command = [sys.executable, "-m", "alexnet", "train", str(folder / "pictures"), "--model", "notebook-mnist"]
        command += ["--imgsz", "28", "--epochs", "1", "-b", "128", "--project", str(folder), "--name", "run", "-q"]
        began = time.perf_counter()
        process = os.posix_spawn(sys.executable, command, {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")})
        _, status, used = os.wait4(process, 0)
        seconds = time.perf_counter() - began
        if status:
            raise RuntimeError(f"alexnet train ended with {os.waitstatus_to_exitcode(status)}")
        with (folder / "run" / "results.csv").open() as file:
            row = next(csv.DictReader(file))
        return Cost(count, seconds, float(row["images_per_second"]), used.ru_maxrss * 1024)


def by_batch(network: str, steps: int, rounds: int) -> list[tuple[int, int, Outcome]]:
    """Threads, batch, and what training at them gave; every turn trains on as many pictures."""
    found = []
    for threads in (1, len(os.sched_getaffinity(0))):
        contestants = [
            Contestant(
                f"{batch}",
                "train_alexnet.py",
                {
                    "network": network,
                    "batch": batch,
                    "steps": steps * max(BATCHES) // batch,
                    "precision": "auto",
                    "threads": threads,
                    "flop": 0,
                },
            )
            for batch in BATCHES
        ]
        found += [(threads, int(outcome.name), outcome) for outcome in hold(contestants, rounds)]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, nargs="*", default=SIZES)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print("| pictures | seconds in all | ms a picture | training, pictures/s | memory | memory above the smallest |")
    print("|---|---|---|---|---|---|")
    base = None
    for count in asked.pictures:
        cost = train(count)
        base = base or cost.memory
        more = (cost.memory - base) / count / 1e3
        print(
            f"| {count:,} | {cost.seconds:.1f} | {1e3 * cost.seconds / count:.2f} | {cost.images_per_second:,.0f} | "
            f"{cost.memory / 1e9:.2f} GB | {more:.1f} kB a picture |",
            flush=True,
        )
    for network in asked.networks:
        steps = NETWORKS[network]
        say(network)
        print(f"\n| `{network}`: threads | batch | pictures/s | memory | memory a picture |\n|---|---|---|---|---|")
        measured = by_batch(network, steps, asked.rounds)
        smallest = min(outcome.memory for _, _, outcome in measured)
        for threads, batch, outcome in measured:
            each = (outcome.memory - smallest) / batch / 1e6
            print(f"| {threads} | {batch} | {outcome.median:,.1f} | {outcome.memory / 1e9:.2f} GB | {each:.1f} MB |")


if __name__ == "__main__":
    main()
