"""MNIST from start to finish, in whole processes: 12 epochs and their judgement, by Keras and by `alexnet train`.

Keras has both its precisions where the processor multiplies bf16; where it does not, bf16 is emulated and takes a
multiple of the time, and float32 runs alone.
"""

import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contest import HERE, PEERS, has_bf16, say

RATE = 1.0
"""Adadelta's own rate: with Keras's default, 0.001, the network is at 0.7 after 12 epochs."""


def run(rounds: int, data: Path) -> tuple[list[str], dict[str, Any]]:
    """Take turns; lines to print, and what was measured."""
    precisions = ["float32"] + (["mixed_bfloat16"] if has_bf16() else [])
    ours_is = "alexnet, recipe modern"
    contestants: dict[str, Callable[[], dict[str, Any]]] = {ours_is: partial(_ours, data)}
    contestants |= {f"Keras, {precision}": partial(_keras, data, precision) for precision in precisions}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in contestants}
    for turn in range(rounds):
        for name, contestant in contestants.items():
            found[name].append(contestant())
        seconds = ", ".join(f"{name} {each[-1]['seconds']:.0f} s" for name, each in found.items())
        say(f"  round {turn + 1} of {rounds}: {seconds}")
    ours = statistics.median(each["seconds"] for each in found[ours_is])
    lines = [
        "MNIST, 12 epochs, start to finish:",
        "",
        "| contestant | seconds, median | range | over ours | accuracy on the 10,000 | seconds to 0.99 |",
        "|---|---|---|---|---|---|",
    ]
    for name, turns in found.items():
        seconds = [each["seconds"] for each in turns]
        median = statistics.median(seconds)
        reached = [each["to_99"] for each in turns if each["to_99"] is not None]
        lines.append(
            f"| {name} | {median:.0f} | {min(seconds):.0f} to {max(seconds):.0f} | {median / ours:.2f} | "
            f"{statistics.median(each['accuracy'] for each in turns):.4f} | "
            f"{f'{statistics.median(reached):.0f}' if reached else 'never'} |"
        )
    return [
        *lines,
        "",
        "Ours looks at its validation pictures, cut from the 60,000, to see when it reaches 0.99.",
        "",
    ], found


def _ours(data: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        _alexnet("train", "mnist", "--data-dir", str(data), "--epochs", "12", "--project", folder, "--name", "run")
        seconds = time.perf_counter() - began
        run = Path(folder) / "run"
        test = _alexnet("val", str(run), "--data-dir", str(data), "--split", "test", "--json")
        with (run / "results.csv").open() as file:
            rows = list(csv.DictReader(file))
    reached = [float(row["time"]) for row in rows if float(row["val/acc"]) >= 0.99]
    return {
        "seconds": seconds,
        "accuracy": json.loads(test)["accuracy_top1"],
        "to_99": min(reached, default=None),
    }


def _alexnet(*arguments: str) -> str:
    command = [sys.executable, "-m", "alexnet", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _keras(data: Path, precision: str) -> dict[str, Any]:
    asked = {"precision": precision, "rate": RATE, "folder": str(data / "mnist")}
    began = time.perf_counter()
    script = str(HERE / "contestants" / "mnist_keras.py")
    printed = subprocess.run([str(PEERS), script, json.dumps(asked)], check=True, capture_output=True, text=True).stdout
    result = json.loads(printed.strip().splitlines()[-1])
    reached = [seconds for seconds, accuracy in result["epochs"] if accuracy >= 0.99]
    return {
        "seconds": time.perf_counter() - began,
        "accuracy": result["accuracy"],
        "to_99": min(reached, default=None),
    }
