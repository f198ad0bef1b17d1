"""The whole way: data -> training -> verdict -> pictures. The only room that knows them all."""

import copy
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from alexnet import __version__, pictures, predict, settings, weights
from alexnet import device as machine
from alexnet.data import sources, split, store
from alexnet.data.batches import Batches
from alexnet.data.sources import Source
from alexnet.data.sources.download import cache_folder
from alexnet.data.split import Split
from alexnet.data.store import Store
from alexnet.errors import DataError, ModelFileError, UsageError
from alexnet.judging import metrics
from alexnet.judging.evaluate import PREDICTION_COLUMNS, Verdict, judge
from alexnet.models import variants
from alexnet.models.layers import BatchNorm
from alexnet.models.network import AlexNet, create_model, parameter_count
from alexnet.models.summary import as_text, summarise
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.run import Row, Run
from alexnet.settings import Options
from alexnet.training.loop import Setting, fit
from alexnet.training.recipe import Recipe
from alexnet.training.world import World
from alexnet.weights import Card

THUMBNAIL = 128  # pixels
GRID = 25  # pictures in a grid


@dataclass(frozen=True)
class Data:
    """A source, decoded and divided."""

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


def train(
    data: str | Path = "digits",
    *,
    recipe: str | None = None,
    config: Path | None = None,
    display: Display | None = None,
    **given: Any,
) -> Run:
    """Train on `data` and return the Run: `.history`, `.metrics`, `.pictures`, `.best`, `.path`.

    `data` is a named set (`list_datasets()`), a folder of class folders, or a CSV file of path,label.
    Keyword arguments are options (see `settings.Options`: seed, device, project, ...) and recipe fields (see
    `training.recipe.Recipe`: epochs, batch_size, lr, ...); what is not said comes from the recipe.

    Errors: UsageError, DataError, ModelFileError, DivergedError, ResourceError, each in one line.
    """
    display = display or Display()
    options, chosen = settings.resolve({**given, "data": str(data), "recipe": recipe}, config)
    world = World.join()
    if not world.leads:
        display = Display(quiet=True)
    try:
        return _train(options, chosen, world, display)
    finally:
        world.leave()


def _train(options: Options, recipe: Recipe, world: World, display: Display) -> Run:
    # -- the machine -------------------------------------------------------------------------------------------
    machine.keep_memory()
    device = machine.choose(options.device)
    precision = machine.choose_precision(device, options.amp)
    machine.seed_everything(options.seed, options.deterministic)

    # -- data --------------------------------------------------------------------------------------------------
    display.say(f"alexnet {__version__} · {options.data} · {recipe.model} · recipe {recipe.name}")
    prepared = prepare(options, recipe, display)
    source, parts = prepared.source, prepared.split
    if recipe.batch_size < 2 and _has_batch_norm(recipe.model):
        raise UsageError(f"--batch-size {recipe.batch_size}: batch norm in {recipe.model} needs at least 2 pictures a step")
    if len(parts.train) < 2:
        raise DataError(f"{source.name} has {len(parts.train)} pictures to train on, at least 2 are needed")

    # -- the network -------------------------------------------------------------------------------------------
    network = create_model(
        recipe.model,
        num_classes=len(source.classes),
        in_channels=prepared.preprocess.channels,
        image_size=prepared.preprocess.size,
    )
    if recipe.batch_norm_momentum is not None:
        set_batch_norm_momentum(network, recipe.batch_norm_momentum)
    if options.weights is not None:
        start_from(network, options.weights, display)
    frozen = freeze(network, options.freeze) if options.freeze else ()
    network.to(device, memory_format=torch.channels_last)

    # -- the run directory -------------------------------------------------------------------------------------
    run = Run(world.share(str(Run.create(options.project, options.name, exist_ok=options.exist_ok).path)
                          if world.leads else ""))  # fmt: skip
    if world.leads:
        _write_start(run, options, recipe, prepared, device, precision, display)
    display.say(
        f"Python {machine.environment(device, precision)['python']} · torch {torch.__version__} · "
        f"{machine.describe(device)} · {precision} · {parameter_count(network):,} parameters to train"
    )
    display.say(f"{len(parts.train):,} training, {len(parts.val):,} validation, {len(parts.test):,} test pictures ({parts.why})")
    display.say(f"run: {run.path}")

    # -- training ----------------------------------------------------------------------------------------------
    card = Card(recipe.model, source.classes, prepared.preprocess, recipe.name)
    rows: list[Row] = []

    def save(row: Row, is_best: bool) -> None:
        if not world.leads:
            return
        rows.append(row)
        run.write_results(rows)
        measured = replace(card, measured={key: row[key] for key in ("epoch", "val/loss", "val/acc") if key in row})
        state = network.state_dict()
        weights.save(run.last, state, measured)
        if is_best:
            weights.save(run.best, state, measured)

    train_batches = prepared.batches(parts.train, device, recipe.batch_size, seed=options.seed, world=world)
    val_batches = prepared.batches(parts.val, device, 2 * recipe.batch_size, world=world) if len(parts.val) else None
    balance = metrics.class_weights(source.labels[parts.train], len(source.classes))
    fit(
        network,
        train_batches,
        val_batches,
        prepared.preprocess,
        recipe,
        Setting(device, precision, world, display, frozen),
        class_weights=torch.from_numpy(balance).to(device) if recipe.class_weights == "auto" else None,
        save=save,
    )
    if world.leads:
        _finish(run, prepared, network, device, display)
    return run


