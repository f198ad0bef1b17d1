"""A training that stopped goes on: the same run, the same pictures, from the last checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alexnet import dataset, experiment, settings
from alexnet.errors import ModelFileError, UsageError
from alexnet.experiment import Begun
from alexnet.models.network import create_model
from alexnet.progress import Display
from alexnet.run import Run, shown
from alexnet.settings import Options
from alexnet.training import checkpoint, start
from alexnet.training.checkpoint import Checkpoint
from alexnet.training.recipe import Recipe
from alexnet.training.world import World, restarts
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
    if not run.checkpoint.exists():
        display.say(f"{run.path} has no checkpoint yet: it starts anew from its args.yaml")
        place: dict[str, Any] = {"project": run.path.parent, "name": run.path.name, "exist_ok": True}
        return experiment.train(config=run.args_file, display=display, **asked, **place)
    saved = checkpoint.load(run.checkpoint)
    return experiment.together(lambda world, speaker: _go_on(run, saved, asked, world, speaker), display)


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
    if not restarts():
        return experiment.train(config=config, assignments=assignments, display=display, **given)
    display = display or Display()
    options, recipe = settings.resolve(given, config, assignments, display)

    def work(world: World, speaker: Display) -> Run:
        found = _begun_by(world, options) if world.leads else None
        place = world.share("" if found is None else str(found.path))
        if not place:
            return experiment.begin(options, recipe, world, speaker)
        run = Run(place)
        speaker.say(f"torchrun has started the processes anew: they go on with {run.path}")
        if world.any(world.leads and run.checkpoint.exists()):
            return _go_on(run, checkpoint.load(run.checkpoint), {}, world, speaker)
        again = {"project": run.path.parent, "name": run.path.name, "exist_ok": True}
        return experiment.begin(options.model_copy(update=again), recipe, world, speaker)

    return experiment.together(work, display)


def _begun_by(world: World, options: Options) -> Run | None:
    """The newest run below the project that the same torchrun has begun."""
    runs = sorted(options.project.glob("*/args.yaml"), key=lambda file: file.stat().st_mtime, reverse=True)
    origin = world.origin().items()
    return next((run for run in (Run(file.parent) for file in runs) if origin <= run.environment.items()), None)


def _go_on(run: Run, saved: Checkpoint, asked: dict[str, Any], world: World, display: Display) -> Run:
    options, recipe = _settings(run, saved, asked)
    if world.leads:
        display.log_to(run.log_file)
    device, precision = experiment.set_up(options, recipe, world, display, run.environment)
    card = _card(run, saved)
    data = dataset.of_run(run, card, options.data_dir, display)
    network = create_model(
        card.variant,
        num_classes=len(card.classes),
        in_channels=card.preprocess.channels,
        image_size=card.preprocess.size,
    )
    frozen = start.hold(network, recipe, options.freeze, display)
    network.on(device)
    progress = saved.progress
    left = "" if progress.epoch <= recipe.epochs or progress.planned else "; only the verdict is left, if any"
    display.say(f"resumed: {progress.epoch - 1} epochs and {progress.step} steps are done{left}")
    experiment.refuse_other_peers(options, recipe, data, world)
    if world.leads:
        run.write_args(settings.as_args(options, recipe))
        run.clear_verdict()
    return experiment.carry_out(
        Begun(run, options, recipe, data, network, frozen, device, precision, saved), world, display
    )


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
