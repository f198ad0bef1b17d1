"""The whole way: data -> training -> verdict -> pictures. The only room that knows them all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alexnet import __version__, checkup, dataset, doctor, peers, presence, settings, speed_record, verdict, weights
from alexnet import device as machine
from alexnet.dataset import Dataset
from alexnet.device import Precision
from alexnet.errors import DataError, UsageError
from alexnet.judging import metrics
from alexnet.models import variants
from alexnet.models.network import AlexNet, create_model, parameter_count
from alexnet.models.summary import as_text, summarise
from alexnet.pictures import grids
from alexnet.progress import Display
from alexnet.run import Row, Run, shown
from alexnet.settings import Options
from alexnet.training import launch, start
from alexnet.training.checkpoint import Checkpoint
from alexnet.training.loop import Setting, fit
from alexnet.training.parallel import traffic
from alexnet.training.recipe import Recipe
from alexnet.training.saving import Saver
from alexnet.training.settle import FACTS, settle
from alexnet.training.stop import Stop
from alexnet.training.world import World
from alexnet.weights import Card

VERDICT_BATCH = 128  # pictures at a time; as in `verdict.judge_part`


@dataclass(frozen=True)
class Begun:
    """A training of which all is settled but the steps."""

    run: Run
    options: Options
    recipe: Recipe
    data: Dataset
    network: AlexNet
    frozen: tuple[str, ...]
    device: torch.device
    precision: Precision
    checkpoint: Checkpoint | None = None
    """Where it goes on from; None: from the start."""


def train(
    data: str | Path | None = None,
    *,
    recipe: str | None = None,
    config: str | Path | None = None,
    assignments: Sequence[str] = (),
    display: Display | None = None,
    **given: Any,  # noqa: ANN401 (options and recipe fields, each checked by its own type)
) -> Run:
    """Train on `data` and return the Run: `.history`, `.metrics`, `.pictures`, `.best`, `.path`.

    `data` is a named set (`list_datasets()`; digits if not said), a folder of class folders, or a CSV file of
    path,label. `config` is a YAML file of options and recipe fields, such as a run's args.yaml; `assignments`
    are single fields, such as "optimizer.lr=0.02". Keyword arguments are options (see `settings.Options`: seed,
    device, project, ...) and recipe fields (see `training.recipe.Recipe`: epochs, batch_size, lr, ...); the rest
    comes from the recipe.

    Errors: UsageError, DataError, ModelFileError, DivergedError, ResourceError, each in one line.
    """
    display = display or Display()
    named = {"data": None if data is None else str(data), "recipe": recipe}
    asked = {**given, **{key: value for key, value in named.items() if value is not None}}
    options, chosen = settings.resolve(asked, None if config is None else Path(config), assignments, display)
    return peers.together(
        lambda world, device, speaker: begin(options, chosen, world, device, speaker), options.device, display
    )


def begin(options: Options, recipe: Recipe, world: World, device: torch.device, display: Display) -> Run:
    """Train from the start, among others or alone; see `train`."""
    precision = set_up(options, recipe, device, display)
    data, network, frozen = world.each(lambda: _prepare(options, recipe, device, display))
    options = options.model_copy(update={"store": data.store.form})
    peers.refuse_differences(options, recipe, data, device, precision, world)

    def create() -> str:
        run = Run.create(options.project, options.name, exist_ok=options.exist_ok)
        _write_start(run, options, recipe, data, {**machine.environment(device, precision), **launch.origin()})
        display.log_to(run.log_file)
        return str(run.path)

    run = Run(world.led(create))
    return carry_out(Begun(run, options, recipe, data, network, frozen, device, precision), world, display)


def _prepare(
    options: Options, recipe: Recipe, device: torch.device, display: Display
) -> tuple[Dataset, AlexNet, tuple[str, ...]]:
    """The data, the network on its device, and which of its layers are frozen."""
    if recipe.batch_size < 2 and variants.find(recipe.model).has_batch_norm:
        raise UsageError(
            f"--batch-size {recipe.batch_size}: batch norm in {recipe.model} needs at least 2 pictures a step"
        )
    if recipe.average is not None and options.parallel == "hybrid":
        raise UsageError("--parallel hybrid keeps no running average: take --parallel data, or --set average=null")
    data = dataset.prepare(options, recipe, display)
    network = create_model(
        recipe.model,
        num_classes=len(data.source.classes),
        in_channels=data.preprocess.channels,
        image_size=data.preprocess.size,
    )
    frozen = start.prepare(network, data.source.classes, recipe, options.weights, options.freeze, display)
    if len(data.split.train) < 2:
        raise DataError(f"{data.source.name} has {len(data.split.train)} pictures to train on, add some")
    return data, network.on(device), frozen


def set_up(
    options: Options,
    recipe: Recipe,
    device: torch.device,
    display: Display,
    begun_on: Mapping[str, Any] | None = None,
) -> Precision:
    """Memory policy and seeds; the precision is chosen, and all is said.

    A run that was `begun_on` this machine (its env.json) keeps its precision, whatever was measured since.
    """
    machine.keep_memory()
    precision = machine.precision_of(begun_on or {}, device) if options.amp is None else None
    precision = precision or speed_record.choose_precision(device, options.amp, recipe.model, display)
    machine.seed_everything(options.seed, options.deterministic)
    display.say(f"alexnet {__version__} · {options.data} · {recipe.model} · recipe {recipe.name}")
    display.say(
        f"Python {machine.python_version()} · torch {torch.__version__} · {machine.describe(device)} · {precision}"
    )
    return precision


def carry_out(begun: Begun, world: World, display: Display) -> Run:
    """Train (or go on with it), judge, draw.

    Errors: DivergedError; StoppedError after a signal; ResourceError when the disk is full.
    """
    run, recipe, options, data = begun.run, begun.recipe, begun.options, begun.data
    parts, device = data.split, begun.device
    _say_what_is_trained(begun, world, display)

    # -- training ----------------------------------------------------------------------------------------------
    balance = None
    if recipe.class_weights == "auto":
        weighted = metrics.class_weights(data.source.labels[parts.train], len(data.source.classes))
        balance = torch.from_numpy(weighted).to(device)
    kept = _Kept(begun, display)

    def save(row: Row, state: dict[str, Tensor], is_best: bool) -> None:
        world.led(lambda: kept.add(row, state, is_best))

    saver = Saver(run.checkpoint, kept.card.to_metadata(), options.save_every, world)
    with peers.remembered(run, world), Stop() as stop, presence.announced(run if world.leads else None):
        fit(
            begun.network,
            data.batches(parts.train, device, recipe.batch_size, seed=options.seed, world=world),
            data.batches(parts.val, device, 2 * recipe.batch_size, world=world) if len(parts.val) else None,
            data.preprocess,
            recipe,
            Setting(
                device,
                begun.precision,
                world,
                display,
                begun.frozen,
                options.time,
                _looked_at_afterwards(recipe, data),
                saver,
                stop,
                options.parallel,
            ),
            class_weights=balance,
            save=save,
            resumed=begun.checkpoint,
        )

        # -- verdict and pictures ------------------------------------------------------------------------------
        network = peers.alone(begun.network, recipe, options, device, world)
        world.leave()  # what is left is the leader's, and may take its time
        if world.leads:
            stop.instead = f" after training; the verdict is missing. Go on: alexnet train --resume {shown(run.path)}"
            _finish(run, data, recipe, network, device, display)
    return run


def _say_what_is_trained(begun: Begun, world: World, display: Display) -> None:
    data, parts = begun.data, begun.data.split
    display.say(
        f"{len(parts.train):,} training, {len(parts.val):,} validation, {len(parts.test):,} test pictures, "
        f"{len(data.source.classes)} classes · {parameter_count(begun.network):,} parameters"
    )
    display.say(f"split: {parts.why}")
    if world.size > 1:
        to_all = begun.device.type == "cuda"
        sent = traffic(begun.network, begun.recipe.batch_size, world.size, all_to_all=to_all)
        display.say(
            f"{world.size} processes, --parallel {begun.options.parallel}; each sends about {sent.data / 1e6:,.1f} MB "
            f"a step with data, {sent.hybrid / 1e6:,.1f} MB with hybrid"
        )
    display.say(f"run: {begun.run.path}")


class _Kept:
    """What is kept of every epoch: its row, its weights, and the doctor's word when it is hopeless."""

    def __init__(self, begun: Begun, display: Display) -> None:
        data = begun.data
        self.card = Card(begun.recipe.model, data.source.classes, data.preprocess, begun.recipe.name)
        self._run, self._display = begun.run, display
        self._rows: list[Row] = [] if begun.checkpoint is None else list(begun.checkpoint.progress.rows)
        self._chart = doctor.Chart.begun(begun.run, settings.as_args(begun.options, begun.recipe), _counts(data))
        self._is_hopeless = False

    def add(self, row: Row, state: dict[str, Tensor], is_best: bool) -> None:
        """Write an epoch down."""
        self._rows.append(row)
        self._run.write_results(self._rows)
        measured = replace(self.card, measured=_measured(row))
        weights.save(self._run.last, state, measured)
        if is_best:
            weights.save(self._run.best, state, measured)
        if not self._is_hopeless and (found := doctor.hopeless(self._chart, self._rows)) is not None:
            self._is_hopeless = True  # said once
            self._display.say(f"doctor, epoch {row['epoch']:.0f}: {found.line} To stop: Ctrl-C; then: {found.remedy}")


