"""Gathers the verbs; prints errors as one line and leaves with their exit code.

A verb's file is imported only when it is called, so that `alexnet --help` needs neither torch nor numpy.
"""

import contextlib
import errno
import importlib
import io
import os
import sys
import traceback

import click

from alexnet import __version__
from alexnet.errors import AlexNetError, ResourceError, UsageError, printable, unknown

VERBS = {
    "train": "Train on a named set, a folder or a CSV file; leaves a run directory.",
    "check": "Look at every picture of a data set before anybody trains on it.",
    "val": "Judge a run on its validation, test or training part, or on other pictures.",
    "predict": "Name what is on pictures: files, folders, patterns.",
    "export": "Write a network for other programs: ONNX, torch.export, Triton.",
    "serve": "Answer over HTTP: a page, plain HTTP, Hugging Face's format, the Open Inference Protocol.",
    "watch": "Show a training in the browser, while it runs or afterwards.",
    "doctor": "Say what is wrong with a run, and mend what can be mended.",
    "recalibrate": "Measure a run's batch-norm statistics anew; a new run beside it.",
    "lr-find": "Find a learning rate: a sweep, its picture, one number.",
    "compare": "Say whether one run is better than another, on the same pictures.",
    "bench": "Measure this machine: pictures a second, and how long a recipe takes.",
    "summary": "Print a network's layer table.",
    "models": "List the networks; recompute their counts.",
    "diff": "Show where two networks differ.",
    "datasets": "List the named data sets and where they lie.",
    "preview": "Draw pictures of a data set before and after augmentation.",
    "plot": "Draw a run's pictures anew.",
    "convert": "Weights of others in and out: PyTorch, Caffe, Keras.",
}

LONGEST = 1000  # signs of an error: files may hold names of any length

CANNOT_REPEAT = " does not have a deterministic implementation"  # so says torch

SIGNS_OF_NO_MEMORY = (
    "DefaultCPUAllocator",  # torch
    "bad_alloc",  # C++
    "could not create a primitive\n",  # oneDNN; "... primitive descriptor" is another matter
    "failed to map segment",  # a library that is loaded
)

EXIT_CODES = (
    "Exit codes: 0 ok, 2 usage, 3 data, 4 model file, 5 diverged, 6 disk or memory, 75 stopped and saved, 130 stopped."
)


class Verbs(click.Group):
    """A group that knows its verbs by name and loads one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of `VERBS`."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's file."""
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"alexnet.commands.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest verb suggested for an unknown one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            raise click.UsageError(unknown("command", args[0], VERBS), ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from `VERBS`, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(__version__, "--version", "-V", message="alexnet %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of errors.")
def cli(debug: bool) -> None:
    """AlexNet: from pictures to a trained, judged and pictured classifier.

    \b
    alexnet train                       on the built-in digits, seconds
    alexnet train path/to/folder        on your pictures, one folder a class
    alexnet predict last picture.jpg    with the newest run
    """
    if debug:
        os.environ["ALEXNET_DEBUG"] = "1"


def main() -> None:
    """Run the command line and leave the process with the right code."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):  # signs that a terminal or pipe cannot show stop nothing
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    code = _carried_out()
    if os.environ.get("WORLD_SIZE", "1") != "1":  # gloo's threads may abort a process that ends in the usual way
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):  # nobody reads any more
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _carried_out() -> int:
    """The exit code of the command line, once its error, if any, is told."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except SystemExit as leave:  # another process has said why
        code = leave.code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        where = f" (see '{context.command_path} --help')" if context else ""
        _tell(error, error.format_message().rstrip(".") + where)
        code = error.exit_code
    except AlexNetError as error:
        _tell(error, str(error))
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        _tell(error, "stopped; if this was a training, alexnet train --resume goes on with it")
        code = 130
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 (nobody reads: say no more)
        code = 0
    except Exception as error:
        known = _explained(error)
        if known is None:
            raise
        _tell(error, known[1])
        code = known[0]
    return code if isinstance(code, int) else 0


def _open_what_is_closed() -> None:
    """Standard streams that the caller has closed lead nowhere; else the next file would take their numbers, and what
    any library prints would land in it."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115


def _explained(error: Exception) -> tuple[int, str] | None:
    """Exit code and message for what Python and its libraries raise; None for what should not happen."""
    if _out_of_memory(error):
        return ResourceError.exit_code, "out of memory: try a smaller --batch-size or --imgsz"
    if isinstance(error, OSError):
        code = UsageError.exit_code if error.errno == errno.ENAMETOOLONG else ResourceError.exit_code
        return code, f"{error.filename or 'a file'}: {(error.strerror or str(error)).lower()}"
    if isinstance(error, RuntimeError) and CANNOT_REPEAT in str(error):
        what = str(error).partition(CANNOT_REPEAT)[0]
        return UsageError.exit_code, (
            f"--deterministic: {what} cannot be repeated bit for bit here: leave it out, or take --device cpu"
        )
    return None


def _out_of_memory(error: Exception) -> bool:
    """Python's own error, a GPU's (known by name: torch is not imported here), or what libraries say then."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError | ImportError) and any(sign in f"{error}\n" for sign in SIGNS_OF_NO_MEMORY)


def _tell(error: BaseException, message: str) -> None:
    label = "error: " if os.environ.get("NO_COLOR") else click.style("error: ", fg="red", bold=True)
    line = printable(message)
    with contextlib.suppress(OSError):  # where nobody hears it, the exit code says it
        if os.environ.get("ALEXNET_DEBUG"):
            traceback.print_exception(error)
        click.echo(label + (line if len(line) <= LONGEST else f"{line[:LONGEST]} …"), err=True)
