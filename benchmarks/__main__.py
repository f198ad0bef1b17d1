"""Ours against its peers, in turns, on the machine at hand.

    make bench                                              # sets up the peers' environment, then all of it
    python -m benchmarks training --rounds 7                # one part
    python -m benchmarks inference --run RUN --data DIR     # with a trained network of torchvision's layout

Prints tables and writes everything that was measured, with machine, versions and date, to --json.
"""

import argparse
import datetime
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from alexnet import __version__, device
from benchmarks import inference, mnist, training
from benchmarks.contest import PEERS, Contestant, Outcome, has_bf16, hold, say

PARTS = ("training", "inference", "mnist")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all if not said")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (5)")
    parser.add_argument(
        "--run", type=Path, help="a run of `alexnet train flowers17 --model torchvision`, for inference"
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("ALEXNET_DATA"), help="where named data sets live")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results.json"))
    asked = parser.parse_args()
    parts = asked.parts or [part for part in PARTS if part != "inference" or asked.run]
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(unknown)}: choose from {', '.join(PARTS)}")
    if not PEERS.exists():
        parser.error(f"{PEERS} is missing: `make bench` sets up the peers' environment first")
    if {"inference", "mnist"} & set(parts) and asked.data is None:
        parser.error("--data, or ALEXNET_DATA, must name the folder that holds 17flowers/ and mnist/")

    cpu = torch.device("cpu")
    results: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "alexnet": __version__,
        "machine": device.environment(cpu, device.choose_precision(cpu)),
    }
    peak: dict[str, float] = {}
    lines = []
    if set(parts) != {"mnist"}:  # whose whole runs have no share of it
        say("the machine's peak")
        peak, results["peak_gflop_per_s"] = _peak(asked.rounds)
        lines = [f"Peak of the machine, GFLOP/s in products of 4096² matrices: {_in_words(peak)}", ""]
    if "training" in parts:
        say("training")
        printed, found = training.run(asked.rounds, peak)
        lines += printed
        results["training"] = _plain(found)
    if "inference" in parts:
        if asked.run is None:
            parser.error("--run must name a run of `alexnet train flowers17 --model torchvision`")
        say("inference")
        with tempfile.TemporaryDirectory() as folder:
            printed, found = inference.run(asked.rounds, inference.prepare(asked.run, Path(asked.data), Path(folder)))
        lines += printed
        results["inference"] = _plain(found)
    if "mnist" in parts:
        say("mnist, 12 epochs")
        printed, results["mnist"] = mnist.run(asked.rounds, Path(asked.data))
        lines += printed
    asked.json.write_text(json.dumps(results, indent=1) + "\n")
    print("\n".join(lines))
    say(f"all that was measured: {asked.json}")


def _peak(rounds: int) -> tuple[dict[str, float], dict[str, Any]]:
    """GFLOP/s by precision: the median of turns. bf16 that is emulated has none."""
    dtypes = {"float32": "float32"}
    if has_bf16():
        dtypes = {"bf16": "bfloat16", **dtypes}
    outcomes = hold([Contestant(name, "peak.py", {"dtype": dtype}) for name, dtype in dtypes.items()], rounds)
    return {outcome.name: outcome.median for outcome in outcomes}, {each.name: each.rates for each in outcomes}


def _in_words(peak: dict[str, float]) -> str:
    return ", ".join(f"{name} {rate:,.0f}" for name, rate in peak.items())


def _plain(found: dict[str, list[Outcome]]) -> dict[str, Any]:
    return {case: [outcome.to_dict() for outcome in outcomes] for case, outcomes in found.items()}


if __name__ == "__main__":
    sys.exit(main())
