"""What people may be told: one class an exit code, one line a message.

Every message says what was given, what is allowed and what to do next. The commands print it without a
traceback and leave with ``exit_code``; from Python these are ordinary exceptions.
"""

import difflib
from collections.abc import Iterable
from typing import ClassVar


class AlexNetError(Exception):
    """Base of all errors that are meant for people."""

    exit_code: ClassVar[int] = 1


class UsageError(AlexNetError):
    """A wrong option, name or recipe field."""

    exit_code = 2


class DataError(AlexNetError):
    """Pictures, labels or data sets that cannot be used."""

    exit_code = 3


class ModelFileError(AlexNetError):
    """A weights file or run that cannot be read, or does not fit."""

    exit_code = 4


class DivergedError(AlexNetError):
    """Training reached NaN or infinity."""

    exit_code = 5


class ResourceError(AlexNetError):
    """Disk or memory ran out."""

    exit_code = 6


class StoppedError(AlexNetError):
    """Asked to stop; what was done is saved and can be resumed."""

    exit_code = 75


def exit_code(error: BaseException) -> int:
    """What a process leaves with after `error`: ours say it; 6 where a disk, a file or memory is at fault; else 1."""
    if isinstance(error, AlexNetError):
        return error.exit_code
    return ResourceError.exit_code if isinstance(error, OSError | MemoryError) else AlexNetError.exit_code


def unknown(kind: str, given: str, allowed: Iterable[str]) -> str:
    """Say that `given` is no known `kind`, suggest the nearest name and list what there is.

    >>> unknown("recipe", "modren", ["modern", "notebook"])
    "unknown recipe 'modren'. Did you mean 'modern'? There are: modern, notebook"
    """
    names = sorted(allowed)
    near = difflib.get_close_matches(given, names, n=1)
    suggestion = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {given!r}.{suggestion} There are: {', '.join(names)}"


def printable(text: str) -> str:
    r"""One line that any terminal can show: newlines, control signs and bytes that are no text become escapes.

    >>> print(printable("two\nlines"))
    two\nlines
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
