"""A CUDA GPU: training and answering of three networks, beside the plain loop that everybody writes, in one run.

    python -m benchmarks.gpu --json gpu.json             # a quarter of an hour on one GPU
    python -m benchmarks.gpu --device cpu --quick        # a dry run anywhere, of tiny sizes: its figures mean nothing

Ours is the product: its step as `alexnet train` takes it (bf16, channels last, fused optimizer, augmentation on the
device, gradients looked through), its answers as `alexnet predict --amp` gives them. The reference is torchvision's
recipe as its training script has it: eager, bf16 autocast, channels first, the same rule of the same optimizer without
anything fused; real pictures come decoded from the same store by a DataLoader's processes, which crop, mirror and
normalise them. Ours lie on the device whole, as small sets do. Where the network's own recipe augments more than that,
ours does it and the reference does not.

synthetic  one batch that lies on the device, again and again: what computing alone reaches
real       a store of made-up pictures on disk, read once before, so that its pages are in memory

All contestants of a network are warmed up, then take turns, A B C A B C. Printed are the medians of `--rounds` turns
(5 or more), the least and the most, and the share of the peak: a product of bf16 matrices that takes turns with them;
arithmetic of convolutions and dense layers alone, 2 operations a multiply-add. A DataLoader's processes fetch ahead
while others have their turn, which favours the reference.
"""

import argparse
import copy
import datetime
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from alexnet import __version__
from alexnet import device as machine
from alexnet.models.arithmetic import flop
from alexnet.speed.contestants import Call, Stand, product
from alexnet.stopwatch import Spread, take_turns
from alexnet.training import recipes
from alexnet.training.recipe import Recipe

NETWORKS = {"torchvision": "folder", "paper": "folder", "notebook-flowers": "flowers17"}
"""Each with the data whose form of its source's recipe is taken."""
PEAK = "products of bf16 matrices"
NO_GPU = "no CUDA GPU is here: nothing was measured (a dry run: --device cpu --quick)"


@dataclass(frozen=True)
class Size:
    """How much is done."""

    batch: int
    """Pictures a step."""
    pictures: int
    """In the store."""
    side: int
    """Of the matrices."""
    burst: float
    """Seconds of one turn."""
    workers: int
    """Processes of the reference's DataLoader."""


FULL = Size(batch=512, pictures=8192, side=8192, burst=2.0, workers=max(1, min(16, os.cpu_count() or 1)))
QUICK = Size(batch=2, pictures=8, side=64, burst=1e-3, workers=0)


