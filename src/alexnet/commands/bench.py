"""alexnet bench [DATA]: how fast this machine is, and how long a recipe will take."""

from typing import Any

import click

from alexnet.commands import options


@click.command("bench")
@click.argument("data", default="flowers17")
@options.model
@options.recipe
@options.assignments
@click.option("--epochs", type=int, help="Rounds through the training pictures.")
@click.option("--batch-size", "--batch", "-b", type=int, help="Pictures a step.")
@options.imgsz
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="How long to measure; three turns each are taken at least.",
)
@options.data_dir
@click.option("--device", metavar="NAME", default=None, help="auto, cpu, cuda, cuda:1 or mps.")
@options.workers
@options.as_json
@options.quiet
def command(
    data: str,
    assignments: tuple[str, ...],
    seconds: float,
    as_json: bool,
    quiet: bool,
    **given: Any,  # noqa: ANN401 (each option is checked by its own type)
) -> None:
    """Measure this machine with the network that DATA (default: flowers17) is trained with: pictures a second in
    training and answering, by precision and threads, what feeds them, and the share of the machine's peak. Says how
    long the recipe will take, and remembers which precision is faster: 'alexnet train' uses it where --amp is not said.

    \b
    alexnet bench
    alexnet bench mnist --recipe notebook
    alexnet bench path/to/folder --model torchvision --seconds 120
    """
    from alexnet.speed.measure import measure

    display = options.display(quiet, as_json=as_json)
    report = measure({"data": data, **options.said(given)}, assignments, seconds=seconds, display=display)
    if as_json:
        options.print_json(report.to_dict())
    elif not quiet:
        from alexnet.commands import tables

        tables.speeds(report)
