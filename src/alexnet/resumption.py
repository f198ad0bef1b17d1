"""A training that stopped goes on: the same run, the same pictures, from the last checkpoint."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from alexnet import dataset, experiment, peers, settings
from alexnet.errors import DataError, ModelFileError, UsageError
from alexnet.experiment import Begun
from alexnet.models.network import create_model
from alexnet.progress import Display
from alexnet.run import Run, shown
from alexnet.settings import Options
from alexnet.training import checkpoint, launch, start
from alexnet.training.checkpoint import Checkpoint
from alexnet.training.recipe import Recipe
from alexnet.training.world import World
from alexnet.weights import Card

OF_THE_MACHINE = ("data_dir", "device", "workers", "save_every")
"""Options that may be others than before; `epochs` may grow."""


def resume(
    given: str | Path,
    *,
    epochs: int | None = None,
    display: Display | None = None,
    **changed: Any,  # noqa: ANN401 (options of `OF_THE_MACHINE`)
) -> Run:
    """Go on with the run `given` (a directory, a name, or 'last') where its checkpoint was written; returns the Run.

    N steps at once and N steps with pauses give the same weights, to the bit where the machine is the same. A run that
    has no checkpoint yet starts anew from its args.yaml. With more `epochs` than it had, a finished training goes on as
    well, at the rates that the schedule has for so many.

    Errors: UsageError for options that belong to the run; ModelFileError for a damaged checkpoint; DataError when
    pictures are no longer what they were; and those of training.
    """
    display = display or Display()
    run = Run.begun(given)
    changes = {key: value for key, value in changed.items() if value is not None}
    if fixed := [key for key in changes if key not in OF_THE_MACHINE]:
        raise UsageError(
            f"--{fixed[0].replace('_', '-')} belongs to the run {run.path}: leave it out, or start another one"
        )
    if (folds := run.args.get("folds")) and not run.args.get("fold"):
        raise UsageError(f"{run.path} is {folds} trainings: resume one of them, such as {shown(run.path / 'fold1')}")
    asked: dict[str, Any] = {**changes, **({} if epochs is None else {"epochs": epochs})}

    def work(world: World, device: torch.device, speaker: Display) -> Run:
        if world.led(lambda: _stands(run)):
            return _go_on(run, asked, world, device, speaker)
        speaker.say(f"{run.path} has no checkpoint yet: it starts anew from its args.yaml")
        anew = {**asked, **_place(run)}
        options, recipe = world.each(lambda: settings.resolve(anew, run.args_file, display=speaker))
        return experiment.begin(options, recipe, world, device, speaker)

    return peers.together(work, settings.options_of({**run.args, **asked}).device, display)


def train_or_go_on(
    *,
    config: Path | None = None,
    assignments: Sequence[str] = (),
    display: Display | None = None,
    **given: Any,  # noqa: ANN401
) -> Run:
    """`experiment.train`; but where torchrun has started the processes anew, since one was lost, go on with their run.

    Errors: as `experiment.train` and `resume`.
    """
    display = display or Display()
    options, recipe = settings.resolve(given, config, assignments, display)

    def work(world: World, device: torch.device, speaker: Display) -> Run:
        place = world.led(lambda: _begun_before(options, recipe))
        if not place:
            return experiment.begin(options, recipe, world, device, speaker)
        run = Run(place)
        speaker.say(f"{run.path} was begun by the same torchrun: the processes go on with it")
        if world.led(lambda: _stands(run)):
            return _go_on(run, {}, world, device, speaker)
        return experiment.begin(options.model_copy(update=_place(run)), recipe, world, device, speaker)

    return peers.together(work, options.device, display)


def _begun_before(options: Options, recipe: Recipe) -> str | None:
    """The newest run below the project that the same torchrun job has begun, with the same options; a finished one only
    where the very same torchrun did: another one with its --rdzv-id begins another training."""
    if not (here := launch.origin()):
        return None
    args = _of_the_run(settings.as_args(options, recipe))
    for file in sorted(options.project.glob("*/args.yaml"), key=lambda file: file.stat().st_mtime, reverse=True):
        run = Run(file.parent)
        with contextlib.suppress(DataError):  # a damaged one is another's
            began = run.environment
            theirs = _of_the_run(run.args) | ({"store": "auto"} if options.store == "auto" else {})  # it became a form
            ours = began.get("torchrun") == here["torchrun"] and theirs == args
            if ours and (not run.metrics or began.get("torchrun_agent") == here["torchrun_agent"]):
                return str(run.path)
    return None


def _of_the_run(args: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in args.items() if key not in OF_THE_MACHINE}


def _stands(run: Run) -> str | None:
    """The run's checkpoint, if it has one. Errors: what the run was left with, see `peers.refuse_to_repeat`."""
    peers.refuse_to_repeat(run)
    return str(run.checkpoint) if run.checkpoint.exists() else None


def _place(run: Run) -> dict[str, Any]:
    """Options that lead into the run once more."""
    return {"project": run.path.parent, "name": run.path.name, "exist_ok": True}


def _go_on(run: Run, asked: dict[str, Any], world: World, device: torch.device, display: Display) -> Run:
    saved = world.each(lambda: checkpoint.load(run.checkpoint))

    def restore() -> Begun:
        options, recipe = _settings(run, saved, asked)
        if world.leads:
            display.log_to(run.log_file)
        precision = experiment.set_up(options, recipe, device, display, run.environment)
        card = _card(run, saved)
        data = dataset.of_run(run, card, options.data_dir, display)
        options = options.model_copy(update={"store": data.store.form})
        network = create_model(
            card.variant,
            num_classes=len(card.classes),
            in_channels=card.preprocess.channels,
            image_size=card.preprocess.size,
        )
        frozen = start.hold(network, recipe, options.freeze, display)
        return Begun(run, options, recipe, data, network.on(device), frozen, device, precision, saved)

    begun = world.each(restore)
    progress = saved.progress
    left = "" if progress.epoch <= begun.recipe.epochs or progress.planned else "; only the verdict is left, if any"
    display.say(f"resumed: {progress.epoch - 1} epochs and {progress.step} steps are done{left}")
    peers.refuse_differences(begun.options, begun.recipe, begun.data, device, begun.precision, world)

    def unfinish() -> None:
        run.write_args(settings.as_args(begun.options, begun.recipe))
        run.clear_ending()

    world.led(unfinish)
    return experiment.carry_out(begun, world, display)


def _settings(run: Run, saved: Checkpoint, asked: dict[str, Any]) -> tuple[Options, Recipe]:
    """The run's own, with what may change changed. Errors: UsageError for fewer epochs than are done."""
    args = {**run.args, **asked}
    done = saved.progress.epoch - 1
    if args["epochs"] < done:
        raise UsageError(f"--epochs {args['epochs']}: {done} are done in {run.path} already, ask for more")
    options = settings.options_of({**args, "project": run.path.parent, "name": run.path.name})
    return options, settings.recipe_of(args)


def _card(run: Run, saved: Checkpoint) -> Card:
    try:
        return Card.from_metadata(saved.card)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelFileError(f"{run.checkpoint} does not say what it holds ({error})") from error
