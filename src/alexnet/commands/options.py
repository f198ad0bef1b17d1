"""Options that several verbs share, so that one word means one thing everywhere."""

import sys
from pathlib import Path
from typing import Any

import click

from alexnet import durable
from alexnet.progress import Display

as_json = click.option("--json", "as_json", is_flag=True, help="JSON alone on standard output.")
quiet = click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
verbose = click.option("--verbose", "-v", is_flag=True, help="Print more.")
model = click.option("--model", "-m", "--arch", metavar="NAME", help="Variant; see 'alexnet models'.")
recipe = click.option(
    "--recipe",
    metavar="NAME",
    help="modern (default), modern-long, notebook, paper, caffe, owt or torchvision; see docs/recipes.md.",
)
assignments = click.option(
    "--set", "assignments", metavar="FIELD=VALUE", multiple=True, help="Any recipe field, such as optimizer.lr=0.02."
)
imgsz = click.option("--imgsz", "--img-size", type=int, help="Side of the network's input in pixels.")
weights = click.option(
    "--weights", metavar="RUN", help="Start from a run, a file of weights (other programs' too) or 'torchvision'."
)
freeze = click.option("--freeze", metavar="LAYERS", help="Layers that stay as they are, such as conv1-conv5.")
device = click.option("--device", metavar="NAME", default="auto", help="auto, cpu, cuda, cuda:1 or mps.")
amp = click.option("--amp/--no-amp", default=None, help="bf16 on or off [what alexnet bench measured].")
data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Where named sets live [else ALEXNET_DATA, else a cache].",
)
protocol = click.option("--protocol", metavar="NAME", help="flowers17: oxford-1, oxford-2 or oxford-3.")
workers = click.option("--workers", "-j", type=int, help="Threads that decode pictures.")
bad_files = click.option("--bad-files", type=int, help="Unreadable pictures tolerated [10, or 1 %].")
strict = click.option("--strict", is_flag=True, default=None, help="Tolerate no unreadable picture.")
fast_jpeg = click.option(
    "--fast-jpeg", is_flag=True, default=None, help="Decode large training JPEGs at a half or less (docs/store.md)."
)
store = click.option(
    "--store",
    metavar="FORM",
    help="auto (default), raw or jpeg: how decoded training pictures are kept; auto: raw if they fit into memory.",
)
accept_truncated = click.option(
    "--accept-truncated", is_flag=True, default=None, help="Read JPEGs that are cut short, grey where they are missing."
)
topk = click.option("--topk", type=click.IntRange(min=1), default=5, show_default=True, help="Classes an answer names.")
save_csv = click.option("--save-csv", type=click.Path(path_type=Path), help="Write the answers to this CSV file too.")
exist_ok = click.option("--exist-ok", is_flag=True, help="Write into an existing folder.")


def display(quiet: bool = False, verbose: bool = False, as_json: bool = False, live: bool = False) -> Display:
    """Where a verb speaks: standard output, or standard error when that is kept for JSON. `live`: see `serve.live`."""
    stream = sys.stderr if as_json else sys.stdout
    if not live:
        return Display(stream, quiet=quiet, verbose=verbose)
    from alexnet.serve.live import LiveDisplay

    return LiveDisplay(stream, quiet=quiet, verbose=verbose)


def print_json(values: Any) -> None:  # noqa: ANN401 (anything that JSON can say)
    """Print values as JSON on standard output."""
    click.echo(durable.json_text(values))


def said(given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given; click sets the others to None."""
    return {key: value for key, value in given.items() if value is not None}
