"""What a person sees while something runs: the live line, the plain line, the notebook's line.

A terminal gets one live line that is rewritten; a pipe or file gets a plain line every ten seconds; a
notebook gets one display that is updated. Permanent lines go to the same place, and to a log if one is set.
Whoever works is never stopped by it: where a reader has gone or the log's disk is full, the other one says so, once.
"""

import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from alexnet.errors import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_INTERVAL = 10.0  # seconds between lines where there is no terminal
LIVE_INTERVAL = 0.1
PATIENCE = 2.0  # work shorter than this many seconds shows no plain lines


class Bar(Protocol):
    """One piece of work that advances to a total."""

    total: float
    """May become known later, as that of a download does."""

    def advance(self, amount: float = 1, text: str = "") -> None:
        """So much more is done; `text` is shown behind the bar."""

    @property
    def due(self) -> bool:
        """Whether a text given now would be shown: lets callers skip costly ones."""


class Display:
    """Where permanent lines and bars go. Quiet displays write only the log."""

    def __init__(self, stream: IO[str] | None = None, *, quiet: bool = False, verbose: bool = False) -> None:
        self.stream = stream if stream is not None else sys.stdout
        self.quiet = quiet
        self.verbose = verbose
        self._log: Path | None = None
        self._said: list[str] = []
        self._cell: Any = None

    def log_to(self, path: Path) -> None:
        """Copy permanent lines to this file: those said so far, and all that follow."""
        self._log = path
        for text in self._said:
            self._append(text)

    def say(self, text: str = "") -> None:
        """Print a permanent line."""
        text = printable(text)
        self._write(text + "\n")
        self._record(text)

    def note(self, text: str) -> None:
        """Write a line into the log alone: what is said elsewhere already, such as an error."""
        self._record(printable(text))

    def detail(self, text: str) -> None:
        """Print a line that only --verbose shows."""
        if self.verbose:
            self.say(text)

    @contextmanager
    def bar(self, title: str, total: float, unit: str = "pictures") -> Iterator[Bar]:
        """Show work in progress; it leaves nothing behind on a terminal."""
        if self.quiet:
            yield _Silent()
        elif _in_notebook():
            yield from self._notebook_bar(title, total, unit)
        elif self.stream.isatty():
            yield from self._live_bar(title, total)
        else:
            yield _Plain(self, title, total, unit)

    def _live_bar(self, title: str, total: float) -> Iterator[Bar]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(24),
            TextColumn("{task.percentage:>3.0f}%"),
        )
        progress = Progress(
            *columns,
            TextColumn("{task.fields[text]}", markup=False),
            TimeRemainingColumn(compact=True),
            console=Console(file=cast(IO[str], _Terminal(self)), highlight=False),
            transient=True,
            auto_refresh=False,
        )
        with progress:
            yield _Live(progress, progress.add_task(title, total=total, text=""), total)

    def _notebook_bar(self, title: str, total: float, unit: str) -> Iterator[Bar]:
        import IPython.display

        shown: Any = IPython.display  # it is not typed
        if self._cell is None:  # one line for all bars, which stays where the first one was
            self._cell = shown.display(shown.Pretty(title), display_id=True)
        cell = self._cell
        yield _Notebook(lambda text: cell.update(shown.Pretty(text)), title, total, unit)
        cell.update(shown.Pretty(""))

    def _record(self, text: str) -> None:
        if self._log is None:
            self._said.append(text)
        else:
            self._append(text)

    def _append(self, text: str) -> None:
        if (log := self._log) is None:
            return
        try:
            with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text + "\n")
        except OSError as error:
            self._log = None
            self.say(f"note: {log} cannot be written ({_reason(error)}): what follows is not in it")

    def _write(self, text: str) -> None:
        if self.quiet:
            return
        try:
            try:
                self.stream.write(text)
            except UnicodeEncodeError:  # a stream that is not UTF-8, or a file name that is not
                encoding = getattr(self.stream, "encoding", None) or "ascii"
                self.stream.write(text.encode(encoding, "replace").decode(encoding))
            self.stream.flush()
        except (OSError, ValueError) as error:  # nobody reads any more, or there is no room for it
            self.quiet = True
            self.note(f"note: lines can no longer be shown ({_reason(error)}): they stand here alone")


class _Terminal(io.TextIOBase):
    """A display's terminal as rich writes to it; it may go away while a line is live."""

    def __init__(self, display: Display) -> None:
        self._display = display

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._display.stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._display._write(text)
        return len(text)


class _Silent:
    due = False
    total = 0.0

    def advance(self, amount: float = 1, text: str = "") -> None:
        """Nothing is shown."""


class _Timed:
    """Shared by the three visible bars: counts, and knows when the next text is due."""

    interval = LIVE_INTERVAL

    def __init__(self, title: str, total: float, unit: str) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done = 0.0
        self.started = self.shown = time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() - self.shown >= self.interval

    def advance(self, amount: float = 1, text: str = "") -> None:
        self.done += amount
        if self.due and self.done < self.total:
            self.shown = time.monotonic()
            self.show(text)

    def show(self, text: str) -> None:
        raise AssertionError("each kind of bar shows itself")

    def line(self, text: str) -> str:
        seconds = time.monotonic() - self.started
        left = seconds * (self.total - self.done) / max(self.done, 1e-9)
        share = f"{self.title}  {self.done:,.0f} of {self.total:,.0f} {self.unit}"
        return f"{share}  {text}  {left:.0f} s left" if text else f"{share}  {left:.0f} s left"


class _Plain(_Timed):
    interval = PLAIN_INTERVAL

    def __init__(self, display: Display, title: str, total: float, unit: str) -> None:
        super().__init__(title, total, unit)
        self.display = display
        self.shown += PATIENCE - PLAIN_INTERVAL  # the first line comes early

    def show(self, text: str) -> None:
        self.display._write(self.line(text) + "\n")


class _Notebook(_Timed):
    interval = 0.5

    def __init__(self, update: Callable[[str], None], title: str, total: float, unit: str) -> None:
        super().__init__(title, total, unit)
        self.update = update

    def show(self, text: str) -> None:
        self.update(self.line(text))


class _Live(_Timed):
    def __init__(self, progress: "Progress", task: "TaskID", total: float) -> None:
        super().__init__("", total, "")
        self.progress, self.task = progress, task

    def show(self, text: str) -> None:
        self.progress.update(self.task, completed=self.done, total=self.total, text=text)
        self.progress.refresh()


def _reason(error: Exception) -> str:
    return ((isinstance(error, OSError) and error.strerror) or str(error)).lower()


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"
