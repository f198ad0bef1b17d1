"""alexnet models: the networks by name."""

import click

from alexnet.commands import options


@click.command("models")
@options.as_json
def command(as_json: bool) -> None:
    """List the networks: name, input, classes, parameters, what sets each apart."""
    from alexnet.commands import tables
    from alexnet.models.summary import summarise
    from alexnet.models.variants import VARIANTS

    rows = [
        {
            "name": variant.name,
            "input": "×".join(str(side) for side in variant.input),
            "classes": variant.classes,
            "parameters": summarise(variant.name).total,
            "note": variant.note,
            "source": variant.source,
        }
        for variant in VARIANTS.values()
    ]
    if as_json:
        options.print_json(rows)
    else:
        tables.show(rows, ("name", "input", "classes", "parameters", "note"))