def _counts(data: Dataset) -> dict[str, dict[str, int]]:
    """Pictures of each class in each part; a class without any is left out."""
    parts = {"train": data.split.train, "val": data.split.val, "test": data.split.test}
    names = data.source.classes
    return {part: Counter(names[label] for label in data.source.labels[chosen]) for part, chosen in parts.items()}


def _looked_at_afterwards(recipe: Recipe, data: Dataset) -> int:
    """How many pictures go through the network once training is over: the doctor's, and every view of the verdict's,
    twice if a temperature is fitted on them first."""
    rounds = 2 if recipe.temperature == "fitted" else 1
    return checkup.PICTURES + rounds * recipe.views * len(data.split.val)


def _measured(row: Row) -> dict[str, Any]:
    """What is known of an epoch's weights before the verdict, in the verdict's words."""
    if "val/acc" not in row:
        return {"epoch": row["epoch"]}
    return {"epoch": row["epoch"], "split": "val", "loss": row["val/loss"], "accuracy_top1": row["val/acc"]}


def _write_start(run: Run, options: Options, recipe: Recipe, data: Dataset, environment: dict[str, Any]) -> None:
    """What is known before the first step: options, machine, classes, split, layer table, sample pictures."""
    run.clear()
    run.write_args(settings.as_args(options, recipe))
    run.write_json("env.json", {"alexnet": __version__, **environment})
    run.write_classes(data.source.classes)
    run.write_table("split.csv", ("path", "label", "split"), data.split.rows(data.source))
    table = summarise(
        recipe.model,
        num_classes=len(data.source.classes),
        in_channels=data.preprocess.channels,
        image_size=data.preprocess.size,
    )
    run.write_lines("summary.txt", [as_text(table)])
    for name, labels, part in (
        ("samples", "sample_labels", data.split.train),
        ("held_out", "held_out_labels", data.split.val),  # for those who watch a training
    ):
        chosen = np.sort(np.random.default_rng(0).permutation(part)[: grids.COUNT])
        if len(chosen):
            called = np.array([data.source.classes[label] for label in data.source.labels[chosen]])
            run.write_thumbnails(**{name: verdict.thumbnails(data.store.pixels[chosen]), labels: called})


