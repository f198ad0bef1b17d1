"""A look at a data set before training: pictures as stored, and as the network meets them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from alexnet import dataset, settings
from alexnet.data.augment import augment
from alexnet.data.mixing import mix
from alexnet.pictures import grids
from alexnet.progress import Display


def before_and_after(given: Mapping[str, Any], assignments: Sequence[str], display: Display) -> Figure:
    """25 training pictures before and after augmentation; `given` and `assignments` as for training.

    Errors: UsageError, DataError as for training.
    """
    options, recipe = settings.resolve(given, assignments=assignments, display=display)
    data = dataset.prepare(options, recipe, display)
    chosen = np.sort(np.random.default_rng(options.seed).permutation(data.split.train)[: grids.COUNT])
    batch = next(data.batches(chosen, torch.device("cpu"), len(chosen)).epoch())
    generator = torch.Generator().manual_seed(options.seed)
    after = augment(batch.pixels, data.preprocess.size, recipe.augment, generator, data.preprocess.mean)
    mixed = mix(after.float(), batch.labels, recipe.mixing, generator)
    names, partners = ([data.source.classes[label] for label in each] for each in (mixed.labels, mixed.partners))
    both = [f"{one} {mixed.share:.0%},\n{two}" for one, two in zip(names, partners, strict=True)]
    return grids.before_and_after(
        batch.pixels.permute(0, 2, 3, 1).numpy(),
        mixed.pictures.permute(0, 2, 3, 1).numpy(),
        names,
        names if mixed.share == 1 else both,
        f"{Path(options.data).name}: what recipe {recipe.name} does to pictures in training",
    )
