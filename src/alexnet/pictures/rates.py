"""The loss over the learning rate: what a sweep saw, and the rate it suggests."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from alexnet.pictures import style


def sweep(
    rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], suggested: float | None, title: str
) -> Figure:
    """One panel, the rate on a logarithmic axis; the loss of each step faint, their mean over some steps solid."""
    figure = Figure(figsize=(9, 5.5), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(rates, losses, color=style.FAINT, lw=1, alpha=0.6, label="loss of one step")
    axes.plot(rates, smoothed, color=style.TRAIN, lw=2.2, label="mean over some steps")
    if suggested is not None:
        axes.axvline(suggested, color=style.VAL, lw=1.6, ls="--", label=f"falls fastest: {suggested:.2g}")
    axes.set_xscale("log")
    top = max(smoothed)
    axes.set_ylim(min(losses) - 0.02 * top, 1.1 * top)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.set_title(f"Learning rates: {style.printable(title)}", color=style.INK, parse_math=False)
    axes.legend(frameon=False)
    style.plain(axes)
    return figure
