"""A bound for what reading a hostile file may reserve."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOM = 1 << 30  # bytes besides what the file itself needs


@contextmanager
def bounded(path: Path) -> Iterator[None]:
    """Let the block reserve three times the file's size and a gigabyte more; then memory is refused to it.

    On Linux, where a process can be told so; elsewhere the block runs without a bound. Errors: MemoryError, or
    whatever the reader makes of one.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = pages * resource.getpagesize() + 3 * path.stat().st_size + ROOM
    limits = [limit for limit in (wanted, before, most) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))