class Decoded(Dataset[tuple[Tensor, int]]):
    """A store's rows as a DataLoader's processes make them ready: a random crop, mirrored or not, normalised."""

    def __init__(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], stand: Stand) -> None:
        self.pixels, self.labels, self.size = pixels, labels, stand.preprocess.size
        self.mean, self.std = (
            torch.tensor(values).view(-1, 1, 1) for values in (stand.preprocess.mean, stand.preprocess.std)
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        margin = self.pixels.shape[1] - self.size
        top, left = torch.randint(margin + 1, (2,)).tolist()
        cut = torch.from_numpy(self.pixels[index, top : top + self.size, left : left + self.size].copy())
        picture = cut.permute(2, 0, 1).contiguous().float().div_(255).sub_(self.mean).div_(self.std)
        return picture.flip(-1) if torch.rand(()) < 0.5 else picture, int(self.labels[index])


def batches_of_loader(stand: Stand, size: Size) -> Iterator[tuple[Tensor, Tensor]]:
    """The reference's batches on the device, without end."""
    loader = DataLoader(
        Decoded(stand.pixels, stand.labels, stand),
        stand.recipe.batch_size,
        shuffle=True,
        num_workers=size.workers,
        pin_memory=stand.device.type == "cuda",
        drop_last=True,
        persistent_workers=size.workers > 0,
    )
    while True:
        for pictures, labels in loader:
            yield pictures.to(stand.device, non_blocking=True), labels.to(stand.device, non_blocking=True)


def one_batch(stand: Stand) -> Iterator[tuple[Tensor, Tensor]]:
    """Ready pictures that lie on the device, again and again."""
    pictures = torch.rand(stand.recipe.batch_size, *stand.network.input_shape, device=stand.device)
    labels = torch.randint(stand.network.classes, (len(pictures),), device=stand.device)
    while True:
        yield pictures, labels


def plain(stand: Stand) -> nn.Sequential:
    """A copy of the network as its source writes it: layers in their order, kernels channels first."""
    network = copy.deepcopy(stand.network)
    layers = nn.Sequential(*(network.get_submodule(each.name) for each in network.layers))
    for parameter in layers.parameters():
        parameter.data = parameter.data.contiguous()
    return layers


def plain_training(stand: Stand, batches: Iterator[tuple[Tensor, Tensor]]) -> Call:
    """One step of the loop that everybody writes; the rate is 0, so that weights stay as they are."""
    network, kind = plain(stand).train(), stand.device.type
    optimizer: torch.optim.Optimizer = torch.optim.SGD(network.parameters(), 0.0, momentum=0.9, weight_decay=1e-4)
    if stand.recipe.optimizer.name == "adadelta":
        optimizer = torch.optim.Adadelta(network.parameters(), 0.0)

    def step() -> None:
        pictures, labels = next(batches)
        with torch.autocast(kind, dtype=torch.bfloat16):
            loss = F.cross_entropy(network(pictures), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def plain_answering(stand: Stand, batches: Iterator[tuple[Tensor, Tensor]]) -> Call:
    """One batch of ready pictures to probabilities."""
    network, kind = plain(stand).eval(), stand.device.type

    def batch() -> None:
        with torch.inference_mode(), torch.autocast(kind, dtype=torch.bfloat16):
            network(next(batches)[0]).float().softmax(dim=1)

    return batch


def contestants(stand: Stand, size: Size) -> dict[str, Call]:
    """All that take turns over one network."""
    return {
        PEAK: product(size.side, "bf16", stand.device),
        "training, synthetic, ours": stand.training("bf16"),
        "training, synthetic, reference": plain_training(stand, one_batch(stand)),
        "training, real, ours": stand.training("bf16", stand.batches()),
        "training, real, reference": plain_training(stand, batches_of_loader(stand, size)),
        "answering, synthetic, ours": stand.answering("bf16"),
        "answering, synthetic, reference": plain_answering(stand, one_batch(stand)),
        "answering, real, ours": stand.answering("bf16", stand.batches()),
        "answering, real, reference": plain_answering(stand, batches_of_loader(stand, size)),
    }


def compare(recipe: Recipe, device: torch.device, size: Size, rounds: int, folder: Path) -> list[dict[str, Any]]:
    """One row a contestant: pictures a second (median, least, most, all turns), share of the peak, ours over the
    reference."""
    recipe = recipe.model_copy(update={"batch_size": size.batch})
    stand = warm(Stand.of(recipe, device, size.pictures, room=1 << 40), folder)
    timed = take_turns(
        contestants(stand, size), device, seconds=size.burst, fewest=rounds, most=rounds, burst=size.burst
    )
    peak = Spread.of(timed.pop(PEAK).rates(2 * size.side**3)).median
    medians = {name: Spread.of(times.rates(size.batch)).median for name, times in timed.items()}
    rows = []
    for name, times in timed.items():
        what, pictures, who = name.split(", ")
        rates = times.rates(size.batch)
        operations = medians[name] * flop(stand.network.layers, training=what == "training")
        over = medians[name] / medians[f"{what}, {pictures}, reference"] if who == "ours" else None
        of_synthetic = medians[name] / medians[f"{what}, synthetic, {who}"] if pictures == "real" else None
        rows.append(
            {
                "network": recipe.model,
                "what": what,
                "pictures": pictures,
                "who": who,
                "median": medians[name],
                "least": min(rates),
                "most": max(rates),
                "turns": rates,
                "tflops": operations / 1e12,
                "peak_tflops": peak / 1e12,
                "share_of_peak": operations / peak,
                "over_reference": over,
                "of_synthetic": of_synthetic,
            }
        )
    return rows


def warm(stand: Stand, folder: Path) -> Stand:
    """The same with its pictures in a file, mapped into memory and read once, as a store is."""
    file = folder / f"{stand.recipe.model}.npy"
    np.save(file, stand.pixels)
    pixels: NDArray[np.uint8] = np.load(file, mmap_mode="r")
    pixels.sum(dtype=np.uint64)
    return replace(stand, pixels=pixels)


def about(device: torch.device) -> dict[str, Any]:
    """Card, driver, versions, date."""
    facts: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "alexnet": __version__,
        **machine.environment(device, "bf16"),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
    }
    if device.type == "cuda":
        asked = ("name", "driver_version", "power.limit", "clocks.max.sm", "memory.total")
        command = ["nvidia-smi", f"--id={device.index or 0}", f"--query-gpu={','.join(asked)}", "--format=csv,noheader"]
        try:
            said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
            facts |= dict(zip(asked, (value.strip() for value in said.split(",")), strict=True))
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            facts["driver_version"] = f"unknown: {error}"
    return facts


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of Markdown."""
    lines = [
        "| network | what | pictures | who | pictures/s, median | range | of the peak | reference = 1 | of synthetic |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        over = "" if row["over_reference"] is None else f"**{row['over_reference']:.2f}**"
        kept = "" if row["of_synthetic"] is None else f"{row['of_synthetic']:.0%}"
        lines.append(
            f"| {row['network']} | {row['what']} | {row['pictures']} | {row['who']} | {row['median']:,.4g} "
            f"| {row['least']:,.4g} to {row['most']:,.4g} | {row['share_of_peak']:.1%} | {over} | {kept} |"
        )
    return lines


def main(arguments: list[str] | None = None, say: Callable[[str], object] = print) -> int:
    """Measure what is asked for; 2 where there is no GPU, or for a wrong option."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(NETWORKS)}; all if not said")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1; cpu for a dry run (cuda)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant, 5 or more (5)")
    parser.add_argument("--batch", type=int, help=f"pictures a step ({FULL.batch})")
    parser.add_argument("--quick", action="store_true", help="a dry run of tiny sizes")
    parser.add_argument("--json", type=Path, help="write all that was measured to this file")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.networks if name not in NETWORKS]:
        parser.error(f"unknown network {', '.join(unknown)}: choose from {', '.join(NETWORKS)}")
    if asked.rounds < 5:
        parser.error(f"--rounds must be at least 5, not {asked.rounds}")
    if asked.device.startswith("cuda") and not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 2
    device = machine.choose(asked.device)
    size = QUICK if asked.quick else FULL
    size = replace(size, batch=asked.batch or size.batch)
    machine.keep_memory()
    machine.seed_everything(0)
    results: dict[str, Any] = {**about(device), "batch": size.batch, "rounds": asked.rounds, "rows": []}
    say(", ".join(f"{key} {value}" for key, value in results.items() if key != "rows"))
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.networks or NETWORKS:
            recipe = recipes.find({"notebook-flowers": "notebook"}.get(name, name), NETWORKS[name])
            results["rows"] += compare(recipe, device, size, asked.rounds, Path(folder))
            print(f"measured {name}", file=sys.stderr, flush=True)
    say("\n".join(table(results["rows"])))
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
