"""What is wrong with a run: one ailment, one file, each a function `look(chart)` that gives a Finding or None.

The doctor reads a run's files and knows nothing of how runs are made. docs/doctor.md lists the ailments.
"""

from collections.abc import Mapping
from typing import Any

from alexnet.doctor import (
    dead,
    divergence,
    imbalance,
    lagging,
    leak,
    overfitting,
    saturated,
    slow,
    stuck,
    unfinished,
    unlike,
    waiting,
)
from alexnet.doctor.chart import Chart
from alexnet.doctor.finding import Finding
from alexnet.doctor.watch import hopeless
from alexnet.run import Run

__all__ = ["AILMENTS", "Chart", "Finding", "examine", "hopeless"]

AILMENTS = (
    divergence,
    stuck,
    lagging,
    slow,
    unlike,
    leak,
    overfitting,
    dead,
    saturated,
    imbalance,
    unfinished,
    waiting,
)


def examine(run: Run, vitals: Mapping[str, Any] | None = None) -> list[Finding]:
    """All that is found, the first being what to mend first: by how sure it is and how much it matters.

    `vitals` stand in for the vitals.json of a run that has none.
    Errors: DataError that names the file, for damaged ones.
    """
    chart = Chart.of(run, vitals)
    found = [finding for ailment in AILMENTS if (finding := ailment.look(chart)) is not None]
    return sorted(found, key=lambda finding: -finding.sure * finding.severity)
