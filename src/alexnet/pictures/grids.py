"""5×5 grids of pictures: samples with labels, predictions (right green, wrong red), the worst by loss."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from alexnet.pictures import style
from alexnet.run import Run

SIDE = 5
COUNT = SIDE**2


def samples(run: Run) -> Figure | None:
    """25 training pictures with their class names; None where the run has none (it only judged)."""
    if not run.thumbnails_file.is_file() or "samples" not in run.thumbnails:
        return None
    arrays = run.thumbnails
    labels = [str(label) for label in arrays["sample_labels"]]
    return grid(arrays["samples"], labels, f"Training pictures: {style.title(run)}")


def predictions(run: Run) -> Figure | None:
    """25 judged pictures with the predicted class, green if right and red if wrong; None before the verdict."""
    return _judged(run, "predictions", "Predictions")


def worst(run: Run) -> Figure | None:
    """The 25 pictures with the highest loss; None before the verdict."""
    return _judged(run, "worst", "Highest losses")


def _judged(run: Run, name: str, heading: str) -> Figure | None:
    if not run.thumbnails_file.is_file() or name not in run.thumbnails:
        return None
    arrays, table = run.thumbnails, run.predictions
    rows = [table[position] for position in arrays[f"{name}_rows"]]
    right = [row["correct"] == "True" for row in rows]
    captions = [
        f"{row['predicted']}  {float(row['score']):.0%}" + ("" if good else f"\nit is {row['label']}")
        for row, good in zip(rows, right, strict=True)
    ]
    colours = [style.RIGHT if good else style.WRONG for good in right]
    figures = run.metrics
    head = f"{heading} on {figures['split']} (accuracy {figures['accuracy_top1']:.4f}): {style.title(run)}"
    return grid(arrays[name], captions, head, colours)


def grid(pixels: NDArray[Any], captions: Sequence[str], heading: str, colours: Sequence[str] | None = None) -> Figure:
    """Pictures, uint8 (N, S, S, C), up to 25 of them, each with its caption below; grey ones black on white."""
    count = max(1, min(len(pixels), COUNT))
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    width = 2 * SIDE if columns > 2 else 3.2 * columns  # a few pictures are drawn larger, not lost on a page
    figure = Figure(figsize=(width, width / columns * rows * 1.06 + 0.5), dpi=100, layout="constrained")
    figure.suptitle(textwrap.fill(heading, 100 if columns > 2 else 34 * columns), size=12, color=style.INK)
    _fill(figure.subplots(rows, columns, squeeze=False), pixels, captions, colours)
    return figure


def before_and_after(
    stored: NDArray[Any],
    augmented: NDArray[Any],
    labels: Sequence[str],
    labels_after: Sequence[str],
    heading: str,
) -> Figure:
    """Two grids side by side: pictures as stored, and as the network meets them in training."""
    figure = Figure(figsize=(20, 11), dpi=80, layout="constrained")
    figure.suptitle(heading, size=16, color=style.INK, parse_math=False)
    halves: Any = figure.subfigures(1, 2, wspace=0.04)
    grids = ((stored, labels, "before augmentation"), (augmented, labels_after, "after"))
    for half, (pixels, captions, name) in zip(halves, grids, strict=True):
        half.suptitle(name, size=14, color=style.INK)
        _fill(half.subplots(SIDE, SIDE), pixels, captions, None)
    return figure


def _fill(cells: NDArray[Any], pixels: NDArray[Any], captions: Sequence[str], colours: Sequence[str] | None) -> None:
    for number, axes in enumerate(cells.flat):
        if number >= len(pixels):
            axes.set_visible(False)
            continue
        _show(axes, pixels[number])
        axes.set_xticks([])
        axes.set_yticks([])
        caption = "\n".join(
            textwrap.fill(line, 22) for line in style.printable(captions[number], longest=120).split("\n")
        )
        axes.set_xlabel(caption, color=colours[number] if colours else style.INK, size=11, parse_math=False)
        for spine in axes.spines.values():
            spine.set_color(colours[number] if colours else style.FAINT)
            spine.set_linewidth(2 if colours else 0.8)


def _show(axes: Axes, picture: NDArray[Any]) -> None:
    smooth = "nearest" if math.prod(picture.shape[:2]) < 64**2 else "antialiased"
    if picture.shape[2] == 1:
        axes.imshow(picture[..., 0], cmap="binary", vmin=0, vmax=255, interpolation=smooth)
    else:
        axes.imshow(np.clip(picture, 0, 255).astype(np.uint8), interpolation=smooth)
