"""alexnet val RUN: judge a run."""

from pathlib import Path

import click

from alexnet.commands import options


@click.command("val")
@click.argument("run")
@click.option("--split", type=click.Choice(["val", "test", "train"]), help="Which part [val, else test].")
@click.option("--data", metavar="DATA", help="Judge on these pictures instead: a named set, a folder or a CSV file.")
@options.data_dir
@click.option(
    "--batch-size",
    "--batch",
    "-b",
    type=click.IntRange(min=1),
    default=128,
    help="Pictures at a time; the figures do not depend on it.",
)
@options.device
@click.option("--amp/--no-amp", default=False, help="Judge in bf16 instead of float32.")
@options.save_csv
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    default=Path("runs/val"),
    help="Folder of the result [runs/val].",
)
@click.option("--name", help="Name of the result [exp, exp2, ...].")
@options.exist_ok
@options.as_json
@options.quiet
def command(
    run: str,
    split: str | None,
    data: str | None,
    data_dir: Path | None,
    batch_size: int,
    device: str,
    amp: bool,
    save_csv: Path | None,
    project: Path,
    name: str | None,
    exist_ok: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Judge RUN (a run directory, or 'last') on one part of its data; with --data, a file of weights too.

    Prints loss, top-1 and top-5 accuracy with a 95 % interval, and each class's precision, recall and F1.
    """
    from alexnet import validation
    from alexnet.commands import tables

    display = options.display(quiet, as_json=as_json)
    result = validation.validate(
        run,
        split=split,
        data=data,
        data_dir=data_dir,
        batch_size=batch_size,
        device=device,
        amp=amp,
        save_csv=save_csv,
        project=project,
        name=name,
        exist_ok=exist_ok,
        display=display,
    )
    if as_json:
        options.print_json(result.metrics)
    elif not quiet:
        tables.per_class(result.metrics)
