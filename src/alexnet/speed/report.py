"""What was measured, as values and in words."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from alexnet.device import Precision
from alexnet.stopwatch import Spread

What = Literal["training", "answering", "products", "gathering", "augmenting", "decoding"]


@dataclass(frozen=True)
class Figure:
    """One row: what was done, how, and how much of it a second."""

    what: What
    precision: Precision | None
    threads: int
    rate: Spread
    """Pictures a second; of products, GFLOP/s."""
    gflops: float | None = None
    """GFLOP/s at the median, convolutions and dense layers alone."""
    share: float | None = None
    """That over the products' of the same precision and threads."""


@dataclass(frozen=True)
class Expected:
    """How long a recipe will take by these rates, its verdict included."""

    recipe: str
    data: str
    epochs: int
    train: int
    val: int
    seconds: float

    @property
    def words(self) -> str:
        """Such as "modern on flowers17, 100 epochs of 979 pictures: about 24 minutes"."""
        return f"{self.recipe} on {self.data}, {self.epochs:,} epochs of {self.train:,} pictures: {about(self.seconds)}"


@dataclass(frozen=True)
class Report:
    """All of it."""

    machine: dict[str, Any]
    model: str
    input: tuple[int, ...]
    batch_size: int
    figures: tuple[Figure, ...]
    rounds: int
    """Turns of each contestant of training and answering."""
    faster: Precision | None
    """Of training with all threads; None: too close to call."""
    expected: Expected
    notes: tuple[str, ...]
    record: Path | None = None
    """Where it is remembered."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {**asdict(self), "record": None if self.record is None else str(self.record)}

    @property
    def title(self) -> str:
        """What stands above the table."""
        size = "×".join(str(side) for side in self.input)
        rounds = f"medians of {self.rounds} turns"
        return f"{self.model}, {size}, batches of {self.batch_size}, on {self.machine['device']}; {rounds}"


def about(seconds: float) -> str:
    """A time in words, as exactly as it deserves.

    >>> about(1450)
    'about 24 minutes'
    """
    for unit, length, until in (("seconds", 1, 90), ("minutes", 60, 5400), ("hours", 3600, 172_800)):
        if seconds < until:
            number = seconds / length
            return (
                f"about {max(number, 1):.0f} {unit}"
                if number >= 10 or unit == "seconds"
                else f"about {number:.1f} {unit}"
            )
    return f"about {seconds / 86400:.1f} days"
