"""Figures from a run's files: grids, curves, confusion, reliability. Each function returns a matplotlib Figure.

Nothing here opens a data set or a network: a run can be drawn anew on any machine.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from alexnet import durable
from alexnet.errors import DataError
from alexnet.pictures import confusion, curves, grids, reliability
from alexnet.run import PICTURES, Run

_DRAWN: dict[str, Callable[[Run], Figure | None]] = {
    "samples": grids.samples,
    "curves_accuracy": curves.accuracy,
    "results": curves.loss_and_accuracy,
    "predictions": grids.predictions,
    "confusion_matrix": confusion.matrix,
    "worst": grids.worst,
    "reliability": reliability.diagram,
}


def draw(run: Run) -> dict[str, Path]:
    """Draw and save every picture for which the run has what it takes; returns them by name."""
    drawn = {}
    for name, figure_of in _DRAWN.items():
        try:
            figure = figure_of(run)
        except (LookupError, TypeError, ValueError) as error:  # its files contradict one another
            raise DataError(f"{name} of {run.path} cannot be drawn: its files are damaged or not whole") from error
        if figure is not None:
            drawn[name] = save(figure, run.path / PICTURES[name])
    return drawn


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as boxes; the names stand in the CSV
        durable.write(path, lambda file: figure.savefig(file, format="png", facecolor="white"))
    return path
