"""alexnet predict RUN PATH...: name what is on pictures."""

from pathlib import Path

import click

from alexnet.commands import options


@click.command("predict")
@click.argument("run")
@click.argument("paths", nargs=-1, required=True)
@options.topk
@click.option("--min-score", type=click.FloatRange(0, 1), default=0.0, help="Answers below it are 'unknown'.")
@click.option("--batch-size", "--batch", "-b", type=click.IntRange(min=1), default=32, help="Pictures at a time.")
@options.device
@click.option("--amp/--no-amp", default=False, help="Answer in fewer bits: bf16, or, without it, dense layers in fp16.")
@options.save_csv
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    default=Path("runs/predict"),
    help="Folder of the result [runs/predict].",
)
@click.option("--name", help="Name of the result [exp, exp2, ...].")
@options.exist_ok
@options.as_json
@options.quiet
def command(
    run: str,
    paths: tuple[str, ...],
    topk: int,
    min_score: float,
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
    """Classify PATHS (files, folders, patterns such as '*.jpg') with RUN.

    RUN is a run directory, 'last', a file of weights (other programs' too), or 'torchvision'. Prints a table and
    leaves predictions.csv, predictions.json and predictions.png.
    """
    from alexnet import predict_files
    from alexnet.commands import tables

    display = options.display(quiet, as_json=as_json)
    answers = predict_files.predict_files(
        run,
        paths,
        topk=topk,
        min_score=min_score,
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
        options.print_json([answer.to_dict() for answer in answers.answers])
    elif not quiet:
        tables.predictions(answers.answers)
        display.say(f"written to {answers.folder}")
    answers.raise_if_none()
