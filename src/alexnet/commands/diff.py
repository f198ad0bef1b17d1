"""alexnet diff A B: two networks side by side."""

import click

from alexnet.commands import options


@click.command("diff")
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@click.option("--all", "everything", is_flag=True, help="Show what is the same, too.")
@options.as_json
def command(left: str, right: str, everything: bool, as_json: bool) -> None:
    """Show where the networks A and B differ: layers, sizes, counts, start. Names: 'alexnet models'.

    \b
    alexnet diff paper torchvision
    alexnet diff bvlc caffenet --all
    """
    from alexnet.commands import tables
    from alexnet.models.difference import compare

    lines = compare(left, right)
    if as_json:
        options.print_json([line.to_dict() for line in lines])
    else:
        tables.difference(left, right, lines, everything)
