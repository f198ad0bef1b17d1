"""alexnet check DATA: look at every picture before anybody trains."""

from typing import Any

import click

from alexnet.commands import options


@click.command("check")
@click.argument("data")
@options.data_dir
@options.protocol
@options.workers
@options.bad_files
@options.strict
@options.accept_truncated
@options.as_json
@options.quiet
def command(data: str, as_json: bool, quiet: bool, **given: Any) -> None:  # noqa: ANN401 (each checked by its own type)
    """Read every picture of DATA and say what is wrong: files that cannot be read, pictures that are there twice, under
    two labels or in two parts, classes without pictures.

    Nothing is written. The exit code is 3 when training would stop on these pictures, else 0.
    """
    from alexnet import inspection
    from alexnet.errors import DataError

    display = options.display(quiet, as_json=as_json)
    found = inspection.inspect({"data": data, **options.said(given)}, display)
    if as_json:
        options.print_json(found.to_dict())
    else:
        for line in found.lines():
            display.say(line)
    if found.refused:
        raise DataError(found.refused)
    if not as_json:
        display.say(f"next: {found.next}")
