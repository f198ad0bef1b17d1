"""alexnet datasets: the named data sets."""

from pathlib import Path

import click

from alexnet.commands import options


@click.command("datasets")
@options.data_dir
@options.as_json
def command(data_dir: Path | None, as_json: bool) -> None:
    """List the named data sets: pictures, classes, and where each lies on this machine."""
    from alexnet.commands import tables
    from alexnet.data.sources import describe_datasets

    rows = describe_datasets(data_dir)
    if as_json:
        options.print_json(rows)
        return
    tables.show(rows, ("name", "pictures", "classes", "picture", "about", "found"))
    click.echo("or a folder of class folders, train/ with val/ or test/, or a CSV file of path,label")
