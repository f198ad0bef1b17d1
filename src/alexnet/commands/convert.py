"""alexnet convert FILE OUT: weights of others in and out."""

from pathlib import Path

import click

from alexnet.commands import options


@click.command("convert")
@click.argument("file")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--model", "-m", "--arch", metavar="NAME", help="Variant, where several have equal shapes.")
@click.option("--channels", type=click.Choice(["1"]), help="1: for grey pictures, conv1 summed over the colours.")
@click.option(
    "--classes", metavar="N", type=click.IntRange(min=1), help="Replace the last layer by a fresh one of N classes."
)
@click.option("--labels", type=click.Path(path_type=Path), help="File of class names, one a line.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Of the new last layer.")
@click.option("--exist-ok", is_flag=True, help="Overwrite OUT.")
@options.as_json
@options.quiet
def command(
    file: str,
    out: Path,
    model: str | None,
    channels: str | None,
    classes: int | None,
    labels: Path | None,
    seed: int,
    exist_ok: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Read weights from FILE and write them to OUT, by its extension: .safetensors, .pth, .h5, .weights.h5, .keras.

    FILE: a PyTorch checkpoint, a Caffe .caffemodel, a caffe-tensorflow .npy, a Keras .h5, .weights.h5 or .keras, one
    of this program's runs or .safetensors, or 'torchvision' (downloaded when first used). Nothing in it is ever run.

    \b
    alexnet convert alexnet-owt-7be5be79.pth torchvision.safetensors
    alexnet convert bvlc_alexnet.caffemodel bvlc.safetensors
    alexnet convert runs/train/exp flowers.keras
    """
    from alexnet.models.foreign import convert

    display = options.display(quiet, as_json=as_json)
    converted = convert.convert(
        file,
        out,
        model=model,
        channels=None if channels is None else int(channels),
        classes=classes,
        labels=labels,
        seed=seed,
        exist_ok=exist_ok,
        display=display,
    )
    if as_json:
        options.print_json(converted.to_dict())
