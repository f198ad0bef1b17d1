"""alexnet plot RUN: a run's pictures anew."""

import click

from alexnet.commands import options


@click.command("plot")
@click.argument("run")
@options.as_json
def command(run: str, as_json: bool) -> None:
    """Draw the pictures of RUN (a run directory, or 'last') anew from its files; no data or network is needed."""
    from alexnet import pictures
    from alexnet.run import Run

    drawn = pictures.draw(Run.find(run))
    if as_json:
        options.print_json({name: str(path) for name, path in drawn.items()})
    else:
        for path in drawn.values():
            click.echo(str(path))
