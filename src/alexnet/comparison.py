"""Two runs on the same pictures: a paired test, the pictures whose answers flipped, what differed in the recipes."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from alexnet.errors import UsageError
from alexnet.run import Run

PLACES = ("data_dir", "workers", "device")
"""Options that say where a run took place, not how it was made."""


@dataclass(frozen=True)
class Flip:
    """A picture that one run answers rightly and the other does not: its label and both answers."""

    path: str
    label: str
    left: str
    right: str
    better: Literal["left", "right"]


@dataclass(frozen=True)
class Comparison:
    """Two runs on the pictures that both were judged on, and whether their difference may be chance."""

    left: str
    right: str
    split: str
    n: int
    accuracies: tuple[float, float]
    only_left: int
    """Pictures that the left run alone answers rightly."""
    only_right: int
    difference: float
    """The right run's accuracy less the left one's."""
    interval95: tuple[float, float]
    """Of the difference, Wald's for paired shares: ± 1.96 standard errors."""
    p_value: float
    """McNemar's test, exact: how often chance alone makes a difference as large, the two being equally good."""
    flips: tuple[Flip, ...]
    settings: tuple[tuple[str, Any, Any], ...]
    """Options and recipe fields that differ: name, left, right."""

    @property
    def line(self) -> str:
        """What to make of it, in one line."""
        low, high = self.interval95
        verdict = "chance alone may have made it" if self.p_value >= 0.05 else "more than chance"
        return (
            f"difference {self.difference:+.4f} (95 % interval {low:+.4f} to {high:+.4f}), p = {self.p_value:.2g}: "
            f"{verdict}"
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


def compare(left: str | Path, right: str | Path) -> Comparison:
    """Compare two runs (or results of `val`) picture by picture, from their files alone.

    Errors: UsageError when they were judged on different parts or pictures; DataError when files are missing.
    """
    runs = Run.find(left), Run.find(right)
    splits = [run.metrics.get("split") for run in runs]
    answers = [{row["path"]: row for row in run.predictions} for run in runs]
    ours, theirs = answers
    shared = [path for path in ours if path in theirs]
    if splits[0] != splits[1] or len(shared) < len(ours) or len(shared) < len(theirs):
        raise UsageError(
            f"{runs[0].path} was judged on {len(ours):,} pictures ({splits[0]}), {runs[1].path} on {len(theirs):,} "
            f"({splits[1]}), {len(shared):,} of them the same: judge both on one part, such as with "
            "'alexnet val RUN --split test', and compare those results"
        )
    for path in shared:
        if ours[path]["label"] != theirs[path]["label"]:
            raise UsageError(
                f"{path} is {ours[path]['label']} in {runs[0].path} and {theirs[path]['label']} in the other"
            )
    flips = tuple(_flips(ours, theirs, shared))
    only_left = sum(flip.better == "left" for flip in flips)
    only_right = len(flips) - only_left
    count = len(shared)
    difference = (only_right - only_left) / count
    error = math.sqrt(max(len(flips) - (only_right - only_left) ** 2 / count, 0)) / count
    return Comparison(
        left=str(runs[0].path),
        right=str(runs[1].path),
        split=str(splits[0]),
        n=count,
        accuracies=(_accuracy(ours), _accuracy(theirs)),
        only_left=only_left,
        only_right=only_right,
        difference=difference,
        interval95=(difference - 1.96 * error, difference + 1.96 * error),
        p_value=mcnemar(only_left, only_right),
        flips=flips,
        settings=tuple(_differing(runs[0].args, runs[1].args)),
    )


def mcnemar(only_left: int, only_right: int) -> float:
    """The exact two-sided p-value of McNemar's test: a fair coin thrown for each picture that one side alone got."""
    from scipy.stats import binomtest

    together = only_left + only_right
    return float(binomtest(only_left, together).pvalue) if together else 1.0


def _flips(
    ours: Mapping[str, dict[str, str]], theirs: Mapping[str, dict[str, str]], shared: list[str]
) -> Iterator[Flip]:
    for path in shared:
        one, two = ours[path], theirs[path]
        right = [row["predicted"] == row["label"] for row in (one, two)]
        if right[0] != right[1]:
            yield Flip(path, one["label"], one["predicted"], two["predicted"], "left" if right[0] else "right")


def _accuracy(answers: Mapping[str, dict[str, str]]) -> float:
    return sum(row["predicted"] == row["label"] for row in answers.values()) / len(answers)


def _differing(left: Mapping[str, Any], right: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name in [*left, *(name for name in right if name not in left)]:
        one, two = left.get(name), right.get(name)
        if isinstance(one, Mapping) and isinstance(two, Mapping):
            yield from _differing(one, two, f"{prefix}{name}.")
        elif one != two and name not in PLACES:
            yield f"{prefix}{name}", one, two
