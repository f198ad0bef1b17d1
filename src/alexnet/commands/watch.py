"""alexnet watch RUN: a training in the browser, while it runs or afterwards."""

import click

from alexnet.commands import options
from alexnet.errors import UsageError


@click.command("watch")
@click.argument("run", default="last")
@click.option("--port", type=click.IntRange(0, 65535), default=8001, show_default=True, help="0 takes a free one.")
@click.option("--open", "open_browser", is_flag=True, help="Open the browser.")
@click.option("--until-idle", is_flag=True, help="Leave a minute after the training, if nobody looks.")
@options.quiet
def command(run: str, port: int, open_browser: bool, until_idle: bool, quiet: bool) -> None:
    """Show RUN (a run directory, or 'last', the newest) in the browser: curves as they grow, the doctor, a stop button.

    It listens on this machine only, and reads the run's files only. See docs/page.md.
    """
    try:
        from alexnet.serve import run_pages
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is missing: pip install 'alexnet[serve]'") from error
    from alexnet.run import Run

    display = options.display(quiet)
    run_pages.watch(Run.begun(run), port=port, open_browser=open_browser, until_idle=until_idle, display=display)
