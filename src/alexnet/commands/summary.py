"""alexnet summary MODEL: a network's layer table."""

import shutil
import sys

import click

from alexnet.commands import options


@click.command("summary")
@click.argument("model")
@click.option(
    "--style",
    type=click.Choice(["torch", "keras"]),
    default="torch",
    help="Names and shapes as PyTorch or Keras has them.",
)
@click.option("--classes", type=click.IntRange(min=1), help="Number of classes [the source's].")
@click.option(
    "--imgsz", "--img-size", type=click.IntRange(min=1), help="Side of the pictures in pixels [the source's]."
)
@click.option("--channels", type=click.IntRange(min=1), help="Channels of the pictures [the source's].")
@options.as_json
def command(
    model: str, style: str, classes: int | None, imgsz: int | None, channels: int | None, as_json: bool
) -> None:
    """Print MODEL's layers with output shapes and parameter counts; see 'alexnet models' for the names."""
    from alexnet.models.summary import as_text, summarise

    table = summarise(
        model,
        num_classes=classes,
        in_channels=channels,
        image_size=imgsz,
        style="keras" if style == "keras" else "torch",
    )
    if as_json:
        options.print_json(table.to_dict())
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None  # files have no edge
        click.echo(as_text(table, width))
