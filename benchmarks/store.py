"""Building the store on one core against Pillow, and what decoding at a fraction costs in quality.

    python benchmarks/store.py DATA_DIR             # the folder with 17flowers/; JSON on standard output
    python benchmarks/store.py DATA_DIR --pictures 1360 --rounds 9

Contestants take turns, round after round, on the same files, held in memory: Pillow decoding in full and resizing
(bilinear, which is antialiased) into a mapped file; and our store from the first picture to its digests and its name,
with and without `--fast-jpeg`. The first round is to warm up.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from alexnet import device
from alexnet.data import store
from alexnet.data.sources import Source, open_source
from alexnet.preprocess import Preprocess
from alexnet.progress import Display

SIDES = (224, 256)


def by_pillow(files: list[bytes], side: int) -> NDArray[np.uint8]:
    """What anybody would write first: a file of pixels, without digests or anything that survives a kill."""
    with tempfile.TemporaryDirectory() as folder:
        shape = (len(files), side, side, 3)
        pixels = np.lib.format.open_memmap(Path(folder) / "pixels.npy", mode="w+", dtype=np.uint8, shape=shape)
        for number, file in enumerate(files):
            pixels[number] = np.asarray(Image.open(BytesIO(file)).convert("RGB").resize((side, side), Image.BILINEAR))
        pixels.flush()
        return pixels


def by_store(source: Source, side: int, *, fast: bool) -> NDArray[np.uint8]:
    """A store in a new folder, which is gone afterwards; what is mapped stays readable."""
    chosen = np.arange(len(source)) if fast else None
    with tempfile.TemporaryDirectory() as cache:
        rule = Preprocess(size=side, resize_to=side)
        return store.open_or_build(source, rule, Path(cache), Display(quiet=True), workers=1, approximate=chosen).pixels


def compare(source: Source, files: list[bytes], side: int, rounds: int) -> dict[str, Any]:
    """Pictures a second of each contestant: median, lowest and highest; ratios of medians; the error of `fast`."""
    contestants: dict[str, Callable[[], NDArray[np.uint8]]] = {
        "pillow": lambda: by_pillow(files, side),
        "store": lambda: by_store(source, side, fast=False),
        "store --fast-jpeg": lambda: by_store(source, side, fast=True),
    }
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    pixels: dict[str, NDArray[np.uint8]] = {}
    for turn in range(rounds + 1):
        for name, build in contestants.items():
            started = time.perf_counter()
            pixels[name] = build()
            if turn:
                rates[name].append(len(files) / (time.perf_counter() - started))
    middle = {name: statistics.median(given) for name, given in rates.items()}
    return {
        "side": side,
        "pictures_per_second": {
            name: {"median": round(middle[name], 1), "lowest": round(min(given), 1), "highest": round(max(given), 1)}
            for name, given in rates.items()
        },
        "over_pillow": {name: round(middle[name] / middle["pillow"], 2) for name in contestants},
        "fast_against_full": _error(pixels["store"], pixels["store --fast-jpeg"]),
        "full_against_pillow_largest_difference": int(
            np.abs(pixels["store"].astype(np.int16) - pixels["pillow"].astype(np.int16)).max()
        ),
    }


def _error(full: NDArray[np.uint8], fast: NDArray[np.uint8]) -> dict[str, float]:
    """Of the pictures that differ: how many, and peak signal to noise, decibels."""
    errors = [float(((one.astype(np.float32) - other) ** 2).mean()) for one, other in zip(full, fast, strict=True)]
    ratios = [10 * np.log10(255**2 / error) for error in errors if error > 0]
    if not ratios:
        return {"pictures": 0}
    return {
        "pictures": len(ratios),
        "psnr_median": round(float(np.median(ratios)), 1),
        "psnr_lowest": round(float(min(ratios)), 1),
        "root_mean_square_levels": round(float(np.sqrt(np.mean(errors))), 2),
    }


def main() -> None:
    """Measure both sides and print them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=Path, help="the folder with 17flowers/")
    parser.add_argument("--pictures", type=int, default=680, help="how many, evenly chosen [680]")
    parser.add_argument("--rounds", type=int, default=5, help="after the first [5]")
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES, help="pixels a side of the store [224 256]")
    asked = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    device.keep_memory()  # as training does, for all contestants
    torch.set_num_threads(1)
    whole = open_source("flowers17", data_dir=asked.data_dir, display=Display(sys.stderr))
    contents = list(whole.contents())
    chosen = np.linspace(0, len(whole) - 1, min(asked.pictures, len(whole))).astype(int)
    files = [given if isinstance(given, bytes) else Path(str(given)).read_bytes() for given in contents]
    files = [files[number] for number in chosen]
    source = replace(
        whole,
        names=tuple(whole.names[number] for number in chosen),
        labels=whole.labels[chosen],
        parts=tuple(whole.parts[number] for number in chosen),
        contents=lambda: iter(files),
        rescan=None,
    )
    results = [compare(source, files, side, asked.rounds) for side in asked.sides]
    json.dump({"pictures": len(files), "rounds": asked.rounds, "cores": 1, "results": results}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
