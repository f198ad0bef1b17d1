"""Loss and accuracy over the epochs: training solid, validation dashed, the best epoch marked."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from alexnet.pictures import style
from alexnet.run import Run


def accuracy(run: Run) -> Figure | None:
    """Training and validation accuracy in one panel; None before the first epoch."""
    if not run.history:
        return None
    figure = Figure(figsize=(9, 5.5), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    _panel(axes, run, "acc", "accuracy")
    axes.set_title(f"Accuracy: {style.title(run)}", color=style.INK, parse_math=False)
    axes.set_xlabel("epoch")
    return figure


def loss_and_accuracy(run: Run) -> Figure | None:
    """Two panels, loss above accuracy, 18×10 inches as in the notebook; None before the first epoch."""
    if not run.history:
        return None
    figure = Figure(figsize=(18, 10), dpi=80, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _panel(above, run, "loss", "loss")
    _panel(below, run, "acc", "accuracy")
    for axes in (above, below):
        axes.tick_params(labelsize=14)
        axes.yaxis.label.set_size(16)
        axes.legend(fontsize=14, frameon=False)
    below.set_xlabel("epoch", size=16)
    figure.suptitle(style.title(run), size=18, color=style.INK, parse_math=False)
    return figure


def _panel(axes: Axes, run: Run, quantity: str, label: str) -> None:
    history = run.history
    epochs = [row["epoch"] for row in history]
    marker = "o" if len(epochs) <= 20 else None
    axes.plot(epochs, [row[f"train/{quantity}"] for row in history], color=style.TRAIN, lw=2.2, marker=marker,
              ms=5, label=f"training {label}")  # fmt: skip
    validated = [row for row in history if f"val/{quantity}" in row]
    if validated:
        values = {row["epoch"]: row[f"val/{quantity}"] for row in validated}
        axes.plot(list(values), list(values.values()), color=style.VAL, lw=2.2, ls="--", marker=marker, ms=5,
                  label=f"validation {label}")  # fmt: skip
        best = run.metrics.get("epoch")
        kept = "last" if run.args.get("keep") == "last" else "best"
        if best in values:
            axes.axvline(best, color=style.FAINT, lw=1, ls=":")
            axes.plot([best], [values[best]], marker="o", ms=11, mfc="none", mec=style.VAL, mew=2, ls="none",
                      label=f"{kept} epoch {best:.0f}: {values[best]:.4f}")  # fmt: skip
    if quantity == "acc":
        axes.set_ylim(0, 1.02)  # the notebook's 0.5 to 1 hid its validation curve
    else:
        axes.set_ylim(bottom=0)
    margin = max(0.02 * len(epochs), 0.5 if len(epochs) == 1 else 0)
    axes.set_xlim(left=min(epochs) - margin, right=max(epochs) + margin)
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.legend(frameon=False)
    style.plain(axes)
