"""The confusion matrix: rows actual, columns predicted, coloured by the share of the row."""

import numpy as np
from matplotlib.figure import Figure

from alexnet.pictures import style
from alexnet.run import Run

NUMBERS_UP_TO = 30  # classes; beyond, the cells are too small for figures


def matrix(run: Run) -> Figure | None:
    """The matrix of the run's verdict; None before there is one."""
    figures = run.metrics
    if not figures:
        return None
    names, counts = run.classes, np.array(figures["confusion_matrix"])
    size = float(np.clip(3 + 0.42 * len(names), 6, 18))
    figure = Figure(figsize=(size + 1.2, size), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("share of the actual class")
    ticks = range(len(names)) if len(names) <= 100 else []
    font = float(np.clip(11 - len(names) / 15, 5, 10))
    shown = [style.printable(names[i], longest=40) for i in ticks]  # a $ in a name is a $, not the start of a formula
    axes.set_xticks(ticks, shown, rotation=45, ha="right", rotation_mode="anchor", size=font, parse_math=False)
    axes.set_yticks(ticks, shown, size=font, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    if len(names) <= NUMBERS_UP_TO:
        for row, column in np.argwhere(counts > 0):
            colour = "white" if shares[row, column] > 0.5 else style.INK
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=colour, size=font)
    low, high = figures["interval95"]
    axes.set_title(
        f"{style.title(run)}\n{figures['split']}: {figures['accuracy_top1']:.1%} of {figures['n']:,} right "
        f"(95 % interval {low:.1%} to {high:.1%})",
        size=11,
        color=style.INK,
        parse_math=False,
    )
    return figure
