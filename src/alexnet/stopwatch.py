"""Contestants take turns, A B C A B C, so that whatever else a machine does meets all of them alike."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import torch

BURST = 0.1  # seconds
LONG = 0.5  # seconds of a first call from which on it tells how long one takes


@dataclass
class Timed:
    """Seconds of one call, a turn each."""

    seconds: list[float] = field(default_factory=list)

    def rates(self, work: float) -> list[float]:
        """What was done a second in each turn, when one call does `work`."""
        return [work / seconds for seconds in self.seconds]


@dataclass(frozen=True)
class Spread:
    """The median of some turns, and the least and the most of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of one value or more."""
        return cls(statistics.median(values), min(values), max(values))


def take_turns(
    contestants: Mapping[str, Callable[[], object]],
    device: torch.device,
    *,
    seconds: float,
    fewest: int = 3,
    most: int | None = None,
    burst: float = BURST,
    spare: Sequence[str] = (),
    tell: Callable[[float], object] = lambda share: None,
) -> dict[str, Timed]:
    """Warm all up, then let them take turns for `seconds`: `fewest` rounds at least, however long they take, and
    `most` at most. In its turn a contestant is called again until it has worked for about `burst` seconds.

    Where so many rounds would take longer, the contestants named in `spare` are left out, the first ones first; they
    are missing in what is returned. `tell` is told what share of the time is over.
    """
    began = perf_counter()
    lengths = {name: _length(call, device) for name, call in contestants.items()}
    turns = dict(contestants)
    for name in spare:
        left = seconds - (perf_counter() - began)
        if fewest * sum(max(lengths[other], burst) for other in turns) > left:
            del turns[name]
    calls = {name: max(1, math.ceil(burst / lengths[name])) for name in turns}
    timed = {name: Timed() for name in turns}
    rounds = 0
    while rounds < fewest or (perf_counter() - began < seconds and rounds != most):
        for name, call in turns.items():
            timed[name].seconds.append(_timed(call, calls[name], device) / calls[name])
            tell(min(1.0, (perf_counter() - began) / seconds))
        rounds += 1
    return timed


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _length(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of one warm call, roughly; the first one sets things up."""
    first = _timed(call, 1, device)
    return first if first > LONG else max(_timed(call, 1, device), 1e-7)


def _timed(call: Callable[[], object], calls: int, device: torch.device) -> float:
    synchronise(device)
    began = perf_counter()
    for _ in range(calls):
        call()
    synchronise(device)
    return perf_counter() - began
