"""Room for decoded pictures, in memory and on the disk: in which form they are stored, and what people are told."""

import contextlib
import math
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alexnet.data.compressed import Compressed, Pixels
from alexnet.data.writing import Shape
from alexnet.errors import ResourceError
from alexnet.progress import Display

Form = Literal["raw", "jpeg"]
TOLD = 10_000_000  # bytes from which on people are told what will be written
SHORTER = 5  # times, JPEGs than pixels, about
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def form(shape: Shape) -> Form:
    """Raw where all pictures fit into the memory that there is in all, which is the same at any time, or where the
    system does not say how much that is."""
    return "raw" if math.prod(shape) <= _memory("MemTotal") else "jpeg"


def tell_need(folder: Path, shape: Shape, exact: NDArray[np.bool_] | None, display: Display) -> None:
    """Say what will be written into `folder`: all of it raw, or those marked in `exact`, bool (N,), and else JPEGs.

    Errors: ResourceError when the disk has not so much room.
    """
    raw = shape[0] if exact is None else int(exact.sum())
    size = math.prod(shape[1:])
    need = raw * size + (shape[0] - raw) * size // SHORTER
    about = "about " if raw < shape[0] else ""
    free = shutil.disk_usage(folder.parent).free
    say = display.say if need > TOLD else display.detail
    say(f"store {folder}: {about}{need / 1e6:,.0f} MB to be written")
    if need > free:
        raise ResourceError(
            f"the store {folder} needs {about}{need / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free: free some space, "
            "name another cache with XDG_CACHE_HOME, or take a smaller --imgsz"
        )


def tell_if_larger_than_memory(pixels: Pixels, display: Display) -> None:
    """Say when pages of a store will come from the disk again and again."""
    size, free = pixels.nbytes, _memory("MemAvailable")
    if size > free:
        smaller = (
            "a smaller --imgsz" if isinstance(pixels, Compressed) else "training with --store jpeg or less --imgsz"
        )
        display.say(
            f"the stored pictures ({size / 1e9:,.1f} GB) are more than the free memory ({free / 1e9:,.1f} GB): they "
            f"are read from disk again in every epoch; {smaller} makes them smaller"
        )


def _memory(kind: str) -> float:
    """Bytes of a kind that Linux tells, or of the group that this process is confined to, if those are fewer."""
    known, places = [math.inf], {""}
    with contextlib.suppress(OSError, LookupError, ValueError):
        known.append(1024 * int((PROC / "meminfo").read_text().split(f"{kind}:")[1].split()[0]))
        places |= {line.split(":", 2)[2].strip("/") for line in (PROC / "self/cgroup").read_text().splitlines()}
    for place in places:
        for limit in (CGROUPS / place / "memory.max", CGROUPS / "memory" / place / "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):  # not there, or "max"
                known.append(int(limit.read_text()))
    return min(known)