def prepare(options: Options, recipe: Recipe, display: Display) -> Data:
    """Open the data, decode it (once), divide it, and settle how pictures are prepared.

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
    decoded = store.open_or_build(source, preprocess, cache_folder() / "stores", display, workers=options.workers)
    _report_bad_files(source, decoded, options, display)
    parts = split.assign(source, decoded.usable, validate_on=recipe.validate_on, val_split=recipe.val_split)
    if recipe.standardise:
        preprocess = standardised(preprocess, decoded.pixels, parts.train)
    return Data(source, decoded, parts, preprocess)


def standardised(preprocess: Preprocess, pixels: NDArray[np.uint8], train: NDArray[np.int64]) -> Preprocess:
    """The same preprocessing with mean and standard deviation of the training pictures, a channel, from at
    most 2,000 of them."""
    chosen = train[:: max(1, len(train) // 2000)]
    values = np.stack([pixels[index].reshape(-1, preprocess.channels).astype(np.float64) / 255 for index in chosen])
    mean, std = values.mean(axis=(0, 1)), values.std(axis=(0, 1))
    return replace(
        preprocess,
        mean=tuple(round(float(value), 4) for value in mean),
        std=tuple(max(round(float(value), 4), 1e-3) for value in std),
    )


def set_batch_norm_momentum(network: AlexNet, momentum: float) -> None:
    """Set the weight of the newest batch in all moving statistics."""
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = momentum


def start_from(network: AlexNet, given: Path, display: Display) -> None:
    """Load the weights of a run or file; the last layer is left fresh when its classes are others.

    Errors: ModelFileError when the variant is another or the weights do not fit.
    """
    file = given if given.suffix == ".safetensors" else Run.find(given).best
    state, card = weights.load(file)
    if card.variant != network.variant.name:
        raise ModelFileError(f"{file} holds {card.variant}, this run trains {network.variant.name}: use --model {card.variant}")
    head = network.layers[-1].name
    fresh = network.state_dict()
    if len(card.classes) != network.classes:
        display.say(f"{head} starts anew: {file} knows {len(card.classes)} classes, the data have {network.classes}")
        state |= {name: tensor for name, tensor in fresh.items() if name.startswith(f"{head}.")}
    predict.fit_state(network, state, file)
    display.say(f"weights from {file}")


def freeze(network: AlexNet, layers: str) -> tuple[str, ...]:
    """Keep `layers` as they are; returns the names of all children that stand still.

    Errors: UsageError for unknown layers, or when nothing is left to train.
    """
    names = settings.frozen_layers(layers, [name for name, _ in network.named_children()])
    for name in names:
        for parameter in network.get_submodule(name).parameters():
            parameter.requires_grad = False
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UsageError(f"--freeze {layers!r} leaves nothing to train")
    return names


def _has_batch_norm(model: str) -> bool:
    return any(isinstance(layer, BatchNorm) for stage in variants.find(model).stages.values() for layer in stage)


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
    if (left == 0).any():
        raise DataError(f"class {source.classes[int(left.argmin())]!r} in {source.name} has no picture that can be read")


def _write_start(
    run: Run,
    options: Options,
    recipe: Recipe,
    prepared: Data,
    device: torch.device,
    precision: machine.Precision,
    display: Display,
) -> None:
    display.log_to(run.log_file)
    run.write_args(settings.as_args(options, recipe))
    run.write_json("env.json", {"alexnet": __version__, **machine.environment(device, precision)})
    run.write_lines("labels.txt", prepared.source.classes)
    run.write_table("split.csv", ("path", "label", "split"), prepared.split.rows(prepared.source))
    table = summarise(
        recipe.model,
        num_classes=len(prepared.source.classes),
        in_channels=prepared.preprocess.channels,
        image_size=prepared.preprocess.size,
    )
    run.write_lines("summary.txt", [as_text(table)])
    chosen = np.random.default_rng(0).permutation(prepared.split.train)[:GRID]
    run.write_thumbnails(
        samples=_thumbnails(prepared.store.pixels[np.sort(chosen)]),
        sample_labels=np.array([prepared.source.classes[label] for label in prepared.source.labels[np.sort(chosen)]]),
    )


def _finish(run: Run, prepared: Data, network: AlexNet, device: torch.device, display: Display) -> None:
    """Judge the best weights, draw the pictures, and say where everything is."""
    state, card = weights.load(run.best)
    best = copy.deepcopy(network)
    best.load_state_dict(state)
    epoch = card.measured["epoch"]
    part = "val" if len(prepared.split.val) else "test" if len(prepared.split.test) else "train"
    verdict = judge_part(best, prepared, part, device, display)
    figures = {"epoch": epoch, "precision": "float32", **verdict.figures()}
    run.write_json("metrics.json", figures)
    run.write_table("predictions.csv", PREDICTION_COLUMNS, verdict.rows())
    write_grids(run, prepared, verdict)
    pictures.draw(run)
    measured = {key: figures[key] for key in ("epoch", "split", "n", "loss", "accuracy_top1", "interval95")}
    weights.save(run.best, state, replace(card, measured=measured))
    display.say(f"\nbest epoch {epoch:.0f}: {verdict_line(figures)}")
    display.say(f"pictures and weights: {run.path}")
    same = np.array_equal(prepared.split.val, prepared.split.test)
    if len(prepared.split.test) and part == "val" and not same:
        display.say(f"next: alexnet val {shlex.quote(str(run.path))} --split test")
    else:
        display.say(f"next: alexnet predict {shlex.quote(str(run.path))} PICTURE")


def judge_part(network: AlexNet, prepared: Data, part: str, device: torch.device, display: Display) -> Verdict:
    """The full verdict on train, val or test, in float32."""
    return judge(
        network,
        prepared.batches(prepared.split.part(part), device, 128),
        prepared.preprocess,
        split=part,
        classes=prepared.source.classes,
        names=prepared.source.names,
        display=display,
    )


def verdict_line(figures: dict[str, Any]) -> str:
    """One line: accuracy with its interval, top-5 and loss."""
    low, high = figures["interval95"]
    top5 = f", top-5 {figures['accuracy_top5']:.4f}" if figures["accuracy_top5"] is not None else ""
    return (
        f"{figures['split']} accuracy {figures['accuracy_top1']:.4f} (95 % interval {low:.4f} to {high:.4f}, "
        f"{figures['n']:,} pictures){top5}, loss {figures['loss']:.4f}"
    )


def write_grids(run: Run, prepared: Data, verdict: Verdict) -> None:
    """Small copies of 25 judged pictures and of the worst, so that the run can be drawn without its data."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(verdict.names))[:GRID])
    worst = verdict.by_loss()[:GRID]
    arrays: dict[str, NDArray[Any]] = {}
    for name, positions in (("predictions", chosen), ("worst", worst)):
        arrays[name] = _thumbnails(prepared.store.pixels[verdict.indices[positions]])
        arrays[f"{name}_rows"] = positions
    run.write_thumbnails(**arrays)


def _thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (N, S, S, C) with S at most THUMBNAIL."""
    if pixels.shape[1] <= THUMBNAIL:
        return np.array(pixels)
    small = Preprocess(size=THUMBNAIL, resize_to=THUMBNAIL, channels=pixels.shape[3])
    return small.fit_all(np.repeat(pixels, 3 // pixels.shape[3], axis=3))


