"""Whether decoded pictures fit into memory, and in which form they are stored."""

import contextlib
import math
from pathlib import Path
from typing import Literal

from alexnet.data.writing import Shape

Form = Literal["raw", "jpeg"]
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def form(shape: Shape) -> Form:
    """Raw where all pictures fit into the memory that there is in all, which is the same at any time."""
    return "raw" if math.prod(shape) <= _memory("MemTotal") else "jpeg"


def free() -> float:
    """Bytes that there are now for a file's pages."""
    return _memory("MemAvailable")


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
