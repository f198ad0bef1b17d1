"""Dataset: a source, decoded and divided, and how its pictures are prepared for the network."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet import weights
from alexnet.data import sources, split, store
from alexnet.data.batches import Batches
from alexnet.data.sources import Source
from alexnet.data.sources.download import cache_folder
from alexnet.data.split import Split
from alexnet.data.store import Store
from alexnet.errors import DataError
from alexnet.models import variants
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.settings import Options
from alexnet.training.recipe import Recipe
from alexnet.training.world import World


@dataclass(frozen=True)
class Dataset:
    """All that training and judging need to know of the pictures."""

    source: Source
    store: Store
    split: Split
    preprocess: Preprocess

    def batches(
        self,
        indices: NDArray[np.int64],
        device: torch.device,
        batch_size: int,
        *,
        seed: int | None = None,
        world: World | None = None,
    ) -> Batches:
        """Batches of some of the pictures."""
        ranks = world or World()
        return Batches(
            self.store.pixels,
            self.source.labels,
            indices,
            batch_size=batch_size,
            seed=seed,
            device=device,
            rank=ranks.rank,
            ranks=ranks.size,
        )


def prepare(options: Options, recipe: Recipe, display: Display) -> Dataset:
    """Open the data, decode it (once), divide it, and settle how pictures are prepared.

    Weights that training starts from bring their own mean and deviation: layers meet what they were trained on.

    Errors: DataError when pictures are missing, wrong, or too many of them cannot be read.
    """
    source = sources.open_source(options.data, data_dir=options.data_dir, protocol=options.protocol, display=display)
    variant = variants.find(recipe.model)
    size = recipe.imgsz or variant.input[1]
    preprocess = Preprocess(
        size=size,
        resize_to=round(size * recipe.margin),
        resize=recipe.resize,
        channels=variant.input[0],
        views=recipe.views,
    )
    decoded = decode(source, preprocess, options, display)
    parts = split.assign(source, decoded.usable, validate_on=recipe.validate_on, val_split=recipe.val_split)
    _report_missing_classes(source, parts, display)
    if options.weights is not None:
        trained = weights.load_card(options.weights).preprocess
        preprocess = replace(preprocess, mean=trained.mean, std=trained.std)
    elif recipe.standardise:
        preprocess = standardised(preprocess, decoded.pixels, parts.train)
    return Dataset(source, decoded, parts, preprocess)


def decode(source: Source, preprocess: Preprocess, options: Options, display: Display) -> Store:
    """The pictures of `source` as stored squares; unreadable ones are named, and refused if too many."""
    decoded = store.open_or_build(source, preprocess, cache_folder() / "stores", display, workers=options.workers)
    _report_bad_files(source, decoded, options, display)
    return decoded


def standardised(preprocess: Preprocess, pixels: NDArray[np.uint8], train: NDArray[np.int64]) -> Preprocess:
    """The same preprocessing with mean and standard deviation of the training pictures, a channel; measured on
    2,000 of them, evenly chosen, if there are more."""
    chosen = train[np.linspace(0, len(train) - 1, min(len(train), 2000)).astype(np.int64)]
    count, sums, squares = 0, np.zeros(preprocess.channels), np.zeros(preprocess.channels)
    for index in chosen:
        values = pixels[index].reshape(-1, preprocess.channels).astype(np.float64) / 255
        count += len(values)
        sums += values.sum(axis=0)
        squares += (values**2).sum(axis=0)
    mean = sums / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return replace(
        preprocess,
        mean=tuple(round(float(value), 4) for value in mean),
        std=tuple(max(round(float(value), 4), 1e-3) for value in std),
    )


def _report_missing_classes(source: Source, parts: Split, display: Display) -> None:
    """Say which classes cannot be judged, since validation or test has no picture of them."""
    for name in ("val", "test"):
        indices = getattr(parts, name)
        missing = np.setdiff1d(np.arange(len(source.classes)), source.labels[indices])
        if len(indices) and len(missing):
            named = ", ".join(source.classes[label] for label in missing[:5])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            display.say(f"note: the {name} part has no picture of {named}{more}")


def _report_bad_files(source: Source, decoded: Store, options: Options, display: Display) -> None:
    """Name unreadable pictures once, and stop when they are too many, or a class has none left."""
    count = len(decoded.bad)
    if not count:
        return
    allowed = 0 if options.strict else options.bad_files
    if allowed is None:
        allowed = max(10, len(source) // 100)
    first = next(iter(decoded.bad.values()))
    if count > allowed:
        raise DataError(
            f"{count} of {len(source)} pictures cannot be read, {allowed} are tolerated; the first: {first}. "
            "Mend or remove them, or allow more with --bad-files"
        )
    display.say(f"left out, {count} of {len(source)} pictures (the files stay as they are):")
    for fault in decoded.bad.values():
        display.say(f"  {fault}")
    left = np.bincount(source.labels[decoded.usable], minlength=len(source.classes))
    left[np.bincount(source.labels, minlength=len(source.classes)) == 0] = 1  # never had any
    if (left == 0).any():
        raise DataError(
            f"class {source.classes[int(left.argmin())]!r} in {source.name} has no picture that can be read"
        )
