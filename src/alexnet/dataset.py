"""Dataset: a source, decoded and divided, and how its pictures are prepared for the network."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet import settings
from alexnet.data import sources, space, split, store
from alexnet.data.batches import Batches
from alexnet.data.compressed import Pixels
from alexnet.data.sources import Source
from alexnet.data.space import Form
from alexnet.data.split import Split
from alexnet.data.store import Store
from alexnet.data.writing import shape_of
from alexnet.download import cache_folder
from alexnet.errors import DataError, UsageError
from alexnet.models import foreign, variants
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.settings import Options
from alexnet.training.recipe import Recipe, Values
from alexnet.training.world import World
from alexnet.weights import Card


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

    Errors: DataError when pictures are missing, wrong, or too many of them cannot be read; UsageError when the
    recipe needs a validation part and there is none.
    """
    source = sources.open_source(options.data, data_dir=options.data_dir, protocol=options.protocol, display=display)
    _refuse_blind_schedule(recipe, source)
    variant = variants.find(recipe.model)
    trained = None if options.weights is None else foreign.load_card(Path(options.weights), recipe.model).preprocess
    size = recipe.imgsz or variant.input[1]
    preprocess = Preprocess(
        size=size,
        resize_to=round(size * recipe.margin),
        resize=recipe.resize,
        channels=variant.input[0] if trained is None else trained.channels,
        views=recipe.views,
    )
    fold = None if options.fold is None or options.folds is None else (options.fold, options.folds)
    divided = partial(split.assign, source, validate_on=recipe.validate_on, val_split=recipe.val_split, fold=fold)
    if options.fast_jpeg:
        display.say(
            f"--fast-jpeg: training JPEGs of {2 * preprocess.resize_to} pixels and more a side are decoded at a half "
            "or less, validation and test pictures in full"
        )
    decoded = decode(source, preprocess, options, display, lambda usable: divided(usable).judged)
    parts = divided(decoded.usable)
    _report_missing_classes(source, parts, display)
    if trained is not None:
        preprocess = replace(preprocess, mean=trained.mean, std=trained.std)
    else:
        preprocess = with_values(preprocess, recipe.values, decoded.pixels, parts.train)
    return Dataset(source, decoded, parts, preprocess)


def of_run(run: Run, card: Card, data_dir: Path | None, display: Display) -> Dataset:
    """The data of a finished run, divided as its split.csv says and prepared as its weights want them.

    Errors: DataError when pictures, labels or classes are no longer what they were.
    """
    options = settings.options_of(run.args)
    source = sources.open_source(
        options.data, data_dir=data_dir or options.data_dir, protocol=options.protocol, display=display
    )
    if source.classes != card.classes:
        raise DataError(
            f"the classes of {source.name} are no longer those of {run.path}: judge other pictures with --data"
        )
    number = {name: index for index, name in enumerate(source.names)}
    judged = [number[row["path"]] for row in run.split if row["split"] != "train" and row["path"] in number]
    if options.store == "auto":  # begun before there was a choice
        options = options.model_copy(update={"store": "raw"})
    decoded = decode(source, card.preprocess, options, display, lambda usable: np.array(judged, dtype=np.int64))
    usable = set(decoded.usable.tolist())
    parts: dict[str, dict[int, None]] = {"train": {}, "val": {}, "test": {}}  # ordered sets
    for row in run.split:
        index = number.get(row["path"])
        if index is None or index not in usable:
            raise DataError(f"{row['path']} stands in {run.path / 'split.csv'} but {source.name} has it no longer")
        if source.classes[source.labels[index]] != row["label"]:
            raise DataError(f"{row['path']} was {row['label']} when {run.path} was trained and is no longer")
        for part in row["split"].split("+"):
            if part not in parts or index in parts[part]:
                raise DataError(f"{run.path / 'split.csv'} is damaged: {row['path']} is in {row['split']!r}, or twice")
            parts[part][index] = None
    train, val, test = (np.array(list(parts[part]), dtype=np.int64) for part in ("train", "val", "test"))
    return Dataset(source, decoded, Split(train, val, test, "split.csv"), card.preprocess)


