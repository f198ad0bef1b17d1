"""Files that are whole or absent: write beside, flush to the disk, rename; locks, and digests of what was written."""

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from alexnet.errors import ResourceError

UNFINISHED = ".tmp"  # how names of files end that are not whole yet
DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write(
    path: Path, fill: Callable[[BinaryIO], object], check: Callable[[Path], object] = lambda unfinished: None
) -> None:
    """Let `fill` write a file that replaces `path` in one step, or leaves it as it was. `check` may look at the file
    as it lies on the disk, and refuse it by raising.

    Errors: ResourceError when the disk is full; the old file is intact and the unfinished one is removed.
    """
    path = Path(os.path.realpath(path))  # a link stays a link: what it points to is replaced
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
    except OSError as error:
        raise translated(error, path) from error
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        check(unfinished)
        unfinished.chmod(0o666 & ~_umask())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise translated(error, path) from error
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` (UTF-8, newlines as given, bytes of odd names kept) in one step."""
    write(path, lambda file: file.write(text.encode("utf-8", "surrogateescape")))


def write_json(path: Path, values: Any) -> None:  # noqa: ANN401 (anything that JSON can say)
    """Replace `path` by `values` as JSON in one step."""
    write_text(path, json_text(values) + "\n")


def json_text(values: Any) -> str:  # noqa: ANN401 (anything that JSON can say)
    r"""Values as indented JSON that is always UTF-8: bytes of odd names become escapes.

    >>> print(json_text(["café", "caf\udce9"]))
    [
      "café",
      "caf\udce9"
    ]
    """
    text = json.dumps(values, indent=2, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def translated(error: OSError, path: Path) -> Exception:
    """The error as people may read it: a full disk becomes a ResourceError, others name the file."""
    if error.errno in DISK_IS_FULL:
        return ResourceError(f"the disk is full: {path} could not be written. Free some space and try again")
    error.filename = error.filename or str(path)
    return error


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` durable. Windows has no such call and needs none."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some network disks refuse; the file itself is written
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path, wait: Callable[[], object]) -> Iterator[bool]:
    """Hold the lock that is the file `path`; `wait` is called once if another process has it. Gives whether it is held.

    It is the kernel's: a process that dies sets it free. It is not held where the disk knows no locks, or where the
    file may not be written. The empty file stays.
    """
    from filelock import FileLock, Timeout  # not at the top: `alexnet --help` needs no locks

    lock = FileLock(path, fallback_to_soft=False)  # a soft one would outlive a process that dies on another machine
    held = False
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            wait()
            lock.acquire(poll_interval=0.2)
        held = True
    try:
        yield held
    finally:
        if held:
            lock.release()


def digest(*parts: bytes | str) -> str:
    """32 hexadecimal digits (blake2b, 128 bits) of the parts; their borders count."""
    total = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()


def digest_file(path: Path) -> str:
    """The same for a file's content, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
