"""alexnet export RUN: a model that other programs run, with the proof that it answers as ours."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alexnet.commands import options

if TYPE_CHECKING:
    from alexnet.export.exporting import Form


@click.command("export")
@click.argument("run")
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", "torch", "triton"]),
    default="onnx",
    show_default=True,
    help="onnx: one file; torch: a .pt2; triton: a model repository.",
)
@click.option("--int8", is_flag=True, help="Compute in 8 bits, if top-1 stays within half a point.")
@click.option("--output", type=click.Path(path_type=Path), help="Where to write [RUN/export/].")
@click.option("--name", help="Name of Triton's model [the run's].")
@click.option("--license", "licence", default="", metavar="TEXT", help="Of the weights, for the metadata.")
@click.option(
    "--public-pictures", is_flag=True, help="The pictures inside the file are published photographs, none of yours."
)
@click.option("--verify", is_flag=True, help="RUN is an exported file: check that it answers as it should.")
@options.data_dir
@click.option("--exist-ok", is_flag=True, help="Overwrite an existing file.")
@options.as_json
@options.quiet
def command(
    run: str,
    form: "Form",
    int8: bool,
    output: Path | None,
    name: str | None,
    licence: str,
    public_pictures: bool,
    verify: bool,
    data_dir: Path | None,
    exist_ok: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write RUN as a model that other programs run: raw pictures in, probabilities out.

    RUN is a run directory, 'last', a file of weights (other programs' too), or 'torchvision'. The file is compared with
    our own answers before it is kept, and holds eight small pictures by which --verify compares it again anywhere.

    \b
    alexnet export last
    alexnet export last --format triton
    alexnet export --verify runs/train/exp/export/model.onnx
    """
    from alexnet.export import exporting, verification

    display = options.display(quiet, as_json=as_json)
    if verify:
        verified = verification.verify(Path(run))
        if as_json:
            options.print_json(verified.to_dict())
        else:
            display.say(verified.line)
        return
    exported = exporting.export(
        run,
        form=form,
        int8=int8,
        output=output,
        name=name,
        licence=licence,
        public_pictures=public_pictures,
        data_dir=data_dir,
        exist_ok=exist_ok,
        display=display,
    )
    if as_json:
        options.print_json(exported.to_dict())
