"""alexnet train --live: a watching server beside a training, in a process that the training never waits for."""

import importlib.util
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO

from alexnet.errors import UsageError
from alexnet.progress import Display

KEY = "ALEXNET_WATCH_KEY"
"""The variable by which the child is told the key: others may see a command line."""
NEEDED = ("fastapi", "uvicorn", "httptools", "prometheus_client", "python_multipart", "captum")


class LiveDisplay(Display):
    """Speaks as others do, and opens the page when the run is there that its log belongs to."""

    def __init__(self, stream: IO[str], *, quiet: bool = False, verbose: bool = False) -> None:
        """Errors: UsageError where the server is not installed."""
        super().__init__(stream, quiet=quiet, verbose=verbose)
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise UsageError(f"--live: {missing[0]} is missing: pip install 'alexnet[serve]'")
        self._opened = False

    def log_to(self, path: Path) -> None:
        """As any display; the first time, the page is opened."""
        super().log_to(path)
        if not self._opened:
            self._opened = True
            self._open(path.parent)

    def _open(self, run: Path) -> None:
        key = secrets.token_urlsafe(16)
        try:
            port = _free_port()
            subprocess.Popen(
                [sys.executable, "-m", "alexnet", "watch", str(run), "--port", str(port), "--open", "--until-idle"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, KEY: key, "OMP_NUM_THREADS": "1", "WORLD_SIZE": "1"},
                start_new_session=True,  # Ctrl-C is for the training
            )
        except OSError as error:
            self.say(f"note: the page cannot be opened ({(error.strerror or str(error)).lower()}); training goes on")
            return
        self.say(f"live: {address(port, key)}")


def address(port: int, key: str) -> str:
    """What to open; browsers keep what stands behind the # for themselves."""
    return f"http://127.0.0.1:{port}/#key={key}"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        return number