def _finish(run: Run, data: Dataset, recipe: Recipe, network: AlexNet, device: torch.device, display: Display) -> None:
    """Judge the weights that are kept, draw the pictures, and say where everything is and what to type next."""
    state, card = weights.load(run.best)
    network.load_weights(state, run.best)
    parts = data.split
    own_validation = len(parts.val) > 0 and not np.array_equal(parts.val, parts.test)
    settled = {key: card.measured[key] for key in FACTS if key in card.measured}
    if not settled:  # else a verdict was begun before, and these weights have been through it
        settled = settle(
            network,
            data.batches(parts.train, device, VERDICT_BATCH, seed=0),
            data.batches(parts.val, device, VERDICT_BATCH) if own_validation else None,
            data.preprocess,
            recipe,
            display,
        )
    part = "val" if len(parts.val) else "test" if len(parts.test) else "train"
    result = verdict.judge_part(network, data, part, device, display)
    figures = verdict.record(run, data, result, epoch=card.measured["epoch"], precision="float32", **settled)
    kept = ("epoch", "split", "n", "loss", "accuracy_top1", "interval95", *settled)
    weights.save(run.best, network.state_dict(), replace(card, measured={key: figures[key] for key in kept}))
    display.say(f"{recipe.keep} epoch, {figures['epoch']:.0f}: {verdict.line(figures)}")
    run.write_json("vitals.json", checkup.measure(run, network, data, device))
    findings = doctor.examine(run)
    display.say(f"pictures and weights: {run.path}")
    untouched = len(parts.test) and own_validation
    where = shown(run.path)
    if findings:
        display.say(f"doctor: {findings[0].line} More: alexnet doctor {where}")
    display.say(f"next: alexnet val {where} --split test" if untouched else f"next: alexnet predict {where} PICTURE")
