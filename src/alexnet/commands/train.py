"""alexnet train [DATA]: train a network and leave a run directory."""

from pathlib import Path
from typing import Any

import click

from alexnet.commands import options
from alexnet.errors import UsageError


@click.command("train")
@click.argument("data", default=None, required=False)
@options.model
@options.recipe
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Options from a YAML file, such as a run's args.yaml.",
)
@options.assignments
@click.option("--epochs", type=int, help="Rounds through the training pictures.")
@click.option("--time", metavar="TIME", help="Plan the epochs so that all ends in this time: 90s, 30m, 2h.")
@click.option("--batch-size", "--batch", "-b", type=int, help="Pictures a step.")
@click.option("--lr", "--learning-rate", type=float, help="Learning rate at its highest.")
@options.imgsz
@click.option("--val-split", type=float, help="Share of the training part cut for validation; 0: none.")
@click.option("--folds", type=int, help="Train so many times, each time judged on another part of the pictures.")
@click.option("--patience", type=int, help="Stop after so many epochs without progress.")
@click.option("--class-weights", type=click.Choice(["none", "auto"]), help="auto: every class counts the same.")
@options.weights
@options.freeze
@options.data_dir
@options.protocol
@click.option("--device", metavar="NAME", default=None, help="auto, cpu, cuda, cuda:1 or mps.")
@options.amp
@options.workers
@click.option("--seed", type=int, help="Same seed, same result.")
@click.option("--deterministic", is_flag=True, default=None, help="Refuse what cannot be repeated bit for bit.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="last",
    metavar="[RUN]",
    help="Go on with RUN (none named: the newest) from its checkpoint; --epochs may be more than it had.",
)
@click.option("--save-every", type=int, metavar="N", help="Save a checkpoint every N steps [some epochs' ends].")
@click.option("--parallel", metavar="WAY", help="Among torchrun's processes: data (default) or hybrid; docs/scale.md.")
@options.bad_files
@options.strict
@options.accept_truncated
@options.fast_jpeg
@options.store
@click.option("--project", type=click.Path(path_type=Path), help="Folder of the run [runs/train].")
@click.option("--name", help="Name of the run [exp, exp2, ...].")
@click.option("--exist-ok", is_flag=True, default=None, help="Write into an existing run.")
@click.option("--live", is_flag=True, help="Open a page that shows the training while it runs; see 'alexnet watch'.")
@options.as_json
@options.quiet
@options.verbose
def command(
    data: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    live: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,  # noqa: ANN401 (each option checked by its own type)
) -> None:
    """Train on DATA: digits (default), mnist, flowers17, a folder of class folders, or a CSV of path,label.

    \b
    alexnet train
    alexnet train flowers17 --recipe notebook
    alexnet train path/to/folder --epochs 30 --name first
    alexnet train --resume                   (after Ctrl-C, a kill, a power cut)
    """
    from alexnet import cross_validation, resumption
    from alexnet.training.world import World

    if live and given.get("folds"):
        raise UsageError("--live shows one training: leave out --folds")
    display = options.display(quiet, verbose, as_json, live)
    asked = options.said({"data": data, **given})
    if given["resume"] is not None:
        if config is not None or assignments:
            raise UsageError("--resume goes on as the run was begun: leave out --config and --set")
        run = resumption.resume(asked.pop("resume"), display=display, **asked)
    else:
        train = cross_validation.train if given.get("folds") else resumption.train_or_go_on
        run = train(config=config, assignments=assignments, display=display, **asked)
    if as_json and World.described().leads:
        options.print_json({"run": str(run.path), **run.metrics})
