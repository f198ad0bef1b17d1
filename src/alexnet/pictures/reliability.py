"""Reliability: is a network that says 80 % right in 80 of 100 cases?"""

from matplotlib.figure import Figure

from alexnet.pictures import style
from alexnet.run import Run


def diagram(run: Run) -> Figure | None:
    """Accuracy over score, bin by bin, and below how many pictures each bin holds; None without a verdict of it."""
    figures = run.metrics
    bins = figures.get("calibration")
    if not bins:
        return None
    figure = Figure(figsize=(6.5, 7.5), dpi=110, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    middles = [(each["from"] + each["to"]) / 2 for each in bins]
    width = (bins[0]["to"] - bins[0]["from"]) * 0.92
    above.plot([0, 1], [0, 1], color=style.FAINT, lw=1.2, ls="--", zorder=3, label="perfectly calibrated")
    above.bar(middles, [each["accuracy"] for each in bins], width, color=style.TRAIN, alpha=0.85, label="accuracy")
    above.plot([each["score"] for each in bins], [each["accuracy"] for each in bins], "o", color=style.VAL, ms=5,
               label="at the bin's mean score")  # fmt: skip
    above.set_ylabel("share right")
    above.set_ylim(0, 1.02)
    above.legend(frameon=False, loc="upper left")
    below.bar(middles, [each["n"] for each in bins], width, color=style.FAINT)
    below.set_ylabel("pictures")
    below.set_xlabel("score of the answer")
    below.set_xlim(0, 1)
    for axes in (above, below):
        style.plain(axes)
    low, high = figures["ece_interval95"]
    above.set_title(
        f"{style.title(run)}\n{figures['split']}: calibration error {figures['ece']:.3f} "
        f"(95 % interval {low:.3f} to {high:.3f})",
        size=11,
        color=style.INK,
        parse_math=False,
    )
    return figure
