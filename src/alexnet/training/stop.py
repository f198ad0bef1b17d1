"""Being asked to leave: SIGTERM, SIGUSR1 (schedulers, before time is up), SIGHUP (the terminal is gone) and Ctrl-C.

The first request lets the loop finish its step and save; a second Ctrl-C leaves at once, with the last checkpoint as
it was. What cannot be saved in between, such as the verdict, is left at the first.
"""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from alexnet.errors import StoppedError

SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")  # Windows has the first two only


class Stop:
    """Listens while it is entered; only in the main thread, as Python wants it."""

    def __init__(self) -> None:
        self.asked: str | None = None
        """The name of the signal that came, if one did."""
        self._instead: str | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stop":
        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name) and not _by_nohup(name)]
            self._before = {number: signal.signal(number, self._hear) for number in numbers}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def instead(self) -> str | None:
        """What to say when leaving at once, where nothing is left to save; None: wait for the loop."""
        return self._instead

    @instead.setter
    def instead(self, said: str | None) -> None:
        """Errors: StoppedError when a signal came before that the loop has not seen any more."""
        self._instead = said
        self._leave_if_asked()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number).name
        self._leave_if_asked()

    def _leave_if_asked(self) -> None:
        if self.asked is not None and self.instead is not None:
            raise StoppedError(f"stopped by {self.asked}{self.instead}")


def _by_nohup(name: str) -> bool:
    """Whether `nohup` has said that this signal is of no account."""
    return name == "SIGHUP" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
