"""alexnet models: the networks by name."""

import click

from alexnet.commands import options


@click.command("models")
@options.as_json
def command(as_json: bool) -> None:
    """List the networks: name, input, classes, parameters, what sets each apart."""
    from alexnet.commands import tables
    from alexnet.models.summary import overview

    rows = overview()
    if as_json:
        options.print_json(rows)
    else:
        tables.show(rows, ("name", "input", "classes", "parameters", "note"))
