"""alexnet recalibrate RUN: batch-norm statistics measured anew."""

from pathlib import Path

import click

from alexnet.commands import options


@click.command("recalibrate")
@click.argument("run")
@options.data_dir
@click.option("--batch-size", "--batch", "-b", type=click.IntRange(min=2), default=128, help="Pictures a step.")
@options.device
@click.option("--project", type=click.Path(path_type=Path), help="Folder of the new run [beside RUN].")
@click.option("--name", help="Name of the new run [RUN's, with -recalibrated].")
@options.exist_ok
@options.as_json
@options.quiet
def command(
    run: str,
    data_dir: Path | None,
    batch_size: int,
    device: str,
    project: Path | None,
    name: str | None,
    exist_ok: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure RUN's batch-norm statistics on its training pictures; no weight is touched.

    A training leaves running statistics behind that lag: with few steps, a network that learnt well answers at chance.
    RUN stays as it is; the new run's path is printed last.
    """
    from alexnet.recalibration import recalibrate

    made = recalibrate(
        run,
        data_dir=data_dir,
        batch_size=batch_size,
        device=device,
        project=project,
        name=name,
        exist_ok=exist_ok,
        display=options.display(quiet, as_json=as_json),
    )
    if as_json:
        options.print_json({"run": str(made.run.path), "before": made.before, "after": made.after})
