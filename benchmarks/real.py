"""How much of its speed training keeps when its pictures come from the store.

    python benchmarks/real.py DATA_DIR              # the folder with 17flowers/; JSON on standard output

Contestants take turns, round after round, the first of a round being the last of the next, each an epoch of the
product's own `fit` on the same network: pictures that are on the device already and go through no augmentation
(synthetic); pictures of the warm store, cut at random places and mirrored (real); the same with all that the recipe
`modern` does to them; and from a store of JPEGs. The first round is to warm up.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alexnet import device as machine
from alexnet.data import store
from alexnet.data.augment import Augment
from alexnet.data.batches import Batch, Batches
from alexnet.data.mixing import Mixing
from alexnet.data.sources import open_source
from alexnet.download import cache_folder
from alexnet.models.network import AlexNet, create_model
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.training.loop import Setting, fit
from alexnet.training.recipe import Recipe
from alexnet.training.recipes import modern
from alexnet.training.world import World

SIZE, STORED = 224, 256
QUIET = Display(quiet=True)


class Resident(Batches):
    """The same batches, cut to the network's size and laid on the device once."""

    def __init__(self, stored: Batches) -> None:
        self.__dict__.update(stored.__dict__)
        edge = (STORED - SIZE) // 2
        self._batches = [
            Batch(
                batch.pixels[:, :, edge : edge + SIZE, edge : edge + SIZE].contiguous(
                    memory_format=torch.channels_last
                ),
                batch.labels,
                batch.indices,
                batch.own,
            )
            for batch in stored.epoch()
        ]

    def epoch(self, epoch: int = 0, first: int = 0) -> Generator[Batch, None, None]:
        """The batches again."""
        yield from self._batches[first:]


def one_epoch(network: AlexNet, batches: Batches, preprocess: Preprocess, recipe: Recipe, setting: Setting) -> Any:  # noqa: ANN401
    """Its row: images a second, and seconds spent waiting for data."""
    (row,) = fit(
        network,
        batches,
        None,
        preprocess,
        recipe,
        setting,
        class_weights=None,
        save=lambda row, state, best: None,
    )
    return row


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=Path, help="the folder with 17flowers/")
    parser.add_argument("--pictures", type=int, default=160, help="an epoch [160]")
    parser.add_argument("--rounds", type=int, default=8, help="after the first [8]")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    machine.keep_memory()
    device = machine.choose(asked.device)
    setting = Setting(device, machine.choose_precision(device, None), World(), QUIET)
    source = open_source("flowers17", data_dir=asked.data_dir, display=Display(sys.stderr))
    rule = Preprocess(size=SIZE, resize_to=STORED, resize="crop")
    opened = partial(store.open_or_build, source, rule, cache_folder() / "stores", Display(sys.stderr))
    pixels, jpegs = opened().pixels, opened(compress=np.arange(len(source))).pixels
    chosen = np.random.default_rng(0).permutation(len(source))[: asked.pictures]
    recipe = modern.FORMS["flowers17"].model_copy(update={"epochs": 1, "val_split": 0.0})
    plain = {"augment": Augment(), "mixing": Mixing()}
    cut = {"augment": Augment(crop="random", flip=True), "mixing": Mixing()}
    batches_of = partial(
        Batches, labels=source.labels, indices=chosen, batch_size=recipe.batch_size, seed=0, device=device
    )
    stored = batches_of(pixels)
    small = Preprocess(size=SIZE, resize_to=SIZE)
    contestants = {
        "synthetic": (Resident(stored), small, recipe.model_copy(update=plain)),
        "real": (stored, rule, recipe.model_copy(update=cut)),
        "real, modern": (stored, rule, recipe),
        "real, from JPEGs": (batches_of(jpegs), rule, recipe.model_copy(update=cut)),
    }
    network = create_model(recipe.model, num_classes=len(source.classes), in_channels=3, image_size=SIZE).on(device)
    rows: dict[str, list[Any]] = {name: [] for name in contestants}
    names = list(contestants)
    for turn in range(asked.rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            batches, preprocess, changed = contestants[name]
            row = one_epoch(network, batches, preprocess, changed, setting)
            if turn:
                rows[name].append(row)
    rates = {name: [row["images_per_second"] for row in given] for name, given in rows.items()}
    middle = {name: statistics.median(given) for name, given in rates.items()}
    pairs = {
        name: statistics.median(ours / alone for ours, alone in zip(given, rates["synthetic"], strict=True))
        for name, given in rates.items()
    }
    result = {
        "device": machine.describe(device),
        "precision": setting.precision,
        "pictures": asked.pictures,
        "rounds": asked.rounds,
        "images_per_second": {
            name: {"median": round(middle[name], 1), "lowest": round(min(given), 1), "highest": round(max(given), 1)}
            for name, given in rates.items()
        },
        "over_synthetic": {name: round(middle[name] / middle["synthetic"], 3) for name in rows},
        "over_synthetic_round_by_round": {name: round(ratio, 3) for name, ratio in pairs.items()},
        "share_of_time_waited": {
            name: round(sum(row["data_wait"] for row in given) * middle[name] / asked.pictures / len(given), 4)
            for name, given in rows.items()
        },
    }
    json.dump(result, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
