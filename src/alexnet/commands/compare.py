"""alexnet compare RUN RUN: is one better than the other?"""

import click

from alexnet.commands import options


@click.command("compare")
@click.argument("left")
@click.argument("right")
@click.option("--flips", type=click.IntRange(min=0), default=10, show_default=True, help="Flipped pictures to list.")
@options.as_json
def command(left: str, right: str, flips: int, as_json: bool) -> None:
    """Compare two runs (or two results of 'alexnet val') that were judged on the same pictures.

    Prints both accuracies, McNemar's paired test, the pictures that one of them alone answers rightly, and what
    differed in their recipes.
    """
    from alexnet import comparison
    from alexnet.commands import tables

    compared = comparison.compare(left, right)
    if as_json:
        options.print_json(compared.to_dict())
    else:
        tables.comparison(compared, flips)
