"""alexnet lr-find [DATA]: which learning rate to train with."""

from pathlib import Path
from typing import Any

import click

from alexnet.commands import options


@click.command("lr-find")
@click.argument("data", default="digits")
@options.model
@options.recipe
@options.assignments
@click.option("--batch-size", "--batch", "-b", type=int, help="Pictures a step.")
@options.imgsz
@options.weights
@options.freeze
@click.option("--lowest", type=click.FloatRange(min=0, min_open=True), default=1e-6, show_default=True)
@click.option("--highest", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True)
@click.option(
    "--steps", type=click.IntRange(min=20), default=100, show_default=True, help="Steps of the sweep at most."
)
@options.data_dir
@options.protocol
@click.option("--device", metavar="NAME", default=None, help="auto, cpu, cuda, cuda:1 or mps.")
@options.amp
@click.option("--seed", type=int, help="Same seed, same result.")
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    default=Path("runs/lr-find"),
    help="Folder of the result [runs/lr-find].",
)
@click.option("--name", help="Name of the result [exp, exp2, ...].")
@options.exist_ok
@options.as_json
@options.quiet
def command(
    data: str,
    assignments: tuple[str, ...],
    lowest: float,
    highest: float,
    steps: int,
    project: Path,
    name: str | None,
    exist_ok: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,  # noqa: ANN401 (each option is checked by its own type)
) -> None:
    """Find a learning rate for DATA: it rises step by step until the loss explodes, and where the loss fell fastest
    is a good one to train with. Draws the curve; nothing else is kept.
    """
    from alexnet import rate_finder

    display = options.display(quiet, as_json=as_json)
    if highest <= lowest:
        raise click.UsageError(f"--highest {highest:g} must be above --lowest {lowest:g}")
    found = rate_finder.find(
        {"data": data, **options.said(given)},
        assignments,
        lowest=lowest,
        highest=highest,
        steps=steps,
        project=project,
        name=name,
        exist_ok=exist_ok,
        display=display,
    )
    display.say(f"written to {found.path / 'lr_find.png'}")
    display.say(f"learning rate {found.rate:.2g}: alexnet train {data} --lr {found.rate:.2g}")
    if as_json:
        options.print_json({"rate": found.rate, "path": str(found.path), "steps": len(found.sweep.rates)})
