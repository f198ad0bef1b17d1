"""Who trains in a run just now: a sign that lasts as long as the process, and a way to ask it to stop.

The sign is a file that its process keeps locked. The kernel takes the lock away when the process ends, however that
happens, so a file that is locked was written by a process that lives, and its number is that process's own: nobody
else's, even if numbers are used again. Where the kernel has no such locks (Windows) no sign is given.
"""

import contextlib
import json
import os
import platform
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from alexnet.durable import UNFINISHED
from alexnet.run import Run


@contextlib.contextmanager
def announced(run: Run | None) -> Iterator[None]:
    """Give the sign while the block lasts. A disk that does not take it changes nothing for the training; nor does
    `run` None, for processes that speak for nobody."""
    file: Path | None = None
    with contextlib.ExitStack() as stack:
        if run is not None and os.name == "posix":
            with contextlib.suppress(OSError):
                file = _locked(run.presence_file, stack)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                if file is not None and _written(file) == (os.getpid(), _here()):
                    file.unlink()


def trains(run: Run) -> bool:
    """Whether a process of this machine trains in `run` just now."""
    return _holder(run) is not None


def stop(run: Run) -> bool:
    """Ask the process that trains in `run` to finish its step, save and leave. False when there is none any more.

    Nobody else can be met: the process is taken hold of first, and asked only if the sign is still locked after that.
    """
    pid = _holder(run)
    if pid is None:
        return False
    if not hasattr(os, "pidfd_open"):  # macOS: between the look and the signal lies no more than a moment
        os.kill(pid, signal.SIGTERM)
        return True
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if _holder(run) != pid:
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


def _locked(path: Path, stack: contextlib.ExitStack) -> Path:
    """Write the sign beside, lock it, and put it in its place: whoever sees it sees it whole and locked."""
    import fcntl

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
    file = stack.enter_context(os.fdopen(handle, "w", encoding="utf-8"))
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        json.dump({"pid": os.getpid(), "where": _here()}, file)
        file.flush()
        Path(name).chmod(0o644)
        return Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _holder(run: Run) -> int | None:
    """The process that holds the sign; None where nobody does, or somebody on another machine."""
    if os.name != "posix":
        return None
    import fcntl

    try:
        with run.presence_file.open("rb") as file:
            written = _parsed(file.read(1000))
            try:
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                return written[0] if written is not None and written[1] == _here() else None
    except OSError:
        pass
    return None


def _written(file: Path) -> tuple[int, str] | None:
    return _parsed(file.read_bytes()[:1000])


def _parsed(data: bytes) -> tuple[int, str] | None:
    try:
        values = json.loads(data)
        pid, where = values["pid"], values["where"]
    except (ValueError, KeyError, TypeError):
        return None
    return (pid, where) if type(pid) is int and pid > 1 and isinstance(where, str) else None


def _here() -> str:
    """This machine, and on Linux the space in which its processes are numbered: a container has another one."""
    try:
        space = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        space = ""
    return f"{platform.node()} {space}".strip()