def decode(
    source: Source,
    preprocess: Preprocess,
    options: Options,
    display: Display,
    judged: Callable[[NDArray[np.int64]], NDArray[np.int64]] | None = None,
) -> Store:
    """The pictures of `source` as stored squares; unreadable ones are named, and refused if too many. `judged` says
    which of the usable ones judge a network and must be exact; all, if it is not given."""
    every = np.arange(len(source))
    shape = shape_of(len(source), preprocess)
    form: Form = "raw"
    if judged is not None:
        form = space.form(shape) if options.store == "auto" else options.store
        if form == "jpeg" and options.store == "auto" and not len(judged(every)):
            form = "raw"  # training pictures will judge as well
    if form == "jpeg":
        why = f": raw, all are {math.prod(shape) / 1e9:,.1f} GB, more than the memory"
        display.say(f"training pictures are stored as JPEGs, others raw{why if options.store == 'auto' else ''}")

    def stored(exact: NDArray[np.int64]) -> Store:
        others = np.setdiff1d(every, exact)
        return store.open_or_build(
            source,
            preprocess,
            cache_folder() / "stores",
            display,
            workers=options.workers,
            accept_truncated=options.accept_truncated,
            approximate=others if options.fast_jpeg and judged is not None else None,
            compress=others if form == "jpeg" else None,
        )

    depends = judged is not None and (options.fast_jpeg or form == "jpeg")
    exact = judged(every) if judged is not None and depends else every
    decoded = stored(exact)
    _report_bad_files(source, decoded, options, display)
    if judged is not None and depends and decoded.bad:
        without = judged(decoded.usable)
        if not np.array_equal(exact, without):
            display.say("without them the parts are others: all pictures are decoded anew, into another store")
            decoded = stored(without)
    return decoded


def with_values(preprocess: Preprocess, values: Values, pixels: Pixels, train: NDArray[np.int64]) -> Preprocess:
    """The same preprocessing with mean and deviation as `values` wants them (see `Recipe.values`): measured on
    the training pictures, a channel; on 2,000 of them, evenly chosen, if there are more."""
    if values == "unit":
        return preprocess
    chosen = train[np.linspace(0, len(train) - 1, min(len(train), 2000)).astype(np.int64)]
    count, sums, squares = 0, np.zeros(preprocess.channels), np.zeros(preprocess.channels)
    for index in chosen.tolist():
        levels = pixels[index].reshape(-1, preprocess.channels).astype(np.float64) / 255
        count += len(levels)
        sums += levels.sum(axis=0)
        squares += (levels**2).sum(axis=0)
    mean = sums / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    measured = tuple(max(round(float(value), 4), 1e-3) for value in std)
    return replace(
        preprocess,
        mean=tuple(round(float(value), 4) for value in mean),
        std=measured if values == "standardised" else (1 / 255,),  # centred: back to 0 to 255
    )


def _refuse_blind_schedule(recipe: Recipe, source: Source) -> None:
    """Errors: UsageError when the rate follows a validation error and there is no validation; nothing is decoded."""
    validates = recipe.val_split > 0 or recipe.validate_on == "test" or "val" in source.parts
    if recipe.needs_validation and not validates:
        raise UsageError(
            "schedule plateau follows the validation error, but --val-split 0 leaves no validation: "
            "leave it out, or take --set schedule.name=steps"
        )


def missing_classes(source: Source, parts: Split) -> dict[str, list[str]]:
    """Classes of which validation or test has no picture, by part; a part without any picture is left out."""
    missing = {}
    for name in ("val", "test"):
        indices = getattr(parts, name)
        absent = np.setdiff1d(np.arange(len(source.classes)), source.labels[indices])
        if len(indices) and len(absent):
            missing[name] = [source.classes[label] for label in absent]
    return missing


def why_refused(source: Source, bad: dict[int, str], options: Options) -> str | None:
    """Why nothing is trained on what is left without the unreadable pictures (`bad`: index and what is wrong): they
    are too many, or a class has none left; None: something is."""
    if too_many := _too_many(source, bad, options):
        return too_many
    usable = np.setdiff1d(np.arange(len(source)), list(bad))
    left = np.bincount(source.labels[usable], minlength=len(source.classes))
    had = np.bincount(source.labels, minlength=len(source.classes))
    gone = [source.classes[label] for label in np.flatnonzero((left == 0) & (had > 0))]
    if not gone:
        return None
    more = f" (nor have {len(gone) - 1} more)" if len(gone) > 1 else ""
    return f"class {gone[0]!r} in {source.name} has no picture that can be read{more}: add some or remove it"


def _too_many(source: Source, bad: dict[int, str], options: Options) -> str | None:
    allowed = 0 if options.strict else options.bad_files
    if allowed is None:
        allowed = max(10, len(source) // 100)
    if len(bad) <= allowed:
        return None
    return (
        f"{len(bad)} of {len(source)} pictures cannot be read, {allowed} are tolerated; the first: "
        f"{next(iter(bad.values()))}. Mend or remove them, or allow more with --bad-files"
    )


def _report_missing_classes(source: Source, parts: Split, display: Display) -> None:
    for part, missing in missing_classes(source, parts).items():
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        display.say(f"note: the {part} part has no picture of {', '.join(missing[:5])}{more}")


def _report_bad_files(source: Source, decoded: Store, options: Options, display: Display) -> None:
    """Name unreadable pictures once, and stop when they are too many, or a class has none left."""
    if not decoded.bad:
        return
    if not _too_many(source, decoded.bad, options):
        display.say(f"left out, {len(decoded.bad)} of {len(source)} pictures (the files stay as they are):")
        for fault in decoded.bad.values():
            display.say(f"  {fault}")
    if refused := why_refused(source, decoded.bad, options):
        raise DataError(refused)
