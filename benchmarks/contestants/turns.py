"""A contestant's side of a benchmark: it gets ready, then works whenever it is its turn. Standard library only, since
the peers run it in an environment of their own.

One line on standard output says that it is ready, and one answers each line on standard input; both are JSON.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

_answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # what libraries print must not be taken for an answer


def take_turns(turn: Callable[[], dict[str, Any]], **about: Any) -> None:  # noqa: ANN401 (any plain values)
    """Say that the contestant is ready, with what there is to know about it; then a `turn` for each line read.

    Each answer has the turn's own figures, its seconds, and the most memory held so far in bytes.
    """
    _answers.write(json.dumps(about) + "\n")
    for _ in sys.stdin:
        began = time.perf_counter()
        figures = turn()
        seconds = time.perf_counter() - began
        _answers.write(json.dumps({"seconds": seconds, "memory": _most_memory(), **figures}) + "\n")


def _most_memory() -> int:
    """Bytes; from Linux itself, since getrusage also counts what the parent held when it forked."""
    with open("/proc/self/status") as file:  # noqa: PTH123 (nothing is imported that is not needed)
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def settings() -> dict[str, Any]:
    """What the driver asks for: the program's one argument, JSON."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    return asked
