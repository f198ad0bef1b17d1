"""alexnet preview DATA: pictures before and after augmentation."""

from pathlib import Path
from typing import Any

import click

from alexnet.commands import options


@click.command("preview")
@click.argument("data", default="digits")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The picture [runs/preview/exp/preview.png].",
)
@options.model
@options.recipe
@options.assignments
@options.imgsz
@options.data_dir
@options.protocol
@click.option("--seed", type=int, help="Which random pictures and changes.")
@options.exist_ok
@options.quiet
def command(
    data: str,
    out: Path | None,
    assignments: tuple[str, ...],
    exist_ok: bool,
    quiet: bool,
    **given: Any,  # noqa: ANN401 (each option is checked by its own type)
) -> None:
    """Draw 25 training pictures of DATA as they are stored and as the network meets them in training."""
    from alexnet import pictures
    from alexnet.plain_files import refuse_overwriting
    from alexnet.preview import before_and_after
    from alexnet.run import Run

    display = options.display(quiet)
    if out is not None:
        refuse_overwriting(out, exist_ok)
    figure = before_and_after({"data": data, **options.said(given)}, assignments, display)
    file = out or Run.create("runs/preview").path / "preview.png"
    display.say(f"written to {pictures.save(figure, file)}")
